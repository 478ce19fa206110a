"""Lines of CSV straight to columns, in one compiled pass over the bytes, as far as all is plain.

The pass stops before the first record that is not: a quote behind which a cell goes on, a bare CR or a NUL, a record of
too many or too few cells, or one over more lines than is sure. The caller reads that one by itself, then goes on here.
"""

import numpy as np
import polars as pl

from care_data.kernels import kernel
from care_data.readers.spans import CSV, view_spans
from care_data.rows import Wanted

STRIDE = 16

MAX_CELL = 100_000
"""Bytes that a record over several lines may have; in a longer one a quote was never closed."""

MAX_ROWLIKE = 10
"""Lines of a record that may each have as many commas as a row; more of them are rows that a quote swallowed."""


def read_csv_block(block: bytes, start: int, header: list[str], wanted: Wanted) -> tuple[pl.DataFrame, int]:
    """The wanted cells of the records from `start` on, a row each, and where the first that is not plain begins.

    block: whole lines in UTF-8. Empty lines are no rows. A column that the header lacks is null.
    """
    data = np.frombuffer(block, np.uint8)
    most = (len(block) - start) // len(header) + 1  # a record has at least its commas and its line end
    starts, lengths = np.empty((most, len(header)), np.int32), np.empty((most, len(header)), np.int32)
    doubled = np.empty((most, len(header)), np.bool_)
    rows, stop = _scan(data, start, starts, lengths, doubled)
    columns = []
    for name, kind in wanted.items():
        if name in header:
            at = header.index(name)
            cells = view_spans(block, starts[:rows, at], lengths[:rows, at], doubled[:rows, at], CSV)
            columns.append(pl.Series(name, pl.from_arrow(cells), kind))
        else:
            columns.append(pl.repeat(None, rows, dtype=kind, eager=True).alias(name))
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=rows), stop


@kernel
def _scan(block, at, starts, lengths, doubled):  # type: ignore[no-untyped-def]
    """(records, where the one behind them begins): spans of the cells, and which have doubled quotes."""
    size, width, rows = len(block), starts.shape[1], 0
    while at < size:
        begin, cell, breaks = at, 0, 0
        if block[at] == 10:
            at += 1
            continue
        if block[at] == 13 and at + 1 < size and block[at + 1] == 10:
            at += 2
            continue
        while True:
            double = False
            if at < size and block[at] == 34:
                first = at + 1
                at = first
                while True:
                    at = _find(block, at, size, 34)
                    if at == size or block[at] == 13 or block[at] == 0:
                        return rows, begin
                    if block[at] == 10:
                        breaks += 1
                        at += 1
                    elif at + 1 < size and block[at + 1] == 34:
                        double = True
                        at += 2
                    else:
                        break
                last = at
                at += 1
            else:
                first = at
                at = _find(block, at, size, 44)
                last = at
            if cell == width:
                return rows, begin
            starts[rows, cell], lengths[rows, cell], doubled[rows, cell] = first, last - first, double
            cell += 1
            if at < size and block[at] == 44:
                at += 1
                continue
            if at < size and block[at] == 13:
                at += 1
                if at == size or block[at] != 10:
                    return rows, begin
            if at < size:
                if block[at] != 10:
                    return rows, begin
                at += 1
            break
        if cell != width or (breaks and at - begin > MAX_CELL):
            return rows, begin
        if breaks > MAX_ROWLIKE and _are_rows(block, begin, at, width):
            return rows, begin
        rows += 1
    return rows, at


@kernel
def _are_rows(block, at, stop, width):  # type: ignore[no-untyped-def]
    """Whether every line of a record but its first has a row's number of commas: then a quote swallowed them."""
    while at < stop and block[at] != 10:
        at += 1
    commas = 0
    for place in range(at + 1, stop):
        if block[place] == 44:
            commas += 1
        elif block[place] == 10:
            if commas != width - 1:
                return False
            commas = 0
    return width > 1 and (block[stop - 1] == 10 or commas == width - 1)


@kernel
def _find(block, at, size, letter):  # type: ignore[no-untyped-def]
    """Where the letter, a line end or a NUL stands next; the size where none does. Many bytes are looked at at once."""
    here, end, step, many = np.uint64(at), np.uint64(size), np.uint64(1), np.uint64(STRIDE)
    while here + many <= end:
        met = np.uint8(0)
        for ahead in range(STRIDE):
            byte = block[here + np.uint64(ahead)]
            met |= np.uint8(byte == letter) | np.uint8(byte < 14)
        if met:
            break
        here += many
    while here < end:
        byte = block[here]
        if byte == letter or byte == 10 or byte == 13 or byte == 0:
            break
        here += step
    return np.int64(here)
