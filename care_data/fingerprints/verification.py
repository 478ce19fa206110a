"""The true Jaccard of candidate pairs: of the sets of their shingles, group by group."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts
from care_data.fingerprints.shingles import shingle
from care_data.kernels import kernel
from care_data.threads import work_ahead

# The keys of some records (their numbers) in one group of fields.
Reader = Callable[[NDArray, int], Texts]
_BLOCK = 2048


def verify(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    read: Reader,
    groups: int,
    threshold: float,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> NDArray[np.float64]:
    """Per pair the smallest Jaccard of its groups; exact where it is at least `threshold`.

    A pair that falls below in one group is not compared in the next: its value then is that of the groups so far.
    Pairs are taken in blocks and only their keys are read, so memory does not grow with the number of pairs. advance:
    told how many pairs are done.
    """

    def compare(start: int) -> NDArray[np.float64]:
        stop = min(start + _BLOCK, len(first))
        smallest = np.ones(stop - start)
        for group in range(groups):
            alive = np.flatnonzero(smallest >= threshold)
            if not len(alive):
                break
            ends = np.stack([first[start:stop][alive], second[start:stop][alive]])
            records, places = np.unique(ends, return_inverse=True)
            places = places.reshape(ends.shape)
            hashes, starts = shingle(read(records, group), group)
            smallest[alive] = np.minimum(smallest[alive], jaccard(hashes, starts, places[0], places[1]))
        return smallest

    parts = [np.zeros(0)]
    for part in work_ahead(compare, range(0, len(first), _BLOCK), workers):
        parts.append(part)
        advance(min(_BLOCK * (len(parts) - 1), len(first)))
    return np.concatenate(parts)


def jaccard(hashes: NDArray[np.uint64], starts: NDArray[np.int64], one: NDArray, two: NDArray) -> NDArray[np.float64]:
    """The Jaccard of the sets of hashes of texts one[i] and two[i], for all i; repeats inside a text do not count."""
    found = np.empty(len(one), np.float64)
    _jaccard(hashes, starts, one.astype(np.int64), two.astype(np.int64), found)
    return found


@kernel
def _jaccard(hashes: NDArray, starts: NDArray, one: NDArray, two: NDArray, found: NDArray) -> None:
    longest = 0
    for row in range(starts.shape[0] - 1):
        longest = max(longest, starts[row + 1] - starts[row])
    size = 16
    while size < 4 * longest:
        size *= 2
    # Stamped 2 * pair + 1 a value is seen in `one`, 2 * pair + 2 in `two`; less is of an earlier pair: no clearing.
    keys, stamps = np.empty(size, np.uint64), np.zeros(size, np.int64)
    for pair in range(one.shape[0]):
        seen = 2 * pair + 1
        union, common = 0, 0
        for at in range(starts[one[pair]], starts[one[pair] + 1]):
            slot = np.int64(hashes[at] & np.uint64(size - 1))
            while stamps[slot] >= seen and keys[slot] != hashes[at]:
                slot = (slot + 1) & (size - 1)
            if stamps[slot] < seen:
                keys[slot], stamps[slot] = hashes[at], seen
                union += 1
        for at in range(starts[two[pair]], starts[two[pair] + 1]):
            slot = np.int64(hashes[at] & np.uint64(size - 1))
            while stamps[slot] >= seen and keys[slot] != hashes[at]:
                slot = (slot + 1) & (size - 1)
            if stamps[slot] < seen:
                keys[slot], stamps[slot] = hashes[at], seen + 1
                union += 1
            elif stamps[slot] == seen:
                stamps[slot] = seen + 1
                common += 1
        found[pair] = common / union
