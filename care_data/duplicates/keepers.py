"""Who stays: of alike records, greedily, those that come first.

A record goes only if a kept record before it is alike: the lexicographically first maximal independent set over the
verified pairs. So no chain A~B~C drags C out for B's sake.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Containments
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.prefixes import Sets
from care_data.kernels import kernel

_SPREAD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


@dataclass(frozen=True)
class Alike:
    """Pairs of records at or above the threshold, each once, with their Jaccard."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    jaccards: NDArray[np.float64]


@dataclass(frozen=True)
class Decisions:
    """Per record its keeper (-1 where it is kept itself), the Jaccard between the two (1 where kept), and why.

    contained: whether the keeper is a longer dialogue that contains it; the Jaccard then is not told (nan).
    """

    keepers: NDArray[np.int64]
    jaccards: NDArray[np.float64]
    contained: NDArray[np.bool_]


def decide(
    order: NDArray[np.int64],
    settled: int,
    alike: Alike,
    containments: Containments,
    threshold: float,
    crowded: NDArray[np.int64],
    sets: Sets | None,
    screen: tuple[NDArray, Plan] | None = None,
) -> Decisions:
    """Decide record after record in this order; of several kept records alike, the most alike is the keeper.

    Of records equally alike the first is. So many as `settled` says stay whatever comes. A dialogue goes for the first
    kept one that contains it. crowded: the records whose pairs among each other are not listed, in their order, `sets`
    their shingle sets; such a record is compared with the kept crowded ones that share a shingle of its prefix, in
    the one group where these are fewest (alike records are alike in every group, so any one group finds them all),
    never with those already removed. screen: sketches of all records, and the bands; then of crowded records too only
    those count for each other that share a band and agree in enough values, so that what becomes of two records does
    not hang on how many others fill a band; and where those that share a band are fewer still, they are the ones asked.
    """
    total = len(order)
    places = np.empty(total, np.int64)
    places[order] = np.arange(total)
    earlier, later = np.sort(np.stack([places[alike.first], places[alike.second]]), axis=0)
    by_later = np.lexsort((earlier, later))
    pairs = (np.searchsorted(later[by_later], np.arange(total + 1)), earlier[by_later], alike.jaccards[by_later])
    holders, held = places[containments.holders], places[containments.held]
    by_held = np.lexsort((holders, held))
    hold = (np.searchsorted(held[by_held], np.arange(total + 1)), holders[by_held])
    seats = np.full(total, -1, np.int32)
    seats[places[crowded]] = np.arange(len(crowded), dtype=np.int32)
    sets = Sets(np.zeros(0, np.uint64), np.zeros(1, np.int64), 1) if sets is None else sets
    sizes = np.diff(sets.starts)
    prefixes = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    sketches, bands = screen or (np.zeros((0, 0), np.uint8), Plan(0, 0, 0, 0.0))
    # Summed here: a kernel that calls sum() or max() of an array has numba load all its functions of arrays.
    entries = int(prefixes.sum()) + bands.bands * len(crowded)
    most = max(bands.bands, int(prefixes.max(initial=0)))
    slots = 1 << max(4, math.ceil(math.log2(entries + 1)))
    crowd = (seats, places[crowded], sets.values, sets.starts, sets.groups, prefixes, slots)
    meeting = (sketches, crowded, bands.bands, bands.rows, bands.agreements)
    keepers, jaccards, contained = _decide(settled, pairs, hold, threshold, crowd, meeting, entries, most)
    return Decisions(np.where(keepers < 0, -1, order[keepers])[places], jaccards[places], contained[places])


@kernel
def _slot(value: np.uint64, slots: int) -> np.int64:
    return np.int64((value * _SPREAD) >> _SHIFT) & (slots - 1)


@kernel
def _overlap(values: NDArray, starts: NDArray, one: int, two: int, threshold: float) -> float:
    """The Jaccard of two sorted sets, or -1 as soon as it cannot reach the threshold."""
    left, right = starts[one], starts[two]
    left_end, right_end = starts[one + 1], starts[two + 1]
    both = (left_end - left) + (right_end - right)
    needed = threshold / (1 + threshold) * both - 1e-6
    common = 0
    while left < left_end and right < right_end:
        if common + min(left_end - left, right_end - right) < needed:
            return -1.0
        if values[left] == values[right]:
            common, left, right = common + 1, left + 1, right + 1
        elif values[left] < values[right]:
            left += 1
        else:
            right += 1
    return common / (both - common)


@kernel
def _alike(values: NDArray, starts: NDArray, one: int, two: int, groups: int, threshold: float) -> float:
    """The smallest Jaccard of all groups, or -1 where one lies below the threshold."""
    smallest = 1.0
    for group in range(groups):
        jaccard = _overlap(values, starts, one * groups + group, two * groups + group, threshold)
        if jaccard < threshold:
            return -1.0
        smallest = min(smallest, jaccard)
    return smallest


@kernel
def _meet(one: int, two: int, meeting: tuple) -> bool:
    """Whether two crowded records share a band and agree in enough values; true where there are no bands."""
    sketches, records, bands, rows, agreements = meeting
    if bands == 0:
        return True
    left, right = sketches[records[one]], sketches[records[two]]
    equal = 0
    for at in range(left.shape[0]):
        equal += left[at] == right[at]
    if equal < agreements:
        return False
    for band in range(bands):
        run = 0
        for at in range(band * rows, (band + 1) * rows):
            run += left[at] == right[at]
        if run == rows:
            return True
    return False


@kernel
def _find_slots(seat: int, which: int, crowd: tuple, meeting: tuple, found: NDArray) -> int:
    """The slots of a crowded record by its prefix in the group `which`, or below 0 by its bands; so many of `found`."""
    _, _, values, starts, groups, prefixes, slots = crowd
    if which >= 0:
        first = starts[seat * groups + which]
        for at in range(prefixes[seat * groups + which]):
            found[at] = _slot(values[first + at], slots)
        return prefixes[seat * groups + which]
    sketches, records, bands, rows, _ = meeting
    sketch = sketches[records[seat]]
    for band in range(bands):
        value = np.uint64(band + 1) * _SPREAD
        for at in range(band * rows, (band + 1) * rows):
            value = (value ^ np.uint64(sketch[at])) * _SPREAD
            value ^= value >> _SHIFT
        found[band] = _slot(value, slots)
    return bands


@kernel
def _narrowest(seat: int, crowd: tuple, meeting: tuple, counts: NDArray, slots: NDArray) -> int:
    """The group of the record whose prefix meets the fewest kept records so far; -1 where its bands meet fewer."""
    narrowest, fewest = 0, np.int64(-1)
    for which in range(0 if meeting[2] == 0 else -1, crowd[4]):
        meets = np.int64(0)
        for at in range(_find_slots(seat, which, crowd, meeting, slots)):
            meets += counts[slots[at]]
        if fewest < 0 or meets < fewest:
            narrowest, fewest = which, meets
    return narrowest


@kernel
def _decide(
    settled: int,
    pairs: tuple,
    hold: tuple,
    threshold: float,
    crowd: tuple,
    meeting: tuple,
    entries: int,
    most: int,
) -> tuple[NDArray, NDArray, NDArray]:
    pair_starts, earlier, jaccards = pairs
    hold_starts, holders = hold
    seats, crowded, values, starts, groups, _, slot_count = crowd
    total = pair_starts.shape[0] - 1
    keepers, found, contained = np.full(total, -1, np.int64), np.ones(total), np.zeros(total, np.bool_)
    heads, counts = np.full(slot_count, -1, np.int64), np.zeros(slot_count, np.int32)
    slots = np.empty(most, np.int64)
    before, owners, used = np.empty(entries, np.int64), np.empty(entries, np.int32), 0
    asked = np.full(crowded.shape[0], -1, np.int64)
    for record in range(total):
        keeper, best = np.int64(-1), -1.0
        seat = seats[record]
        if record >= settled:
            for at in range(hold_starts[record], hold_starts[record + 1]):
                if keeper < 0 and keepers[holders[at]] < 0:
                    keeper, best, contained[record] = holders[at], np.nan, True
            if keeper < 0:
                for at in range(pair_starts[record], pair_starts[record + 1]):
                    if keepers[earlier[at]] < 0 and jaccards[at] > best:
                        keeper, best = np.int64(earlier[at]), jaccards[at]
                if seat >= 0:
                    which = _narrowest(seat, crowd, meeting, counts, slots)
                    for at in range(_find_slots(seat, which, crowd, meeting, slots)):
                        entry = heads[slots[at]]
                        while entry >= 0:
                            other = owners[entry]
                            if asked[other] != record:
                                asked[other] = record
                                if _meet(other, seat, meeting):
                                    alike = _alike(values, starts, other, seat, groups, threshold)
                                    better = alike > best or (alike == best and crowded[other] < keeper)
                                    if alike >= threshold and better:
                                        keeper, best = np.int64(crowded[other]), alike
                            entry = before[entry]
        if keeper >= 0:
            keepers[record], found[record] = keeper, best
        elif seat >= 0:
            for which in range(0 if meeting[2] == 0 else -1, groups):
                for at in range(_find_slots(seat, which, crowd, meeting, slots)):
                    slot = slots[at]
                    before[used], owners[used] = heads[slot], seat
                    heads[slot] = used
                    counts[slot] += 1
                    used += 1
    return keepers, found, contained
