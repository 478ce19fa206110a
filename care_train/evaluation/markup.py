"""Pieces of the page: words in both languages, texts that are shown and never obeyed, tables, bars."""

import html
import re
from collections.abc import Sequence

from care_train.evaluation.words import WORDS

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
"""Controls, marks of direction, zero width, halves of surrogate pairs, private use: what acts or is there unseen."""

NUMBER = '<span class="number">'
"""How a number begins that is ready markup; see `number`."""
Cell = str | int | float | None
"""What a table is made of: ready markup, a count, a share, nothing."""


def escape(text: str) -> str:
    """Any text as markup that shows it, what a reader would not see named."""
    return html.escape(UNSEEN.sub(_name, text), quote=True)


def _name(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"


def both(words: tuple[str, str]) -> str:
    """English and Chinese, of which the page shows one."""
    english, chinese = map(html.escape, words)
    return f'<span class="en" lang="en">{english}</span><span class="zh" lang="zh">{chinese}</span>'


def say(key: str) -> str:
    """A word of the page in both languages."""
    return both(WORDS[key])


def quote(text: str, limit: int, kind: str = "span") -> str:
    """A text of a record; of a longer one the beginning and the end, where the question often stands, and its length.

    kind: span, ins for right, del for wrong.
    """
    if len(text) <= limit:
        return f'<{kind} class="text" dir="auto">{escape(text)}</{kind}>'
    note = f'<span class="note"> … {len(text):,} {say("characters_in_all")} … </span>'
    head, tail = escape(text[: limit - limit // 3]), escape(text[-(limit // 3) :])
    return f'<{kind} class="text" dir="auto">{head}</{kind}>{note}<{kind} class="text" dir="auto">{tail}</{kind}>'


def number(text: str) -> str:
    """A number that is written already, for a table."""
    return f"{NUMBER}{escape(text)}</span>"


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """(label, markup) pairs, one below the other."""
    return "<dl>" + "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in pairs) + "</dl>"


def tiles(pairs: Sequence[tuple[str, str]]) -> str:
    """The figures first asked for."""
    shown = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in pairs)
    return f'<dl class="tiles">{shown}</dl>'


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], *, last: bool = False) -> str:
    """A table whose first column names the line; counts and shares stand to the right. last: the last is of all."""
    head = "".join(f'<th scope="col"{_kind(rows, at)}>{text}</th>' for at, text in enumerate(header))
    lines = []
    for number, row in enumerate(rows):
        summing = ' class="sum"' if last and number == len(rows) - 1 else ""
        lines.append(f'<tr{summing}><th scope="row">{row[0]}</th>{"".join(map(_cell, row[1:]))}</tr>')
    body = "\n".join(lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _kind(rows: Sequence[Sequence[Cell]], at: int) -> str:
    numeric = any(not isinstance(cell, str) or cell.startswith(NUMBER) for cell in (row[at] for row in rows))
    return ' class="number"' if numeric else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f'<td class="number">{cell}</td>' if cell.startswith(NUMBER) else f"<td>{cell}</td>"
    text = "–" if cell is None else f"{cell:.1%}" if isinstance(cell, float) else f"{cell:,}"
    return f'<td class="number">{text}</td>'


def draw_interval(value: float, low: float, high: float, chance: float | None = None) -> str:
    """A share from 0 to 1 as a tick, its interval as a line, chance as a red tick."""
    at = [round(100 * share, 2) for share in (low, value, high)]
    tick = f'<rect class="chance" x="{100 * chance:.2f}" y="0" width="1" height="10"/>' if chance else ""
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="ground" x="0" y="4" width="100" height="2"/>{tick}'
        f'<rect class="range" x="{at[0]}" y="3" width="{max(at[2] - at[0], 0.3):.2f}" height="4"/>'
        f'<rect class="dot" x="{max(at[1] - 0.5, 0):.2f}" y="1" width="1" height="8"/></svg>'
    )
