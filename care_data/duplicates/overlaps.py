"""How much of one corpus is in another: the records of each that have an equal or alike one there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.distinct import Distinct
from care_data.duplicates.keepers import Alike, Decisions

_WORD = 64

Overlaps = dict[str, dict[str, int]]
"""Corpus to other corpus to the number of the first's records that are in the second; what is nowhere is left out."""


def count_overlaps(labels: Sequence[str], distinct: Distinct, alike: Alike, decisions: Decisions) -> Overlaps:
    """The table of overlaps between inputs of different labels.

    A contained dialogue counts as being where it is contained. Of records in crowded bands, whose pairs are not all
    looked at, only what they went for counts.
    """
    here = mark_classes(labels, sorted(set(labels)), distinct.classes, distinct.starts, len(distinct))
    found = spread_marks(here, alike, decisions)
    return count_marks(labels, sorted(set(labels)), distinct.classes, distinct.starts, found)


def mark_classes(
    labels: Sequence[str], names: Sequence[str], classes: NDArray[np.int32], starts: Sequence[int], total: int
) -> NDArray[np.uint64]:
    """Per class a bit for each of the names whose inputs hold it (classes x words).

    labels: the inputs'. classes: per row of them; starts: where each input begins there.
    """
    here = np.zeros((total, -(-len(names) // _WORD)), np.uint64)
    for number, label in enumerate(labels):
        word, bit = divmod(names.index(label), _WORD)
        here[classes[starts[number] : starts[number + 1]], word] |= np.uint64(1 << bit)
    return here


def spread_marks(here: NDArray[np.uint64], alike: Alike, decisions: Decisions) -> NDArray[np.uint64]:
    """The marks of each class with those of the classes alike or that it went for."""
    found = here.copy()
    _spread(here, found, alike.first, alike.second)
    _spread(here, found, alike.second, alike.first)
    gone = np.flatnonzero(decisions.keepers >= 0)
    _spread(here, found, gone, decisions.keepers[gone])
    near = gone[~decisions.contained[gone]]
    _spread(here, found, decisions.keepers[near], near)
    return found


def count_marks(
    labels: Sequence[str],
    names: Sequence[str],
    classes: NDArray[np.int32],
    starts: Sequence[int],
    found: NDArray[np.uint64],
) -> Overlaps:
    """For each label the rows of its inputs whose class has the mark of another."""
    table: Overlaps = {}
    for number, label in enumerate(labels):
        rows = classes[starts[number] : starts[number + 1]]
        for place, name in enumerate(names):
            word, bit = divmod(place, _WORD)
            marked = found[rows, word] & np.uint64(1 << bit)
            if name != label and (count := int(np.count_nonzero(marked))):
                line = table.setdefault(label, {})
                line[name] = line.get(name, 0) + count
    return {name: dict(sorted(table[name].items())) for name in sorted(table)}


def _spread(here: NDArray[np.uint64], found: NDArray[np.uint64], to: NDArray[np.int64], of: NDArray[np.int64]) -> None:
    """What is where `of` is becomes known of `to`."""
    for word in range(here.shape[1]):
        np.bitwise_or.at(found[:, word], to, here[of, word])
