"""JSON bytes to the text of their values, whatever the layout, without reading them into objects.

What the file is, is read from its first bytes, since suffixes lie. Only brackets and strings are looked at, so memory
holds one block and one value.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from care_data.entries import File
from care_data.errors import CareError
from care_data.readers.brackets import CUT, Scanner, Value
from care_data.readers.encodings import BLOCK, Doubt, is_utf8, recode, refuse_wide
from care_data.readers.streams import cut_lines

SNIFF = 1 << 20
"""Bytes at the head of a file that tell what it is."""

LINES_BYTES = 1 << 20
"""Bytes of lines that are read as columns at once; one that is not plain sends them the long way."""


@dataclass(frozen=True)
class Lines:
    """A block of whole lines, a value each, and its byte offset."""

    offset: int
    block: bytes

    def values(self) -> Iterator[Value]:
        """The value of each line, with or without a comma behind it; blank lines are no rows."""
        offset = self.offset
        for line in self.block.split(b"\n"):
            text = line.strip().removesuffix(b",")
            if text:
                yield offset, None, text
            offset += len(line) + 1


def scan_values(stream: BinaryIO, file: File) -> Iterator[Value | Lines]:
    """The values that are the rows of a file, in order; CareError where `at` leads to none.

    A file with a value a line gives them in blocks.
    """
    if not is_utf8(file.encoding):
        stream = _Recoded(recode(stream, file.encoding))  # type: ignore[assignment]
    doubt = Doubt(file.encoding)
    for found in _find_values(stream, file):
        if not doubt.ended:
            doubt.look(found.block if isinstance(found, Lines) else found[2])
        yield found
    doubt.decide()


def _find_values(stream: BinaryIO, file: File) -> Iterator[Value | Lines]:
    head = _read_head(stream)
    if is_utf8(file.encoding):
        refuse_wide(head, file.encoding)
    start = len(head) - len(head.removeprefix(b"\xef\xbb\xbf").lstrip())
    first = head[start : start + 1]
    if file.at and file.at != "*":
        yield from _values_at(head + stream.read(), file.at)
    elif file.at == "*":
        if first != b"{":
            raise CareError(
                'at = "*" wants an object of rows', fix="Take `at` out of the entry if rows stand in a list."
            )
        yield from _scan(stream, head, start, inside=True)
    elif _is_lines(head[start:]):
        yield from _lines(stream, head, start)
    else:
        yield from _scan(stream, head, start, inside=first == b"[")


def _read_head(stream: BinaryIO) -> bytes:
    parts: list[bytes] = []
    left = SNIFF
    while left > 0 and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


class _Recoded:
    """The blocks of `recode` as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        length = 0
        for block in self._blocks:
            parts.append(block)
            length += len(block)
            if 0 <= size <= length:
                break
        return b"".join(parts)


def _is_lines(head: bytes) -> bool:
    """Whether the file holds a value a line, told by its first lines.

    The first one is a whole object, or a whole array that another line follows. Where the first is broken another line
    can tell, if it is not indented: inside a value over many lines some are whole as well.
    """
    filled = [line for line in head.split(b"\n")[:50] if line.strip()]
    if not filled or filled[0].lstrip()[:1] not in (b"{", b"["):
        return bool(filled)
    first = _is_whole(filled[0])
    if filled[0].lstrip()[:1] == b"[":
        return first and len(filled) > 1
    return first or any(_is_whole(line) for line in filled if line[:1] == b"{")


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line.strip().removesuffix(b",")), dict | list)
    except orjson.JSONDecodeError:
        return False


def _lines(stream: BinaryIO, block: bytes, start: int) -> Iterator[Lines]:
    """Blocks of whole lines; of a line too long, its head and CUT."""
    for offset, lines, whole in cut_lines(stream, min(BLOCK, LINES_BYTES), block[start:], start):
        yield Lines(offset, lines if whole else lines + CUT)


def _values_at(data: bytes, path: str) -> Iterator[Value]:
    """Rows of a list or an object found down a path of keys; the file is read whole."""
    found = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    base = len(data) - len(found)
    for step in path.removesuffix(".*").split("."):
        members = _scan_all(found) if found.startswith(b"{") else iter(())
        place = next(((at, raw) for at, key, raw in members if key and _is_key(key, step)), None)
        if place is None:
            raise CareError(f"no {step!r} on the way to {path!r}", fix="Mend `at` in the entry.")
        base, found = base + place[0], place[1]
    if found[:1] not in (b"{", b"["):
        raise CareError(f"{path!r} leads to no list or object", fix="Mend `at` in the entry.")
    yield from ((base + at, key, raw) for at, key, raw in _scan_all(found))


def _is_key(key: bytes, name: str) -> bool:
    try:
        return bool(orjson.loads(key) == name)
    except orjson.JSONDecodeError:
        return False


def _scan(stream: BinaryIO, block: bytes, start: int, *, inside: bool) -> Iterator[Value]:
    return Scanner(stream, block, start, inside=inside, size=BLOCK).values()


def _scan_all(held: bytes) -> Iterator[Value]:
    """The values of an array or object held whole, of any size."""
    return Scanner(io.BytesIO(), held, 0, inside=True, size=BLOCK, limit=math.inf).values()
