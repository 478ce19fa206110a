"""Records that hang together: alike ones, those alike to them, and so on; what must not be parted by a split."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.distinct import distinguish
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import find_alike, silent
from care_data.kernels import kernel

CROWD = 256
"""So many records of one band are compared pair by pair; more of them are taken to hang together."""


def find_components(
    inputs: Sequence[Input], groups: int, rules: Rules, scratch: Path, workers: int | None = None
) -> NDArray[np.int64]:
    """Per row of all inputs the first row of those it hangs together with, itself where it is alone.

    Records of a crowded band, whose pairs are not looked at, are taken to hang together. So rules that ask for every
    pair, for which all are crowded, are held to bands here as the others are.
    """
    rules = replace(rules, exhaustive=False, crowd=max(rules.crowd, CROWD))
    bands = rules.plan()
    distinct = distinguish(inputs, groups, rules, bands, scratch, workers, silent)
    alike, candidates = find_alike(distinct, rules, bands, workers, silent)
    parents = np.arange(len(distinct))
    _unite(parents, alike.first, alike.second)
    crowded = np.flatnonzero(candidates.crowded)
    _unite(parents, crowded[:-1], crowded[1:])
    roots = _settle(parents)[distinct.classes]
    firsts = np.full(len(distinct), len(roots))
    np.minimum.at(firsts, roots, np.arange(len(roots)))
    return firsts[roots]


@kernel
def _root(parents: NDArray, at: int) -> int:
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at


@kernel
def _unite(parents: NDArray, first: NDArray, second: NDArray) -> None:
    for pair in range(first.shape[0]):
        one, two = _root(parents, first[pair]), _root(parents, second[pair])
        parents[max(one, two)] = min(one, two)


@kernel
def _settle(parents: NDArray) -> NDArray:
    roots = np.empty(parents.shape[0], np.int64)
    for at in range(parents.shape[0]):
        roots[at] = _root(parents, at)
    return roots
