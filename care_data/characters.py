"""Classes of characters, as bodies of Rust regex classes: write f"[{HAN}{LETTER}]".

Beside them the two patterns more than one floor must agree on: what a bare link looks like, and the tags that stand
where a value was masked.
"""

from collections.abc import Iterable

import polars as pl

HAN = r"\p{Han}"
LETTER = r"\p{L}"
DIGIT = r"\p{N}"
"""Every number, ① and ½ included."""

SIGN = r"+＋±↑↓→×÷=<>≤≥%％℃♂♀"
"""Signs that are a whole answer in medicine: "+++" is a positive test, "↑" a raised value."""

MARK = r",;?!\"'，。；：？！、…“”‘’~～—"
"""Punctuation that may differ between two sayings of the same sentence; not - + . :, which are part of
results (HBsAg-, 3.5, 1:80)."""

ODD_SPACE = r"\t\u{A0}\u{1680}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}"
"""Every space inside a line but the plain one: tab, no-break, ideographic and their like."""

LINE_END = r"\u{B}\u{C}\r\u{85}\u{2028}\u{2029}"

INVISIBLE = (
    r"\u{0}-\u{8}\u{E}-\u{1F}\u{7F}-\u{84}\u{86}-\u{9F}"  # controls, without tab and line ends
    r"\u{AD}\u{61C}\u{180E}\u{200B}\u{200C}\u{200E}\u{200F}\u{202A}-\u{202E}"  # soft hyphen, zero width, direction
    r"\u{2060}-\u{206F}\u{FEFF}\u{FFF9}-\u{FFFC}\u{E0000}-\u{E007F}"  # joiners, BOM, annotation, image stand-in, tags
    r"\p{Co}\u{FDD0}-\u{FDEF}\u{FFFE}\u{FFFF}"  # private use, and what is no character at all
)
"""Characters no reader sees. The zero-width joiner is missing: it holds emoji together (cleaners/unicode.py)."""

LINK = (
    r"(?i:(?-u:\b)(?:(?:https?|ftp)[:：]//|www\.[a-z0-9-]+\.)"
    r"[a-z0-9\-._~:/?#@!$&*+;=%]*[a-z0-9\-_~/#@$&*+=%])"
)
"""A bare link: ASCII only, so it ends where Chinese begins, and never with the full stop of its sentence."""

TAGS = {
    "url": "[URL]",
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "landline": "[LANDLINE]",
    "id_card": "[ID_CARD]",
    "wechat": "[WECHAT]",
    "qq": "[QQ]",
    "record_number": "[RECORD_NUMBER]",
    "address": "[ADDRESS]",
    "doctor": "[DOCTOR]",
}
"""Type of a masked value -> the tag in its place; one set for every language, so that tags can be counted and undone
by one rule."""


LATIN_BYTES = "".join(map(chr, range(0x80, 0xC0))) + bytes(range(0x80, 0xA0)).decode("cp1252", "ignore")
"""What the bytes 80 to BF are in latin-1 and cp1252: all of a UTF-8 character but its first byte."""

_LATIN = rf"[\u{{E2}}-\u{{E9}}\u{{EF}}][{LATIN_BYTES}]"


def _gbk(first: Iterable[int], second: Iterable[int]) -> str:
    """The characters of these first and second bytes in GBK."""
    return "".join(bytes([one, two]).decode("gbk", "ignore") for one in first for two in second)


_LEAD, _REST = (0xE2, 0xE3, *range(0xE4, 0xEA), 0xEF), range(0x80, 0xC0)
_HAN_READ_AS_GBK = f"[{_gbk(_LEAD, _REST)}][{_gbk(_REST, _LEAD)}][{_gbk(_REST, _REST)}]"

GARBLED = rf"{_LATIN}[{LATIN_BYTES}]|[\u{{C2}}\u{{C3}}\u{{CE}}\u{{CF}}][{LATIN_BYTES}]|{_HAN_READ_AS_GBK}"
"""What UTF-8 looks like when read as cp1252 or latin-1 (å¤´ for 头), or as GBK, where three characters hold two Han
ones (澶寸棝 for 头痛). By chance such three stand together in sound text too: 枸杞茶."""

BROKEN = rf"\x{{FFFD}}|锟斤拷|烫烫烫烫|屯屯屯屯|(?:{_LATIN}[{LATIN_BYTES}]?){{2}}|(?:{_HAN_READ_AS_GBK}){{2}}"
"""What nothing brings back: signs of bytes thrown away, and garbled runs too long for chance."""


def lacks_letter(text: pl.Expr, letter: str = r"\S") -> pl.Expr:
    """Whether a text is nothing but space, `letter` being what is none; null for null.

    Of nearly all texts the first character tells, by two comparisons; only where it may be space is the regular
    expression asked, which takes ten times as long.
    """
    return text.map_batches(lambda texts: ~_ask(texts, letter, _may_be_space(texts), True), return_dtype=pl.Boolean())


def opens_with(text: pl.Expr, first: str, pattern: str) -> pl.Expr:
    """Whether a pattern is found that can only be where the text's first character is `first` or space."""

    def find(texts: pl.Series) -> pl.Series:
        return _ask(texts, pattern, _may_be_space(texts) | ((texts >= first) & (texts < chr(ord(first) + 1))), False)

    return text.map_batches(find, return_dtype=pl.Boolean())


def _may_be_space(texts: pl.Series) -> pl.Series:
    """Whether a text is empty or its first character may be space: none is from "!" to "~", none from U+3001 on."""
    return ~(((texts >= "!") & (texts < "\x7f")) | (texts >= "\u3001"))


def _ask(texts: pl.Series, pattern: str, unsure: pl.Series, known: bool) -> pl.Series:
    """Whether the pattern is found in the texts that are unsure; of the others it is known."""
    found = unsure if not known else ~unsure
    at = unsure.arg_true()
    return found.scatter(at, texts.gather(at).str.contains(pattern)) if len(at) else found
