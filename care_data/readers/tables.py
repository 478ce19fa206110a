"""Tables: csv, tsv, parquet.

CSV is read record by record in Python: polars stops at a bare quote in a cell, and no columnar reader can set one bad
row aside and go on. Lines without a quote, nearly all of them, take the short way of one `split`.
"""

import csv
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import polars as pl

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers.casting import NestingError, make_cell_caster
from care_data.readers.columns import read_csv_block
from care_data.readers.encodings import decode_lines
from care_data.rows import Batch, Collector, Wanted

MAX_CELL = 100_000
"""Characters a quoted cell may run on; beyond, the quote was never closed and costs its line only."""

MAX_ROWLIKE = 10
"""Lines of a quoted cell that may each have as many commas as a row; more of them are rows that a quote swallowed."""

BLOCK_LINES = 1_000
"""Lines read as columns at once; one that is not plain sends the block the long way."""

_Line = tuple[int, str, str]
"""(byte offset, text, what is wrong with its bytes)."""

_BARE_CR = "\ue00d"
"""Stands for a bare carriage return while Python's csv reads a record; a character of the private use area."""

csv.field_size_limit(1 << 30)  # a cell may be as long as its line; the default, 128 KiB, refuses whole articles


def read_csv(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """RFC 4180 with a header row, or `columns`; a quote inside an unquoted cell is text. All cells are text.

    A row with too many or too few cells, a bad byte or a quote that never closes is set aside.
    """
    lines = _Lines(decode_lines(stream, file.encoding))
    header = file.columns or _header(lines)
    yield from _read_rows(lines, header, file, wanted, lambda text: _split(text, lines, len(header)))


def read_tsv(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """Cells between tabs, no quoting; the last column takes the rest of the line."""
    lines = _Lines(decode_lines(stream, file.encoding))
    header = file.columns or _header(lines, "\t")
    yield from _read_rows(lines, header, file, wanted, lambda text: text.split("\t", len(header) - 1))


def _read_rows(
    lines: "_Lines", header: list[str], file: File, wanted: Wanted, split: Callable[[str], list[str] | None]
) -> Iterator[Batch]:
    """Batches of the rows, each cut into cells by `split`, which gives None for a quote that never closes.

    Blocks of CSV in which all is plain are read as columns at once, the others row by row.
    """
    rows = Collector(wanted, names=set(header))
    picked = [header.index(name) if name in header else None for name in wanted]
    cast = make_cell_caster(wanted, file.literals, set(header))

    def add(line: _Line) -> None:
        offset, text, problem = line
        if not text and not problem:
            return  # an empty line is no row
        if problem:
            rows.add_bad("bad_encoding", problem, text)
        elif (cells := split(text)) is None:
            rows.add_bad("open_quote", f"a quote opened at byte {offset} is never closed well", text)
        elif len(cells) != len(header):
            rows.add_bad("ragged", f"{len(cells)} cells where the header has {len(header)}, at byte {offset}", text)
        else:
            values = [None if at is None else cells[at] for at in picked]
            try:
                rows.add(cast(values) if cast else values, len(text))
            except NestingError as error:
                rows.add_bad("nesting", f"{error} in the row at byte {offset}", text)

    while block := lines.take_block():
        frame = read_csv_block(block, header, wanted) if file.format == "csv" and not cast else None
        if frame is not None:
            rows.add_frame(frame, sum(len(text) for _, text, _ in block))
        else:
            lines.give_back(block)
            for _ in block:  # a record over several lines takes more than its share: the rest is the next block's
                if (line := lines.take()) is not None:
                    add(line)
        if rows.full:
            yield rows.take()
    yield rows.take()


class _Lines:
    """Lines of a file that can be looked at ahead and given back."""

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._lines = lines
        self._returned: deque[_Line] = deque()

    def take(self) -> _Line | None:
        return self._returned.popleft() if self._returned else next(self._lines, None)

    def take_block(self) -> list[_Line]:
        block = list(itertools.islice(self._returned, BLOCK_LINES))
        for _ in block:
            self._returned.popleft()
        return block + list(itertools.islice(self._lines, BLOCK_LINES - len(block)))

    def give_back(self, lines: list[_Line]) -> None:
        self._returned.extendleft(reversed(lines))


def _header(lines: _Lines, separator: str = ",") -> list[str]:
    while (line := lines.take()) is not None and not any(line[1:]):
        pass  # an empty line is no header
    if line is None:
        raise CareError("the file is empty", fix="Fetch it again.")
    _, text, problem = line
    if problem:
        raise CareError(problem, fix="Set encoding in the entry.")
    if "\r" in text:
        raise CareError("its lines end in CR alone", fix="Only LF and CRLF end a line here.")
    cells = _split(text, lines) if separator == "," else text.split(separator)
    if cells is None:
        raise CareError("a quote in the header is never closed well", fix="Name the columns with columns = […].")
    if len(set(cells)) < len(cells):
        raise CareError(
            f"the header names a column twice: {', '.join(cells)}", fix="Name the columns with columns = […]."
        )
    return cells


def _split(text: str, lines: _Lines, width: int | None = None) -> list[str] | None:
    """Cells of a record that starts with this line and may run over the next ones; None where its quotes never close.

    Lines looked at in vain are given back, so that an open quote costs one line. So are lines that a quote much further
    down seems to close in: the cells are then not as many as the width, or each line looks like a row of its own.
    """
    if '"' not in text:
        return text.split(",")
    borrowed: list[tuple[int, str, str]] = []
    while True:
        try:
            cells = _cells(text)
        except csv.Error as error:
            unfinished = "unexpected end of data" in str(error)
        else:
            if borrowed and width and (len(cells) != width or _are_rows(borrowed, width)):
                lines.give_back(borrowed)
                return None
            return cells
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


def _are_rows(borrowed: list[tuple[int, str, str]], width: int) -> bool:
    """Whether the lines of a cell are more likely rows: many, and each with a row's number of commas."""
    return width > 1 and len(borrowed) > MAX_ROWLIKE and all(text.count(",") == width - 1 for _, text, _ in borrowed)


def _cells(text: str) -> list[str]:
    """Cells of one record. A bare CR is text here, though Python's csv takes it for the end of a row."""
    lines = [f"{line}\n" for line in text.replace("\r", _BARE_CR).split("\n")]
    cells = next(csv.reader(lines, strict=True))
    return [cell.replace(_BARE_CR, "\r") for cell in cells] if "\r" in text else cells


def read_parquet(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """Rows of a Parquet file; a column of another type is cast to the one wanted or refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(stream, page_checksum_verification=True)
        names = set(source.schema_arrow.names)
        parts = source.iter_batches(batch_size=10_000, columns=[name for name in wanted if name in names])
        yield from _parquet_batches(parts, names, wanted)
    except (pa.ArrowException, OSError) as error:
        raise CareError(f"no whole Parquet file ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error


def _parquet_batches(parts: Iterator[Any], names: set[str], wanted: Wanted) -> Iterator[Batch]:
    row = 0
    for part in parts:
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
