"""JSON in every disguise: an array, an object of rows, a value a line, values one after another.

A scan cuts the bytes into values (scans.py); each value is then parsed strictly on its own, and a bad one costs itself
only.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import orjson
import polars as pl

from care_data.readers.encodings import bad_byte, is_utf8
from care_data.readers.scans import scan_values
from care_data.registry import File
from care_data.rows import Batch, Collector, Wanted

_KEY = re.compile(rb'"\s*:')


def read_json(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row per value; an object gives its members as columns, any value is `_value`, its key `_key`.

    A value that does not parse, holds a key twice, or is nested otherwise than the patterns declare, is set aside.
    """
    rows = Collector(wanted)
    take = _taker(wanted)
    for offset, key, raw in scan_values(stream, file):
        try:
            value = orjson.loads(raw)
            name = None if key is None else orjson.loads(key)
            _refuse_repeated(value, raw)
        except (ValueError, RecursionError) as error:
            problem = bad_byte(raw, "utf-8", offset)
            if problem and not is_utf8(file.encoding):  # the scan saw the file recoded
                problem = f"bytes that are not {file.encoding}"
            reason = "bad_encoding" if problem else "bad_json"
            found = f"{error} in the value" if raw else "the file ends before its list or object does,"
            rows.add_bad(reason, problem or f"{found} at byte {offset}", raw.decode("utf-8", "replace"))
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


def _refuse_repeated(value: Any, raw: bytes) -> None:
    """ValueError where an object of the value names a key twice: one of the two would be lost.

    There are at least as many `":` in the text as keys in the value, so equal numbers, the rule, end the search.
    """
    keys, left = 0, [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            keys += len(part)
            left += [inner for inner in part.values() if isinstance(inner, dict | list)]
        elif isinstance(part, list):
            left += [inner for inner in part if isinstance(inner, dict | list)]
    if len(_KEY.findall(raw)) != keys:
        json.loads(raw, object_pairs_hook=_require_unique)


def _require_unique(members: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in members:
        if name in names:
            raise ValueError(f"the key {name!r} stands twice")
        names.add(name)


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
            try:
                return columns_of(json.loads(raw, parse_float=str, parse_int=str), key)
            except RecursionError:
                raise _NestingError("nested too deeply") from None

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
