"""Who stays: the first of equal keys, and of alike records greedily those of higher priority.

Records are numbered by priority, 0 the highest. A record goes only if a kept record before it is alike: the
lexicographically first maximal independent set over the verified pairs. So no chain A~B~C drags C out for B's sake.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.prefixes import Sets
from care_data.kernels import kernel

_SPREAD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


@dataclass(frozen=True)
class Decisions:
    """Per record its keeper (-1 where it is kept itself) and the Jaccard between the two (1 where kept)."""

    keepers: NDArray[np.int64]
    jaccards: NDArray[np.float64]


def match_equal(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Per record the first with the same 128-bit digest (records x 2): itself where it is that first one."""
    return _match_equal(np.ascontiguousarray(digests))


def keep(
    total: int,
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    jaccards: NDArray[np.float64],
    threshold: float,
    crowded: NDArray[np.int32],
    sets: Sets | None,
) -> Decisions:
    """Decide record after record; of several kept records alike, the most alike is the keeper, then the first.

    first < second: pairs sorted by (second, first), with their Jaccard. crowded: ascending numbers of the records whose
    pairs among each other are not listed, `sets` their shingle sets in that order; such a record is compared with
    the kept crowded ones that share a shingle of its prefix, in the one group where these are fewest (alike records are
    alike in every group, so any one group finds them all), never with those already removed.
    """
    edges = jaccards >= threshold
    first, second, jaccards = first[edges], second[edges], jaccards[edges]
    starts = np.searchsorted(second, np.arange(total + 1))
    places = np.full(total, -1, np.int32)
    places[crowded] = np.arange(len(crowded), dtype=np.int32)
    if sets is None:
        sets = Sets(np.zeros(0, np.uint64), np.zeros(1, np.int64), 1)
    sizes = np.diff(sets.starts)
    prefixes = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    slots = 1 << max(4, math.ceil(math.log2(prefixes.sum() + 1)))
    index = (places, crowded, sets.values, sets.starts, sets.groups, prefixes, slots)
    return Decisions(*_keep(starts, first, jaccards, threshold, *index))


@kernel
def _match_equal(digests: NDArray) -> NDArray:
    total = digests.shape[0]
    size = 16
    while size < 2 * total:
        size *= 2
    heads, found = np.full(size, -1, np.int64), np.empty(total, np.int64)
    for record in range(total):
        slot = np.int64(digests[record, 0] & np.uint64(size - 1))
        while heads[slot] >= 0 and (
            digests[heads[slot], 0] != digests[record, 0] or digests[heads[slot], 1] != digests[record, 1]
        ):
            slot = (slot + 1) & (size - 1)
        if heads[slot] < 0:
            heads[slot] = record
        found[record] = heads[slot]
    return found


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
def _narrowest(
    values: NDArray, starts: NDArray, place: int, groups: int, prefixes: NDArray, counts: NDArray, slots: int
) -> int:
    """The group of the record whose prefix meets the fewest kept records so far."""
    narrowest, fewest = 0, np.int64(-1)
    for group in range(groups):
        which, meets = place * groups + group, np.int64(0)
        for at in range(starts[which], starts[which] + prefixes[which]):
            meets += counts[_slot(values[at], slots)]
        if fewest < 0 or meets < fewest:
            narrowest, fewest = group, meets
    return narrowest


@kernel
def _keep(
    pair_starts: NDArray,
    first: NDArray,
    jaccards: NDArray,
    threshold: float,
    places: NDArray,
    crowded: NDArray,
    values: NDArray,
    starts: NDArray,
    groups: int,
    prefixes: NDArray,
    slots: int,
) -> tuple[NDArray, NDArray]:
    total = pair_starts.shape[0] - 1
    keepers, found = np.full(total, -1, np.int64), np.ones(total)
    heads, counts = np.full(slots, -1, np.int64), np.zeros(slots, np.int32)
    entries = prefixes.sum()
    before, owners, used = np.empty(entries, np.int64), np.empty(entries, np.int32), 0
    asked = np.full(crowded.shape[0], -1, np.int64)
    for record in range(total):
        keeper, best = np.int64(-1), -1.0
        for at in range(pair_starts[record], pair_starts[record + 1]):
            if keepers[first[at]] < 0 and jaccards[at] > best:
                keeper, best = np.int64(first[at]), jaccards[at]
        place = places[record]
        if place >= 0:
            which = place * groups + _narrowest(values, starts, place, groups, prefixes, counts, slots)
            for at in range(starts[which], starts[which] + prefixes[which]):
                entry = heads[_slot(values[at], slots)]
                while entry >= 0:
                    other = owners[entry]
                    if asked[other] != record:
                        asked[other] = record
                        alike = _alike(values, starts, other, place, groups, threshold)
                        if alike >= threshold and (alike > best or (alike == best and crowded[other] < keeper)):
                            keeper, best = np.int64(crowded[other]), alike
                    entry = before[entry]
        if keeper >= 0:
            keepers[record], found[record] = keeper, best
        elif place >= 0:
            for which in range(place * groups, (place + 1) * groups):
                for at in range(starts[which], starts[which] + prefixes[which]):
                    slot = _slot(values[at], slots)
                    before[used], owners[used] = heads[slot], place
                    heads[slot] = used
                    counts[slot] += 1
                    used += 1
    return keepers, found
