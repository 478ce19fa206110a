"""How places, names and values out of a stranger's file are shown: quoted, short, and nothing a terminal would obey."""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 80
SHOWN = 12
"""Names that a line lists at most."""

_PLAIN = re.compile(r"[\w.-]+")
_SECRETS = ((re.compile(r"(?<=//)[^/@\s]*@"), "…@"), (re.compile(r"\bhf_\w{16,}"), "hf_…"), (re.compile(r"\?.*"), "?…"))


def place(*keys: str) -> str:
    """A place in the file, `name.columns.prompt`; a key that is more than letters, digits and _ . - is quoted."""
    return ".".join(key if _PLAIN.fullmatch(key) and len(key) <= LONGEST else quoted(key) for key in keys)


def quoted(text: str) -> str:
    """The text as JSON, cut where it is long; what is not printable is escaped."""
    return as_json(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def as_json(value: object, indent: int | None = None) -> str:
    """The value as JSON that every terminal can show; Han and other letters stay as they are."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(x if x.isprintable() or x == "\n" else json.dumps(x)[1:-1] for x in text)


def without_secrets(address: str) -> str:
    """An address without the name, password, token or query in it."""
    for pattern, instead in _SECRETS:
        address = pattern.sub(instead, address)
    return address


def listed(names: Iterable[str]) -> str:
    """Names in one line, the first dozen of them."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(quoted, names[:SHOWN])) + more


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Up to three names that this one may stand for, the nearest first. cutoff: how alike they are at least, to 1."""
    by_fold = {other.casefold(): other for other in known}
    return [by_fold[fold] for fold in get_close_matches(name.casefold(), by_fold, n=3, cutoff=cutoff)]
