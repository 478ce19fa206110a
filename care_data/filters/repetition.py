"""How much of a text says again what it said before."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from care_data.kernels import kernel

LEAST = 60
"""Characters a text must have for a share of its runs to mean anything."""


def repeated_share(text: pl.Expr, length: int) -> pl.Expr:
    """Share of the runs of `length` characters that stand earlier in the text already, 0 for short texts and null.

    A run of one character over and over (-----, 。。。。) counts for nothing: it is a ruler, or a mood.
    """

    def measure(texts: pl.Series) -> pl.Series:
        array = texts.fill_null("").to_arrow()
        _, ends, data = array.buffers()
        offsets = np.frombuffer(ends, np.int64, len(array) + 1, array.offset * 8)
        held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        longest = int(np.diff(offsets).max()) if len(array) else 0
        table = np.zeros(1 << max(6, (2 * longest).bit_length()), np.uint64)
        stamps = np.zeros(len(table), np.int64)
        return pl.Series(texts.name, _shares(held, offsets, length, LEAST, table, stamps), pl.Float64)

    return text.map_batches(measure, return_dtype=pl.Float64(), is_elementwise=True)


@kernel
def _shares(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    length: int,
    least: int,
    table: NDArray[np.uint64],
    stamps: NDArray[np.int64],
) -> NDArray[np.float64]:
    """repeated_share of each text. A run is known by a rolling hash over characters; a stamp tells whose it is."""
    shares = np.zeros(len(offsets) - 1, np.float64)
    window = np.zeros(length, np.uint64)
    factor = np.uint64(0x9E3779B97F4A7C15)
    last = np.uint64(1)
    for _ in range(length):
        last *= factor
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        if stop - start < least:  # never more characters than bytes
            continue
        size = 64
        while size < 2 * (stop - start):
            size *= 2
        mask = np.uint64(size - 1)
        rolled, count, again, runs, same = np.uint64(0), 0, 0, 0, 0
        before = np.uint64(0)
        at = start
        while at < stop:
            letter = np.uint64(data[at])
            at += 1
            while at < stop and (data[at] & 0xC0) == 0x80:
                letter = (letter << np.uint64(8)) | np.uint64(data[at])
                at += 1
            old = window[count % length] if count >= length else np.uint64(0)
            window[count % length] = letter
            rolled = rolled * factor + letter - old * last
            count += 1
            same = same + 1 if letter == before else 1
            before = letter
            if count < length or same >= length:
                continue
            runs += 1
            mixed = rolled ^ (rolled >> np.uint64(29))
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(32)
            slot = mixed & mask
            while stamps[slot] == row + 1 and table[slot] != rolled:
                slot = (slot + np.uint64(1)) & mask
            if stamps[slot] == row + 1:
                again += 1
            else:
                stamps[slot] = row + 1
                table[slot] = rolled
        if count >= least and runs:
            shares[row] = again / max(runs, least - length)
    return shares
