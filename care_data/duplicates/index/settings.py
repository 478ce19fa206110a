"""What the records of an index depend on: an index and a run go together where all of it is equal."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from care_data.duplicates.distinct import sketch_type
from care_data.duplicates.index.segments import Shape
from care_data.duplicates.inputs import Rules
from care_data.errors import CareError, Exit
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.normalisation import Texts, folding
from care_data.fingerprints.shingles import SHINGLE, fold, shingle
from care_data.fingerprints.signatures import SEED, blank, sign

_PROBE = "体温38.5℃，Ａspirin 100 mg：每日1～2次。"
_NAMES = {
    "fields": "the fields",
    "scheme": "the scheme",
    "seed": "the seed",
    "num_perm": "permutations:",
    "bands": "bands:",
    "rows": "values a band:",
}


def settle_settings(rules: Rules, fields: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What an index depends on, for these rules and groups of fields. keys: tells the making of keys and signatures."""
    bands = rules.plan()
    return {
        "num_perm": rules.num_perm,
        "scheme": rules.scheme,
        "seed": SEED,
        "bands": bands.bands,
        "rows": bands.rows,
        "fields": [list(group) for group in fields],
        "keys": _probe(rules.scheme),
    }


def shape_of(settings: dict[str, Any]) -> Shape:
    """What tells the files of an index's segments."""
    bands = Plan(settings["bands"], settings["rows"], 0, 0.0)
    mask = np.uint32(np.iinfo(sketch_type(bands)).max)
    return Shape(settings["num_perm"], bands, mask, len(settings["fields"]))


def refuse_others(settings: dict[str, Any], made_with: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    """CareError (2) for the first setting in which an index is another one than is wanted.

    made_with: threshold and chance to miss from which its bands follow.
    """
    for name, words in _NAMES.items():
        if settings[name] == wanted[name]:
            continue
        fix = "Run with the same, or begin another index."
        if name in ("bands", "rows"):
            fix = f"It was made with threshold {made_with['threshold']} and miss {made_with['miss']}: run with these."
        what = f"the index is of {words} {_show(settings[name])}, this run of {_show(wanted[name])}"
        raise CareError(what, where=str(folder), fix=fix, code=Exit.USAGE)


def _show(value: Any) -> str:
    """Groups of fields as one writes them."""
    return " and ".join("+".join(group) for group in value) if isinstance(value, list) else str(value)


def refuse_other_tables(settings: dict[str, Any], folder: Path) -> None:
    """CareError (2) for an index whose keys and signatures were made otherwise than they are made here."""
    if settings["keys"] != _probe(settings["scheme"]):
        fix = "Build the index again, or use the versions of care-data and Python that made it."
        what = "the index was made with other tables of characters"
        raise CareError(what, where=str(folder), fix=fix, code=Exit.USAGE)


@cache
def _probe(scheme: str) -> str:
    """A digest of the tables and of the key, shingles and signature of one text: other making, other digest."""
    data = np.frombuffer(_PROBE.encode(), np.uint8)
    keys, digests, _ = fold(Texts(data, np.array([0, len(data)], np.int64)))
    signature = blank(1)
    sign(*shingle(keys, 0, bits=32), signature, scheme=scheme)
    parts = [folding(), keys.data, digests, shingle(keys, 1)[0], signature, np.array([SHINGLE])]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:16]
