"""Work where it is needed only: the same as everywhere, and none where nothing is hot."""

import polars as pl
import pytest

from care_data.selection import clean_where, find_where

FRAME = pl.DataFrame({"text": ["ab", None, "", "xb", "ab"], "more": ["1", "2", None, "4", "5"]})


def test_only_the_hot_are_cleaned_and_null_stays_null() -> None:
    hot = lambda text: text.str.starts_with("a")  # noqa: E731
    found = FRAME.select(clean_where(pl.col("text"), hot, lambda text: text.str.replace("b", "c")))
    assert found["text"].to_list() == ["ac", None, "", "xb", "ac"]
    assert FRAME["text"].to_list() == ["ab", None, "", "xb", "ab"]


def test_where_nothing_is_hot_the_cleaner_is_not_made() -> None:
    def fail(text: pl.Expr) -> pl.Expr:
        raise AssertionError

    assert FRAME.select(clean_where(pl.col("text"), lambda text: text == "z", fail)).equals(FRAME.select("text"))


@pytest.mark.parametrize("text", ["b", "x", "z"])
def test_find_where(text: str) -> None:
    test = pl.col("text").str.contains(text) & (pl.col("more") != "5")
    found = FRAME.select(find_where(pl.col("text").str.contains("b"), ["text", "more"], test).alias("found"))
    assert found["found"].to_list() == [text == "b", False, False, text in "bx", False]


def test_lists_go_in_one_by_one() -> None:
    frame = pl.DataFrame({"texts": [["ab", None], [], None]}, schema={"texts": pl.List(pl.String)})
    cleaner = clean_where(pl.element(), lambda text: text.str.contains("a"), lambda text: text + "!")
    assert frame.select(pl.col("texts").list.eval(cleaner))["texts"].to_list() == [["ab!", None], [], None]
