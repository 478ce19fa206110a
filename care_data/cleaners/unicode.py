"""One way to write a character: NFC and a table of our own, never NFKC (it turns 10⁹/L into 109/L and ， into ,)."""

import unicodedata

import polars as pl

from care_data.characters import INVISIBLE, LINE_END, ODD_SPACE
from care_data.selection import clean_where

EMOJI = r"\p{Extended_Pictographic}\p{Emoji_Modifier}\u{FE0F}"

UNITS = {
    "㎎": "mg", "㎏": "kg", "㎍": "μg", "㎖": "ml", "㎗": "dl", "㎕": "μl", "㏄": "cc", "㎝": "cm", "㎜": "mm",
    "㎛": "μm", "㎚": "nm", "㎞": "km", "㎟": "mm²", "㎠": "cm²", "㎡": "m²", "㎣": "mm³", "㎤": "cm³", "㎥": "m³",
    "㎳": "ms", "㎲": "μs", "㎐": "Hz", "㎑": "kHz", "㎒": "MHz", "㎩": "Pa", "㎪": "kPa", "㎈": "cal", "㎉": "kcal",
    "㎾": "kW", "㏃": "Bq", "㏉": "Gy", "㏜": "Sv", "㏖": "mol", "㏗": "pH", "µ": "μ",
}  # fmt: skip
"""Squared units, spelled as they are read: ㎡ keeps its ², and ㏄ stays cc, which is not always a millilitre."""


def folded() -> dict[str, str]:
    """The table: full-width letters and digits to ASCII, Kangxi radicals to the characters they look like, units."""
    words = [chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum()]
    wide = {chr(ord(word) + 0xFEE0): word for word in words}
    radicals = [*map(chr, range(0x2F00, 0x2FD6)), "\u2e9f", "\u2ef3"]
    return wide | {radical: unicodedata.normalize("NFKC", radical) for radical in radicals} | UNITS


FOLDED = folded()


def uncomposed() -> str:
    """The characters NFC writes otherwise, alone or after another one, as the body of a class."""
    codes = [*range(0x300, 0x3400), *range(0xF900, 0x10000), *range(0x1D100, 0x1D200), *range(0x2F800, 0x2FA20)]
    alone = [code for code in codes if unicodedata.normalize("NFC", chr(code)) != chr(code)]
    return r"\p{M}\u{1161}-\u{1175}\u{11A8}-\u{11C2}" + "".join(f"\\u{{{code:X}}}" for code in alone)


HOT = (
    rf"[{LINE_END}{INVISIBLE}{ODD_SPACE}\u{{200D}}{''.join(FOLDED)}{uncomposed()}]"
    r"|\A[ \n]|[ \n]\z|  | \n|\n |\n\n\n"
)
"""What a text must hold for normalize_unicode to have any work."""


def normalize_unicode(text: pl.Expr) -> pl.Expr:
    """Text in NFC, full-width letters and digits in ASCII, nothing invisible in it, spaces and line ends settled.

    Kept: Chinese punctuation, ⁹ ₂ ① ½ Ⅱ ℃ μ, joined emoji. Lost: tabs and indentation (one space, none at the start
    of a line), runs of blank lines (one stays), anything of the private use areas.
    """
    return clean_where(text, lambda text: text.str.contains(HOT), _normalize)


def _normalize(text: pl.Expr) -> pl.Expr:
    return settle_spaces(
        text.str.replace_all("\r\n", "\n", literal=True)
        .str.replace_all(f"[{LINE_END}]", "\n")
        .str.replace_all(f"[{INVISIBLE}]+", "")
        .str.replace_all(rf"(^|[^{EMOJI}])\u{{200D}}+", "${1}")
        .str.replace_all(r"\u{200D}+([^\p{Extended_Pictographic}\u{200D}]|$)", "${1}")
        .str.replace_many(FOLDED)
        .str.normalize("NFC")  # after the removals, which can bring a letter and its accent together
    )


def settle_spaces(text: pl.Expr) -> pl.Expr:
    """Text whose words are one space apart and whose paragraphs at most one blank line, with trimmed lines and ends."""
    return (
        text.str.replace_all(f"[{ODD_SPACE}]+", " ")
        .str.replace_all(" {2,}", " ")
        .str.replace_all(" \n ?|\n ", "\n")
        .str.replace_all("\n{3,}", "\n\n")
        .str.strip_chars()
    )
