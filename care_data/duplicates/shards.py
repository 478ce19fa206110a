"""What is done with a shard: some inputs read by themselves, whose records then meet those of the other shards.

A class of records with equal keys is numbered by shard, then as it came. Of one that several shards have, the lowest
number, its home, stands for all. What goes from shard to shard is a fragment, a tuple of arrays for each receiver.
All functions here give the same result for the same arguments, wherever and however often they run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Dialogues
from care_data.duplicates.distinct import distinguish
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.overlaps import Overlaps, count_marks, mark_classes
from care_data.duplicates.ranking import Bests, choose_rows
from care_data.duplicates.search import silent, tell_rows
from care_data.fingerprints.bands import Plan, hash_bands
from care_data.fingerprints.normalisation import Texts, frozen, take
from care_data.fingerprints.verification import verify

Fragment = tuple[Any, ...]
_BLOCK = 4096
_HIGH = np.uint64(40)


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
    owners = ((digests[:, 0] >> _HIGH) % np.uint64(parts)).astype(np.int64)
    numbers = first + np.arange(total)
    return _split(owners, parts, digests, numbers, bests.rows, bests.ranks, bests.ties, marks)


def unite_classes(*fragments: Fragment) -> list[Fragment]:
    """For each shard the homes, best rows and marks of its classes in this part of the digests."""
    digests, numbers, rows, ranks, ties, marks = _join(fragments)
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
    numbers, homes, rows, ranks, ties, marks = _join(fragments)
    order = np.argsort(numbers)
    return Roles(homes[order], Bests(rows[order], ranks[order], ties[order]), marks[order])


def list_homes(roles: Roles, first: int) -> NDArray[np.int64]:
    """The classes of a shard whose home it is: each class of all shards once."""
    return np.flatnonzero(roles.homes == first + np.arange(len(roles.homes)))


def band_shard(sketches: NDArray, roles: Roles, first: int, bands: Plan, parts: int) -> list[Fragment]:
    """The keys of the bands of a shard's own classes, split by key."""
    own = list_homes(roles, first)
    pieces: list[list[Fragment]] = []
    for start in range(0, len(own), _BLOCK):
        classes = own[start : start + _BLOCK]
        keys = hash_bands(sketches[classes], bands)
        numbers = np.broadcast_to(classes.astype(np.uint32), keys.shape)
        places = np.broadcast_to(np.arange(bands.bands, dtype=np.uint16)[:, None], keys.shape)
        owners = ((keys >> _HIGH) % np.uint64(parts)).astype(np.int64)
        pieces.append(_split(owners.ravel(), parts, keys.ravel(), numbers.ravel(), places.ravel()))
    none = (np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint16))
    return [(first, *_join([none, *(piece[part] for piece in pieces)])) for part in range(parts)]


def fill_buckets(firsts: NDArray[np.int64], crowd: int, *fragments: Fragment) -> list[Any]:
    """The fullest bucket; then for each shard the pairs (its own class, another, band) and its crowded classes.

    Pairs of equal keys in the same band, as bands.pair() has them: of buckets of up to `crowd` classes, all of whom
    are here, since a key has one part. The class of the lower number comes first.
    """
    shards = len(firsts) - 1
    numbers = np.concatenate([first + classes.astype(np.int64) for first, _, classes, _ in fragments])
    keys, places = _join([(keys, places) for _, keys, _, places in fragments])
    order = np.argsort(keys)
    same = keys[order[1:]] == keys[order[:-1]]
    shared = order[np.r_[False, same] | np.r_[same, False]] if len(order) else order
    keys, places, numbers = keys[shared], places[shared], numbers[shared]
    order = np.lexsort((numbers, keys, places))
    keys, places, numbers = keys[order], places[order], numbers[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (keys[1:] != keys[:-1]) | (places[1:] != places[:-1])
    bucket = np.cumsum(begins) - 1
    sizes = np.bincount(bucket)
    crowded = np.unique(numbers[sizes[bucket] > crowd])
    small = sizes[bucket] <= crowd
    bucket, places, numbers = bucket[small], places[small], numbers[small]
    pairs = []
    for step in range(1, min(crowd, int(sizes.max(initial=1)))):
        at = np.flatnonzero(bucket[step:] == bucket[:-step])
        pairs.append((numbers[at], numbers[at + step], places[at]))
    one, two, band = _join([(numbers[:0], numbers[:0], places[:0]), *pairs])
    listed = _split(_find_shards(firsts, one), shards, one, two, band)
    full = _split(_find_shards(firsts, crowded), shards, crowded)
    largest = int(sizes.max(initial=1 if len(fragments) and any(len(each[1]) for each in fragments) else 0))
    return [largest, *((*pair, *rest) for pair, rest in zip(listed, full, strict=True))]


def attach_sketches(sketches: NDArray, first: int, firsts: NDArray[np.int64], *fragments: Fragment) -> list[Any]:
    """The shard's crowded classes; then for the shard of each second class its pairs, with the sketch of the first.

    A pair that several parts of the keys brought is sent once, with the first band it came by.
    """
    one, two, band, crowded = _join(fragments)
    order = np.lexsort((band, two, one))
    one, two, band = one[order], two[order], band[order]
    fresh = np.ones(len(one), np.bool_)
    fresh[1:] = (one[1:] != one[:-1]) | (two[1:] != two[:-1])
    one, two, band = one[fresh], two[fresh], band[fresh]
    sent = _split(_find_shards(firsts, two), len(firsts) - 1, one, two, band)
    return [np.unique(crowded), *((*pairs, sketches[pairs[0] - first]) for pairs in sent)]


def screen_pairs(
    sketches: NDArray, keys: list[Texts], first: int, firsts: NDArray[np.int64], bands: Plan, *fragments: Fragment
) -> list[Any]:
    """(Pairs compared, pairs left); then for the shard of each first class the pairs left, with keys of the second.

    A pair is compared in the first band it shares: where that was a crowded one, it is not listed.
    """
    one, two, band, others = _join(fragments)
    compared, left = 0, []
    for start in range(0, len(one), _BLOCK):
        here = slice(start, start + _BLOCK)
        equal = others[here] == sketches[two[here] - first]
        shared = equal[:, : bands.bands * bands.rows].reshape(-1, bands.bands, bands.rows).all(axis=2)
        counts = shared.argmax(axis=1) == band[here]
        compared += int(counts.sum())
        left.append(start + np.flatnonzero(counts & (equal.sum(axis=1) >= bands.agreements)))
    kept = np.concatenate([np.zeros(0, np.int64), *left])
    sent = []
    for firsts_of, seconds in _split(_find_shards(firsts, one[kept]), len(firsts) - 1, one[kept], two[kept]):
        numbers, places = np.unique(seconds, return_inverse=True)
        sent.append((firsts_of, seconds, places, [take(texts, numbers - first) for texts in keys]))
    return [(compared, len(kept)), *sent]


def verify_shard(
    keys: list[Texts], first: int, threshold: float, *fragments: Fragment
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The pairs whose keys are alike: first, second, Jaccard."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for one, two, places, others in fragments:
        numbers, seats = np.unique(one, return_inverse=True)
        texts = [append_texts([take(own, numbers - first), other]) for own, other in zip(keys, others, strict=True)]
        jaccards = verify(
            seats.astype(np.int32),
            (len(numbers) + places).astype(np.int32),
            lambda records, group, texts=texts: take(texts[group], records.astype(np.int64)),  # type: ignore[misc]
            len(keys),
            threshold,
            1,
        )
        alike = jaccards >= threshold
        found.append((one[alike], two[alike], jaccards[alike]))
    return _join(found)


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


def append_texts(parts: Sequence[Texts]) -> Texts:
    """The texts of all parts, one after the other."""
    sizes = [np.diff(part.offsets) for part in parts]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
    return Texts(frozen(np.concatenate([part.data for part in parts])), frozen(offsets))


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


def _find_shards(firsts: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(firsts, numbers, side="right") - 1


def _split(owners: NDArray[np.int64], count: int, *arrays: NDArray) -> list[Fragment]:
    """A fragment for each of `count` receivers, in the order of the rows."""
    owners = owners.astype(np.uint16)  # numpy sorts 16 bits in one pass
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(1, count))
    return list(zip(*(np.split(array[order], ends) for array in arrays), strict=True))


def _join(fragments: Sequence[Fragment]) -> Fragment:
    return tuple(np.concatenate(arrays) for arrays in zip(*fragments, strict=True))
