"""Where records of different shards meet: in the buckets of bands, then sketch to sketch, then key to key.

A pair goes the way that carries least: its numbers to the first one's shard, with that one's sketch to the second's,
and, if it is worth it, with that one's keys back to the first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.distributed.fragments import Fragment, append_texts, find_shards, join, split, spread_hashes
from care_data.duplicates.distributed.shards import Roles, list_homes
from care_data.fingerprints.bands import Plan, hash_bands
from care_data.fingerprints.normalisation import Texts, take
from care_data.fingerprints.verification import verify

_BLOCK = 4096


def band_shard(sketches: NDArray, roles: Roles, first: int, bands: Plan, parts: int) -> list[Fragment]:
    """The keys of the bands of a shard's own classes, split by key."""
    own = list_homes(roles, first)
    pieces: list[list[Fragment]] = []
    for start in range(0, len(own), _BLOCK):
        classes = own[start : start + _BLOCK]
        keys = hash_bands(sketches[classes], bands)
        numbers = np.broadcast_to(classes.astype(np.uint32), keys.shape)
        places = np.broadcast_to(np.arange(bands.bands, dtype=np.uint16)[:, None], keys.shape)
        owners = spread_hashes(keys, parts)
        pieces.append(split(owners.ravel(), parts, keys.ravel(), numbers.ravel(), places.ravel()))
    none = (np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint16))
    return [(first, *join([none, *(piece[part] for piece in pieces)])) for part in range(parts)]


def fill_buckets(firsts: NDArray[np.int64], crowd: int, *fragments: Fragment) -> list[Any]:
    """The fullest bucket; then for each shard the pairs (its own class, another, band) and its crowded classes.

    Pairs of equal keys in the same band, as bands.pair() has them: of buckets of up to `crowd` classes, all of whom
    are here, since a key has one part. The class of the lower number comes first.
    """
    shards = len(firsts) - 1
    numbers = np.concatenate([first + classes.astype(np.int64) for first, _, classes, _ in fragments])
    keys, places = join([(keys, places) for _, keys, _, places in fragments])
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
    one, two, band = join([(numbers[:0], numbers[:0], places[:0]), *pairs])
    listed = split(find_shards(firsts, one), shards, one, two, band)
    full = split(find_shards(firsts, crowded), shards, crowded)
    largest = int(sizes.max(initial=1 if len(fragments) and any(len(each[1]) for each in fragments) else 0))
    return [largest, *((*pair, *rest) for pair, rest in zip(listed, full, strict=True))]


def attach_sketches(sketches: NDArray, first: int, firsts: NDArray[np.int64], *fragments: Fragment) -> list[Any]:
    """The shard's crowded classes; then for the shard of each second class its pairs, with the sketch of the first.

    A pair that several parts of the keys brought is sent once, with the first band it came by.
    """
    one, two, band, crowded = join(fragments)
    order = np.lexsort((band, two, one))
    one, two, band = one[order], two[order], band[order]
    fresh = np.ones(len(one), np.bool_)
    fresh[1:] = (one[1:] != one[:-1]) | (two[1:] != two[:-1])
    one, two, band = one[fresh], two[fresh], band[fresh]
    sent = split(find_shards(firsts, two), len(firsts) - 1, one, two, band)
    return [np.unique(crowded), *((*pairs, sketches[pairs[0] - first]) for pairs in sent)]


def screen_pairs(
    sketches: NDArray, keys: list[Texts], first: int, firsts: NDArray[np.int64], bands: Plan, *fragments: Fragment
) -> list[Any]:
    """(Pairs compared, pairs left); then for the shard of each first class the pairs left, with keys of the second.

    A pair is compared in the first band it shares: where that was a crowded one, it is not listed.
    """
    one, two, band, others = join(fragments)
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
    for firsts_of, seconds in split(find_shards(firsts, one[kept]), len(firsts) - 1, one[kept], two[kept]):
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
    return join(found)
