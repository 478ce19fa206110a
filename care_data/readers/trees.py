"""JSON in every disguise: an array, an object of rows, a value a line, values one after another.

What the file is, is read from its bytes, since suffixes lie. A structural scan cuts the bytes into values without
reading them into objects, so memory holds one block and one value; each value is then parsed strictly on its own, and a
bad one costs itself only.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import orjson
import polars as pl

from care_data.errors import CareError
from care_data.readers.encodings import BLOCK, bad_byte, decode_lines
from care_data.registry import File
from care_data.rows import Batch, Collector, Wanted

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,:]+")

Value = tuple[int, bytes | None, bytes]
"""(byte offset, key as JSON text where the value is a member of an object, the value as JSON text)."""


def read_json(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row per value; an object gives its members as columns, any value is `_value`, its key `_key`.

    A value that does not parse, or whose nesting is not the one the patterns declare, is set aside.
    """
    rows = Collector(wanted)
    take = _taker(wanted)
    for offset, key, raw in _values(stream, file):
        try:
            value = orjson.loads(raw)
            name = None if key is None else orjson.loads(key)
        except orjson.JSONDecodeError as error:
            problem = bad_byte(raw, "utf-8", offset)
            reason = "bad_encoding" if problem else "bad_json"
            rows.add_bad(reason, problem or f"{error} in the value at byte {offset}", raw.decode("utf-8", "replace"))
            continue
        if isinstance(value, dict):
            rows.names.update(value)
        try:
            values = take(value, name, raw)
        except _NestingError as error:
            rows.add_bad("nesting", f"{error} in the value at byte {offset}", raw.decode("utf-8", "replace"))
        else:
            rows.add(values, len(raw))
        if rows.full:
            yield rows.take()
    rows.names.update(("_value", "_key") if file.at == "*" else ("_value",))
    yield rows.take()


# From bytes to values


def _values(stream: BinaryIO, file: File) -> Iterator[Value]:
    if file.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        stream = _Recoded(decode_lines(stream, file.encoding))  # type: ignore[assignment]
    head = stream.read(BLOCK)
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


class _Recoded:
    """A stream of UTF-8 made from decoded lines."""

    def __init__(self, lines: Iterator[tuple[int, str, str]]) -> None:
        self._lines = lines

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        length = 0
        for _, line, problem in self._lines:
            # A bad line must not parse: a raw 0xFF is not UTF-8, so the value it stands in is set aside.
            parts.append(line.encode() + (b"\xff\n" if problem else b"\n"))
            length += len(parts[-1])
            if 0 <= size <= length:
                break
        return b"".join(parts)


def _is_lines(head: bytes) -> bool:
    """Whether the file holds a value a line: one of the first lines is a whole object or array, and another follows."""
    lines = [line.strip() for line in head[: 1 << 20].split(b"\n")[:50]]
    filled = [line for line in lines if line]
    if not filled or filled[0][:1] not in (b"{", b"["):
        return bool(filled)
    whole = [line for line in filled if _is_whole(line)]
    if filled[0][:1] == b"[" and not (len(filled) > 1 and _is_whole(filled[0])):
        return False
    return bool(whole)


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line.rstrip(b",")), dict | list)
    except orjson.JSONDecodeError:
        return False


def _lines(stream: BinaryIO, block: bytes, start: int) -> Iterator[Value]:
    """A value a line, with or without commas between; blank lines are no rows."""
    offset, rest = start, block[start:]
    while True:
        more = stream.read(BLOCK)
        cut = rest.rfind(b"\n") + 1 if more else len(rest)
        for line in rest[:cut].split(b"\n"):
            text = line.strip().removesuffix(b",")
            if text:
                yield offset, None, text
            offset += len(line) + 1
        offset -= 1 if rest[:cut].endswith(b"\n") or cut == 0 else 0
        if not more:
            return
        rest = rest[cut:] + more


def _values_at(data: bytes, path: str) -> Iterator[Value]:
    """Rows of a list or an object found down a path of keys; the file is read whole."""
    try:
        found = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise CareError(f"not JSON: {error}", fix="Fetch it again.") from error
    for step in path.removesuffix(".*").split("."):
        if not isinstance(found, dict) or step not in found:
            raise CareError(f"no {step!r} on the way to {path!r}", fix="Mend `at` in the entry.")
        found = found[step]
    if isinstance(found, dict):
        yield from ((0, orjson.dumps(key), orjson.dumps(value)) for key, value in found.items())
    else:
        yield from ((0, None, orjson.dumps(value)) for value in found)


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
    if value_at >= 0 or block[end:].strip(b" \t\r\n,"):
        tail = block[value_at if value_at >= 0 else end :]
        yield base + (value_at if value_at >= 0 else end), key, tail.strip()


def _scalars(block: bytes, start: int, end: int) -> list[tuple[int, bytes]]:
    """Numbers, true, false and null between two tokens."""
    return [(match.start(), match.group()) for match in _SCALAR.finditer(block, start, end)]


# From values to columns


class _NestingError(Exception):
    """A value is nested otherwise than its pattern says."""


class _NumberError(Exception):
    """A number stands where text is wanted: the value must be parsed again with numbers as they are written."""


def _taker(wanted: Wanted) -> Callable[[Any, Any, bytes], list[Any]]:
    """A function from a parsed value, its key and its text to the wanted columns in order."""
    columns = [(name, _caster(kind, name)) for name, kind in wanted.items()]

    def columns_of(value: Any, key: Any) -> list[Any]:
        members = value if isinstance(value, dict) else {}
        special = {"_value": value, "_key": key}
        return [cast(special[name] if name in special else members.get(name)) for name, cast in columns]

    def take(value: Any, key: Any, raw: bytes) -> list[Any]:
        if not isinstance(value, dict) and any(name not in ("_value", "_key") for name in wanted):
            raise _NestingError("not an object")
        try:
            return columns_of(value, key)
        except _NumberError:
            return columns_of(json.loads(raw, parse_float=str, parse_int=str), key)

    return take


def _caster(kind: Any, name: str) -> Callable[[Any], Any]:
    if kind == pl.String:
        return lambda value: _text(value, name)
    if isinstance(kind, pl.List):
        inner = _caster(kind.inner, name)

        def cast_list(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, list):
                raise _NestingError(f"{name!r} is no list")
            return [inner(part) for part in value]

        return cast_list
    parts = [(field.name, _caster(field.dtype, field.name)) for field in kind.fields]

    def cast_struct(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise _NestingError(f"{name!r} is no object")
        return {part: cast(value.get(part)) for part, cast in parts}

    return cast_struct


def _text(value: Any, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        raise _NumberError
    raise _NestingError(f"{name!r} is no text")
