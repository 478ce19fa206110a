"""An index as datasketch's MinHashLSH, and the same question put to the index itself."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.index import Index
from care_data.duplicates.index.segments import BLOCK, RESTORE, Segment, sketch_keys
from care_data.errors import CareError, Exit
from care_data.fingerprints.normalisation import compose, pack
from care_data.fingerprints.shingles import fold, shingle
from care_data.fingerprints.signatures import blank, sign

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

Name = tuple[str, str]
"""Label and id of a record."""


def to_datasketch(index: Index) -> "MinHashLSH":
    """A MinHashLSH of the index's bands with all its records under (label, id), asked by to_minhash() of a text.

    CareError (2) where datasketch is not installed, or the index has a single band; (1) for a name that comes twice.
    """
    datasketch = _import()
    settings = index.settings
    if settings["bands"] < 2:
        fix = "Lower the threshold or the chance to miss."
        raise CareError("datasketch wants two bands or more", where=str(index.folder), fix=fix, code=Exit.USAGE)
    lsh = datasketch.MinHashLSH(num_perm=settings["num_perm"], params=(settings["bands"], settings["rows"]))
    with lsh.insertion_session() as session:
        for name, signature in _read(index):
            if name in lsh.keys:
                what = f"the index has two records {name[0]}/{name[1]}"
                raise CareError(what, where=str(index.folder), fix="Give every record an id of its own.")
            session.insert(name, _wrap(datasketch, settings, signature), check_duplication=False)
    return lsh


def to_minhash(index: Index, texts: Sequence[str]) -> "MinHash":
    """The MinHash by which the index, and what to_datasketch makes of it, know a record. texts: one a group."""
    return _wrap(_import(), index.settings, sign_texts(index, texts))


def sign_texts(index: Index, texts: Sequence[str]) -> NDArray[np.uint32]:
    """The signature of a record in this index. texts: one a group of fields; CareError (2) for more or fewer."""
    import polars as pl

    settings = index.settings
    if len(texts) != len(settings["fields"]):
        what, fix = f"{len(texts)} texts for {len(settings['fields'])} groups of fields", "Give one a group."
        raise CareError(what, where=str(index.folder), fix=fix, code=Exit.USAGE)
    signature = blank(1, settings["num_perm"])
    for group, text in enumerate(texts):
        keys = fold(pack(compose(pl.Series([text], dtype=pl.String))))[0]
        sign(*shingle(keys, group, bits=32), signature, seed=settings["seed"], scheme=settings["scheme"])
    return signature[0]


def find_candidates(index: Index, texts: Sequence[str]) -> list[Name]:
    """(label, id) of the index's records that share a whole band of the signature with these texts; not verified."""
    wanted = sign_texts(index, texts)
    shape = index.shape()
    found: list[Name] = []
    for segment in index.segments:
        records: set[int] = set()
        for band in range(shape.bands.bands):
            key, buckets = sketch_keys(wanted[None], shape, band)[0], segment.arrays["buckets"][band]
            place = slice(np.searchsorted(buckets, key, "left"), np.searchsorted(buckets, key, "right"))
            members = segment.arrays["members"][band][place].astype(np.int64)
            if len(members) and members.max() >= segment.records:
                where = str(segment.folder / "members")
                raise CareError("names records that are not there", where=where, fix=RESTORE, code=Exit.INTEGRITY)
            values = slice(band * shape.bands.rows, (band + 1) * shape.bands.rows)
            same = (segment.arrays["signatures"][members, values] == wanted[values]).all(axis=1)
            records.update(members[same].tolist())
        found += _name(index, segment, np.array(sorted(records), np.int64))
    return found


def _import() -> Any:
    try:
        import datasketch
    except ImportError as error:
        fix = "Install it: pip install datasketch."
        raise CareError("datasketch is not installed", fix=fix, code=Exit.USAGE) from error
    return datasketch


def _wrap(datasketch: Any, settings: dict[str, Any], signature: NDArray[np.uint32]) -> "MinHash":
    # Its hash values are 64 bits wide in the older scheme.
    return datasketch.MinHash(seed=settings["seed"], hashvalues=signature, scheme=settings["scheme"])


def _read(index: Index) -> Iterator[tuple[Name, NDArray[np.uint32]]]:
    for segment in index.segments:
        for start in range(0, segment.records, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, segment.records))
            yield from zip(_name(index, segment, numbers), segment.arrays["signatures"][numbers], strict=True)


def _name(index: Index, segment: Segment, numbers: NDArray[np.int64]) -> Iterator[Name]:
    ids, labels = segment.name(numbers, index.labels)
    return zip(labels.to_list(), ids.to_list(), strict=True)
