"""Text that was read in a wrong encoding, put right where a round trip proves it; the filter `mojibake` drops the rest.

A run of the wrong characters is written back to the bytes it was read from. They have to be UTF-8 to the last, and what
they say has to be common Chinese (GB 2312) or punctuation: chance gives no such text.
"""

import re

import polars as pl

from care_data.characters import GARBLED, LATIN_BYTES
from care_data.selection import clean_where

LATIN_RUN = re.compile(rf"[\u00c2-\u00ef{re.escape(LATIN_BYTES)}]{{2,}}")
GBK_RUN = re.compile(r"[^\x00-\x7f]{3,}")
"""What GBK makes of Chinese in UTF-8: Han characters, mostly, but also kana and whatever else it has."""

BEYOND = frozenset("–•™®©£¥½¼¾¹²³⁰⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉")
"""What GB 2312 has not, and medical texts have."""


def repair_mojibake(text: pl.Expr) -> pl.Expr:
    """Text with each run that was read as cp1252, latin-1 or GBK as the UTF-8 it is, where that is certain."""

    def repair(hot: pl.Expr) -> pl.Expr:
        return hot.map_batches(_repair_all, return_dtype=pl.String, is_elementwise=True)

    return clean_where(text, lambda text: text.str.contains(GARBLED), repair)


def _repair_all(texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [_repair(value) if value else value for value in texts], dtype=pl.String)


def _repair(text: str) -> str:
    text = LATIN_RUN.sub(lambda run: _read_again(run[0], _latin_bytes(run[0])), text)
    return GBK_RUN.sub(lambda run: _read_again(run[0], run[0].encode("gb18030")), text)


def _latin_bytes(run: str) -> bytes:
    """The bytes of characters read as cp1252, those it has no character for as latin-1."""
    return b"".join(letter.encode("latin-1" if ord(letter) < 0xA0 else "cp1252") for letter in run)


def _read_again(run: str, data: bytes) -> str:
    """The bytes as UTF-8 where they are common text throughout, else the run as it is."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return run
    return text if all(letter in BEYOND or _is_common(letter) for letter in text) else run


def _is_common(letter: str) -> bool:
    try:
        return letter >= " " and bool(letter.encode("gb2312"))
    except UnicodeEncodeError:
        return False
