"""CSV and TSV: a header, then a row a record; all cells are text. Blank lines are no rows.

A file in GB18030 is read as it is, and written as it is: quote, comma, tab and line feed are never part of another
character there.
"""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from care_data.datafiles.cells import find_records, parse_csv, parse_tsv, split_record
from care_data.datafiles.cuts import BLOCK, BadRow, Cut, Flags, copy_rows
from care_data.datafiles.packing import open_packed
from care_data.datafiles.texts import refuse_missing
from care_data.errors import CareError, Exit
from care_data.readers.encodings import bad_byte, reads_as_utf8
from care_data.readers.streams import MAX_LINE
from care_data.threads import work_ahead


@dataclass(frozen=True)
class _Part:
    """A block of whole records behind the header. encoding: empty as long as all was ASCII."""

    cut: Cut
    header: list[str]
    encoding: str


def name_csv_fields(path: Path) -> list[str]:
    """The cells of the header."""
    return _names(path, quoting=True)


def name_tsv_fields(path: Path) -> list[str]:
    """The cells of the header."""
    return _names(path, quoting=False)


def read_csv(path: Path, fields: list[str]) -> Iterator[pl.DataFrame]:
    """A frame a block, with the cells of each field."""
    return _read(path, fields, quoting=True)


def read_tsv(path: Path, fields: list[str]) -> Iterator[pl.DataFrame]:
    """A frame a block, with the cells of each field. There is no quoting; the last cell takes the rest of its line."""
    return _read(path, fields, quoting=False)


def copy_csv(path: Path, stays: Flags, to: Path) -> None:
    """The header and the records that stay, byte for byte."""
    copy_rows(path, (part.cut for part in _parts(path, quoting=True)), stays, to)


def copy_tsv(path: Path, stays: Flags, to: Path) -> None:
    """The header and the lines that stay, byte for byte."""
    copy_rows(path, (part.cut for part in _parts(path, quoting=False)), stays, to)


def _names(path: Path, *, quoting: bool) -> list[str]:
    return next((part.header for part in _parts(path, quoting=quoting)), [])


def _read(path: Path, fields: list[str], *, quoting: bool) -> Iterator[pl.DataFrame]:
    parse = parse_csv if quoting else parse_tsv

    def read(part: _Part) -> pl.DataFrame:
        return parse(part.cut, part.header, part.encoding or "utf-8", fields)

    rows = 0
    try:
        for frame in work_ahead(read, _checked(_parts(path, quoting=quoting), fields)):
            yield frame
            rows += frame.height
    except BadRow as bad:
        raise bad.tell(path, rows) from bad


def _checked(parts: Iterator[_Part], fields: list[str]) -> Iterator[_Part]:
    """The parts; CareError (2) where the header lacks a field or has it twice."""
    for part in parts:
        if missing := [field for field in fields if field not in part.header]:
            raise refuse_missing(missing, part.header)
        if twice := [field for field in fields if part.header.count(field) > 1]:
            fix = "Rename one of the two."
            raise CareError(f"the header names the field {twice[0]!r} twice", fix=fix, code=Exit.USAGE)
        yield part


def _parts(path: Path, *, quoting: bool) -> Iterator[_Part]:
    """The file in blocks of whole records; the first one tells the header, the first beyond ASCII the encoding."""
    with open_packed(path) as stream:
        held, offset, rows, encoding, more = b"", 0, 0, "", b"-"
        header: list[str] | None = None
        while more:
            more = stream.read(max(BLOCK, len(held)))
            held += more
            start = len(BOM_UTF8) if header is None and held.startswith(BOM_UTF8) else 0
            starts, stops = find_records(held, quoting, start=start, last=not more)
            end = int(stops[-1]) if len(stops) else 0
            if len(held) - end > MAX_LINE:
                where = f"{path}, row {rows + len(stops) + (header is not None)}, byte {offset + end}"
                fix = "Is a quote not closed?"
                raise CareError(f"it has more than {MAX_LINE >> 20} MiB", where=where, fix=fix, code=Exit.LIMIT)
            if not len(stops):
                continue
            encoding = encoding or _encoding_of(held[:end])
            before = b""
            if header is None:
                header = _read_header(held[: int(stops[0])], quoting, encoding)
                before, starts, stops = held[: int(stops[0])], starts[1:], stops[1:]
            yield _Part(Cut(offset, held[:end], starts, stops, before), header, encoding)
            held, offset, rows = held[end:], offset + end, rows + len(stops)


def _encoding_of(block: bytes) -> str:
    """UTF-8 or GB18030; empty where the block is ASCII, and UTF-8 where it is neither."""
    if block.isascii():
        return ""
    if reads_as_utf8(block):
        return "utf-8"
    try:
        block.decode("gb18030")
    except UnicodeDecodeError:
        return "utf-8"
    # A few bad bytes in UTF-8 may all have a reading in GB18030; but then most lines still read as UTF-8.
    foreign = [line for line in block.split(b"\n") if not line.isascii()]
    return "gb18030" if 2 * sum(map(reads_as_utf8, foreign)) < len(foreign) else "utf-8"


def _read_header(record: bytes, quoting: bool, encoding: str) -> list[str]:
    try:
        text = record.decode(encoding or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        fix = "Save the file as UTF-8."
        raise CareError(bad_byte(record, "utf-8", 0), where="header", fix=fix) from None
    if "\r" in text.removesuffix("\n").removesuffix("\r"):
        raise CareError("its lines end in CR alone", fix="Only LF and CRLF end a line here.")
    try:
        return split_record(text, quoting)
    except csv.Error as error:
        fix = "Close or double the quotes in it."
        raise CareError(f"the quotes of the header do not match ({error})", fix=fix) from None
