"""Tables: csv, tsv, parquet.

CSV is read record by record in Python: polars stops at a bare quote in a cell, and no columnar reader can set one bad
row aside and go on. Lines without a quote, nearly all of them, take the short way of one `split`.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO

import polars as pl

from care_data.errors import CareError
from care_data.readers.encodings import decode_lines
from care_data.registry import File
from care_data.rows import Batch, Collector, Wanted

MAX_CELL = 100_000
"""Characters a quoted cell may run on; beyond, the quote was never closed and costs its line only."""

_BARE_CR = "\ue00d"
"""Stands for a bare carriage return while Python's csv reads a record; a character of the private use area."""


def read_csv(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """RFC 4180 with a header row, or `columns`; a quote inside an unquoted cell is text. All cells are text.

    A row with too many or too few cells, a bad byte or a quote that never closes is set aside.
    """
    lines = _Lines(decode_lines(stream, file.encoding))
    header = file.columns or _header(lines)
    rows = _table(header, wanted)
    picked = [header.index(name) if name in header else None for name in wanted]
    while (line := lines.take()) is not None:
        offset, text, problem = line
        if not text and not problem:
            continue  # an empty line is no row
        if problem:
            rows.add_bad("bad_encoding", problem, text)
        elif (cells := text.split(",") if '"' not in text else _quoted(text, lines)) is None:
            rows.add_bad("open_quote", f"a quote opened at byte {offset} is never closed well", text)
        elif len(cells) != len(header):
            rows.add_bad("ragged", f"{len(cells)} cells where the header has {len(header)}, at byte {offset}", text)
        else:
            rows.add([None if at is None else cells[at] for at in picked], len(text))
        if rows.full:
            yield rows.take()
    yield rows.take()


def read_tsv(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """Cells between tabs, no quoting; the last column takes the rest of the line."""
    lines = _Lines(decode_lines(stream, file.encoding))
    header = file.columns or _header(lines, "\t")
    rows = _table(header, wanted)
    picked = [header.index(name) if name in header else None for name in wanted]
    while (line := lines.take()) is not None:
        offset, text, problem = line
        cells = text.split("\t", len(header) - 1)
        if problem:
            rows.add_bad("bad_encoding", problem, text)
        elif not text:
            continue
        elif len(cells) != len(header):
            rows.add_bad("ragged", f"{len(cells)} cells where the header has {len(header)}, at byte {offset}", text)
        else:
            rows.add([None if at is None else cells[at] for at in picked], len(text))
        if rows.full:
            yield rows.take()
    yield rows.take()


class _Lines:
    """Lines of a file that can be looked at ahead and given back."""

    def __init__(self, lines: Iterator[tuple[int, str, str]]) -> None:
        self._lines = lines

    def take(self) -> tuple[int, str, str] | None:
        return next(self._lines, None)

    def give_back(self, lines: list[tuple[int, str, str]]) -> None:
        if lines:
            self._lines = itertools.chain(lines, self._lines)


def _header(lines: _Lines, separator: str = ",") -> list[str]:
    line = lines.take()
    if line is None:
        raise CareError("the file is empty", fix="Fetch it again.")
    _, text, problem = line
    if problem:
        raise CareError(problem, fix="Set encoding in the entry.")
    cells = next(csv.reader([text])) if separator == "," else text.split(separator)
    if len(set(cells)) < len(cells):
        raise CareError(
            f"the header names a column twice: {', '.join(cells)}", fix="Name the columns with columns = […]."
        )
    return cells


def _table(header: list[str], wanted: Wanted) -> Collector:
    for name, kind in wanted.items():
        if kind != pl.String and name in header:
            raise CareError(
                f"column {name!r} is text, but a pattern looks inside it", fix="A cell has no parts; mend the pattern."
            )
    return Collector(wanted, names=set(header))


def _quoted(text: str, lines: _Lines) -> list[str] | None:
    """Cells of a record that starts with this line and may run over the next ones; None where its quotes never close.

    Lines looked at in vain are given back, so that an open quote costs one line.
    """
    borrowed: list[tuple[int, str, str]] = []
    while True:
        try:
            return _cells(text)
        except csv.Error as error:
            unfinished = "unexpected end of data" in str(error)
        # Only a line with a quote can close the cell, so the others are joined without parsing again.
        more = ""
        while unfinished and '"' not in more:
            line = lines.take()
            if line is None or line[2] or len(text) > MAX_CELL:
                lines.give_back(borrowed + ([line] if line else []))
                return None
            borrowed.append(line)
            more = line[1]
            text = f"{text}\n{more}"
        if not unfinished:
            lines.give_back(borrowed)
            return None


def _cells(text: str) -> list[str]:
    """Cells of one record. A bare CR is text here, though Python's csv takes it for the end of a row."""
    lines = [f"{line}\n" for line in text.replace("\r", _BARE_CR).split("\n")]
    return [cell.replace(_BARE_CR, "\r") for cell in next(csv.reader(lines, strict=True))]


def read_parquet(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """Rows of a Parquet file; a column of another type is cast to the one wanted or refused."""
    import pyarrow.parquet as pq

    source = pq.ParquetFile(stream, page_checksum_verification=True)
    names = set(source.schema_arrow.names)
    row = 0
    for part in source.iter_batches(batch_size=10_000, columns=[name for name in wanted if name in names]):
        frame = pl.DataFrame(pl.from_arrow(part))
        try:
            columns: list[Any] = [
                pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
                for name, kind in wanted.items()
            ]
            numbers = pl.int_range(row + 1, row + 1 + part.num_rows, dtype=pl.UInt32).alias("_row")
            frame = frame.select(numbers, *columns) if columns else frame.select(numbers)
        except pl.exceptions.PolarsError as error:
            raise CareError(
                f"a column has another type than the entry says ({error})", fix="Mend the pattern."
            ) from error
        yield Batch(frame, [], names)
        row += part.num_rows
    if row == 0:
        yield Collector(wanted, names=names).take()
