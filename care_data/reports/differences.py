"""What differs between two texts, as pieces to mark: kept, taken out, put in."""

from difflib import SequenceMatcher

Piece = tuple[str, str]
"""(kind, text): "same", "gone", "new" or, for what is left out of equal text, "skip"."""

COMPARED = 1_200
"""Characters of each text between their common beginning and end that are compared."""


def find_differences(before: str, after: str, context: int = 30, most: int = 1_000) -> list[Piece]:
    """The pieces that make up both texts, equal text longer than twice `context` cut in its middle.

    Of texts that differ in a long stretch its beginning is compared; pieces end after `most` characters.
    """
    start = _common(before, after)
    rest = min(len(before), len(after)) - start
    end = _common(before[::-1][:rest], after[::-1][:rest])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    pieces: list[Piece] = [("same", before[:start])]
    pieces += _align(old[:COMPARED], new[:COMPARED])
    if max(len(old), len(new)) > COMPARED:
        # Where the stretch was cut off, what has no counterpart may have had it behind the cut.
        while len(pieces) > 1 and pieces[-1][0] != "same" and any(kind == "same" and text for kind, text in pieces[1:]):
            pieces.pop()
        pieces.append(("skip", "…"))
    else:
        pieces.append(("same", before[len(before) - end :] if end else ""))
    return _limit(_shorten([piece for piece in pieces if piece[1]], context), most)


def _align(old: str, new: str) -> list[Piece]:
    pieces: list[Piece] = []
    for _, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[old_from:old_to] == new[new_from:new_to]:
            pieces.append(("same", old[old_from:old_to]))
        else:
            pieces += [("gone", old[old_from:old_to]), ("new", new[new_from:new_to])]
    return pieces


def _common(one: str, two: str) -> int:
    """How many characters two texts have in common from their beginnings."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == two[:middle] else (low, middle - 1)
    return low


def _shorten(pieces: list[Piece], context: int) -> list[Piece]:
    """Equal text far from any difference left out; of texts that do not differ none."""
    if len(pieces) == 1:
        return pieces
    short: list[Piece] = []
    for number, (kind, text) in enumerate(pieces):
        before = context if number else 0
        after = context if number < len(pieces) - 1 else 0
        if kind != "same" or len(text) <= before + after + 1:
            short.append((kind, text))
            continue
        short += [("same", text[:before])] * bool(before)
        short.append(("skip", "…"))
        short += [("same", text[-after:])] * bool(after)
    return short


def _limit(pieces: list[Piece], most: int) -> list[Piece]:
    """The first pieces, of so many characters in all."""
    shown: list[Piece] = []
    for kind, text in pieces:
        if len(text) > most:
            return [*shown, *([(kind, text[:most])] if most else []), ("skip", "…")]
        shown.append((kind, text))
        most -= len(text)
    return shown
