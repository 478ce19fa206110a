import numpy as np
import pytest

from care_data.duplicates import keepers
from care_data.duplicates.dialogues import NONE, Containments
from care_data.duplicates.distinct import Table
from care_data.duplicates.keepers import Alike, Decisions
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.prefixes import Sets

NOBODY = np.zeros(0, np.int64)


def tell(decisions: Decisions) -> tuple[list[int], list[float]]:
    return decisions.keepers.tolist(), decisions.jaccards.tolist()


def list_pairs(pairs: dict[tuple[int, int], float], threshold: float) -> Alike:
    """Those at or above the threshold, as the search gives them."""
    ends = sorted((ends for ends, share in pairs.items() if share >= threshold), key=lambda ends: (ends[1], ends[0]))
    first, second = (np.array([pair[at] for pair in ends], np.int64) for at in range(2))
    return Alike(first, second, np.array([pairs[pair] for pair in ends], np.float64))


def decide(total: int, pairs: dict[tuple[int, int], float], threshold: float = 0.8) -> tuple[list[int], list[float]]:
    return tell(keepers.decide(np.arange(total), 0, list_pairs(pairs, threshold), NONE, threshold, NOBODY, None))


def decide_sets(sets: list[list[list[int]]], threshold: float = 0.8) -> tuple[list[int], list[float]]:
    """All records crowded, none listed; sets[record][group]."""
    flat = [sorted(group) for record in sets for group in record]
    values = np.array([value for group in flat for value in group], np.uint64)
    held = Sets(values, np.cumsum([0, *map(len, flat)]), len(sets[0]))
    crowded = np.arange(len(sets))
    return tell(keepers.decide(crowded, 0, list_pairs({}, threshold), NONE, threshold, crowded, held))


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


def test_no_records() -> None:
    assert decide(0, {}) == ([], [])


def test_crowded_records_are_compared_by_their_sets() -> None:
    ten = list(range(10))
    sets = [[ten], [ten[:9]], [[*ten[:8], 90, 91]], [list(range(50, 60))], [[*range(51, 60), 99]]]
    found, jaccards = decide_sets(sets)
    assert found == [-1, 0, -1, -1, 3]
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
    pairs = list_pairs({(0, 1): 0.9}, 0.8)
    assert tell(keepers.decide(np.arange(4), 0, pairs, NONE, 0.8, np.array([1, 2]), sets))[0] == [-1, 0, -1, -1]


def test_the_order_given_decides_not_the_numbers() -> None:
    pairs = list_pairs({(0, 1): 0.9, (1, 2): 0.85}, 0.8)
    assert tell(keepers.decide(np.array([1, 2, 0]), 0, pairs, NONE, 0.8, NOBODY, None)) == (
        [1, -1, 1],
        [0.9, 1.0, 0.85],
    )


def test_the_settled_stay_though_they_are_alike() -> None:
    pairs = list_pairs({(0, 1): 0.9, (1, 2): 0.85, (0, 2): 0.8}, 0.8)
    found = keepers.decide(np.arange(3), 2, pairs, Containments(np.array([2, 2]), np.array([0, 1])), 0.8, NOBODY, None)
    assert tell(found) == ([-1, -1, 1], [1.0, 1.0, 0.85])
    assert not found.contained.any()


def test_settled_crowded_records_stay_and_remove_others() -> None:
    values = np.array([*range(10), *range(10), *range(10)], np.uint64)
    sets = Sets(values, np.array([0, 10, 20, 30]), 1)
    found = keepers.decide(np.arange(3), 2, list_pairs({}, 0.8), NONE, 0.8, np.arange(3), sets)
    assert tell(found) == ([-1, -1, 0], [1.0, 1.0, 1.0])


def test_a_dialogue_goes_for_the_first_kept_one_that_holds_it() -> None:
    # 1 and 3 hold 4, and 1 has gone; 2 is as like 4 as can be, but to be contained comes first.
    held = Containments(np.array([1, 3]), np.array([4, 4]))
    found = keepers.decide(np.arange(5), 0, list_pairs({(0, 1): 0.9, (2, 4): 1.0}, 0.8), held, 0.8, NOBODY, None)
    assert found.keepers.tolist() == [-1, 0, -1, -1, 3]
    assert found.contained.tolist() == [False, False, False, False, True]
    assert np.isnan(found.jaccards[4])


def test_a_dialogue_of_which_every_holder_has_gone_is_compared_as_any_other() -> None:
    held = Containments(np.array([1]), np.array([2]))
    near = list_pairs({(0, 1): 0.9, (0, 2): 0.85}, 0.8)
    found = keepers.decide(np.arange(3), 0, near, held, 0.8, NOBODY, None)
    assert (tell(found), found.contained.any()) == (([-1, 0, 0], [1.0, 0.9, 0.85]), False)
    found = keepers.decide(np.arange(3), 0, list_pairs({(0, 1): 0.9}, 0.8), held, 0.8, NOBODY, None)
    assert found.keepers.tolist() == [-1, 0, -1]


def test_crowded_records_count_for_each_other_only_where_they_would_as_listed_ones() -> None:
    # All are of one set; 0 and 1 share a band of two, 0 and 2 agree in as many values but share none.
    sketches = np.array([[1, 2, 3, 4], [1, 2, 9, 9], [1, 8, 3, 8]], np.uint8)
    sets = Sets(np.array([*range(10)] * 3, np.uint64), np.arange(4) * 10, 1)

    def decided(bands: Plan) -> list[int]:
        nothing, everyone = list_pairs({}, 0.8), np.arange(3)
        return tell(keepers.decide(everyone, 0, nothing, NONE, 0.8, everyone, sets, (sketches, bands)))[0]

    assert decided(Plan(2, 2, 2, 0.0)) == [-1, 0, -1]
    assert decided(Plan(2, 2, 3, 0.0)) == [-1, -1, -1]
    assert decided(Plan(4, 1, 1, 0.0)) == [-1, 0, 0]
    assert decided(Plan(1, 3, 2, 0.0)) == [-1, -1, -1]


def test_equal_digests_have_one_number_counted_as_they_come() -> None:
    table = Table()
    digests = np.array([[1, 2], [1, 3], [1, 2], [2, 2], [1, 3], [1, 2]], np.uint64)
    numbers, new = table.place(digests)
    assert (numbers.tolist(), new.tolist()) == ([0, 1, 0, 2, 1, 0], [0, 1, 3])
    numbers, new = table.place(np.array([[2, 2], [7, 7], [7, 7], [1, 2]], np.uint64))
    assert (numbers.tolist(), new.tolist()) == ([2, 3, 3, 0], [1])
    assert table.digests[: table.count].tolist() == [[1, 2], [1, 3], [2, 2], [7, 7]]
    assert table.place(np.zeros((0, 2), np.uint64))[0].tolist() == []


def test_a_table_grows_without_losing_a_digest() -> None:
    digests = np.random.default_rng(5).integers(0, 1 << 63, (30_000, 2), dtype=np.uint64)
    digests[20_000:, 0] = digests[:10_000, 0]  # equal in the first half only: these are others
    table = Table()
    blocks = [table.place(block) for block in np.array_split(digests, 7)]
    assert np.concatenate([numbers for numbers, _ in blocks]).tolist() == list(range(30_000))
    assert table.place(digests[::-1])[0].tolist() == list(range(30_000))[::-1]
    assert table.count == 30_000
