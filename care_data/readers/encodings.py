"""Bytes to text, strictly: a bad byte costs its line, never the lines around it, and is never guessed at."""

from collections.abc import Iterator
from typing import BinaryIO

from care_data.errors import CareError

BLOCK = 4 << 20
"""Bytes read at a time."""

LADDER = ("utf-8", "gb18030", "big5", "utf-16")
"""Encodings tried, in this order, to say what a file seems to be."""

_WIDE = ("utf-16", "utf-32", "utf16", "utf32")  # a line feed is not one byte there, so blocks cannot be cut at it


def is_utf8(encoding: str) -> bool:
    """Whether a declared encoding is UTF-8."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def guess(sample: bytes) -> str:
    """The first encoding of the ladder in which the sample decodes strictly; empty where none does."""
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for name in LADDER[:-1]:
        for cut in range(4):  # the sample may end inside a character
            try:
                sample[: len(sample) - cut].decode(name)
            except UnicodeDecodeError as error:
                if error.start < len(sample) - 4:
                    break
            else:
                return name
    return ""


def refuse_mistaken(sample: bytes, encoding: str) -> None:
    """Raise where the file is declared other than UTF-8 and yet reads as UTF-8: it would come out as mojibake."""
    if is_utf8(encoding) or encoding.lower() == "ascii" or _is_wide(encoding):
        return
    foreign = sum(byte > 0x7F for byte in sample)
    if foreign >= 12 and guess(sample) == "utf-8":
        raise CareError(f"declared as {encoding}, but it reads as utf-8", fix='Set encoding = "utf-8" in the entry.')


def bad_byte(data: bytes, encoding: str, offset: int) -> str:
    """What is wrong in bytes that do not decode: the byte, its place in the file and what the text reads as."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02X} at {offset + error.start} is not {encoding}"
        likely = "" if _is_wide(encoding) else guess(data)
        return f"{found}; it reads as {likely}" if likely and likely != encoding else found
    return ""


def decode_lines(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, str, str]]:
    """(byte offset, line without its end, problem) of each line; the problem is empty for a line that decodes.

    Lines end at LF or CRLF. A byte order mark is taken off. GB18030 and Big5 may be cut at 0x0A, which is never the
    second byte of a character there. UTF-16 and UTF-32 cannot, so a bad byte there costs the file: CareError.
    """
    first = True
    offset = 0
    for block in _blocks(stream, encoding):
        if first:
            refuse_mistaken(block[:65536], encoding)
            first = False
        try:
            lines = _without_bom(block.decode(encoding), offset).removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            if _is_wide(encoding):
                raise CareError(bad_byte(block, encoding, offset), fix="Fetch it again.") from error
            yield from _decode_each(block, encoding, offset)
        else:
            at = offset
            for line, raw in zip(lines, block.split(b"\n"), strict=False):  # one more raw piece after the last line end
                yield at, line.removesuffix("\r"), ""
                at += len(raw) + 1
        offset += len(block)


def _without_bom(text: str, offset: int) -> str:
    return text.removeprefix("\ufeff") if offset == 0 else text


def _decode_each(block: bytes, encoding: str, offset: int) -> Iterator[tuple[int, str, str]]:
    """A block with bad bytes, line by line; a bad line comes with its problem and its bytes escaped."""
    lines = block.split(b"\n")
    if block.endswith(b"\n"):
        lines.pop()
    for raw in lines:
        line = raw.removesuffix(b"\r")
        try:
            yield offset, _without_bom(line.decode(encoding), offset), ""
        except UnicodeDecodeError:
            yield offset, line.decode(encoding, "backslashreplace"), bad_byte(line, encoding, offset)
        offset += len(raw) + 1


def _blocks(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Blocks of whole lines; a file in UTF-16 or UTF-32 comes as one block."""
    if _is_wide(encoding):
        whole = stream.read()
        if whole:
            yield whole
        return
    rest: list[bytes] = []
    while block := stream.read(BLOCK):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*rest, block[:cut]])
            rest = []
        rest.append(block[cut:])
    if last := b"".join(rest):
        yield last


def _is_wide(encoding: str) -> bool:
    return encoding.lower().replace("_", "-").startswith(_WIDE)
