"""A JSON file that is one array of objects, a row each, whatever its layout.

The array is cut at the commas between its elements. With line breaks in the place of these commas, and none elsewhere,
it reads as JSON lines do.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
import polars as pl

from care_data.datafiles.cuts import BLOCK, Cut, Flags, copy_rows
from care_data.datafiles.lines import Lines, name_sample, read_blocks
from care_data.datafiles.packing import open_packed
from care_data.errors import CareError, Exit
from care_data.kernels import kernel
from care_data.readers.streams import MAX_LINE

_OPEN, _CLOSED, _BLANK, _UNMATCHED = 0, 1, 2, 3
_BROKEN = {_BLANK: "no value stands before or behind a comma", _UNMATCHED: "its brackets do not match"}
_STRIDE = 16
_NONE = np.empty(0, np.int64)


def sniff_json(head: bytes, *, alone: bool) -> str | None:
    """`array` or `lines`, by the first bytes of a file; None for one JSON value that is no list of rows.

    alone: one object on the only line is a row.
    """
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith(b"["):
        return "array"
    first, _, rest = text.partition(b"\n")
    return "lines" if not text or (_is_object(first) and (alone or rest.strip())) else None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def name_fields(path: Path) -> list[str]:
    """The fields of the first rows."""
    with open_packed(path) as stream:
        return name_sample(next(_cut(path, stream))[1][1])


def read_array(path: Path, fields: list[str]) -> Iterator[pl.DataFrame]:
    """A frame a block, with the texts of each field."""
    with open_packed(path) as stream:
        yield from read_blocks(path, (lines for _, lines in _cut(path, stream)), fields)


def copy_array(path: Path, stays: Flags, to: Path) -> None:
    """The elements that stay, byte for byte, with the space around them."""
    with open_packed(path) as stream:
        copy_rows(path, (cut for cut, _ in _cut(path, stream)), stays, to, joiner=b",")


def _cut(path: Path, stream: BinaryIO) -> Iterator[tuple[Cut, Lines]]:
    """The array in blocks of whole elements, and each block as lines; CareError where it is not one whole array."""
    held, offset, rows = b"", 0, 0
    while b"[" not in held and (more := stream.read(BLOCK)):
        held += more
    at = held.find(b"[") + 1
    before = held[:at]
    while True:
        lines = np.frombuffer(held, np.uint8).copy()
        most = held.count(b",", at) + 1
        starts, stops = np.empty(most, np.int64), np.empty(most, np.int64)
        found, end, state = _scan(lines, at, rows == 0, starts, stops)
        place = f"{path}, row {rows + found + 1}, byte {offset + end}"
        if state in _BROKEN:
            raise CareError(_BROKEN[state], where=place, fix="Mend it; nothing was left out.")
        stop = end if state == _OPEN else int(stops[found - 1]) if found else at
        after = held[stop:] if state == _CLOSED else b""
        yield Cut(offset, held, starts[:found], stops[:found], before, after), (offset + at, lines[at:stop].tobytes())
        if state == _CLOSED:
            break
        held, offset, rows, before, at = held[end:], offset + end, rows + found, b"", 0
        if len(held) > MAX_LINE:
            fix = "Is a quote or bracket not closed?"
            raise CareError(f"it has more than {MAX_LINE >> 20} MiB", where=place, fix=fix, code=Exit.LIMIT)
        if not (more := stream.read(max(BLOCK, len(held)))):
            raise CareError("the file ends before its array does", where=place, fix="It is cut: get it again.")
        held += more
    rest, offset = held[end:], offset + end
    while not rest.strip():
        offset += len(rest)
        if not (rest := stream.read(BLOCK)):
            return
        yield Cut(offset, b"", _NONE, _NONE, after=rest), (offset, b"")
    fix = "Keep one array in a file, or an object a line."
    raise CareError("more follows the array", where=f"{path}, byte {offset}", fix=fix)


@kernel
def _scan(block, at, first, starts, stops):  # type: ignore[no-untyped-def]
    """(elements, where the next one begins or the array has ended, state). Makes lines of the block.

    The block begins with an element at `at`, the first of all or another one. An element takes the space around it
    along, the last one but that behind.
    """
    size, depth, found, begin, filled = len(block), 0, 0, at, at  # filled: behind the last byte that is not space
    while at < size:
        byte = block[at]
        if byte == 34:
            at = _skip_text(block, at + 1, size)
            filled = at
            continue
        if depth == 0 and (byte == 44 or byte == 93):
            if filled == begin:
                closes = byte == 93 and first and found == 0
                return (found, at + 1, _CLOSED) if closes else (found, begin, _BLANK)
            starts[found], stops[found] = begin, at if byte == 44 else filled
            found += 1
            if byte == 93:
                return found, at + 1, _CLOSED
            block[at] = 10
            begin = filled = at + 1
        elif byte == 10:
            block[at] = 32
        elif byte != 32 and byte != 9 and byte != 13:
            depth += byte == 91 or byte == 123
            depth -= byte == 93 or byte == 125
            if depth < 0:
                return found, begin, _UNMATCHED
            filled = at + 1
        at += 1
    return found, begin, _OPEN


@kernel
def _skip_text(block, at, size):  # type: ignore[no-untyped-def]
    """Behind the quote that closes the text; the size where none does."""
    here, end, step, many = np.uint64(at), np.uint64(size), np.uint64(1), np.uint64(_STRIDE)
    while here < end:
        while here + many <= end:
            met = np.uint8(0)
            for ahead in range(_STRIDE):
                byte = block[here + np.uint64(ahead)]
                met |= np.uint8(byte == 34) | np.uint8(byte == 92)
            if met:
                break
            here += many
        while here < end and block[here] != 34 and block[here] != 92:
            here += step
        if here < end and block[here] == 34:
            return np.int64(here + step)
        here += step + step
    return np.int64(size)
