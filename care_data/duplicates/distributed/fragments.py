"""What goes from shard to shard: tuples of arrays, cut by receiver and put together there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts, frozen

Fragment = tuple[Any, ...]
_HIGH = np.uint64(40)


def spread_hashes(hashes: NDArray[np.uint64], parts: int) -> NDArray[np.int64]:
    """The part of each hash; by its upper bits, since hash tables go by the lower ones."""
    return ((hashes >> _HIGH) % np.uint64(parts)).astype(np.int64)


def find_shards(firsts: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The shard of each class. firsts: the classes before each shard, and all of them."""
    return np.searchsorted(firsts, numbers, side="right") - 1


def split(owners: NDArray[np.int64], count: int, *arrays: NDArray) -> list[Fragment]:
    """A fragment for each of `count` receivers, in the order of the rows."""
    owners = owners.astype(np.uint16)  # numpy sorts 16 bits in one pass
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(1, count))
    return list(zip(*(np.split(array[order], ends) for array in arrays), strict=True))


def join(fragments: Sequence[Fragment]) -> Fragment:
    """The fragments as one, array by array."""
    return tuple(np.concatenate(arrays) for arrays in zip(*fragments, strict=True))


def append_texts(parts: Sequence[Texts]) -> Texts:
    """The texts of all parts, one after the other."""
    sizes = [np.diff(part.offsets) for part in parts]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
    return Texts(frozen(np.concatenate([part.data for part in parts])), frozen(offsets))
