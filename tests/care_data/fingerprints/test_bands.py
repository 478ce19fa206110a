from itertools import combinations
from math import comb

import numpy as np
import pytest
from datasketch.lsh import _optimal_param

from care_data.duplicates.distinct import sketch_type
from care_data.errors import CareError
from care_data.fingerprints.bands import Plan, meet, optimum, pair, plan


def alike(generator: np.random.Generator, base: np.ndarray, share: float) -> np.ndarray:
    """A signature that agrees with `base` in about `share` of its values."""
    other = generator.integers(0, 1 << 32, len(base), dtype=np.uint32)
    return np.where(generator.random(len(base)) < share, base, other)


def by_hand(signatures: np.ndarray, bands: Plan) -> list[tuple[int, int]]:
    found = []
    for one, two in combinations(range(len(signatures)), 2):
        equal = signatures[one] == signatures[two]
        shared = any(equal[at * bands.rows : (at + 1) * bands.rows].all() for at in range(bands.bands))
        if shared and equal.sum() >= bands.agreements:
            found.append((one, two))
    return sorted(found, key=lambda ends: (ends[1], ends[0]))


@pytest.fixture(scope="module")
def signatures() -> np.ndarray:
    generator = np.random.default_rng(3)
    bases = generator.integers(0, 1 << 32, (60, 128), dtype=np.uint32)
    near = [alike(generator, base, share) for base in bases for share in (0.3, 0.6, 0.8, 0.95)]
    return np.concatenate([bases, np.stack(near)])[generator.permutation(300)]


def test_plan_at_the_default() -> None:
    chosen = plan(0.8)
    assert (chosen.bands, chosen.rows) == (25, 5)
    assert (1 - 0.8**5) ** 25 < chosen.miss < 6e-5
    assert (1 - 0.8**6) ** 21 > 1e-3  # one row more would miss too much
    lost = sum(comb(128, k) * 0.8**k * 0.2 ** (128 - k) for k in range(chosen.agreements))
    assert lost < 1e-5
    assert chosen.miss == pytest.approx((1 - 0.8**5) ** 25 + lost)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("miss", [0.05, 1e-3, 1e-5])
def test_plan_keeps_its_chance(threshold: float, miss: float) -> None:
    chosen = plan(threshold, 128, miss)
    assert chosen.miss < miss
    assert chosen.bands * chosen.rows <= 128
    assert chosen.agreements <= 128


@pytest.mark.parametrize(
    ("threshold", "miss", "told"),
    [
        (0.0, 1e-3, "threshold 0.0 is not above 0 and at most 1. Try 0.8."),
        (1.2, 1e-3, "threshold 1.2 is not above 0 and at most 1. Try 0.8."),
        (0.8, 0.0, "miss 0.0 is not a chance between 0 and 1. Try 0.001."),
        (
            0.01,
            1e-3,
            "128 permutations miss a pair at threshold 0.01 more often than 0.001. "
            "Raise the threshold or the chance to miss.",
        ),
    ],
)
def test_plan_refuses(threshold: float, miss: float, told: str) -> None:
    with pytest.raises(CareError) as caught:
        plan(threshold, 128, miss)
    assert str(caught.value) == told
    assert caught.value.code == 2


def test_pairs_are_those_found_by_hand(signatures: np.ndarray) -> None:
    bands = plan(0.8)
    found = pair(signatures, bands)
    expected = by_hand(signatures, bands)
    assert len(expected) > 60
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected
    assert found.compared >= len(expected)
    assert not found.crowded.any()


def test_workers_do_not_matter(signatures: np.ndarray) -> None:
    one, many = pair(signatures, plan(0.8), workers=1), pair(signatures, plan(0.8), workers=5)
    assert one.first.tolist() == many.first.tolist()
    assert one.second.tolist() == many.second.tolist()
    assert (one.compared, one.largest) == (many.compared, many.largest)


def test_no_pair_is_lost_to_a_crowd(signatures: np.ndarray) -> None:
    bands = plan(0.8)
    found = pair(signatures, bands, crowd=3)
    listed = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    lost = [ends for ends in by_hand(signatures, bands) if ends not in listed]
    assert found.crowded.any()
    assert found.largest > 3
    assert len(lost) > 5
    assert all(found.crowded[list(ends)].all() for ends in lost)


def test_crowds_do_not_grow_with_the_square() -> None:
    found = pair(np.zeros((5000, 128), np.uint32), plan(0.8))
    assert found.crowded.all()
    assert (len(found.first), found.compared, found.largest) == (0, 0, 5000)


def test_pairs_among_more_records_than_a_part_holds() -> None:
    generator = np.random.default_rng(5)
    signatures = generator.integers(0, 32, (150_000, 10), dtype=np.uint8)  # of 32 values: some bands meet by chance
    copies = generator.permutation(150_000)[:2_000]
    signatures[copies[1_000:]] = signatures[copies[:1_000]]
    signatures[copies[1_000:], 0] += 1  # the second band is left
    signatures[generator.permutation(150_000)[:40], 5:] = 7
    found = pair(signatures, Plan(2, 5, 5, 0.0), workers=2, crowd=32)
    values = signatures.astype(np.uint64)
    weights = np.uint64(256) ** np.arange(5, dtype=np.uint64)
    shared = set()
    for band in (values[:, :5] @ weights, values[:, 5:] @ weights):
        order = np.argsort(band, kind="stable")
        _, starts, counts = np.unique(band[order], return_index=True, return_counts=True)
        for start, count in zip(starts[counts > 1], counts[counts > 1], strict=True):
            if count <= 32:
                shared |= set(combinations(order[start : start + count].tolist(), 2))
    assert len(shared) > 1_500
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == sorted(
        shared, key=lambda ends: (ends[1], ends[0])
    )
    assert found.compared == len(shared)
    assert found.largest == 40
    assert found.crowded.sum() == 40


def test_nothing_to_pair() -> None:
    found = pair(np.zeros((0, 128), np.uint32), plan(0.8))
    assert (len(found.first), len(found.crowded), found.largest) == (0, 0, 0)


@pytest.mark.parametrize("num_perm", [1, 2, 16, 64, 100, 128])
@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.25, 0.33, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0])
def test_optimum_is_datasketchs(threshold: float, num_perm: int) -> None:
    chosen = optimum(threshold, num_perm)
    assert (chosen.bands, chosen.rows) == _optimal_param(threshold, num_perm, 0.5, 0.5)


@pytest.mark.parametrize(("threshold", "num_perm"), [(0.5, 256), (0.8, 256), (0.9, 200), (0.7, 333)])
def test_optimum_of_long_signatures_is_datasketchs(threshold: float, num_perm: int) -> None:
    chosen = optimum(threshold, num_perm)
    assert (chosen.bands, chosen.rows) == _optimal_param(threshold, num_perm, 0.5, 0.5)


def test_optimum_tells_the_chance_that_it_takes() -> None:
    chosen = optimum(0.8)
    assert (chosen.bands, chosen.rows) == (9, 13)
    lost = sum(comb(128, k) * 0.8**k * 0.2 ** (128 - k) for k in range(chosen.agreements))
    assert chosen.miss == pytest.approx((1 - 0.8**13) ** 9 + lost)
    assert chosen.miss > 0.5
    with pytest.raises(CareError, match=r"^threshold 2 is not above 0"):
        optimum(2)


@pytest.mark.parametrize(("threshold", "width"), [(0.3, "uint32"), (0.7, "uint16"), (0.8, "uint8"), (0.95, "uint8")])
@pytest.mark.parametrize("crowd", [3, 32])
def test_narrow_sketches_lose_no_candidate(signatures: np.ndarray, threshold: float, width: str, crowd: int) -> None:
    bands = plan(threshold, miss=1e-3)
    narrow = signatures.astype(sketch_type(bands))
    assert narrow.dtype == width
    full, sketched = pair(signatures, bands, crowd=10**6), pair(narrow, bands, crowd=crowd)
    listed = set(zip(sketched.first.tolist(), sketched.second.tolist(), strict=True))
    wanted = list(zip(full.first.tolist(), full.second.tolist(), strict=True))
    assert len(wanted) > 60
    assert [ends for ends in wanted if ends not in listed and not sketched.crowded[list(ends)].all()] == []


def test_a_sketch_holds_enough_of_a_band() -> None:
    for rows in range(1, 129):
        kind = sketch_type(Plan(128 // rows, rows, 0, 0.0))
        assert kind == np.uint32 or 8 * kind.itemsize * rows >= 40
    assert sketch_type(Plan(32, 4, 0, 0.0)) == np.uint16


@pytest.mark.parametrize("bands", [Plan(25, 5, 0, 0), Plan(25, 5, 80, 0), Plan(4, 2, 0, 0), Plan(1, 128, 0, 0)])
def test_what_meets_is_what_a_search_by_hand_finds(signatures: np.ndarray, bands: Plan) -> None:
    one, two = signatures[:70], signatures[60:]  # ten records are in both
    expected = {
        (first, second - 60)
        for first, second in [*by_hand(signatures, bands), *((at, at) for at in range(300))]
        for first, second in ((first, second), (second, first))
        if first < 70 and second >= 60
    }
    left, right = meet(one, two, bands)
    found = list(zip(left.tolist(), right.tolist(), strict=True))
    assert found == sorted(expected)
    assert len(found) >= 10


def test_of_many_equal_signatures_every_pair_meets() -> None:
    same = np.tile(np.arange(128, dtype=np.uint32), (60, 1))
    left, right = meet(same, same[:40], Plan(25, 5, 128, 0))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(a, b) for a in range(60) for b in range(40)]


def test_nothing_meets_nothing(signatures: np.ndarray) -> None:
    for one, two in ((signatures[:0], signatures), (signatures, signatures[:0]), (signatures[:0], signatures[:0])):
        left, right = meet(one, two, Plan(25, 5, 80, 0))
        assert (left.tolist(), right.tolist()) == ([], [])
