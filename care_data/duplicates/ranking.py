"""Who has the better right to stay: rows of a class among each other, and classes among each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Containments, Dialogues, find_contained, put_behind
from care_data.duplicates.inputs import Input
from care_data.kernels import kernel

_LENGTH_BITS = 32


@dataclass(frozen=True)
class Bests:
    """Per class the row that stands for it, its rank (standing, then the longer text; the lower stays) and its tie."""

    rows: NDArray[np.int64]
    ranks: NDArray[np.int64]
    ties: NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """Classes by their right to stay; settled: so many of the first always stay. contained: of those that may go."""

    classes: NDArray[np.int64]
    settled: int
    contained: Containments


def stand(inputs: Sequence[Input]) -> list[int]:
    """The standing of each input: 0 where it is settled, then from the highest priority down."""
    priorities = np.array([each.priority for each in inputs], np.int64)
    standing = np.unique(-priorities, return_inverse=True)[1] + 1
    return [0 if each.settled else int(place) for each, place in zip(inputs, standing, strict=True)]


def choose_rows(
    inputs: Sequence[Input],
    standing: Sequence[int],
    classes: NDArray[np.int32],
    lengths: NDArray[np.int32],
    starts: Sequence[int],
    total: int,
    before: int = 0,
) -> Bests:
    """The best row of each of the `total` classes: by standing, length, tie.

    classes, lengths: per row of the inputs; starts: where each begins there. before: rows of inputs left out before.
    """
    rows, ties = np.full(total, -1, np.int64), np.zeros(total, np.int64)
    ranks = np.full(total, np.iinfo(np.int64).max)
    for number, each in enumerate(inputs):
        start, stop = starts[number], starts[number + 1]
        own = np.arange(before + start, before + stop) if each.ties is None else each.ties
        here = classes[start:stop], lengths[start:stop]
        _choose(*here, own, before + start, standing[number], rows, ranks, ties)
    return Bests(rows, ranks, ties)


def order_classes(bests: Bests, dialogues: Dialogues) -> Order:
    """By rank and tie; a contained dialogue comes after those that contain it."""
    total = len(bests.rows)
    seats = np.zeros(total, np.int64)
    order = np.lexsort((bests.ties, bests.ranks))
    seats[order] = np.arange(total)
    settled = int(np.searchsorted(bests.ranks[order], 1 << _LENGTH_BITS))
    contained = find_contained(dialogues)
    if len(contained.held):
        loose = seats[contained.held] >= settled
        contained = Containments(contained.holders[loose], contained.held[loose])
        order = put_behind(seats, contained, dialogues)
    return Order(order, settled, contained)


@kernel
def _choose(
    classes: NDArray,
    lengths: NDArray,
    own: NDArray,
    start: int,
    standing: int,
    rows: NDArray,
    ranks: NDArray,
    ties: NDArray,
) -> None:
    for at in range(classes.shape[0]):
        which = classes[at]
        rank = np.int64(standing + 1) << _LENGTH_BITS
        rank -= np.int64(lengths[at]) + 1
        if rank < ranks[which] or (rank == ranks[which] and own[at] < ties[which]):
            rows[which], ranks[which], ties[which] = start + at, rank, own[at]
