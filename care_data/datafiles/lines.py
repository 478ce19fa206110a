"""JSON lines: a row is an object on a line of its own, with or without a comma behind it; blank lines are no rows.

Blocks in which all is plain go straight to columns, in the compiled pass that conversion uses too; it gives what
parsing gives, or nothing. The others are parsed row by row.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import polars as pl

from care_data.datafiles.cuts import BLOCK, BadRow, Cut, Flags, copy_rows, head_of
from care_data.datafiles.packing import open_packed
from care_data.datafiles.texts import SPEAKERS, find_values, refuse_missing, text_column, text_of, top_field
from care_data.errors import CareError, Exit
from care_data.readers.encodings import bad_byte
from care_data.readers.json_columns import plan_lines, read_json_block
from care_data.readers.streams import MAX_LINE, cut_lines
from care_data.threads import work_ahead

SAMPLE, SAMPLE_BYTES = 100, 1 << 20
"""Rows at the head of a file, and their bytes, that tell what its fields hold."""

DEPTH = 8
"""Lists and objects in one another; what is nested deeper is parsed row by row."""

_SPACE = b" \t\r"
_NOUNS = {"list": "a list", "str": "a text", "int": "a number", "float": "a number", "bool": "a truth value"}

Lines = tuple[int, bytes]
"""The offset of a block in the file, and its bytes: whole lines."""


def name_fields(path: Path) -> list[str]:
    """The fields of the first rows."""
    return name_sample(head_of(path).removeprefix(codecs.BOM_UTF8))


def name_sample(lines: bytes) -> list[str]:
    """The fields of the first of these lines that are objects."""
    return list(dict.fromkeys(name for row in _sample(lines) for name in row))


def read_lines(path: Path, fields: list[str]) -> Iterator[pl.DataFrame]:
    """A frame a block, with the texts of each field."""
    with open_packed(path) as stream:
        yield from read_blocks(path, _blocks(path, stream), fields)


def copy_lines(path: Path, stays: Flags, to: Path) -> None:
    """The lines that stay, byte for byte."""
    with open_packed(path) as stream:
        copy_rows(path, work_ahead(_cut, _blocks(path, stream, bare=False)), stays, to)


def _blocks(path: Path, stream: BinaryIO, *, bare: bool = True) -> Iterator[Lines]:
    """Blocks of whole lines. bare: without a byte order mark."""
    for offset, block, whole in cut_lines(stream, BLOCK):
        if not whole:
            raise CareError(
                f"a line has more than {MAX_LINE >> 20} MiB",
                where=f"{path}, byte {offset}",
                fix="If the file is one JSON array, name it .json.",
                code=Exit.LIMIT,
            )
        if bare and offset == 0 and block.startswith(codecs.BOM_UTF8):
            yield len(codecs.BOM_UTF8), block[len(codecs.BOM_UTF8) :]
        else:
            yield offset, block


def _cut(lines: Lines) -> Cut:
    """The lines of a block but blank ones."""
    offset, block = lines
    before = codecs.BOM_UTF8 if offset == 0 and block.startswith(codecs.BOM_UTF8) else b""
    data = np.frombuffer(block, np.uint8)
    stops = np.flatnonzero(data == 10) + 1
    if not block.endswith(b"\n"):
        stops = np.append(stops, len(block))
    starts = np.append(len(before), stops[:-1])
    doubtful = np.flatnonzero((starts == stops) | (data[np.minimum(starts, len(data) - 1)] <= 32))
    blank = [at for at in doubtful.tolist() if not block[starts[at] : stops[at]].strip()]
    return Cut(offset, block, np.delete(starts, blank), np.delete(stops, blank), before)


def read_blocks(path: Path, blocks: Iterator[Lines], fields: list[str]) -> Iterator[pl.DataFrame]:
    """The texts of each field in the lines of each block; CareError (2) where no line has a field."""
    first = next(blocks, None)
    if first is None:
        return
    reader = _Reader(first[1], fields)
    rows, names, found = 0, dict.fromkeys(name_sample(first[1])), set[str]()
    try:
        for frame, seen in work_ahead(reader.parse, chain([first], blocks)):
            names |= seen.names
            found |= seen.found
            yield frame
            rows += frame.height
    except BadRow as bad:
        raise bad.tell(path, rows) from bad
    missing = [field for field in fields if field not in found]
    if rows and missing:
        raise refuse_missing(missing, list(names))


@dataclass
class _Seen:
    """names: of all fields of a block. found: those asked for that some row of it has."""

    names: dict[str, None]
    found: set[str]


class _Reader:
    """Reads blocks of lines. How the fields are nested is told by the first rows; where it differs, rows are parsed."""

    def __init__(self, lines: bytes, fields: list[str]) -> None:
        self.fields, self.plan = fields, None
        sample = _sample(lines)
        names = list(dict.fromkeys(name for row in sample for name in row))
        tops = {top_field(field, names) for field in fields}
        self.wanted = {top: _kind_of([row[top] for row in sample if top in row]) for top in tops if top}
        if sample and None not in tops and None not in self.wanted.values():
            whole = {name: value if name in self.wanted else None for row in sample for name, value in row.items()}
            self.plan = plan_lines(orjson.dumps(whole), self.wanted)

    def parse(self, lines: Lines) -> tuple[pl.DataFrame, _Seen]:
        """The texts of a block, a row each, and what was seen."""
        offset, block = lines
        if self.plan and (read := read_json_block(block, self.wanted, self.plan)):
            frame, names = read
            held = {field for field in self.fields if top_field(field, list(names))}
            texts = [text_column(frame, field) for field in self.fields]
            plain = pl.DataFrame(texts) if texts else pl.DataFrame(height=frame.height)
            return plain, _Seen(dict.fromkeys(sorted(names)), held)
        return self._parse_each(offset, block)

    def _parse_each(self, offset: int, block: bytes) -> tuple[pl.DataFrame, _Seen]:
        columns: list[tuple[str, list[str]]] = [(field, []) for field in self.fields]
        seen, rows = _Seen({}, set()), 0
        for line in block.split(b"\n"):
            if text := line.strip(_SPACE).removesuffix(b","):
                row = _load(text, rows, offset)
                if not row.keys() <= seen.names.keys():
                    seen.names.update(dict.fromkeys(row))
                for field, texts in columns:
                    values = find_values(row, field)
                    if values:
                        seen.found.add(field)
                    try:
                        texts.append(text_of(values[0] if len(values) == 1 else values))
                    except RecursionError:
                        raise BadRow(rows, offset, f"the field {field!r} is nested too deeply") from None
                rows += 1
            offset += len(line) + 1
        frame = pl.DataFrame([pl.Series(field, texts, pl.String) for field, texts in columns])
        return frame if columns else pl.DataFrame(height=rows), seen


def _load(text: bytes, row: int, offset: int) -> dict[str, Any]:
    """The object on a line; BadRow where there is none. What Python's json writes beyond the standard is read too."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:  # NaN, and halves of surrogate pairs
            value = json.loads(json.dumps(json.loads(text.decode()), ensure_ascii=False).encode("utf-8", "replace"))
        except UnicodeDecodeError:
            raise BadRow(row, offset, bad_byte(text, "utf-8", offset)) from None
        except (ValueError, RecursionError) as error:
            raise BadRow(row, offset, f"it is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadRow(row, offset, f"it is {_NOUNS.get(type(value).__name__, 'null')}, not an object with fields")
    return value


def _sample(lines: bytes) -> list[dict[str, Any]]:
    """The first rows, as far as they are objects."""
    rows = []
    for line in lines[:SAMPLE_BYTES].split(b"\n")[:SAMPLE]:
        try:
            row = orjson.loads(line.strip(_SPACE).removesuffix(b","))
        except orjson.JSONDecodeError:
            continue  # a blank line, a row cut off here, or one of which reading will tell
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _kind_of(values: list[Any], depth: int = 0) -> Any:
    """The type of which all values are, of texts, lists and objects; None where there is no such.

    Of an object's texts a type would fix the order, so there is one only for objects of a single text and its speaker.
    """
    held = [value for value in values if value is not None]
    if all(isinstance(value, str) for value in held):
        return pl.String()
    if all(isinstance(value, list) for value in held):
        inner = _kind_of([part for value in held for part in value], depth + 1) if depth < DEPTH else None
        return None if inner is None else pl.List(inner)
    if not all(isinstance(value, dict) for value in held):
        return None
    names = dict.fromkeys(name for value in held for name in value)
    if depth == DEPTH or len(names.keys() - SPEAKERS) != 1:
        return None
    parts = {name: _kind_of([value[name] for value in held if name in value], depth + 1) for name in names}
    return None if None in parts.values() else pl.Struct(parts)
