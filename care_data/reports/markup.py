"""Pieces of the page: words in both languages, texts that are shown and never obeyed, tables, folded parts."""

import html
from collections.abc import Sequence

from care_data.reports.differences import Piece
from care_data.reports.texts import Shown, cut, show_unseen, without_halves
from care_data.reports.words import WORDS

Cell = str | int | float | None
"""What a table is made of: ready markup, a count, a share, nothing."""


def escape(text: str) -> str:
    """Any text as markup that shows it."""
    return html.escape(show_unseen(without_halves(text)), quote=True)


def both(words: tuple[str, str]) -> str:
    """English and Chinese, of which the page shows one."""
    english, chinese = map(html.escape, words)
    return f'<span class="en" lang="en">{english}</span><span class="zh" lang="zh">{chinese}</span>'


def say(key: str) -> str:
    """A word of the page in both languages."""
    return both(WORDS[key])


def name(key: str, words: dict[str, tuple[str, str]]) -> str:
    """A name from the data with its words beside it, where there are any."""
    return f"<code>{escape(key)}</code>" + (f" {both(words[key])}" if key in words else "")


def quote(text: Shown, limit: int) -> str:
    """A text of a record, cut with a note of how long it is."""
    shown, size = cut(text, limit)
    note = f' <span class="note">… {size:,} {say("characters_in_all")}</span>' if size else ""
    return f'<span class="text" dir="auto">{escape(shown)}</span>{note}'


def mark_pieces(pieces: Sequence[Piece]) -> str:
    """Pieces of two texts, what was taken out and put in marked."""
    tags = {"same": "span", "gone": "del", "new": "ins", "skip": "i"}
    marked = "".join(f"<{tags[kind]}>{escape(text)}</{tags[kind]}>" for kind, text in pieces)
    return f'<span class="text" dir="auto">{marked}</span>'


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """(label, markup) pairs, one below the other."""
    return "<dl>" + "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in pairs) + "</dl>"


def fold(summary: str, inside: str) -> str:
    """A part that opens when asked."""
    return f"<details><summary>{summary}</summary>{inside}</details>"


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], most: int = 300, last: bool = False) -> str:
    """A table whose first column names the line; counts and shares stand to the right.

    Beyond `most` lines the rest is only counted. last: the last line is the sum of the others.
    """
    head = "".join(f'<th scope="col"{_kind(rows, at)}>{text}</th>' for at, text in enumerate(header))
    cutting = len(rows) > most + last
    shown = [*rows[:most], *rows[-1:]] if last and cutting else rows[:most] if cutting else rows
    lines = []
    for number, row in enumerate(shown):
        cells = "".join(_cell(cell) for cell in row[1:])
        summing = ' class="sum"' if last and number == len(shown) - 1 else ""
        lines.append(f'<tr{summing}><th scope="row">{row[0]}</th>{cells}</tr>')
    more = f'<p class="note">{len(rows) - len(shown):,} {say("left_out")}</p>' if cutting else ""
    body = "\n".join(lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>{more}'


def _kind(rows: Sequence[Sequence[Cell]], at: int) -> str:
    numeric = any(not isinstance(row[at], str) for row in rows)
    return ' class="number"' if numeric else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{cell}</td>"
    text = "–" if cell is None else f"{cell:.1%}" if isinstance(cell, float) else f"{cell:,}"
    return f'<td class="number">{text}</td>'
