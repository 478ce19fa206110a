"""What hangs together: alike records, those alike to them, and so on, held to all pairs counted one by one."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from references import alter, invent, jaccard

from care_data.duplicates import components
from care_data.duplicates.components import find_components
from care_data.duplicates.inputs import Input, Rules

RULES = Rules()


def find(parts: Sequence[Sequence[str]], rules: Rules = RULES, workers: int | None = 1) -> list[int]:
    def read(texts: Sequence[str]) -> Input:
        frames = [pl.DataFrame({"group0": part}, schema={"group0": pl.String}) for part in (texts[:3], texts[3:])]
        return Input(lambda: iter(frames))

    with TemporaryDirectory() as scratch:
        return find_components([read(texts) for texts in parts], 1, rules, Path(scratch), workers).tolist()


def unite_slowly(texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    """The first of those each text hangs together with, from every pair."""
    roots = list(range(len(texts)))
    for two in range(len(texts)):
        for one in range(two):
            if roots[one] != roots[two] and jaccard([texts[one]], [texts[two]]) >= threshold:
                low, high = sorted((roots[one], roots[two]))
                roots = [low if root == high else root for root in roots]
    return roots


def scatter(seed: int, count: int) -> list[str]:
    """Texts of which many are copies, and copies of copies, in no order."""
    rng = random.Random(seed)
    texts = [invent(rng, rng.randrange(8, 30)) for _ in range(count // 3)]
    while len(texts) < count:
        texts.append(alter(rng, rng.choice(texts)))
    rng.shuffle(texts)
    return texts


@pytest.mark.parametrize("seed", range(8))
def test_components_are_those_of_all_pairs(seed: int) -> None:
    texts = scatter(seed, 90)
    expected = unite_slowly(texts)
    assert len(set(expected)) < 75
    assert find([texts]) == expected
    assert find([texts[:20], [], texts[20:21], texts[21:]]) == expected


def test_a_chain_hangs_together_though_its_ends_are_not_alike() -> None:
    long = invent(random.Random(1), 150)
    chain = [long[at : at + 120] for at in range(0, 60, 6)]
    assert jaccard([chain[0]], [chain[-1]]) < 0.8
    assert all(jaccard([one], [two]) >= 0.8 for one, two in pairwise(chain))
    alone = invent(random.Random(2), 30)
    assert find([[alone, *chain[::-1]]]) == [0] + [1] * len(chain)


def test_workers_and_the_order_of_inputs_change_no_component() -> None:
    texts = scatter(11, 300)
    found = find([texts])
    assert find([texts], workers=2) == found
    parts = [texts[:100], texts[100:150], texts[150:]]
    turned = find(parts[::-1])
    back = turned[200:] + turned[150:200] + turned[:150]
    assert len(set(zip(found, back, strict=True))) == len(set(found)) == len(set(back))


def test_rules_that_ask_for_every_pair_part_what_others_part() -> None:
    texts = scatter(3, 90)
    assert find([texts], replace(RULES, exhaustive=True)) == find([texts]) == unite_slowly(texts)


def test_of_a_crowded_band_nothing_is_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    """More alike texts than are compared pair by pair: they are taken to hang together, and no other is."""
    rng = random.Random(5)
    start = invent(rng, 40)
    crowd = [start[:-3] + one + two for one in "一二三四五六七八九十" for two in "甲乙丙丁戊己庚辛壬癸"]
    others = [invent(rng, 30) for _ in range(20)]
    expected = [0] * len(crowd) + list(range(len(crowd), len(crowd) + len(others)))
    assert find([crowd + others]) == expected
    monkeypatch.setattr(components, "CROWD", 0)
    assert find([crowd + others]) == expected


def test_nothing_has_no_components() -> None:
    assert find([[]]) == []
    assert find([["头痛怎么办"]]) == [0]
