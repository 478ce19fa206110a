"""What stays, what is a list, and which texts are looked at at all."""

import polars as pl

from care_data.cleaners.privacy.replacement import replace_followers, replace_unless, replace_where


def test_what_is_kept_and_what_stands_around() -> None:
    frame = pl.DataFrame({"text": ["no 12, id 34, 56!", "id 78", None]})
    value = r"(?P<before>[a-z]+ )?[0-9]{2}(?P<after>!)?"
    found = frame.select(replace_unless(pl.col("text"), "id [0-9]{2}", value, "[N]"))
    assert found["text"].to_list() == ["no [N], id 34, [N]!", "id 78", None]


def test_rest_is_passed_over_whole() -> None:
    without = pl.select(replace_unless(pl.lit("a12 12"), "x", "[0-9]{2}", "[N]")).to_series()
    assert without.to_list() == ["a[N] [N]"]
    found = pl.select(replace_unless(pl.lit("a12 12"), "x", "[0-9]{2}", "[N]", rest="[a-z0-9]+")).to_series()
    assert found.to_list() == ["a12 [N]"]


def test_lists_go_to_their_end() -> None:
    texts = pl.Series(["[N]、12和34/56", "[N] 12", "[N]、123", "12、34"])
    found = pl.select(replace_followers(pl.lit(texts), "[0-9]{2}", "[N]")).to_series()
    assert found.to_list() == ["[N]、[N]和[N]/[N]", "[N] 12", "[N]、123", "12、34"]


def test_only_hot_texts_are_given() -> None:
    given = []

    def replace(texts: pl.Series) -> pl.Series:
        given.extend(texts)
        return texts + "?"

    found = pl.select(replace_where(pl.lit(pl.Series(["a1", "b", None, "c2"])), "[0-9]", replace)).to_series()
    assert found.to_list() == ["a1?", "b", None, "c2?"]
    assert given == ["a1", "c2"]
