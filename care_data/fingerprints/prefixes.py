"""Shingle sets with their rarest shingles first: two sets of Jaccard >= t share one among the first few of each.

With any common order of all shingles, sets of n shingles and Jaccard >= t share one within their first
n - ceil(t * n) + 1 (prefix filter; Chaudhuri et al. 2006). Rare ones first, so that a boilerplate sentence that all
records hold lies behind every prefix and brings no pair together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.shingles import shingle
from care_data.fingerprints.verification import Reader
from care_data.kernels import kernel
from care_data.threads import spread

_BLOCK = 4096
_COUNTERS = 1 << 22
_HASH_BITS = np.uint64(56)


@dataclass(frozen=True)
class Sets:
    """Sorted sets of shingles (uint64) of records in `groups` groups, one after the other.

    Set `record * groups + group` lies at starts[that] up to starts[that + 1]. A value is the class of the shingle's
    frequency (8 bits), then 56 bits of its hash.
    """

    values: NDArray[np.uint64]
    starts: NDArray[np.int64]
    groups: int


def arrange(records: NDArray, read: Reader, groups: int, workers: int | None = None) -> Sets:
    """The shingle sets of the records, rarest first; how rare is counted among these records."""

    def count(start: int, stop: int) -> NDArray[np.uint32]:
        counts = np.zeros(_COUNTERS, np.uint32)
        for group in range(groups):
            _count(shingle(read(records[start:stop], group), group)[0], counts)
        return counts

    def sort(start: int, stop: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        parts = [shingle(read(records[start:stop], group), group) for group in range(groups)]
        sets = [_sort(hashes, starts, counts) for hashes, starts in parts]
        return _interleave(sets)

    # Few and large blocks for the counters, each of which holds a table of its own.
    total = len(records)
    counts = np.zeros(_COUNTERS, np.uint32)
    for part in spread(count, total, max(_BLOCK, -(-total // 4)), workers):
        counts += part
    sets = spread(sort, total, _BLOCK, workers)
    values = np.concatenate([values for values, _ in sets]) if sets else np.zeros(0, np.uint64)
    sizes = np.concatenate([sizes for _, sizes in sets]) if sets else np.zeros(0, np.int64)
    return Sets(values, np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), groups)


def _interleave(groups: list[tuple[NDArray, NDArray]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Sets of each group, group after group, as sets of each record; and the size of each."""
    if len(groups) == 1:
        return groups[0]
    sizes = np.stack([sizes for _, sizes in groups], axis=1).ravel()
    owner = np.concatenate([np.arange(len(sizes)) * len(groups) + at for at, (_, sizes) in enumerate(groups)])
    place = np.repeat(owner, np.concatenate([sizes for _, sizes in groups]))
    return np.concatenate([values for values, _ in groups])[np.argsort(place, kind="stable")], sizes


@kernel
def _count(hashes: NDArray, counts: NDArray) -> None:
    for at in range(hashes.shape[0]):
        counts[np.int64(hashes[at] >> np.uint64(32)) & (_COUNTERS - 1)] += np.uint32(1)


@kernel
def _sort(hashes: NDArray, starts: NDArray, counts: NDArray) -> tuple[NDArray, NDArray]:
    values, sizes = np.empty(hashes.shape[0], np.uint64), np.empty(starts.shape[0] - 1, np.int64)
    out = 0
    low = (np.uint64(1) << _HASH_BITS) - np.uint64(1)
    for row in range(starts.shape[0] - 1):
        begin, size = starts[row], starts[row + 1] - starts[row]
        ranked = np.empty(size, np.uint64)
        for at in range(size):
            count = counts[np.int64(hashes[begin + at] >> np.uint64(32)) & (_COUNTERS - 1)]
            rarity = min(np.int64(255), np.int64(8 * np.log2(np.float64(count))))
            ranked[at] = np.uint64(rarity) << _HASH_BITS | (hashes[begin + at] & low)
        ranked.sort()
        first = out
        for at in range(size):
            if at == 0 or ranked[at] != ranked[at - 1]:
                values[out] = ranked[at]
                out += 1
        sizes[row] = out - first
    return values[:out], sizes
