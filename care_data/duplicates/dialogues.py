"""Dialogues that stand whole inside longer ones.

A dialogue is the row of its exchanges (a question with its answer, compared by their keys). A longer one contains it
where it begins with the same exchanges, or, for two or more, has them in a row anywhere: a lone exchange inside a
dialogue is another thing than the same exchange by itself, since there it was said after what came before.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import compose, pack
from care_data.fingerprints.shingles import fold
from care_data.kernels import kernel

if TYPE_CHECKING:
    import polars as pl

LONG = 1000
"""Exchanges above which a dialogue is searched for others at its beginning only."""

_BASE, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)


@dataclass(frozen=True)
class Dialogues:
    """The exchanges (hashes) of all classes, one after the other, and where each begins and the last ends."""

    exchanges: NDArray[np.uint64]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class Containments:
    """Pairs of classes, the longer dialogue and the one that stands whole inside it."""

    holders: NDArray[np.int64]
    held: NDArray[np.int64]


NONE = Containments(np.zeros(0, np.int64), np.zeros(0, np.int64))


def hash_exchanges(turns: "pl.Series", digests: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The exchanges of some records as hashes, one record after the other, and how many each has.

    turns: lists of question, answer, question, …; empty for a record that is one exchange, whose hash is its digest.
    """
    counts = turns.list.len().fill_null(0).to_numpy().astype(np.int64) // 2
    single = counts == 0
    counts[single] = 1
    exchanges = np.empty(int(counts.sum()), np.uint64)
    alone = np.repeat(single, counts)
    exchanges[alone] = digests[single, 0]
    texts = turns.filter(turns.list.len() > 0).explode()
    if len(texts):
        questions, answers = (pack(compose(texts.gather_every(2, offset))) for offset in (0, 1))
        exchanges[~alone] = fold(answers, fold(questions)[1])[1][:, 0]
    return exchanges, counts


def replace_dialogues(
    dialogues: Dialogues, exchanges: NDArray[np.uint64], counts: NDArray[np.int64], classes: NDArray, total: int
) -> Dialogues:
    """The dialogues of `total` classes: those of the classes named as given here, the others as they are."""
    begins, sizes = np.zeros(total, np.int64), np.zeros(total, np.int64)
    before = len(dialogues.starts) - 1
    begins[:before], sizes[:before] = dialogues.starts[:-1], np.diff(dialogues.starts)
    begins[classes] = len(dialogues.exchanges) + np.cumsum(counts) - counts
    sizes[classes] = counts
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    places = np.repeat(begins - starts[:-1], sizes) + np.arange(starts[-1])
    return Dialogues(np.concatenate([dialogues.exchanges, exchanges])[places], starts)


def mark_cuts(
    digests: NDArray[np.uint64], exchanges: NDArray[np.uint64], counts: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """The digests, those of dialogues also of how they are cut into exchanges.

    Else the same words cut in two ways would be one class, and which of them it contains a matter of which came first.
    Cut differently they are two classes, near duplicates of Jaccard 1.
    """
    starts = np.cumsum(counts) - counts
    places = np.arange(len(exchanges)) - np.repeat(starts, counts)
    cuts = np.add.reduceat(exchanges * (2 * places + 1).astype(np.uint64), starts) if len(starts) else exchanges
    marked = digests.copy()
    marked[:, 1] ^= np.where(counts > 1, cuts, 0).astype(np.uint64)
    return marked


def find_contained(dialogues: Dialogues) -> Containments:
    """All pairs of a dialogue and one that it contains."""
    if len(dialogues.exchanges) == len(dialogues.starts) - 1:  # nothing but single exchanges
        return NONE
    holders, held = _find(dialogues.exchanges, dialogues.starts)
    pairs = np.unique(np.stack([holders, held], axis=1), axis=0)
    return Containments(pairs[:, 0], pairs[:, 1])


def put_behind(places: NDArray[np.int64], found: Containments, dialogues: Dialogues) -> NDArray[np.int64]:
    """The classes in order of their places, but a contained one never before those that contain it."""
    sizes = np.diff(dialogues.starts)
    behind = places.copy()
    longest_first = np.argsort(-sizes[found.held], kind="stable")
    _defer(behind, found.holders[longest_first], found.held[longest_first])
    return np.lexsort((places, -sizes, behind))


@kernel
def _defer(behind: NDArray, holders: NDArray, held: NDArray) -> None:
    for at in range(holders.shape[0]):
        behind[held[at]] = max(behind[held[at]], behind[holders[at]])


@kernel
def _mix(value: np.uint64, exchange: np.uint64) -> np.uint64:
    value = (value ^ exchange) * _BASE
    return value ^ (value >> _SHIFT)


@kernel
def _seek(keys: NDArray, values: NDArray, key: np.uint64) -> int:
    """The slot of the key, or the empty one where it would be (its value is 0)."""
    slot = np.int64(key) & (keys.shape[0] - 1)
    while values[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & (keys.shape[0] - 1)
    return slot


@kernel
def _index(exchanges: NDArray, starts: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Hash of a whole dialogue to its number + 1; hash of the first two exchanges to the longest that begins so."""
    total, size = starts.shape[0] - 1, 16
    while size < 2 * total:
        size *= 2
    wholes, numbers = np.empty(size, np.uint64), np.zeros(size, np.int64)
    openings, longest = np.empty(size, np.uint64), np.zeros(size, np.int64)
    for number in range(total):
        value, count = np.uint64(0), starts[number + 1] - starts[number]
        for at in range(starts[number], starts[number + 1]):
            value = _mix(value, exchanges[at])
            if at == starts[number] + 1:
                slot = _seek(openings, longest, value)
                openings[slot], longest[slot] = value, max(longest[slot], count)
        slot = _seek(wholes, numbers, value)
        if numbers[slot] == 0:
            wholes[slot], numbers[slot] = value, number + 1
    return wholes, numbers, openings, longest


@kernel
def _same(exchanges: NDArray, one: int, two: int, count: int) -> bool:
    at = 0
    while at < count and exchanges[one + at] == exchanges[two + at]:
        at += 1
    return at == count


@kernel
def _find(exchanges: NDArray, starts: NDArray) -> tuple[NDArray, NDArray]:
    wholes, numbers, openings, longest = _index(exchanges, starts)
    holders, held, found = np.empty(1024, np.int64), np.empty(1024, np.int64), 0
    holder_of = np.full(starts.shape[0], -1, np.int64)  # the last found: a dialogue may stand many times in one
    for number in range(starts.shape[0] - 1):
        begin, end = starts[number], starts[number + 1]
        for start in range(begin, end if end - begin <= LONG else begin + 1):
            reach = end - start - (1 if start == begin else 0)
            if start > begin:
                if start + 1 >= end:
                    break
                value = _mix(_mix(np.uint64(0), exchanges[start]), exchanges[start + 1])
                reach = min(reach, longest[_seek(openings, longest, value)])
            value = np.uint64(0)
            for count in range(1, reach + 1):
                value = _mix(value, exchanges[start + count - 1])
                if count == 1 and start > begin:
                    continue
                other = numbers[_seek(wholes, numbers, value)] - 1
                if other < 0 or holder_of[other] == number or starts[other + 1] - starts[other] != count:
                    continue
                if _same(exchanges, start, starts[other], count):
                    if found == holders.shape[0]:
                        holders, held = _double(holders), _double(held)
                    holders[found], held[found], holder_of[other] = number, other, number
                    found += 1
    return holders[:found], held[:found]


@kernel
def _double(values: NDArray) -> NDArray:
    wider = np.empty(2 * values.shape[0], values.dtype)
    wider[: values.shape[0]] = values
    return wider
