"""Where JSON values begin and end, in a file of any length, whatever is broken in it.

Only brackets and strings are looked at, so memory holds one block and one value. A value whose brackets do not match
would take the rows behind it along; it ends where a line begins just as its own line did.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

import orjson

from care_data.errors import CareError, Exit
from care_data.readers.streams import HEAD, MAX_LINE

Value = tuple[int, bytes | None, bytes]
"""(byte offset, key as JSON text where the value is a member of an object, the value as JSON text).

The value is empty where the file ends before the array or object it opened with; it ends in CUT where it is too long.
"""

CUT = b"\xff\xff"
"""Ends the head of a value too long to be held; no JSON text holds these bytes."""

_TOKEN = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|[\[\]{}]|"', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LAST = re.compile(rb"\s*\Z")
_COLON = re.compile(rb"\s*:")
_SCALAR = re.compile(rb"[^\s,:]+")
_FIRST_KEY = re.compile(rb'\{\s*("[^"\\\n]*")\s*:')
_KEYED = re.compile(rb'([ \t]*)"[^\n]*"\s*:\s*')
_QUOTE, _OPENERS, _CLOSERS = ord('"'), b"[{", b"]}"
_LOST = 1 << 40
"""From this depth on nothing leads back but the next row."""
_BLANK = b" \t\r\n,"


class Scanner:
    """The values at the top of a file, or `inside` the array or object that begins at `start` of its first block.

    size: bytes read at a time. limit: bytes a value may have.
    """

    def __init__(
        self, stream: BinaryIO, block: bytes, start: int, *, inside: bool, size: int, limit: float = MAX_LINE
    ) -> None:
        self._stream, self._size, self._limit = stream, size, limit
        self._block, self._base = block, 0  # the bytes at hand, and the offset of the first
        self._opener = block[start] if inside else -1
        self._level, self._depth = int(inside), 0
        self._end, self._closed = start, -1  # of the last bracket or string, and where the array or object closed
        self._value_at, self._key = -1, None  # type: tuple[int, bytes | None]
        self._quote = -1  # where a string begins that goes on in the next block
        self._long: Value | None = None  # the head of a value that has grown too long
        self._indent: bytes | None = None  # of the line on which a value begins that goes on in the next block
        self._last: Value | None = None
        self._first_indent: bytes | None = None  # of the line of the first value
        self._first: bytes | None = None  # the first key of the first object, and whether it is one line
        self._on_lines = False
        self._parted = False  # whether a comma was let go
        self._holds_rows = -1  # offset of a whole value in which lines look like rows

    def values(self) -> Iterator[Value]:
        """The values in order; CareError where it cannot be told how many rows there are."""
        while True:
            # What goes on is looked at once more with each block, so a long one is read in growing blocks.
            more = self._stream.read(max(self._size, len(self._block)))
            yield from self._read_block(last=not more)
            while (broken := self._break_off(last=not more)) is not None:
                yield broken
                yield from self._read_block(last=not more)
            if not more:
                break
            yield from self._let_go()
            self._block += more
        yield from self._finish()

    def _read_block(self, last: bool) -> Iterator[Value]:
        """The values that end in the block, which may be the last; it begins behind the last bracket or string."""
        block, base, level, depth = self._block, self._base, self._level, self._depth
        value_at, key, end, self._quote = self._value_at, self._key, self._end, -1
        tokens, parted = _TOKEN.finditer(block, end), False
        while (token := next(tokens, None)) is not None:
            at, stop = token.span()
            kind = block[at]
            if kind == _QUOTE and stop == at + 1:
                string = _STRING.match(block, at)
                if string is None:
                    self._quote = at
                    break
                stop = string.end()  # with a line break in it, which makes its value a broken one
                tokens = _TOKEN.finditer(block, stop)
            if kind == _QUOTE and depth > level:
                end = stop
                continue
            if depth < level:  # before the array or object, or behind it
                if kind == self._opener and not block[end:at].strip():
                    depth, end = level, stop
                    continue
                yield self._closed, None, bytes([self._opener + 2])  # it closed too soon
                depth = level
            if depth == level and not self._long:
                for found in _SCALAR.finditer(block, end, at):
                    yield base + found.start(), key, found.group()
                parted = self._parted or b"," in block[end:at]
                key, self._parted = None if parted else key, False
            if kind in _OPENERS:
                if depth == level:
                    value_at = at
                    if self._opener == _OPENERS[0] and self._last and not parted and not _parses(self._last[2]):
                        depth = 2 * _LOST  # right behind a broken value: a piece of it
                depth += 1
            elif kind in _CLOSERS and depth == level:
                if level and kind == self._opener + 2:  # in ASCII each closer is two behind its opener
                    depth, self._closed = depth - 1, base + at
                else:
                    yield base + at, key, block[at:stop]
            elif kind in _CLOSERS:
                depth -= 1
            elif depth == level and not self._long and self._opener == _OPENERS[1] and key is None:
                key, end = block[at:stop], stop
                continue
            elif depth == level:
                if not last and not self._long and _LAST.match(block, stop):
                    self._quote, self._parted, end = at, parted, at  # whether it is a value, is told by what follows
                    break
                value_at = at
                torn = self._first is not None and b"\n" in block[at:stop]
                if self._opener == _OPENERS[0] and self._last and (torn or not parted) and not self._long:
                    depth = (
                        2 * _LOST
                    )  # text over two lines, or right behind a value: quotes open where they should close
                if _COLON.match(block, stop) and not self._long:
                    depth += 1  # a member whose object lost its bracket
            if depth == level and (value_at >= 0 or self._long):
                if self._last is None and not self._long:
                    self._first_indent = self._indent_at(value_at)
                if stop - value_at > self._limit and not self._long:
                    self._long = (base + value_at, key, block[value_at : value_at + HEAD] + CUT)
                row = -1 if self._long or kind == _QUOTE else self._find_row(value_at, stop)
                self._last = self._long or (base + value_at, key, block[value_at : row if row >= 0 else stop])
                yield self._last
                if self._first is None and row < 0 and (first := _FIRST_KEY.match(self._last[2])):
                    self._first, self._on_lines = first.group(1), b"\n" not in self._last[2]
                value_at, key, self._long = -1, None, None
                if row >= 0:
                    stop, tokens, self._parted = row, _TOKEN.finditer(block, row), True
            end = stop
        self._depth, self._value_at, self._key, self._end = depth, value_at, key, end

    def _find_row(self, value_at: int, stop: int) -> int:
        """Where a row begins inside a value that ends but does not parse; below zero where none does."""
        row = self._search_row(value_at, stop)
        if row < 0:
            return -1
        if not _parses(self._block[value_at:stop]):
            return row
        if self._holds_rows < 0:
            self._holds_rows = self._base + value_at
        return -1

    def _search_row(self, value_at: int, stop: int) -> int:
        """Where a line begins as the value's own does (or the first value's), with an object; below zero for none.

        Where lines inside a value may begin so too, the object must begin with the value's or the first value's key.
        """
        block = self._block
        if block.find(b"\n", value_at, stop) < 0:
            return -1
        begins = block[value_at] == _OPENERS[1] and self._depth < _LOST
        own = self._indent_at(value_at) if begins else None
        indent = self._first_indent if own is None else own
        keys = frozenset[bytes]()
        if self._first and not indent and not (self._on_lines and indent is not None):
            first = _FIRST_KEY.match(block, value_at, stop)
            keys = frozenset((self._first, first.group(1) if first else self._first))
        found = _row_mark(indent, keys, self._opener == _OPENERS[1]).search(block, value_at + 1, stop)
        return found.start(1) if found else -1

    def _indent_at(self, value_at: int) -> bytes | None:
        """The space that the value's line begins with; None where the value begins no line."""
        if value_at == 0 < self._base:
            return self._indent
        start = self._block.rfind(b"\n", 0, value_at) + 1
        line = self._block[start:value_at]
        if not start and self._base:
            return None  # the line began before the block
        if self._opener == _OPENERS[1]:
            found = _KEYED.fullmatch(line)
            return found.group(1) if found else None
        return None if line.strip(b" \t") else line

    def _break_off(self, last: bool) -> Value | None:
        """The value that is open at the end of the block, broken off where the next row begins; None where it goes on.

        It goes on as long as its bytes may be the beginning of a value that holds such a row, unless the file ends.
        """
        if self._value_at < 0:
            return None
        row = self._search_row(self._value_at, len(self._block))
        stretch = self._block[self._value_at : row]
        whole = last or self._depth >= _LOST or not _may_hold(stretch, keyed=self._opener == _OPENERS[1])
        if row < 0 or not whole:
            return None
        broken = self._last = (self._base + self._value_at, self._key, stretch)
        self._depth, self._end, self._value_at, self._key = self._level, row, -1, None
        self._parted = True
        return broken

    def _let_go(self) -> Iterator[Value]:
        """Keep of the block only what the next one goes on with; give the scalars that are whole."""
        block, at_level = self._block, self._depth <= self._level
        start = self._value_at if self._value_at >= 0 else self._quote if at_level else -1
        if not self._long and start >= 0 and len(block) - start > self._limit:
            if at_level and self._opener == _OPENERS[1] and self._key is None:
                raise self._refusal(f"the key at byte {self._base + start} is too long")
            self._long = (self._base + start, self._key, block[start : start + HEAD] + CUT)
            self._value_at = -1
        keep = self._end
        if self._long:  # nothing but an open string's end matters, and whether its last byte escapes the next
            keep = len(block)
            if self._quote >= 0:
                keep -= 2
                escaping = (len(block) - len(block.rstrip(b"\\"))) % 2
                block = block[:keep] + (b'"\\' if escaping else b' "')
        elif self._value_at >= 0:
            keep = self._value_at
            self._indent, self._value_at = self._indent_at(keep), 0
        elif self._quote < 0 and self._depth == self._level and (comma := block.rfind(b",", self._end) + 1):
            for found in _SCALAR.finditer(block, self._end, comma):
                yield self._base + found.start(), self._key, found.group()
            keep, self._key, self._parted = comma, None, True
        if len(block) - keep > self._limit + self._size:
            raise self._refusal(f"what stands at byte {self._base + keep} is no value and too long")
        self._end = 0 if self._long else max(self._end - keep, 0)
        self._base, self._block = self._base + keep, block[keep:]

    def _finish(self) -> Iterator[Value]:
        """What the end of the file left open, as one last, broken value."""
        tail = self._block[self._value_at if self._value_at >= 0 else self._end :].strip(_BLANK)
        at = self._base + (self._value_at if self._value_at >= 0 else self._end)
        if self._depth >= _LOST and self._first_indent is None:  # rows stand on one line, so some may be in there
            raise self._refusal(f"the quotes do not match from byte {at} on")
        cut = self._value_at >= 0 or (self._level > 0 and self._depth > 0)
        if self._long:
            raise self._refusal(f"the value at byte {self._long[0]} is too long and never ends")
        last = (at, self._key, tail) if self._value_at >= 0 else self._last
        if cut and (self._holds_rows >= 0 or (last and _swallows(last[2]))):
            place = last[0] if last and self._holds_rows < 0 else self._holds_rows
            raise self._refusal(f"the brackets do not match from byte {place} on, and rows may stand inside a value")
        if cut or tail:
            yield at, self._key, tail

    def _refusal(self, what: str) -> CareError:
        return CareError(what, fix="The file is cut or broken there: mend it, or fetch it again.", code=Exit.DATA)


@lru_cache(64)
def _row_mark(indent: bytes | None, keys: frozenset[bytes], keyed: bool) -> re.Pattern[bytes]:
    """What finds the beginning (group 1) of a line that begins a row; an indent not known is hardly any."""
    first = b"|".join(re.escape(key) for key in sorted(keys)) if keys else rb'"[^"\\\n]*"'
    space = b" ?" if indent is None else re.escape(indent)
    name = rb'"[^"\\\n]*"\s*:\s*' if keyed else b""
    return re.compile(rb"\n(" + space + name + rb"\{\s*(?:" + first + rb")\s*:)")


def _may_hold(stretch: bytes, keyed: bool) -> bool:
    """Whether valid JSON may begin with the stretch and go on with an object, or a key with one if `keyed`."""
    opened = bytearray()
    for token in _TOKEN.finditer(stretch):
        kind = token.group()[0]
        if kind == _QUOTE and token.end() == token.start() + 1:
            return False  # a string that a line break ends
        if kind in _OPENERS:
            opened.append(kind)
        elif kind in _CLOSERS and (not opened or opened.pop() != kind - 2):
            return False
    before = (bytes(opened[-1:]), stretch.rstrip()[-1:])
    return before in {(b"{", b","), (b"{", b"{")} if keyed else before in {(b"[", b","), (b"[", b"["), (b"{", b":")}


def _swallows(raw: bytes) -> bool:
    """Whether a value that does not parse holds what may be rows: an object behind another, with its own first key."""
    first = _FIRST_KEY.match(raw)
    if first is None or not re.search(rb"[}\]]\s*,\s*\{\s*" + re.escape(first.group(1)) + rb"\s*:", raw):
        return False
    return not _parses(raw)


def _parses(raw: bytes) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True
