"""How sure a measured number is: intervals of shares and means, and tests of two models on the same items."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z = 1.959963984540054
"""The 0.975 quantile of the normal distribution."""
ROUNDS = 10_000
"""Samples of a bootstrap."""
AT_ONCE = 1 << 22
"""Draws of a bootstrap that are held in memory at once."""


@dataclass(frozen=True)
class Interval:
    """A number and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Two models on the same items. difference: first less second; p: two-sided."""

    difference: Interval
    p: float


def find_share(count: int, total: int) -> Interval:
    """A share with its Wilson interval (Wilson 1927, without continuity correction); of nothing, anything between."""
    if total == 0:
        return Interval(math.nan, 0.0, 1.0)
    share, square = count / total, Z * Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    # At the ends the formula gives 0 and 1 exactly, but for the last bit.
    return Interval(share, 0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half)


def find_mean(values: Sequence[float], seed: int) -> Interval:
    """A mean with the percentile interval of its bootstrap."""
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return Interval(math.nan, math.nan, math.nan)
    means = _draw_means(array, seed)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(array.mean()), float(low), float(high))


def compare_choices(only_first: int, only_second: int) -> float:
    """McNemar's exact two-sided p for items that only one of two models got right: a fair coin's binomial test."""
    total = only_first + only_second
    ways = tail = 1
    for count in range(min(only_first, only_second)):
        ways = ways * (total - count) // (count + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**total)


def compare_scores(first: Sequence[float], second: Sequence[float], seed: int) -> Paired:
    """Paired bootstrap of the mean difference; p counts the observed sample as one of the draws."""
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    means = _draw_means(differences, seed)
    low, high = np.quantile(means, (0.025, 0.975))
    least = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (least + 1) / (ROUNDS + 1))
    return Paired(Interval(float(differences.mean()), float(low), float(high)), p)


def _draw_means(values: np.ndarray, seed: int) -> np.ndarray:
    """Means of ROUNDS samples with replacement, float64 [ROUNDS]."""
    dice = np.random.default_rng(seed)
    rows = max(1, AT_ONCE // len(values))
    sizes = [min(rows, ROUNDS - start) for start in range(0, ROUNDS, rows)]
    return np.concatenate([values[dice.integers(0, len(values), (size, len(values)))].mean(axis=1) for size in sizes])
