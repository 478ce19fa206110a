"""Rules on passages to read: pt.

Where a limit is FineWeb2's for Chinese, its rule counts characters, not words: how 头痛三天 was cut into words no
published limit says, and a segmenter of today makes nonsense of the old books.
"""

import polars as pl

from care_data.filters.fields import best, blank
from care_data.selection import find_where

STOPS = "的年在月是和日了不之者也而以其为於于有"
"""Words no Chinese prose of some length does without, that of the old books included."""
STOPS_EN = ("the ", " of ", " and ", " to ", " in ", " is ", " a ", " for ", " with ", " that ")
STOP_CHARS = 200
"""Below this length prose may do without them, and tables and lists of drugs are short."""

MANY_LINES = 10
"""Lines from which on their ends and repeats say something of a text."""

ENDED = r"[。！？!?.…）)】”’\]》；;：:，,、]$"


def blank_text(_format: str) -> pl.Expr:
    """The passage is empty."""
    return blank("text")


def too_short(_format: str, min_chars: float) -> pl.Expr:
    """The passage has fewer than `min_chars` characters."""
    return best("pt").str.len_chars() < min_chars


def few_letters(_format: str, share: float) -> pl.Expr:
    """Less than `share` of the passage is letters and Han characters: figures and signs. Ruled lines do not count."""
    text = best("pt")
    unruled = text.str.replace_all(r"[-—_=*·.…~\s]{4,}", " ")
    test = unruled.str.count_matches(r"\p{L}") < share * unruled.str.count_matches(r"\S")
    return find_where(text.str.contains(r"[^\p{L}]{4}"), ["text"], test)


def few_stop_words(_format: str, least: float, language: str) -> pl.Expr:
    """A passage of some length with fewer than `least` different stop words: a list of names, an index, keywords."""
    text = best("pt")
    words = STOPS if language == "zh" else STOPS_EN
    found = pl.sum_horizontal(text.str.to_lowercase().str.contains(word, literal=True) for word in words)
    return (text.str.len_chars() >= STOP_CHARS) & (found < least)


def repeated_lines(_format: str, share: float) -> pl.Expr:
    """More than `share` of many lines stand in the passage already."""
    return _of_lines(1 - LINES.list.n_unique() / LINES.list.len() > share)


def repeated_line_chars(_format: str, share: float) -> pl.Expr:
    """More than `share` of the characters are in lines that stand in the passage already."""
    whole, once = (lines.list.eval(pl.element().str.len_chars()).list.sum() for lines in (LINES, LINES.list.unique()))
    return _of_lines(1 - once / whole > share)


def unended_lines(_format: str, share: float) -> pl.Expr:
    """Less than `share` of many lines end with punctuation: a menu, a table of contents, a list of names."""
    return _of_lines(LINES.list.eval(pl.element().str.contains(ENDED)).list.sum() < share * LINES.list.len())


def short_lines(_format: str, breaks: float) -> pl.Expr:
    """More than `breaks` line breaks to a character."""
    return _of_lines(LINES.list.len() > breaks * best("pt").str.len_chars())


def _of_lines(test: pl.Expr) -> pl.Expr:
    """The test, for passages of many lines."""
    return find_where(best("pt").str.count_matches("\n", literal=True) >= MANY_LINES - 1, ["text"], test)


LINES = best("pt").str.split("\n").list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
"""The lines of a passage that hold something."""
