"""Which of an index's records a new one may be alike to, or be held by: by sorted bands and openings."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.distinct import Advance, Distinct
from care_data.duplicates.index.openings import find_holders
from care_data.duplicates.index.segments import RESTORE, Segment, sketch_keys
from care_data.errors import CareError, Exit
from care_data.fingerprints.bands import Plan
from care_data.kernels import kernel
from care_data.threads import work_ahead

_CROWD = 64
_RESIDENT = 1 << 20
"""Records of a segment looked through, band after band, between which the memory of its pages is given back."""


def find_neighbours(
    segments: Sequence[Segment],
    distinct: Distinct,
    bands: Plan,
    limit: int,
    workers: int | None,
    advance: Advance,
) -> list[NDArray[np.int64]]:
    """Per segment, in order, its records that may be alike to a new one or hold it, of those numbered below `limit`.

    All that share a band and agree in enough values are among them; in a band that many new and many of the index's
    records share, that all agree is taken for granted, so that no bucket is gone through by the square.
    """
    found = []
    for at, segment in enumerate(segments):
        below = min(limit - segment.first, segment.records)
        if below <= 0:
            break
        seen = np.zeros(below, np.bool_)

        def mark(band: int, segment: Segment = segment, seen: NDArray[np.bool_] = seen) -> bool:
            return bool(_mark(*_meet(segment, distinct, band), bands.agreements, seen))

        def tell(done: int, at: int = at) -> None:
            advance("look up", at * bands.bands + done, len(segments) * bands.bands)

        _through(mark, segment, bands, workers, tell)
        table = segment.arrays["openings"], segment.arrays["holders"]
        exchanges, starts = segment.arrays["exchanges"], segment.arrays["exchange_starts"]
        if len(table[0]):
            holders = find_holders(distinct.dialogues, table, exchanges, starts, below)
            seen[holders[holders >= 0]] = True
        found.append(np.flatnonzero(seen))
    return found


def find_meetings(
    segments: Sequence[Segment], distinct: Distinct, bands: Plan, workers: int | None, advance: Advance
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Per segment the pairs of a new record and one of the segment's that share a band and agree in enough values."""
    new, old = [], []
    for at, segment in enumerate(segments):
        parts: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]

        def pair(band: int, segment: Segment = segment, parts: list[NDArray[np.int64]] = parts) -> bool:
            pairs, sound = _pair(*_meet(segment, distinct, band), bands.agreements, segment.records)
            parts.append(pairs)
            return bool(sound)

        def tell(done: int, at: int = at) -> None:
            advance("look up", at * bands.bands + done, len(segments) * bands.bands)

        _through(pair, segment, bands, workers, tell)
        pairs = np.unique(np.concatenate(parts), axis=0)
        new.append(pairs[:, 0])
        old.append(pairs[:, 1])
    return new, old


def _through(
    task: Callable[[int], bool], segment: Segment, bands: Plan, workers: int | None, tell: Callable[[int], None]
) -> None:
    """The task for every band; CareError where one says that the segment's numbers cannot be."""
    for done, sound in enumerate(work_ahead(task, range(bands.bands), workers)):
        if not sound:
            raise CareError(
                "names records that are not there",
                where=str(segment.folder / "members"), fix=RESTORE, code=Exit.INTEGRITY,
            )  # fmt: skip
        if segment.records * done % _RESIDENT < segment.records:
            segment.release()
        tell(done + 1)
    segment.release()


def _meet(segment: Segment, distinct: Distinct, band: int) -> tuple[NDArray, ...]:
    """The new records in order of this band's keys, and where in the segment's order the same keys lie."""
    signatures = distinct.signatures
    assert signatures is not None  # noqa: S101
    keys = sketch_keys(signatures, segment.shape, band)
    order = np.argsort(keys, kind="stable")
    keys, buckets = keys[order], segment.arrays["buckets"][band]
    low, high = np.searchsorted(buckets, keys, "left"), np.searchsorted(buckets, keys, "right")
    met = high > low
    bits = np.array([segment.shape.mask], np.uint32)
    members, old = segment.arrays["members"][band], segment.arrays["signatures"]
    return signatures, old, order[met], low[met], high[met], members, bits


@kernel
def _agree(new: NDArray, old: NDArray, one: int, two: int, mask: np.uint32, agreements: int) -> bool:
    equal = 0
    for at in range(new.shape[1]):
        equal += ((new[one, at] ^ old[two, at]) & mask) == 0
    return equal >= agreements


@kernel
def _mark(
    new: NDArray,
    old: NDArray,
    order: NDArray,
    low: NDArray,
    high: NDArray,
    members: NDArray,
    bits: NDArray,
    agreements: int,
    seen: NDArray,
) -> bool:
    at = 0
    while at < order.shape[0]:
        end = at
        while end < order.shape[0] and low[end] == low[at]:
            end += 1
        here, there = end - at, high[at] - low[at]
        crowded = here * there > _CROWD * (here + there)
        for place in range(low[at], high[at]):
            record = np.int64(members[place])
            if record >= old.shape[0]:
                return False
            if record >= seen.shape[0]:
                continue
            mine = at
            while not seen[record] and mine < end:
                if crowded or _agree(new, old, order[mine], record, bits[0], agreements):
                    seen[record] = True
                mine += 1
        at = end
    return True


@kernel
def _pair(
    new: NDArray,
    old: NDArray,
    order: NDArray,
    low: NDArray,
    high: NDArray,
    members: NDArray,
    bits: NDArray,
    agreements: int,
    limit: int,
) -> tuple[NDArray, bool]:
    pairs, found = np.empty((1024, 2), np.int64), 0
    for at in range(order.shape[0]):
        for place in range(low[at], high[at]):
            record = np.int64(members[place])
            if record >= limit:
                return pairs[:found], False
            if _agree(new, old, order[at], record, bits[0], agreements):
                if found == pairs.shape[0]:
                    wider = np.empty((2 * found, 2), np.int64)
                    wider[:found] = pairs
                    pairs = wider
                pairs[found, 0], pairs[found, 1] = order[at], record
                found += 1
    return pairs[:found], True
