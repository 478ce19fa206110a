import numpy as np
import polars as pl
import pytest
from datasketch import MinHash

from care_data.fingerprints.normalisation import pack
from care_data.fingerprints.shingles import shingle
from care_data.fingerprints.signatures import EMPTY, blank, permutations, sign


def datasketch_signature(hashes: list[int], num_perm: int = 128, seed: int = 1) -> list[int]:
    minhash = MinHash(num_perm=num_perm, seed=seed, hashfunc=lambda value: value)
    assert minhash.scheme == "affine32"
    minhash.update_batch(hashes)
    return minhash.hashvalues.tolist()


def signatures_of(sets: list[list[int]], num_perm: int = 128, seed: int = 1) -> np.ndarray:
    starts = np.cumsum([0, *map(len, sets)])
    signatures = blank(len(sets), num_perm)
    sign(np.array([value for values in sets for value in values], np.uint32), starts, signatures, seed)
    return signatures


@pytest.mark.parametrize(("num_perm", "seed"), [(128, 1), (64, 1), (256, 1), (128, 7), (1, 3)])
def test_permutations_are_datasketchs(num_perm: int, seed: int) -> None:
    theirs = MinHash(num_perm=num_perm, seed=seed).permutations
    ours = permutations(num_perm, seed)
    assert ours[0].dtype == ours[1].dtype == np.uint32
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1].tolist() == theirs[1].tolist()


@pytest.mark.parametrize(("num_perm", "seed"), [(128, 1), (100, 5)])
def test_random_sets_equal_datasketch(num_perm: int, seed: int) -> None:
    generator = np.random.default_rng(0)
    sizes = [1, 2, 3, 4, 5, 7, 8, 9, *generator.integers(1, 400, 120).tolist()]
    sets = [generator.integers(0, 1 << 32, size, dtype=np.uint32).tolist() for size in sizes]
    expected = [datasketch_signature(values, num_perm, seed) for values in sets]
    assert signatures_of(sets, num_perm, seed).tolist() == expected


def test_edge_values_equal_datasketch() -> None:
    sets = [[0], [1], [0xFFFFFFFF], [0x80000000, 0x7FFFFFFF], [5] * 9, list(range(100)), [0, 0xFFFFFFFF, 0, 1]]
    assert signatures_of(sets).tolist() == [datasketch_signature(values) for values in sets]


def test_texts_equal_datasketch() -> None:
    texts = [
        "",
        "头",
        "啊" * 50,
        "高血压病人能吃党参吗？请问每天吃多少克合适，要吃多久",
        "Take 1.5 mg twice a day with food.",
    ]
    hashes, starts = shingle(pack(pl.Series(texts)), bits=32)
    signatures = blank(len(texts))
    sign(hashes, starts, signatures)
    sets = [hashes[starts[row] : starts[row + 1]].tolist() for row in range(len(texts))]
    assert signatures.tolist() == [datasketch_signature(values) for values in sets]


def test_no_shingle_leaves_the_blank() -> None:
    signatures = signatures_of([[], [3], []])
    assert (signatures[[0, 2]] == EMPTY).all()
    assert signatures[1].tolist() == datasketch_signature([3])


def test_groups_one_after_the_other_are_their_union() -> None:
    one, two = list(range(50)), list(range(1000, 1077))
    signatures = signatures_of([one])
    sign(np.array(two, np.uint32), np.array([0, len(two)]), signatures)
    assert signatures[0].tolist() == datasketch_signature(one + two)


def test_a_slice_of_the_signatures_is_filled_in_place() -> None:
    signatures = blank(3)
    sign(np.array([9, 8], np.uint32), np.array([0, 2]), signatures[1:2])
    assert (signatures[[0, 2]] == EMPTY).all()
    assert signatures[1].tolist() == datasketch_signature([8, 9])
