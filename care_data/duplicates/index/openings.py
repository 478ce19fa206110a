"""Dialogues of an index by what they open with, to find those that hold a new one (dialogues.py says what that means).

A dialogue is found by its first exchange alone, for single exchanges, and by every two exchanges in a row.
"""

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import LONG, Dialogues
from care_data.kernels import kernel

_BASE, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)


def find_openings(exchanges: NDArray[np.uint64], starts: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
    """(opening, record) of every dialogue of two or more exchanges; as many as these have exchanges."""
    sizes = np.diff(starts)
    total = int(sizes[sizes > 1].sum())
    openings, holders = np.empty(total, np.uint64), np.empty(total, np.uint32)
    _open(exchanges, starts, openings, holders)
    return openings, holders


def find_holders(
    dialogues: Dialogues,
    table: tuple[NDArray[np.uint64], NDArray[np.uint32]],
    exchanges: NDArray[np.uint64],
    starts: NDArray[np.int64],
    limit: int,
) -> NDArray[np.int64]:
    """Per new dialogue the first record below `limit` that holds it, of those that `table` lists; -1 for none.

    table: openings in order with their records. exchanges, starts: those of the records.
    """
    openings, holders = table
    wanted = np.empty(len(dialogues.starts) - 1, np.uint64)
    _begin(dialogues.exchanges, dialogues.starts, wanted)
    low, high = np.searchsorted(openings, wanted, "left"), np.searchsorted(openings, wanted, "right")
    found = np.full(len(wanted), -1, np.int64)
    _hold(dialogues.exchanges, dialogues.starts, low, high, holders, exchanges, starts, limit, found)
    return found


@kernel
def _mix(value: np.uint64, exchange: np.uint64) -> np.uint64:
    value = (value ^ exchange) * _BASE
    return value ^ (value >> _SHIFT)


@kernel
def _open(exchanges: NDArray, starts: NDArray, openings: NDArray, holders: NDArray) -> None:
    out = 0
    for record in range(starts.shape[0] - 1):
        begin, end = starts[record], starts[record + 1]
        if end - begin < 2:
            continue
        openings[out], holders[out] = _mix(np.uint64(0), exchanges[begin]), record
        out += 1
        for at in range(begin, end - 1):
            openings[out] = _mix(_mix(np.uint64(0), exchanges[at]), exchanges[at + 1])
            holders[out] = record
            out += 1


@kernel
def _begin(exchanges: NDArray, starts: NDArray, wanted: NDArray) -> None:
    for record in range(wanted.shape[0]):
        begin = starts[record]
        wanted[record] = _mix(np.uint64(0), exchanges[begin])
        if starts[record + 1] - begin > 1:
            wanted[record] = _mix(wanted[record], exchanges[begin + 1])


@kernel
def _contains(exchanges: NDArray, begin: int, end: int, sought: NDArray, first: int, last: int) -> bool:
    count = last - first
    if end - begin <= count:
        return False
    reach = 1 if count == 1 or end - begin > LONG else end - begin - count + 1
    for start in range(begin, begin + reach):
        same = True
        for at in range(count):
            if exchanges[start + at] != sought[first + at]:
                same = False
                break
        if same:
            return True
    return False


@kernel
def _hold(
    sought: NDArray,
    bounds: NDArray,
    low: NDArray,
    high: NDArray,
    holders: NDArray,
    exchanges: NDArray,
    starts: NDArray,
    limit: int,
    found: NDArray,
) -> None:
    for number in range(found.shape[0]):
        for at in range(low[number], high[number]):
            record = np.int64(holders[at])
            if record >= limit or starts[record + 1] > exchanges.shape[0] or starts[record] < 0:
                continue
            if _contains(exchanges, starts[record], starts[record + 1], sought, bounds[number], bounds[number + 1]):
                found[number] = record
                break
