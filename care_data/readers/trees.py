"""JSON in every disguise: an array, an object of rows, a value a line, values one after another.

A scan cuts the bytes into values (scans.py); each value is then parsed strictly on its own, and a bad one costs itself
only.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

import orjson
import polars as pl

from care_data.entries import File
from care_data.errors import CareError
from care_data.readers.brackets import CUT
from care_data.readers.casting import NestingError, Taker, make_taker
from care_data.readers.encodings import bad_byte, is_utf8
from care_data.readers.pickles import load_plain
from care_data.readers.scans import Lines, Value, scan_values
from care_data.readers.streams import reason_of, too_long
from care_data.rows import Batch, Collector, Wanted
from care_data.threads import work_ahead

_KEY = re.compile(rb'"\s*:')

HEAD_BYTES = 2 << 20
"""Bytes of lines that are read row by row before any is read as columns."""


def read_json(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row per value; an object gives its members as columns, any value is `_value`, its key `_key`.

    A value that does not parse, holds a key twice, or is nested otherwise than the patterns declare, is set aside.
    """
    rows = Collector(wanted)
    take = make_taker(wanted, file.literals)
    for found, plain in _read_ahead(scan_values(stream, file), file, wanted):
        if not isinstance(found, Lines):
            _add_value(rows, take, found, file.encoding)
        elif plain:
            rows.names |= plain[1]
            rows.add_frame(plain[0], len(found.block))
        else:
            for value in found.values():
                _add_value(rows, take, value, file.encoding)
        if rows.full:
            yield rows.take()
    rows.names.update(("_value", "_key") if file.at == "*" else ("_value",))
    yield rows.take()


def _read_ahead(
    found: Iterator[Value | Lines], file: File, wanted: Wanted
) -> Iterator[tuple[Value | Lines, tuple[pl.DataFrame, set[str]] | None]]:
    """What the scan found, blocks of plain lines beside their columns.

    The compiled reader takes longer to load than a small file to read, so it begins behind the head.
    """
    for one in found:
        if isinstance(one, Lines) and one.offset + len(one.block) >= HEAD_BYTES and not file.literals:
            from care_data.readers.json_columns import plan_lines, read_json_block

            if plan := plan_lines(one.block, wanted):
                blocks = (block for block in chain([one], found) if isinstance(block, Lines))
                yield from work_ahead(lambda block: (block, read_json_block(block.block, wanted, plan)), blocks)
                return
        yield one, None


def _add_value(rows: Collector, take: Taker, value: Value, encoding: str) -> None:
    """One value as a row, or as one that could not be read."""
    offset, key, raw = value
    try:
        parsed = orjson.loads(raw)
        name = None if key is None else orjson.loads(key)
        _refuse_repeated(parsed, raw)
    except (ValueError, RecursionError) as error:
        problem = bad_byte(raw, "utf-8", offset)
        if problem and not is_utf8(encoding):  # the scan saw the file recoded
            problem = f"bytes that are not {encoding}"
        if raw.endswith(CUT):
            problem, raw = too_long(offset), raw.removesuffix(CUT)
        reason = reason_of(problem) if problem else "bad_json"
        told = f"{error} in the value" if raw else "the file ends before its list or object does,"
        rows.add_bad(reason, problem or f"{told} at byte {offset}", raw.decode("utf-8", "replace"))
        return
    if isinstance(parsed, dict):
        rows.names.update(parsed)
    try:
        rows.add(take(parsed, name, raw), len(raw))
    except NestingError as error:
        rows.add_bad("nesting", f"{error} in the value at byte {offset}", raw.decode("utf-8", "replace"))


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


def read_pickle(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row per element of the list a pickle holds, or per value of its object with `at = "*"`; plain data only."""
    rows = Collector(wanted, names={"_value"})
    take = make_taker(wanted, file.literals)
    held = load_plain(stream)
    if not isinstance(held, dict if file.at == "*" else list | tuple):
        shape = "an object of rows" if file.at == "*" else "a list of rows"
        fix = 'Set at = "*" for an object, nothing for a list.'
        raise CareError(f"the pickle holds {type(held).__name__}, not {shape}", fix=fix)
    for key, value in held.items() if isinstance(held, dict) else ((None, part) for part in held):
        rows.names.update(value if isinstance(value, dict) else ())
        try:
            rows.add(take(value, key, None), 1000)
        except NestingError as error:
            rows.add_bad("nesting", f"{error} in the value {rows.row + 1}", repr(value)[:500])
        if rows.full:
            yield rows.take()
    yield rows.take()
