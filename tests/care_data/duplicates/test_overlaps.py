"""How many records of each label are among those of another, against a count by definition."""

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import alter, invent, jaccard

from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.keepers import Alike, Decisions
from care_data.duplicates.overlaps import Overlaps, count_marks, mark_classes, spread_marks
from care_data.duplicates.search import search

NONE = np.zeros(0, np.int64)


def table_of(parts: Sequence[tuple[str, list[str]]], rules: Rules) -> Overlaps:
    """The overlaps of inputs of (label, texts)."""
    inputs = [
        Input(lambda texts=texts: iter([pl.DataFrame({"group0": pl.Series(texts, dtype=pl.String)})]), label=label)  # type: ignore[misc]
        for label, texts in parts
    ]
    with TemporaryDirectory() as scratch:
        return search(inputs, 1, rules, Path(scratch), 1).overlaps


def by_hand(parts: Sequence[tuple[str, list[str]]], threshold: float) -> Overlaps:
    labels = sorted({label for label, _ in parts})
    texts = {label: [text for name, rows in parts if name == label for text in rows] for label in labels}
    table: Overlaps = {}
    for label in labels:
        for other in labels:
            count = sum(any(jaccard([text], [held]) >= threshold for held in texts[other]) for text in texts[label])
            if other != label and count:
                table.setdefault(label, {})[other] = count
    return table


POOL = [invent(random.Random(at), 12) + end for at in range(6) for end in ("", "谢谢", "，好的谢谢您")]
PARTS = st.lists(
    st.tuples(st.sampled_from(["alpha", "beta", "gamma"]), st.lists(st.sampled_from([*POOL, "", "头"]), max_size=8)),
    max_size=5,
)


@given(PARTS, st.sampled_from([0.6, 0.8, 1.0]))
@settings(max_examples=150, deadline=None)
def test_overlaps_are_those_by_definition(parts: list[tuple[str, list[str]]], threshold: float) -> None:
    # Bands so many that a pair is missed once in 10**7.
    assert table_of(parts, Rules(threshold=threshold, miss=1e-7, num_perm=256)) == by_hand(parts, threshold)


def test_overlaps_of_many_records() -> None:
    rng = random.Random(3)
    made = [invent(rng, 12) for _ in range(150)]
    parts = [
        (label, [rng.choice(made) if rng.random() < 0.5 else alter(rng, rng.choice(made)) for _ in range(size)])
        for label, size in (("alpha", 120), ("beta", 60), ("gamma", 90), ("alpha", 30))
    ]
    table = table_of(parts, Rules(miss=1e-7, num_perm=256))
    assert table == by_hand(parts, 0.8)
    assert all(set(line) == {"alpha", "beta", "gamma"} - {label} for label, line in table.items())
    assert table["alpha"]["beta"] != table["beta"]["alpha"]


def test_one_label_overlaps_with_none() -> None:
    assert table_of([("alpha", ["头痛"] * 3), ("alpha", ["头痛"])], Rules()) == {}
    assert table_of([("alpha", ["头痛"]), ("beta", ["咳嗽"])], Rules()) == {}


def test_more_labels_than_a_word_has_bits() -> None:
    parts = [(f"label{at:03d}", ["头痛三天伴有恶心", invent(random.Random(1000 + at), 9)]) for at in range(130)]
    table = table_of(parts, Rules())
    assert len(table) == 130
    assert all(len(line) == 129 and set(line.values()) == {1} for line in table.values())


def test_a_removed_dialogue_is_where_its_keeper_is_and_not_the_other_way() -> None:
    classes = np.array([0, 1, 2], np.int32)
    labels, starts = ["alpha", "beta", "gamma"], [0, 1, 2, 3]
    decisions = Decisions(np.array([-1, 0, 0]), np.array([1, np.nan, 0.9]), np.array([False, True, False]))
    marks = mark_classes(labels, labels, classes, starts, 3)
    assert marks[:, 0].tolist() == [1, 2, 4]
    found = spread_marks(marks, Alike(NONE, NONE, np.zeros(0)), decisions)
    assert found[:, 0].tolist() == [1 | 4, 1 | 2, 1 | 4]
    assert count_marks(labels, labels, classes, starts, found) == {
        "alpha": {"gamma": 1},
        "beta": {"alpha": 1},
        "gamma": {"alpha": 1},
    }


@pytest.mark.parametrize("crowd", [1, 32])
def test_what_a_crowded_record_went_for_counts(crowd: int) -> None:
    text = POOL[2]
    parts = [("alpha", [text]), ("beta", [text, text + "啊"]), ("gamma", [text + "！"])]
    rules = Rules(crowd=crowd)
    assert table_of(parts, rules) == {
        "alpha": {"beta": 1, "gamma": 1},
        "beta": {"alpha": 2, "gamma": 2},
        "gamma": {"alpha": 1, "beta": 1},
    }
