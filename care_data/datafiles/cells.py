"""Records of CSV and TSV: where they begin and end, and their cells as columns of text."""

import csv

import numpy as np
import polars as pl

from care_data.datafiles.cuts import BadRow, Cut, Places
from care_data.kernels import kernel
from care_data.readers.csv_columns import read_csv_block
from care_data.readers.encodings import bad_byte, reads_as_utf8
from care_data.readers.spans import CSV, view_spans

_STRIDE = 16

_MANY = 100
"""Records of a block that are not plain; from then on they are read one by one."""

_BARE_CR = "\ue00d"
"""Stands for a bare carriage return while Python's csv reads a record; a character of the private use area."""

csv.field_size_limit(1 << 30)  # a cell may be as long as its line; the default, 128 KiB, refuses whole articles


def find_records(block: bytes, quoting: bool, *, start: int = 0, last: bool) -> tuple[Places, Places]:
    """Where the whole records of a block begin and end, but for blank lines.

    quoting: line feeds between quotes end no record; a quote opens at the beginning of a cell. last: the block ends the
    file, and so its last record. The bytes may be UTF-8 or GB18030.
    """
    most = block.count(b"\n") + 1
    starts, stops = np.empty(most, np.int64), np.empty(most, np.int64)
    found = _find_records(np.frombuffer(block, np.uint8), start, quoting, last, starts, stops)
    return starts[:found], stops[:found]


def split_record(text: str, quoting: bool) -> list[str]:
    """Cells of one record; csv.Error where its quotes do not match. A bare CR is text."""
    text = text.removesuffix("\n").removesuffix("\r")
    if not quoting:
        return text.split("\t")
    lines = [f"{line}\n" for line in text.replace("\r", _BARE_CR).split("\n")]
    return [cell.replace(_BARE_CR, "\r") for cell in next(csv.reader(lines, strict=True))]


def parse_csv(cut: Cut, header: list[str], encoding: str, fields: list[str]) -> pl.DataFrame:
    """The cells of some columns of a block of records; BadRow for one that has not as many cells as the header.

    What is plain goes straight to columns, in the compiled pass that conversion uses too; the rest record by record.
    """
    block, starts, stops = _decode(cut, encoding, quoting=True)
    wanted = dict.fromkeys(fields or header[:1], pl.String)
    frames = [pl.DataFrame(schema=wanted)]
    row, tries = 0, 0
    while row < len(starts):
        frame, _ = read_csv_block(block, int(starts[row]), header, wanted)
        row, tries = row + frame.height, tries + 1
        until = len(starts) if tries == _MANY else min(row + 1, len(starts))
        spans = zip(range(row, until), starts[row:until].tolist(), stops[row:until].tolist(), strict=True)
        cells = [_read_record(block[start:stop], header, at, cut) for at, start, stop in spans]
        picked = {field: [record[header.index(field)] for record in cells] for field in wanted}
        frames += [frame, pl.DataFrame(picked, schema=wanted)]
        row = until
    return pl.concat(frames).select(fields) if fields else pl.DataFrame(height=len(starts))


def _read_record(record: bytes, header: list[str], row: int, cut: Cut) -> list[str]:
    place = cut.offset + int(cut.starts[row])
    try:
        cells = split_record(record.decode(), quoting=True)
    except csv.Error:
        raise BadRow(row, place, "its quotes do not match: one within a cell has to be doubled") from None
    if len(cells) != len(header):
        raise BadRow(row, place, f"it has {len(cells)} cells where the header has {len(header)}")
    return cells


def parse_tsv(cut: Cut, header: list[str], encoding: str, fields: list[str]) -> pl.DataFrame:
    """The cells of some columns of a block of lines; BadRow for one with fewer cells than the header."""
    block, starts, stops = _decode(cut, encoding, quoting=False)
    first = np.empty((len(starts), len(header)), np.int64)
    lengths = np.empty((len(starts), len(header)), np.int64)
    bad = _find_cells(np.frombuffer(block, np.uint8), starts, stops, first, lengths)
    if bad >= 0:
        told = f"it has fewer cells than the {len(header)} of the header"
        raise BadRow(bad, cut.offset + int(cut.starts[bad]), told)
    unmarked = np.zeros(len(starts), np.bool_)
    columns = []
    for field in fields:
        at = header.index(field)
        cells = view_spans(block, first[:, at], lengths[:, at], unmarked, CSV)
        columns.append(pl.Series(field, pl.from_arrow(cells), pl.String))
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=len(starts))


def _decode(cut: Cut, encoding: str, *, quoting: bool) -> tuple[bytes, Places, Places]:
    """The block in UTF-8 and its records there, as many as in the cut; BadRow for bytes that do not decode."""
    if encoding == "utf-8" and reads_as_utf8(cut.data):
        return cut.data, cut.starts, cut.stops
    begin = int(cut.starts[0]) if len(cut.starts) else len(cut.data)
    try:
        block = cut.data[begin:].decode(encoding).encode()
    except UnicodeDecodeError:
        spans = zip(cut.starts.tolist(), cut.stops.tolist(), strict=True)
        told = (bad_byte(cut.data[start:stop], encoding, cut.offset + start) for start, stop in spans)
        row, problem = next((row, problem) for row, problem in enumerate(told) if problem)
        raise BadRow(row, cut.offset + int(cut.starts[row]), problem) from None
    return block, *find_records(block, quoting, last=True)


@kernel
def _find_records(block, at, quoting, last, starts, stops):  # type: ignore[no-untyped-def]
    """Fills the places of the records; how many there are."""
    size, found = len(block), 0
    while at < size:
        begin = at
        at = _end_record(block, at, size) if quoting else _find(block, at, size, 10, 10)
        if at == size and not last:
            return found
        blank = at == begin or (at == begin + 1 and block[begin] == 13)
        at = min(at + 1, size)
        if not blank:
            starts[found], stops[found] = begin, at
            found += 1
    return found


@kernel
def _end_record(block, at, size):  # type: ignore[no-untyped-def]
    """The line feed that ends the record which begins here; the size where none does."""
    while True:
        if at < size and block[at] == 34:
            at = _find(block, at + 1, size, 34, 34)
            while at + 1 < size and block[at + 1] == 34:
                at = _find(block, at + 2, size, 34, 34)
            at = min(at + 1, size)
        at = _find(block, at, size, 44, 10)
        if at == size or block[at] == 10:
            return at
        at += 1


@kernel
def _find_cells(block, starts, stops, first, lengths):  # type: ignore[no-untyped-def]
    """Fills the places of each line's cells, the last one up to the line's end; the first line with too few, or -1."""
    width = first.shape[1]
    for row in range(len(starts)):
        at, stop = starts[row], stops[row]
        if block[stop - 1] == 10:
            stop -= 1
            if stop > at and block[stop - 1] == 13:
                stop -= 1
        for cell in range(width):
            end = stop if cell == width - 1 else _find(block, at, stop, 9, 9)
            if cell < width - 1 and end == stop:
                return row
            first[row, cell], lengths[row, cell] = at, end - at
            at = end + 1
    return -1


@kernel
def _find(block, at, size, letter, other):  # type: ignore[no-untyped-def]
    """Where one of two bytes stands next; the size where none does. Many bytes are looked at at once."""
    here, end, step, many = np.uint64(at), np.uint64(size), np.uint64(1), np.uint64(_STRIDE)
    while here + many <= end:
        met = np.uint8(0)
        for ahead in range(_STRIDE):
            byte = block[here + np.uint64(ahead)]
            met |= np.uint8(byte == letter) | np.uint8(byte == other)
        if met:
            break
        here += many
    while here < end and block[here] != letter and block[here] != other:
        here += step
    return np.int64(min(here, end))
