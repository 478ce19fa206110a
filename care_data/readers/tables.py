"""Tables: csv, tsv, parquet.

CSV that is plain goes straight to columns (csv_columns.py). A record that is not is read by itself in Python: polars
stops at a bare quote in a cell, and no columnar reader sets one bad row aside and goes on.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import polars as pl

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers.casting import NestingError, make_cell_caster
from care_data.readers.encodings import Line, LineBlock, decode_line_blocks
from care_data.readers.streams import reason_of
from care_data.rows import Batch, Collector, Wanted
from care_data.threads import work_ahead

MAX_CELL = 100_000
"""Characters a quoted cell may run on; beyond, the quote was never closed and costs its line only."""

MAX_ROWLIKE = 10
"""Lines of a quoted cell that may each have as many commas as a row; more of them are rows that a quote swallowed."""

HEAD_BYTES = 2 << 20
"""Bytes of a file that are read row by row: the compiled reader takes longer to load than they to read."""

_Plain = tuple[pl.DataFrame, int]
"""Records as columns, and where in their block the first one begins that is not plain."""

_BARE_CR = "\ue00d"
"""Stands for a bare carriage return while Python's csv reads a record; a character of the private use area."""

csv.field_size_limit(1 << 30)  # a cell may be as long as its line; the default, 128 KiB, refuses whole articles


def read_csv(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """RFC 4180 with a header row, or `columns`; a quote inside an unquoted cell is text. All cells are text.

    A row with too many or too few cells, a bad byte or a quote that never closes is set aside.
    """
    lines = _Lines(decode_line_blocks(stream, file.encoding), csv=True)
    header = file.columns or _header(lines)
    yield from _read_rows(lines, header, file, wanted, lambda text: _split(text, lines, len(header)))


def read_tsv(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """Cells between tabs, no quoting; the last column takes the rest of the line."""
    lines = _Lines(decode_line_blocks(stream, file.encoding), csv=False)
    header = file.columns or _header(lines, "\t")
    yield from _read_rows(lines, header, file, wanted, lambda text: text.split("\t", len(header) - 1))


def _read_rows(
    lines: "_Lines", header: list[str], file: File, wanted: Wanted, split: Callable[[str], list[str] | None]
) -> Iterator[Batch]:
    """Batches of the rows, each cut into cells by `split`, which gives None for a quote that never closes.

    Of CSV, what is plain is read as columns, the rest row by row.
    """
    rows = Collector(wanted, names=set(header))
    picked = [header.index(name) if name in header else None for name in wanted]
    cast = make_cell_caster(wanted, file.literals, set(header))

    def add(line: Line) -> None:
        offset, text, problem = line
        if not text and not problem:
            return  # an empty line is no row
        if problem:
            rows.add_bad(reason_of(problem), problem, text)
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

    if not cast:
        lines.read_ahead(header, wanted)
    singly, patience = 0, 1  # records to read one by one before columns are tried again, longer where that fails
    while True:
        if not singly and (plain := lines.take_plain(header, wanted)):
            rows.add_frame(*plain)
            patience = 1 if plain[0].height > patience else min(2 * patience, 1000)
            singly = 0 if lines.between_blocks else patience
        elif (line := lines.take()) is not None:
            add(line)
            singly = max(singly - 1, 0)
        else:
            break
        if rows.full:
            yield rows.take()
    yield rows.take()


class _Lines:
    """Lines of a file that can be looked at ahead and given back, or be taken as columns as far as they are plain."""

    def __init__(self, blocks: Iterator[LineBlock | Line], *, csv: bool) -> None:
        self._csv = csv
        self._blocks: Iterator[tuple[LineBlock | Line, _Plain | None]] = ((found, None) for found in blocks)
        self._returned: deque[Line] = deque()
        self._block: LineBlock | None = None
        self._ready: _Plain | None = None
        self._lines: Iterator[Line] = iter(())

    def take(self) -> Line | None:
        """The next line; None behind the last."""
        if self._returned:
            return self._returned.popleft()
        while True:
            line = self._block.take() if self._block else next(self._lines, None)
            if line is not None:
                return line
            if not self._open():
                return None

    @property
    def between_blocks(self) -> bool:
        """Whether a block of lines that decode has just been taken to its end."""
        return bool(self._block and self._block.at == len(self._block.utf8 or b""))

    def give_back(self, lines: list[Line]) -> None:
        """Lines to be taken again, before all others."""
        self._returned.extendleft(reversed(lines))

    def read_ahead(self, header: list[str], wanted: Wanted) -> None:
        """From now on read blocks of CSV as columns on all cores, before they are asked for."""

        def read(held: tuple[LineBlock | Line, _Plain | None]) -> tuple[LineBlock | Line, _Plain | None]:
            block = held[0]
            if not self._csv or not isinstance(block, LineBlock) or not block.utf8 or block.end < HEAD_BYTES:
                return block, None
            return block, self._read_plain(block, header, wanted)

        self._blocks = work_ahead(read, self._blocks)

    def take_plain(self, header: list[str], wanted: Wanted) -> tuple[pl.DataFrame, int] | None:
        """The next records as columns and their bytes, as far as all is plain; None where nothing can be so taken."""
        if self._returned:
            return None
        if self.between_blocks:
            self._open()
        block = self._block
        if not block or not block.utf8 or block.end < HEAD_BYTES:
            return None
        start = block.at
        # What was read ahead began where the block does; a record that began in the block before moves the start.
        frame, stop = self._ready if self._ready and start == 0 else self._read_plain(block, header, wanted)
        self._ready = None
        block.skip(stop)
        return frame, stop - start

    def _read_plain(self, block: LineBlock, header: list[str], wanted: Wanted) -> "_Plain":
        from care_data.readers.csv_columns import read_csv_block

        return read_csv_block(block.utf8 or b"", block.at, header, wanted)

    def _open(self) -> bool:
        """Go on with the next block; whether there is one."""
        self._block, self._lines = None, iter(())
        found, self._ready = next(self._blocks, (None, None))
        if not isinstance(found, LineBlock):
            self._lines = iter([found] if found else [])
        elif self._csv and found.utf8 is not None:
            self._block = found
        else:
            self._lines = found.lines()
        return found is not None


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
