"""Bytes to text, strictly: a bad byte costs its line, never the lines around it, and is never guessed at."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from care_data.errors import CareError, Exit
from care_data.readers.streams import MAX_LINE, cut_lines, decode_blocks, too_long

BLOCK = 4 << 20
"""Bytes read at a time."""

LADDER = ("utf-8", "gb18030", "big5", "utf-16")
"""Encodings tried, in this order, to say what a file seems to be."""

_WIDE = ("utf-16", "utf-32", "utf16", "utf32")  # a line feed is not one byte there, so blocks cannot be cut at it
_ASCII = bytes(range(128))
_PARTS = re.compile(rb'[^\n"]*[\n"]|[^\n"]+')
_ESCAPED = re.compile(rb"\\x[0-9a-f]{2}")


def is_utf8(encoding: str) -> bool:
    """Whether a declared encoding is UTF-8."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def reads_as_utf8(block: bytes) -> bool:
    """Whether a block is UTF-8 throughout; asked of polars, which looks at many bytes at once."""
    try:
        pl.Series([block]).cast(pl.String)
    except pl.exceptions.PolarsError:
        return False
    return True


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


def refuse_mistaken(sample: bytes, encoding: str) -> bool:
    """Raise where a file declared other than UTF-8 reads as UTF-8: it would come out as mojibake.

    Whether there was enough beyond ASCII to tell.
    """
    foreign = len(sample.translate(None, _ASCII))
    if foreign >= 12 and guess(sample) == "utf-8":
        raise CareError(f"declared as {encoding}, but it reads as utf-8", fix='Set encoding = "utf-8" in the entry.')
    return foreign >= 12


def refuse_wide(head: bytes, encoding: str) -> None:
    """Raise where a file declared otherwise begins as UTF-16 or UTF-32 do, or holds as many zero bytes as they."""
    if _is_wide(encoding):
        return
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        problem = f"byte 0x{head[0]:02X} at 0 is not {encoding}; it reads as utf-16"
        raise CareError(problem, fix="Set encoding in the entry.")
    if head.count(0) * 4 > len(head):
        problem = f"declared as {encoding}, but more than a quarter of its bytes are zero, as in utf-16"
        raise CareError(problem, fix='Set encoding = "utf-16-le" or "utf-16-be" in the entry.')


class Doubt:
    """Whether a file declared as UTF-8 is GB18030, of which some lines read as UTF-8 by chance, and as other letters.

    It is told of every line or value. One that GB18030 has no reading for, as nearly every long text in UTF-8, proves
    that the file is not GB18030, and ends the doubt. Without one, lines that read as GB18030 only make it likelier.
    """

    def __init__(self, encoding: str) -> None:
        self.ended = not is_utf8(encoding)
        self._lucky = self._alike = self._other = 0

    def look(self, text: bytes) -> None:
        """A line, whole lines, or a value, decoded or not."""
        if self.ended or text.isascii():
            return
        good, alike = _decodes(text, "utf-8"), _decodes(text, "gb18030")
        if not good and b"\n" in text:
            for line in text.split(b"\n"):
                self.look(line)
        elif good:
            self._lucky += 1
            self.ended = not alike
        else:
            self._alike += alike
            self._other += not alike

    def decide(self) -> None:
        """Raise at the end of the file where the doubt has not ended."""
        if not self.ended and self._lucky and self._alike > self._other:
            raise CareError(
                "some of it is not utf-8 but reads as gb18030, and so does the rest: which lines are mojibake cannot "
                "be told",
                fix='Set encoding = "gb18030" in the entry, or take out the lines that are not utf-8.',
            )


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def bad_byte(data: bytes, encoding: str, offset: int) -> str:
    """What is wrong in bytes that do not decode: the byte, its place in the file and what the text reads as."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02X} at {offset + error.start} is not {encoding}"
        likely = "" if _is_wide(encoding) else guess(data)
        return f"{found}; it reads as {likely}" if likely and likely != encoding else found
    return ""


Line = tuple[int, str, str]
"""(byte offset, text without its end, what is wrong with its bytes)."""


class LineBlock:
    """Whole lines of a file, taken one by one or many at once.

    offset, end: of their bytes in the file. utf8: the lines in UTF-8; None where not all of them decode. at: where in
    it the next line begins.
    """

    def __init__(self, offset: int, raw: bytes, encoding: str) -> None:
        self.offset, self.end, self.at, self._raw, self._encoding = offset, offset + len(raw), 0, raw, encoding
        self.utf8 = _in_utf8(raw, encoding, offset)
        self._ahead = len(raw) - len(self.utf8) if self.utf8 is not None and is_utf8(encoding) else 0
        self._raw_at = self._ahead  # a byte order mark

    def lines(self) -> Iterator[Line]:
        """All of them; of a block just made."""
        if self.utf8 is None:
            yield from _decode_each(self._raw, self._encoding, self.offset)
            return
        at = self.offset
        texts = self.utf8.decode().removesuffix("\n").split("\n")
        for text, raw in zip(texts, self._raw.split(b"\n"), strict=False):  # one more raw piece after the last line end
            yield at, text.removesuffix("\r"), ""
            at += len(raw) + 1

    def take(self) -> Line | None:
        """The next line of those that decode; None behind the last."""
        held = self.utf8 or b""
        if self.at >= len(held):
            return None
        end, raw_end = held.find(b"\n", self.at), self._raw.find(b"\n", self._raw_at)
        offset = self.offset + self._raw_at - (self._ahead if self.at == 0 else 0)
        text = held[self.at : end if end >= 0 else len(held)].decode().removesuffix("\r")
        self.at = end + 1 if end >= 0 else len(held)
        self._raw_at = raw_end + 1 if raw_end >= 0 else len(self._raw)
        return offset, text, ""

    def skip(self, stop: int) -> None:
        """Go on where a line begins in `utf8`, or at its end."""
        if is_utf8(self._encoding):
            self._raw_at = stop + self._ahead
        else:
            for _ in range((self.utf8 or b"").count(b"\n", self.at, stop)):
                self._raw_at = self._raw.index(b"\n", self._raw_at) + 1
        self.at = stop


def decode_lines(stream: BinaryIO, encoding: str) -> Iterator[Line]:
    """(byte offset, line without its end, problem) of each line; the problem is empty for a line that decodes.

    Lines end at LF or CRLF. A byte order mark is taken off. Of a line too long its head is given, with the problem.
    """
    for block in decode_line_blocks(stream, encoding):
        yield from block.lines() if isinstance(block, LineBlock) else iter([block])


def decode_line_blocks(stream: BinaryIO, encoding: str) -> Iterator[LineBlock | Line]:
    """The lines in blocks, and those by themselves that are too long or of a wide encoding.

    GB18030 and Big5 may be cut at 0x0A, which is never the second byte of a character there. UTF-16 and UTF-32 cannot,
    so a bad byte there costs the file: CareError.
    """
    if _is_wide(encoding):
        yield from _decode_wide(stream, encoding)
        return
    doubt = Doubt(encoding)
    sure = is_utf8(encoding) or encoding.lower() == "ascii"
    for offset, block, whole in cut_lines(stream, BLOCK):
        if offset == 0:
            refuse_wide(block, encoding)
        sure = sure or refuse_mistaken(block, encoding)
        if not whole:
            yield offset, _without_bom(block.decode(encoding, "backslashreplace"), offset), too_long(offset)
            continue
        doubt.look(block)
        yield LineBlock(offset, block, encoding)
    doubt.decide()


def _in_utf8(block: bytes, encoding: str, offset: int) -> bytes | None:
    """The block in UTF-8 without a byte order mark; None where it does not decode."""
    if is_utf8(encoding):
        plain = block.removeprefix(codecs.BOM_UTF8) if offset == 0 else block
        return plain if reads_as_utf8(plain) else None
    try:
        return _without_bom(block.decode(encoding), offset).encode()
    except UnicodeDecodeError:
        return None


def recode(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The stream in UTF-8, for JSON; what has bad bytes comes with 0xFF in it, so that its value does not parse.

    It is cut at line ends and at quotes, which are never part of a character of two bytes or four, so that memory
    holds one text even where all is one line.
    """
    if _is_wide(encoding):
        yield from (text.encode() for _, text in decode_blocks(stream, encoding, BLOCK))
        return
    rest, sure = b"", encoding.lower() == "ascii"
    while True:
        more = stream.read(BLOCK)
        cut = max(more.rfind(b"\n"), more.rfind(b'"')) + 1
        block, rest = (rest + more[:cut], more[cut:]) if cut or not more else (b"", rest + more)
        if len(rest) > MAX_LINE:
            raise CareError(
                f"{MAX_LINE >> 20} MiB without a quote or a line end", fix="It is refused.", code=Exit.LIMIT
            )
        sure = sure or refuse_mistaken(block, encoding)
        if _decodes(block, encoding):
            yield block.decode(encoding).encode()
        else:
            for part in _PARTS.findall(block):
                bad = not _decodes(part, encoding)
                text = part.decode(encoding, "backslashreplace").encode()
                yield _ESCAPED.sub(b"\xff", text) if bad else text
        if not more:
            return


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


def _decode_wide(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, str, str]]:
    """The lines of UTF-16 or UTF-32, as decode_lines gives them."""
    unit = "utf-32-le" if "32" in encoding else "utf-16-le"
    begun, at, rest = False, 0, ""
    for start, text in decode_blocks(stream, encoding, BLOCK):
        at, begun = (at, True) if begun else (start, True)
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield at, line.removesuffix("\r"), ""
            at += len(f"{line}\n".encode(unit))
        if len(rest) > MAX_LINE // 2:
            raise CareError(f"a line has {too_long(at)}", fix="It is refused.", code=Exit.LIMIT)
    if rest:
        yield at, rest.removesuffix("\r"), ""


def _is_wide(encoding: str) -> bool:
    return encoding.lower().replace("_", "-").startswith(_WIDE)
