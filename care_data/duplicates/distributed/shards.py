"""What is done with a shard: some inputs read by themselves, whose records then meet those of the other shards.

A class of records with equal keys is numbered by shard, then as it came. Of one that several shards have, the lowest
number, its home, stands for all. What goes from shard to shard is a fragment, a tuple of arrays for each receiver.
All functions here give the same result for the same arguments, wherever and however often they run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Dialogues
from care_data.duplicates.distinct import distinguish
from care_data.duplicates.distributed.fragments import Fragment, join, split, spread_hashes
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.overlaps import Overlaps, count_marks, mark_classes
from care_data.duplicates.ranking import Bests, choose_rows
from care_data.duplicates.search import silent, tell_rows
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.normalisation import Texts, take


@dataclass(frozen=True)
class Rows:
    """Per row of a shard its class in it and its characters; starts: where each input begins."""

    classes: NDArray[np.int32]
    lengths: NDArray[np.int32]
    starts: list[int]


@dataclass(frozen=True)
class Roles:
    """Per class of a shard its home; the best row of all it has anywhere, and the marks of their inputs."""

    homes: NDArray[np.int64]
    bests: Bests
    marks: NDArray[np.uint64]


@dataclass(frozen=True)
class Gone:
    """Homes of the classes that go, sorted: the row each goes for, their Jaccard, and whether it is contained.

    marked: homes, sorted, whose marks are more than their own; marks: these.
    """

    homes: NDArray[np.int64]
    keepers: NDArray[np.int64]
    jaccards: NDArray[np.float64]
    contained: NDArray[np.bool_]
    marked: NDArray[np.int64]
    marks: NDArray[np.uint64]


def fold_shard(
    inputs: Sequence[Input], groups: int, rules: Rules, bands: Plan
) -> tuple[tuple[list[int], int], Rows, NDArray[np.uint64], Dialogues, NDArray, list[Texts]]:
    """(Rows up to each input, classes), rows, digests, dialogues, sketches and keys of the classes of these inputs."""
    with TemporaryDirectory(prefix="care-") as scratch:
        # Its files stay readable while they are mapped.
        found = distinguish(inputs, groups, rules, bands, Path(scratch), 1, silent)
    rows = Rows(found.classes, found.lengths, found.starts)
    keys = [keys.texts for keys in found.keys]
    return (found.starts, len(found)), rows, found.digests, found.dialogues, found.sketches, keys


def rank_shard(
    inputs: Sequence[Input],
    standing: Sequence[int],
    names: Sequence[str],
    rows: Rows,
    digests: NDArray[np.uint64],
    before: int,
    first: int,
    parts: int,
) -> list[Fragment]:
    """The classes of a shard with their best rows and marks, split by their digests."""
    total = len(digests)
    bests = choose_rows(inputs, standing, rows.classes, rows.lengths, rows.starts, total, before)
    marks = mark_classes([each.label for each in inputs], names, rows.classes, rows.starts, total)
    owners = spread_hashes(digests[:, 0], parts)
    numbers = first + np.arange(total)
    return split(owners, parts, digests, numbers, bests.rows, bests.ranks, bests.ties, marks)


def unite_classes(*fragments: Fragment) -> list[Fragment]:
    """For each shard the homes, best rows and marks of its classes in this part of the digests."""
    digests, numbers, rows, ranks, ties, marks = join(fragments)
    order = np.lexsort((numbers, digests[:, 1], digests[:, 0]))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    where = np.empty(len(order), np.int64)
    where[order] = np.cumsum(begins) - 1
    heads = np.flatnonzero(begins)
    homes = numbers[order[heads]]
    # Of equal rank and tie the first row counts, as it does within a shard.
    best = np.lexsort((numbers, ties, ranks, where))[heads]
    together = np.bitwise_or.reduceat(marks[order], heads, axis=0) if len(heads) else marks
    found = numbers, homes[where], rows[best][where], ranks[best][where], ties[best][where], together[where]
    ends = np.cumsum([len(fragment[1]) for fragment in fragments])
    return list(zip(*(np.split(array, ends[:-1]) for array in found), strict=True))


def gather_roles(*fragments: Fragment) -> Roles:
    """What all parts of the digests found of the classes of one shard."""
    numbers, homes, rows, ranks, ties, marks = join(fragments)
    order = np.argsort(numbers)
    return Roles(homes[order], Bests(rows[order], ranks[order], ties[order]), marks[order])


def list_homes(roles: Roles, first: int) -> NDArray[np.int64]:
    """The classes of a shard whose home it is: each class of all shards once."""
    return np.flatnonzero(roles.homes == first + np.arange(len(roles.homes)))


def find_dialogues(dialogues: Dialogues, roles: Roles, first: int) -> Fragment:
    """The shard's own classes of several exchanges: numbers, how many, and these one after the other."""
    own = list_homes(roles, first)
    own = own[np.diff(dialogues.starts)[own] > 1]
    return first + own, *_read_exchanges(dialogues, own)


def find_openings(dialogues: Dialogues, roles: Roles, first: int, openings: NDArray[np.uint64]) -> Fragment:
    """The same of its own classes of one exchange that is among these, as which longer dialogues begin."""
    own = list_homes(roles, first)
    own = own[np.diff(dialogues.starts)[own] == 1]
    own = own[np.isin(dialogues.exchanges[dialogues.starts[own]], openings)]
    return first + own, *_read_exchanges(dialogues, own)


def look_up(roles: Roles, dialogues: Dialogues, first: int, numbers: NDArray[np.int64]) -> Fragment:
    """Of some of the shard's classes best row, rank, tie, marks, and how many exchanges they have."""
    at = numbers - first
    bests = roles.bests
    return bests.rows[at], bests.ranks[at], bests.ties[at], roles.marks[at], np.diff(dialogues.starts)[at]


def take_keys(keys: list[Texts], sketches: NDArray, first: int, numbers: NDArray[np.int64]) -> Fragment:
    """Sketches and keys of some of the shard's classes."""
    at = numbers - first
    return sketches[at] if len(sketches) else sketches, [take(texts, at) for texts in keys]


def tell_shard(
    labels: Sequence[str], names: Sequence[str], rows: Rows, roles: Roles, before: int, gone: Gone
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8], Overlaps]:
    """Keeper, Jaccard and reason of every row of a shard, and what of its labels is in others."""
    total = len(roles.homes)
    keepers, jaccards, contained = np.full(total, -1, np.int64), np.ones(total), np.zeros(total, np.bool_)
    at, there = _locate(gone.homes, roles.homes)
    keepers[there], jaccards[there], contained[there] = gone.keepers[at], gone.jaccards[at], gone.contained[at]
    told = tell_rows(rows.classes, roles.bests.rows, keepers, jaccards, contained, before)
    marks = roles.marks.copy()
    at, there = _locate(gone.marked, roles.homes)
    marks[there] = gone.marks[at]
    return *told, count_marks(labels, names, rows.classes, rows.starts, marks)


def _locate(known: NDArray[np.int64], asked: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where those of `asked` that are known stand in the sorted `known`, and which they are."""
    at = np.searchsorted(known, asked)
    there = at < len(known)
    there[there] = known[at[there]] == asked[there]
    return at[there], there


def _read_exchanges(dialogues: Dialogues, classes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    begins, counts = dialogues.starts[classes], np.diff(dialogues.starts)[classes]
    places = np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    return counts, dialogues.exchanges[places]
