"""Old books as they were typed in: lines broken at the width of a page, marks around what stands apart."""

import polars as pl

WRAPPED = 20
"""A line of this many characters or more was broken by the width of the page, if it ends in the midst of a sentence;
verses and headings are shorter."""

CLOSERS = frozenset("。！？!?；;：:∶…”’」』》】〕）)]>.~—|")
"""A line that ends so ends its paragraph. A closing bracket may stand mid-sentence too, but joins nothing by guess."""
HANGING = frozenset("，。、；：！？∶”’」』》】〕）,;!?")
"""No line begins so but by a break in its sentence."""
APART = "\\x"
"""Books mark headings, sources and signatures by this, before and after."""


def join_wrapped_lines(text: pl.Expr) -> pl.Expr:
    """Text whose sentences are not broken over lines; blank lines, short lines and marked lines stay apart.

    Read in Python, line by line: whether a line goes on depends on what was joined before it.
    """
    return text.map_batches(_join_all, return_dtype=pl.String, is_elementwise=True)


def _join_all(texts: pl.Series) -> pl.Series:
    values = [_join(value) if value and "\n" in value else value for value in texts]
    return pl.Series(texts.name, values, dtype=pl.String)


def _join(text: str) -> str:
    joined: list[list[str]] = []
    length, last = 0, ""  # of the line being put together: its characters, the last piece of it
    for line in text.split("\n"):
        piece = line.strip()
        if joined and piece and last and _goes_on(last, length, piece):
            # Between Latin words the break was their space.
            joined[-1].append(f" {piece}" if last[-1].isascii() and piece[0].isascii() else piece)
            length += len(joined[-1][-1])
        else:
            joined.append([piece or line])
            length = len(piece)
        last = piece
    return "\n".join("".join(pieces) for pieces in joined)


def _goes_on(last: str, length: int, piece: str) -> bool:
    """Whether a line is the rest of the one before, of which `last` is the end."""
    if last.endswith(APART) or piece.startswith(APART):
        return False
    return piece[0] in HANGING or (length >= WRAPPED and last[-1] not in CLOSERS)


def strip_x_marks(text: pl.Expr) -> pl.Expr:
    r"""Text without the pairs of \x around what stands apart in a line; what they hold stays."""
    return text.str.replace_all(r"\\x([^\n]*?)\\x", "${1}")
