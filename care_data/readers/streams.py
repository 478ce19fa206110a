"""Streams of any length in blocks that may be read apart, holding no more than a line of bounded length."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from care_data.errors import CareError

MAX_LINE = 64 << 20
"""Bytes of a line or of a value; a longer one is set aside and never held whole."""

HEAD = 2_000
"""Bytes kept of what is too long, to show."""

_TOO_LONG = "more than"


def too_long(offset: int) -> str:
    """The problem of a line or value that is too long."""
    return f"{_TOO_LONG} {MAX_LINE >> 20} MiB from byte {offset} on"


def reason_of(problem: str) -> str:
    """The reason by which a line with this problem is set aside."""
    return "too_long" if problem.startswith(_TOO_LONG) else "bad_encoding"


def cut_lines(stream: BinaryIO, size: int, head: bytes = b"", offset: int = 0) -> Iterator[tuple[int, bytes, bool]]:
    """(byte offset, bytes, True) of blocks of whole lines, or (byte offset, its head, False) of a line too long.

    size: bytes read at a time. head: what was read already, and its offset.
    """
    parts: list[bytes] = []
    held, long = 0, False  # bytes of the line that goes on, and whether it is too long
    more = head or stream.read(size)
    while more:
        first, cut = more.find(b"\n") + 1, more.rfind(b"\n") + 1
        if held + (first or len(more)) > MAX_LINE:
            parts, long = [b"".join(parts or [more])[:HEAD]], True
        if first and long:
            yield offset, parts[0], False
            offset, parts, long = offset + held + first, [], False
            more, cut, held = more[first:], cut - first, 0
        if cut:
            block = b"".join([*parts, more[:cut]])
            yield offset, block, True
            offset, parts, more, held = offset + len(block), [], more[cut:], 0
        if not long:
            parts.append(more)
        held += len(more)
        more = stream.read(size)
    if last := b"".join(parts):
        yield offset, last, not long


def decode_blocks(stream: BinaryIO, encoding: str, size: int) -> Iterator[tuple[int, str]]:
    """(byte offset where not inside a character, text) of blocks of UTF-16 or UTF-32, the byte order mark taken off."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, more, begun = 0, True, False
    while more:
        block = stream.read(size)
        more = bool(block)
        held = decoder.getstate()[0]
        try:
            text = decoder.decode(block, final=not more)
        except UnicodeDecodeError as error:
            found = f"byte 0x{error.object[error.start]:02X} at {offset - len(held) + error.start} is not {encoding}"
            raise CareError(found, fix="Fetch it again.") from error
        if text:
            yield offset, text if begun else text.removeprefix("\ufeff")
            begun = True
        offset += len(block)
