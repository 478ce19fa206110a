import numpy as np
import pytest

from care_data.duplicates.keepers import keep, match_equal
from care_data.fingerprints.prefixes import Sets

NOBODY = np.zeros(0, np.int32)


def decide(total: int, pairs: dict[tuple[int, int], float], threshold: float = 0.8) -> tuple[list[int], list[float]]:
    ends = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    first, second = (np.array([pair[at] for pair in ends], np.int32) for at in range(2))
    jaccards = np.array([pairs[pair] for pair in ends], np.float64)
    decisions = keep(total, first, second, jaccards, threshold, NOBODY, None)
    return decisions.keepers.tolist(), decisions.jaccards.tolist()


def decide_sets(sets: list[list[list[int]]], threshold: float = 0.8) -> tuple[list[int], list[float]]:
    """All records crowded, none listed; sets[record][group]."""
    flat = [sorted(group) for record in sets for group in record]
    values = np.array([value for group in flat for value in group], np.uint64)
    held = Sets(values, np.cumsum([0, *map(len, flat)]), len(sets[0]))
    crowded = np.arange(len(sets), dtype=np.int32)
    decisions = keep(len(sets), NOBODY, NOBODY, np.zeros(0), threshold, crowded, held)
    return decisions.keepers.tolist(), decisions.jaccards.tolist()


def test_a_chain_keeps_both_ends() -> None:
    assert decide(3, {(0, 1): 0.9, (1, 2): 0.85}) == ([-1, 0, -1], [1.0, 0.9, 1.0])


def test_a_star_keeps_its_centre_if_that_comes_first() -> None:
    assert decide(3, {(0, 1): 0.9, (0, 2): 0.85})[0] == [-1, 0, 0]
    assert decide(3, {(0, 2): 0.9, (1, 2): 0.85})[0] == [-1, -1, 0]


def test_the_most_alike_is_the_keeper_then_the_first() -> None:
    assert decide(3, {(0, 2): 0.85, (1, 2): 0.95}) == ([-1, -1, 1], [1.0, 1.0, 0.95])
    assert decide(3, {(0, 2): 0.9, (1, 2): 0.9})[0] == [-1, -1, 0]


def test_a_removed_record_removes_nobody() -> None:
    assert decide(4, {(0, 1): 0.9, (1, 2): 0.99, (2, 3): 0.9})[0] == [-1, 0, -1, 2]


def test_pairs_below_the_threshold_do_not_count() -> None:
    assert decide(2, {(0, 1): 0.7999})[0] == [-1, -1]
    assert decide(2, {(0, 1): 0.8})[0] == [-1, 0]


def test_no_records() -> None:
    assert decide(0, {}) == ([], [])


def test_crowded_records_are_compared_by_their_sets() -> None:
    ten = list(range(10))
    sets = [[ten], [ten[:9]], [[*ten[:8], 90, 91]], [list(range(50, 60))], [[*range(51, 60), 99]]]
    keepers, jaccards = decide_sets(sets)
    assert keepers == [-1, 0, -1, -1, 3]
    assert jaccards == [1.0, 0.9, 1.0, 1.0, 9 / 11]


def test_crowded_records_must_be_alike_in_every_group() -> None:
    prompt = list(range(100))
    sets = [[prompt, [200, 201]], [prompt, [202, 203]], [prompt, [202, 203]], [[*prompt[1:], 150], [200, 201]]]
    assert decide_sets(sets) == ([-1, -1, 1, 0], [1.0, 1.0, 1.0, 99 / 101])


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_sets_decide_as_all_pairs_do(threshold: float) -> None:
    generator = np.random.default_rng(11)
    sets: list[list[int]] = []
    for _ in range(300):
        if sets and generator.random() < 0.7:
            base = sets[generator.integers(len(sets))]
            kept = [value for value in base if generator.random() < 0.98]
            sets.append(sorted({*kept, *generator.integers(0, 400, generator.integers(0, 3)).tolist()}))
        else:
            sets.append(sorted(set(generator.integers(0, 400, generator.integers(1, 40)).tolist())))
    pairs = {
        (one, two): len(set(sets[one]) & set(sets[two])) / len(set(sets[one]) | set(sets[two]))
        for two in range(len(sets))
        for one in range(two)
    }
    expected = decide(len(sets), pairs, threshold)
    assert decide_sets([[values] for values in sets], threshold) == expected
    assert -1 in expected[0]
    assert any(keeper >= 0 for keeper in expected[0])


def test_listed_and_crowded_records_together() -> None:
    # Records 1 and 2 are crowded; 0 is listed with 1, so 1 goes and must not remove 2.
    ten = list(range(10))
    sets = Sets(np.array([*ten, *ten], np.uint64), np.array([0, 10, 20]), 1)
    pairs = (np.array([0], np.int32), np.array([1], np.int32), np.array([0.9]))
    decisions = keep(4, *pairs, 0.8, np.array([1, 2], np.int32), sets)
    assert decisions.keepers.tolist() == [-1, 0, -1, -1]


def test_match_equal_names_the_first() -> None:
    digests = np.array([[1, 2], [1, 3], [1, 2], [2, 2], [1, 3], [1, 2]], np.uint64)
    assert match_equal(digests).tolist() == [0, 1, 0, 3, 1, 0]
    assert match_equal(np.zeros((0, 2), np.uint64)).tolist() == []
