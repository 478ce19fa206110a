"""JSON bytes to the text of their values, whatever the layout, without reading them into objects.

What the file is, is read from its first bytes, since suffixes lie. Only brackets and strings are looked at, so memory
holds one block and one value.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from care_data.entries import File
from care_data.errors import CareError
from care_data.readers.encodings import BLOCK, decode_lines, is_utf8

SNIFF = 1 << 20
"""Bytes at the head of a file that tell what it is."""

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|"', re.DOTALL)
_ESCAPED = re.compile(rb"\\x[0-9a-f]{2}")
_SCALAR = re.compile(rb"[^\s,:]+")

Value = tuple[int, bytes | None, bytes]
"""(byte offset, key as JSON text where the value is a member of an object, the value as JSON text).

The value is empty where the file ends before the array or object it opened with.
"""


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
        stream = _Recoded(decode_lines(stream, file.encoding))  # type: ignore[assignment]
    head = _read_head(stream)
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
    """A stream of UTF-8 made from decoded lines."""

    def __init__(self, lines: Iterator[tuple[int, str, str]]) -> None:
        self._lines = lines

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        length = 0
        for _, line, problem in self._lines:
            # A bad byte, written \xNN here, must not parse: as a raw 0xFF it sets aside the value it stands in.
            text = _ESCAPED.sub(b"\xff", line.encode()) if problem else line.encode()
            parts.append(text + b"\n")
            length += len(parts[-1])
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
    """Blocks of whole lines."""
    offset, rest = start, block[start:]
    while True:
        more = stream.read(min(BLOCK, LINES_BYTES))
        cut = rest.rfind(b"\n") + 1 if more else len(rest)
        if cut:
            yield Lines(offset, rest[:cut])
        offset += cut
        if not more:
            return
        rest = rest[cut:] + more


def _values_at(data: bytes, path: str) -> Iterator[Value]:
    """Rows of a list or an object found down a path of keys; the file is read whole."""
    found = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    base = len(data) - len(found)
    for step in path.removesuffix(".*").split("."):
        members = _scan(io.BytesIO(), found, 0, inside=True) if found.startswith(b"{") else iter(())
        place = next(((at, raw) for at, key, raw in members if key and _is_key(key, step)), None)
        if place is None:
            raise CareError(f"no {step!r} on the way to {path!r}", fix="Mend `at` in the entry.")
        base, found = base + place[0], place[1]
    if found[:1] not in (b"{", b"["):
        raise CareError(f"{path!r} leads to no list or object", fix="Mend `at` in the entry.")
    yield from ((base + at, key, raw) for at, key, raw in _scan(io.BytesIO(), found, 0, inside=True))


def _is_key(key: bytes, name: str) -> bool:
    try:
        return bool(orjson.loads(key) == name)
    except orjson.JSONDecodeError:
        return False


def _scan(stream: BinaryIO, block: bytes, start: int, *, inside: bool) -> Iterator[Value]:
    """Values at the top of the file, or `inside` the array or object it opens with.

    Only brackets and strings are looked at. What is left open at the end of the file is one last, broken value.
    """
    level = 1 if inside else 0
    depth, base, position = 0, 0, start
    value_at, key, end = -1, None, start
    in_object = inside and block[start : start + 1] == b"{"
    while True:
        more = stream.read(BLOCK)
        for token in _TOKEN.finditer(block, position):
            text = token.group()
            if text == b'"':
                break  # a string that goes on in the next block
            if depth == level and value_at < 0:
                yield from ((base + at, key, raw) for at, raw in _scalars(block, end, token.start()))
                key = None if b"," in block[end : token.start()] else key
            if text in (b"{", b"["):
                if depth == level:
                    value_at = token.start()
                depth += 1
            elif text in (b"}", b"]"):
                depth -= 1
                if depth == level and value_at >= 0:
                    yield base + value_at, key, block[value_at : token.end()]
                    value_at, key = -1, None
            elif depth == level:
                if in_object and key is None:
                    key = text
                else:
                    yield base + token.start(), key, text
                    key = None
            position = end = token.end()
        if not more:
            break
        keep = value_at if value_at >= 0 else end
        base, block = base + keep, block[keep:] + more
        position, end = position - keep, max(end - keep, 0)
        value_at = 0 if value_at >= 0 else -1
    if value_at >= 0 or block[end:].strip(b" \t\r\n,") or (inside and depth > 0):
        tail = block[value_at if value_at >= 0 else end :]
        yield base + (value_at if value_at >= 0 else end), key, tail.strip(b" \t\r\n,")


def _scalars(block: bytes, start: int, end: int) -> list[tuple[int, bytes]]:
    """Numbers, true, false and null between two tokens."""
    return [(match.start(), match.group()) for match in _SCALAR.finditer(block, start, end)]
