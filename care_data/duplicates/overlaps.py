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
    names = sorted(set(labels))
    if len(names) < 2:
        return {}
    places = [names.index(label) for label in labels]
    words = -(-len(names) // _WORD)
    here = np.zeros((len(distinct), words), np.uint64)
    for number, place in enumerate(places):
        rows = distinct.classes[distinct.starts[number] : distinct.starts[number + 1]]
        here[rows, place // _WORD] |= np.uint64(1 << place % _WORD)
    found = here.copy()
    _spread(here, found, alike.first, alike.second)
    _spread(here, found, alike.second, alike.first)
    gone = np.flatnonzero(decisions.keepers >= 0)
    _spread(here, found, gone, decisions.keepers[gone])
    near = gone[~decisions.contained[gone]]
    _spread(here, found, decisions.keepers[near], near)
    table: Overlaps = {}
    for number, place in enumerate(places):
        rows = distinct.classes[distinct.starts[number] : distinct.starts[number + 1]]
        for other, name in enumerate(names):
            if other == place:
                continue
            bit = np.uint64(1 << other % _WORD)
            if count := int(np.count_nonzero(found[rows, other // _WORD] & bit)):
                line = table.setdefault(names[place], {})
                line[name] = line.get(name, 0) + count
    return {name: dict(sorted(table[name].items())) for name in sorted(table)}


def _spread(here: NDArray[np.uint64], found: NDArray[np.uint64], to: NDArray[np.int64], of: NDArray[np.int64]) -> None:
    """What is where `of` is becomes known of `to`."""
    for word in range(here.shape[1]):
        np.bitwise_or.at(found[:, word], to, here[of, word])
