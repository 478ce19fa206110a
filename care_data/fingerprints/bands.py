"""Which pairs to look at: signatures cut into bands, and the records whose band is equal.

Two texts of Jaccard j agree in one value of the signature with chance j, in a band of r values with j**r, and in none
of b bands with (1 - j**r)**b: the chance to miss them, largest at the threshold itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from care_data.errors import CareError, Exit
from care_data.fingerprints.signatures import PERMUTATIONS
from care_data.kernels import kernel
from care_data.threads import work_ahead

CROWD = 32
_SCREEN_SHARE = 0.01
_NODES = 200
_PART = 1 << 16
_BASE, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Plan:
    """How signatures are compared: `bands` slices of `rows` values, then at least `agreements` equal values in all.

    miss: the stated chance that a pair exactly at the threshold is lost, by the bands or by the agreements.
    """

    bands: int
    rows: int
    agreements: int
    miss: float


@dataclass(frozen=True)
class Candidates:
    """Pairs worth an exact comparison, first < second, sorted by (second, first), each once.

    crowded: one bool a record, true where it lies in a band shared by more than the crowd: the pairs among those are
    not listed. compared: distinct pairs that share a band; largest: records in the fullest bucket of any band.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    crowded: NDArray[np.bool_]
    compared: int
    largest: int


def plan(threshold: float, num_perm: int = PERMUTATIONS, miss: float = 1e-3) -> Plan:
    """The longest bands (the fewest false candidates) that lose a pair at the threshold less often than `miss`.

    CareError for a threshold not in (0, 1], a chance not in (0, 1), or where no bands are good enough.
    """
    _refuse(threshold, miss)
    agreements, lost = _agreements(threshold, num_perm, miss * _SCREEN_SHARE)
    for rows in range(num_perm, 0, -1):
        chance = (1 - threshold**rows) ** (num_perm // rows) + lost
        if chance < miss:
            return Plan(num_perm // rows, rows, agreements, chance)
    reason = f"{num_perm} permutations miss a pair at threshold {threshold} more often than {miss}"
    raise CareError(reason, code=Exit.USAGE, fix="Raise the threshold or the chance to miss.")


def optimum(threshold: float, num_perm: int = PERMUTATIONS, miss: float = 1e-3) -> Plan:
    """The bands that datasketch's MinHashLSH chooses: false candidates and lost pairs of all Jaccards weigh the same.

    miss: bounds only the pairs lost by too few agreements. CareError for a threshold or a chance out of range.
    """
    _refuse(threshold, miss)
    agreements, lost = _agreements(threshold, num_perm, miss * _SCREEN_SHARE)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    low, high = threshold * (nodes + 1) / 2, threshold + (1 - threshold) * (nodes + 1) / 2
    best, least = Plan(1, num_perm, agreements, 1.0), math.inf
    for bands in range(1, num_perm + 1):
        for rows in range(1, num_perm // bands + 1):
            found = float(weights @ (1 - (1 - low**rows) ** bands)) * threshold / 2
            missed = float(weights @ (1 - high**rows) ** bands) * (1 - threshold) / 2
            if found + missed < least:
                least = found + missed
                best = Plan(bands, rows, agreements, (1 - threshold**rows) ** bands + lost)
    return best


def _refuse(threshold: float, miss: float) -> None:
    if not 0 < threshold <= 1:
        raise CareError(f"threshold {threshold} is not above 0 and at most 1", code=Exit.USAGE, fix="Try 0.8.")
    if not 0 < miss < 1:
        raise CareError(f"miss {miss} is not a chance between 0 and 1", code=Exit.USAGE, fix="Try 0.001.")


def _agreements(threshold: float, num_perm: int, chance: float) -> tuple[int, float]:
    """How many equal values to ask for so that a pair at the threshold has fewer by `chance` at most; that chance."""
    below = 0.0
    for equal in range(num_perm + 1):
        odds = math.comb(num_perm, equal) * threshold**equal * (1 - threshold) ** (num_perm - equal)
        if below + odds > chance:
            return equal, below
        below += odds
    return num_perm, below


def pair(
    signatures: NDArray,
    bands: Plan,
    workers: int | None = None,
    crowd: int = CROWD,
    advance: Callable[[int], None] = lambda done: None,
) -> Candidates:
    """The pairs of records (rows of `signatures`) that share a band and agree in enough values.

    Band by band, so that memory holds the keys of one band a worker. A bucket of up to `crowd` records gives all its
    pairs. In a fuller one that would grow with the square, so its records are marked crowded instead and no pair of it
    is listed: whoever reads the result compares crowded records with each other by other means (prefixes.py finds all
    their pairs). So no pair that shares a band is lost: it is listed, has too few agreements, or both are crowded.
    advance: told how many bands are done.
    """

    def look(band: int) -> tuple[NDArray, NDArray, NDArray, int, int]:
        return _pair(signatures, band, bands.rows, bands.agreements, crowd)

    found = []
    for part in work_ahead(look, range(bands.bands), workers):
        found.append(part)
        advance(len(found))
    first = np.concatenate([part[0] for part in found])
    second = np.concatenate([part[1] for part in found])
    order = np.lexsort((first, second))
    crowded = np.zeros(len(signatures), np.bool_)
    for part in found:
        crowded |= part[2]
    compared, largest = sum(part[3] for part in found), max(part[4] for part in found)
    return Candidates(first[order], second[order], crowded, compared, largest)


def hash_bands(signatures: NDArray, bands: Plan) -> NDArray[np.uint64]:
    """The key of every band of every record (bands x records): two records share a band where its keys are equal."""
    keys = np.empty((bands.bands, len(signatures)), np.uint64)
    _hash_bands(signatures, bands.rows, keys)
    return keys


@kernel
def _hash_bands(signatures: NDArray, rows: int, keys: NDArray) -> None:
    for record in range(signatures.shape[0]):
        for band in range(keys.shape[0]):
            keys[band, record] = _key(signatures, record, band * rows, rows)


def meet(one: NDArray, two: NDArray, bands: Plan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of a record of `one` and one of `two` (signatures) that share a band and agree in enough values."""
    found = [_meet(one, two, band * bands.rows, bands.rows, bands.agreements) for band in range(bands.bands)]
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *found])
    pairs = np.unique(pairs, axis=0)
    return pairs[:, 0], pairs[:, 1]


@kernel
def _meet(one: NDArray, two: NDArray, begin: int, rows: int, agreements: int) -> NDArray:
    keys = np.empty(one.shape[0], np.uint64)
    for record in range(one.shape[0]):
        keys[record] = _key(one, record, begin, rows)
    slots, before, _ = _chain(keys)
    size = 16
    while size < 2 * keys.shape[0]:
        size *= 2
    heads = np.full(size, -1, np.int64)
    for record in range(keys.shape[0]):
        heads[slots[record]] = record
    pairs, found = np.empty((1024, 2), np.int64), 0
    for record in range(two.shape[0]):
        key = _key(two, record, begin, rows)
        slot = np.int64(key & np.uint64(size - 1))
        while heads[slot] >= 0 and keys[heads[slot]] != key:
            slot = (slot + 1) & (size - 1)
        other = heads[slot]
        while other >= 0:
            equal = 0
            for at in range(one.shape[1]):
                equal += one[other, at] == two[record, at]
            if equal >= agreements:
                if found == pairs.shape[0]:
                    wider = np.empty((2 * found, 2), np.int64)
                    wider[:found] = pairs
                    pairs = wider
                pairs[found, 0], pairs[found, 1] = other, record
                found += 1
            other = np.int64(before[other])
    return pairs[:found]


@kernel
def _key(signatures: NDArray, record: int, begin: int, rows: int) -> np.uint64:
    # As many values as 64 bits hold are taken at once: a band of a sketch is most often one such word.
    bits = 8 * signatures.itemsize
    key, packed, used = np.uint64(begin + 1), np.uint64(0), 0
    for at in range(begin, begin + rows):
        if used + bits > 64:
            key = (key ^ packed) * _BASE
            key ^= key >> _SHIFT
            packed, used = np.uint64(0), 0
        packed = packed << np.uint64(bits) | np.uint64(signatures[record, at])
        used += bits
    key = (key ^ packed) * _BASE
    return key ^ (key >> _SHIFT)


@kernel
def _deal(signatures: NDArray, begin: int, rows: int) -> tuple[NDArray, NDArray, NDArray]:
    """All records and their keys of the band, parted by the keys' highest bits, and where each part begins and ends.

    Within a part records ascend. A part is so small that what is looked up for its records lies in the processor's
    cache, however many records there are in all.
    """
    total, bits = signatures.shape[0], 0
    while total >> bits > _PART:
        bits += 1
    keys, starts = np.empty(total, np.uint64), np.zeros((1 << bits) + 1, np.int64)
    shift = np.uint64(63 - bits)  # in two steps, since nothing can be shifted by 64
    for record in range(total):
        keys[record] = _key(signatures, record, begin, rows)
        starts[np.int64(keys[record] >> shift >> np.uint64(1)) + 1] += 1
    for part in range(1 << bits):
        starts[part + 1] += starts[part]
    places = starts.copy()
    records, dealt = np.empty(total, np.int32), np.empty(total, np.uint64)
    for record in range(total):
        own = np.int64(keys[record] >> shift >> np.uint64(1))
        records[places[own]], dealt[places[own]] = record, keys[record]
        places[own] += 1
    return records, dealt, starts


@kernel
def _sociable(records: NDArray, keys: NDArray) -> int:
    """Those that may share their key with another are moved to the front, in their order; returns their number.

    Most share it with none. Two bits for each of many slots tell that before anything is compared: a record goes on
    only where another one falls on its slot.
    """
    total = records.shape[0]
    bits = 10
    while 1 << bits < 8 * total:
        bits += 1
    seen = np.zeros(1 << (bits - 5), np.uint64)
    shift, two, one = np.uint64(64 - bits), np.uint64(2), np.uint64(1)
    for at in range(total):
        slot = (keys[at] * _SPREAD) >> shift
        word, bit = np.int64(slot >> np.uint64(5)), (slot & np.uint64(31)) * two
        if (seen[word] >> bit) & two == np.uint64(0):
            seen[word] += one << bit
    found = 0
    for at in range(total):
        slot = (keys[at] * _SPREAD) >> shift
        word, bit = np.int64(slot >> np.uint64(5)), (slot & np.uint64(31)) * two
        if (seen[word] >> bit) & two:
            records[found], keys[found] = records[at], keys[at]
            found += 1
    return found


@kernel
def _chain(keys: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Buckets of equal keys: per key its slot and the key before it there (-1: none); per slot its number of keys."""
    total = keys.shape[0]
    size = 16
    while size < 2 * total:
        size *= 2
    heads, counts = np.full(size, -1, np.int32), np.zeros(size, np.int32)
    slots, before = np.empty(total, np.int32), np.empty(total, np.int32)
    for at in range(total):
        slot = np.int64(keys[at] & np.uint64(size - 1))
        while heads[slot] >= 0 and keys[heads[slot]] != keys[at]:
            slot = (slot + 1) & (size - 1)
        slots[at], before[at] = slot, heads[slot]
        heads[slot] = at
        counts[slot] += 1
    return slots, before, counts


@kernel
def _met_before(signatures: NDArray, one: int, two: int, begin: int, rows: int) -> bool:
    """Whether an earlier band of the two is equal, where the pair has been looked at already."""
    for start in range(0, begin, rows):
        same = True
        for at in range(start, start + rows):
            if signatures[one, at] != signatures[two, at]:
                same = False
                break
        if same:
            return True
    return False


@kernel
def _agree(signatures: NDArray, one: int, two: int) -> int:
    equal = 0
    for at in range(signatures.shape[1]):
        equal += signatures[one, at] == signatures[two, at]
    return equal


@kernel
def _pair(
    signatures: NDArray, band: int, rows: int, agreements: int, crowd: int
) -> tuple[NDArray, NDArray, NDArray, int, int]:
    begin, total = band * rows, signatures.shape[0]
    all_records, all_keys, starts = _deal(signatures, begin, rows)
    crowded = np.zeros(total, np.bool_)
    first, second = np.empty(1024, np.int32), np.empty(1024, np.int32)
    found, compared, largest = 0, 0, min(total, 1)
    for part in range(starts.shape[0] - 1):
        records, keys = all_records[starts[part] : starts[part + 1]], all_keys[starts[part] : starts[part + 1]]
        sociable = _sociable(records, keys)
        slots, before, counts = _chain(keys[:sociable])
        for at in range(sociable):
            record, count = records[at], counts[slots[at]]
            largest = max(largest, count)
            if count > crowd:
                crowded[record] = True
                continue
            earlier = before[at]
            while earlier >= 0:
                other = records[earlier]
                if not _met_before(signatures, record, other, begin, rows):
                    compared += 1
                    if _agree(signatures, record, other) >= agreements:
                        if found == first.shape[0]:
                            first, second = _double(first), _double(second)
                        first[found], second[found] = other, record
                        found += 1
                earlier = before[earlier]
    return first[:found], second[:found], crowded, compared, largest


@kernel
def _double(values: NDArray) -> NDArray:
    wider = np.empty(2 * values.shape[0], values.dtype)
    wider[: values.shape[0]] = values
    return wider
