"""Letters are counted by script; a text of few letters is of no language."""

import polars as pl

from care_data.filters.scripts import count_letters, is_foreign


def test_count_letters() -> None:
    counts = count_letters(pl.Series(["头痛ABéかな·ー、", "", "Ж한𠀀9"]))
    assert counts.tolist() == [[2, 3, 3, 0], [0, 0, 0, 0], [1, 0, 0, 2]]


def test_few_letters_are_of_no_language() -> None:
    frame = pl.DataFrame({"text": ["a" * 19, "a" * 20, "a" * 20 + "头痛头"]})
    assert frame.select(is_foreign(pl.col("text"), "zh", 0.1))["text"].to_list() == [False, True, False]
    assert frame.select(is_foreign(pl.col("text"), "zh", 0.1, 1))["text"].to_list() == [True, True, False]
    assert frame.select(is_foreign(pl.col("text"), "en", 0.1))["text"].to_list() == [False] * 3


def test_no_texts() -> None:
    empty = pl.DataFrame({"text": []}, schema={"text": pl.String})
    assert empty.select(is_foreign(pl.col("text"), "zh", 0.1))["text"].to_list() == []
