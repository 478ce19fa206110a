"""Intervals and tests against numbers worked out by hand."""

import math

import pytest

from care_train.evaluation.statistics import compare_choices, compare_scores, find_mean, find_share


def test_a_share_has_its_wilson_interval():
    # 8 of 10: z² = 3.8414588; (0.8 + z²/20 ± z·√(0.016 + z²/400)) / (1 + z²/10)
    found = find_share(8, 10)
    square = 1.959963984540054**2
    middle, root = (0.8 + square / 20) / (1 + square / 10), math.sqrt(0.016 + square / 400)
    half = 1.959963984540054 * root / (1 + square / 10)
    assert found.value == 0.8
    assert found.low == pytest.approx(middle - half, abs=1e-15)
    assert found.high == pytest.approx(middle + half, abs=1e-15)
    assert (round(found.low, 4), round(found.high, 4)) == (0.4902, 0.9433)  # as printed in tables


def test_none_and_all_have_an_interval_too():
    # 0 of n: from 0 to z²/(n + z²)
    assert (find_share(0, 10).low, find_share(10, 10).high) == (0.0, 1.0)
    assert find_share(0, 10).high == pytest.approx(3.8414588206941245 / 13.8414588206941245, abs=1e-15)
    assert find_share(10, 10).low == pytest.approx(10 / 13.8414588206941245, abs=1e-15)
    assert math.isnan(find_share(0, 0).value)
    assert (find_share(0, 0).low, find_share(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 5, 14 / 64), (0, 6, 2 / 64), (6, 0, 2 / 64), (2, 9, 134 / 2048), (3, 4, 1.0)],
)
def test_mcnemar_is_the_coin_of_the_items_only_one_got_right(first, second, p):
    # (2, 9): 2 · (1 + 11 + 55) / 2^11
    assert compare_choices(first, second) == p


def test_a_large_mcnemar_does_not_overflow():
    assert compare_choices(3000, 3300) == pytest.approx(0.000166, abs=2e-5)


def test_a_bootstrap_is_the_same_for_the_same_seed_and_holds_the_mean():
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 0.5]
    found = find_mean(values, 3)
    assert found == find_mean(values, 3)
    assert found != find_mean(values, 4) or found.value == find_mean(values, 4).value
    assert found.value == pytest.approx(3.5 / 6, abs=1e-15)
    assert found.low < found.value < found.high
    assert find_mean([2.0] * 5, 0).low == find_mean([2.0] * 5, 0).high == 2.0
    assert math.isnan(find_mean([], 0).value)


def test_pairs_are_kept_together():
    # Every item 0.1 better: unpaired the noise would hide it, paired every draw says the same.
    second = [float(number) for number in range(20)]
    found = compare_scores([value + 0.5 for value in second], second, 0)
    assert (found.difference.value, found.difference.low, found.difference.high) == (0.5, 0.5, 0.5)
    assert found.p == 2 / 10_001
    assert compare_scores(second, second, 0).p == 1.0


def test_two_values_give_the_bootstrap_of_theory():
    # Of the differences (1, -1) a draw's mean is -1, 0, 1 with 1/4, 1/2, 1/4: p is capped at 1
    found = compare_scores([1.0, 0.0], [0.0, 1.0], 1)
    assert (found.difference.low, found.difference.high, found.p) == (-1.0, 1.0, 1.0)
    # Of (1, 0) it is 0 with 1/4: p near 1/2
    assert compare_scores([1.0, 0.0], [0.0, 0.0], 1).p == pytest.approx(0.5, abs=0.03)
