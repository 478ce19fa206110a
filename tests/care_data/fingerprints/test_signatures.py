import numpy as np
import polars as pl
import pytest
from datasketch import MinHash

from care_data.fingerprints.normalisation import pack
from care_data.fingerprints.shingles import fold, shingle
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
    hashes, starts = shingle(fold(pack(pl.Series(texts)))[0], bits=32)
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


def legacy_signature(hashes: list[int], num_perm: int, seed: int) -> list[int]:
    minhash = MinHash(num_perm=num_perm, seed=seed, scheme="legacy", hashfunc=lambda value: value)
    for value in hashes:
        minhash.update(value)
    return minhash.hashvalues.tolist()


@pytest.mark.parametrize(("num_perm", "seed"), [(1, 1), (2, 3), (64, 1), (100, 5), (128, 1), (250, 1), (1024, 1)])
def test_legacy_permutations_and_signatures_equal_datasketch(num_perm: int, seed: int) -> None:
    theirs = MinHash(num_perm=num_perm, seed=seed, scheme="legacy").permutations
    ours = permutations(num_perm, seed, "legacy")
    assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]
    generator = np.random.default_rng(num_perm)
    sets = [generator.integers(0, 1 << 32, size, dtype=np.uint32).tolist() for size in (1, 2, 3, 4, 5, 40)]
    sets += [[0], [1], [0xFFFFFFFF], [0x80000000, 0x7FFFFFFF], [0, 0xFFFFFFFF]]
    signatures = blank(len(sets), num_perm)
    starts = np.cumsum([0, *map(len, sets)])
    sign(np.array([value for values in sets for value in values], np.uint32), starts, signatures, seed, "legacy")
    assert signatures.tolist() == [legacy_signature(values, num_perm, seed) for values in sets]


@pytest.mark.parametrize("num_perm", [2, 3, 17, 96, 1024, 4096])
def test_any_number_of_permutations_equals_datasketch(num_perm: int) -> None:
    sets = [[7], list(range(0, 1 << 32, 1 << 27)), [0xFFFFFFFF, 0]]
    assert signatures_of(sets, num_perm).tolist() == [datasketch_signature(values, num_perm) for values in sets]


def test_the_schemes_differ() -> None:
    assert permutations(8)[0].dtype == np.uint32
    assert permutations(8, 1, "legacy")[0].dtype == np.uint64
    assert legacy_signature([5, 6], 8, 1) != datasketch_signature([5, 6], 8)
