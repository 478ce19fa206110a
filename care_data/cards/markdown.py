"""Pieces of Markdown in which any text is shown and never obeyed."""

import html
import re
from collections.abc import Sequence

_SIGNS = re.compile(r"([\\`*_\[\]|~#$!{}])")
_RUN = re.compile(r"\s+")


def flatten(text: str) -> str:
    """Text on one line, without controls and marks of direction."""
    return "".join(letter for letter in _RUN.sub(" ", text) if letter.isprintable()).strip()


def escape(text: str) -> str:
    """Any text as Markdown that shows it, in a table too."""
    return _SIGNS.sub(r"\\\1", html.escape(flatten(text), quote=False))


def code(text: str) -> str:
    """A name as code. A backtick in it becomes an apostrophe; a bar is escaped for tables."""
    shown = flatten(text).replace("`", "'").replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def link(text: str, url: str) -> str:
    """Ready Markdown that leads to a place; itself where there is none."""
    return f"[{text}]({url})" if url else text


def table(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    """A table of ready Markdown; counts stand to the right."""
    right = [any(isinstance(row[at], int) for row in rows) for at in range(len(header))]
    rule = ["---:" if each else "---" for each in right]
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(header), rule, *cells])


def bullets(lines: Sequence[str]) -> str:
    """A list of ready Markdown; lines without a word are left out."""
    return "\n".join(f"- {line}" for line in lines if line)
