import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from care_data.characters import lacks_letter, opens_with

SPACES = "\t\n \x0b\x1c\x1f\x85\xa0\u1680\u2000\u200b\u2028\u3000\ufeff"


@given(st.lists(st.one_of(st.none(), st.text(), st.text(SPACES + "a医。", max_size=3))))
def test_a_text_without_a_letter_is_told_as_the_regular_expression_tells_it(texts):
    text = pl.Series("text", texts, pl.String)
    for letter in (r"\S", r"[^\s\x1c-\x1f]"):
        told = text.to_frame().select(lacks_letter(pl.col("text"), letter)).to_series()
        assert told.to_list() == (~text.str.contains(letter)).to_list()


@pytest.mark.parametrize(("texts", "bare"), [([" ", "", "　"], True), (["a", " 医", "。", "é"], False)])
def test_lists_are_looked_into(texts, bare):
    lists = pl.DataFrame({"lists": [texts, []]})
    assert lists.select(pl.col("lists").list.eval(lacks_letter(pl.element()))).to_series().to_list() == [
        [bare] * len(texts),
        [],
    ]


@given(st.lists(st.one_of(st.none(), st.text(), st.text(SPACES + "hgi医", max_size=4))))
def test_a_pattern_that_opens_with_a_letter_is_found_as_the_regular_expression_finds_it(texts):
    text, pattern = pl.Series("text", texts, pl.String), r"^[\s\x1c-\x1f]*h\S+\s*$"
    told = text.to_frame().select(opens_with(pl.col("text"), "h", pattern)).to_series()
    assert told.to_list() == text.str.contains(pattern).to_list()
