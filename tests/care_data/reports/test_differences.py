"""Pieces that make up two texts again."""

from hypothesis import given
from hypothesis import strategies as st

from care_data.reports.differences import find_differences

TEXT = st.text("ab头痛 \n", max_size=60)


@given(TEXT, TEXT)
def test_pieces_make_up_both_texts(before, after):
    pieces = find_differences(before, after, context=1_000)
    assert "".join(text for kind, text in pieces if kind in ("same", "gone")) == before
    assert "".join(text for kind, text in pieces if kind in ("same", "new")) == after


def test_what_changed_is_marked():
    assert find_differences("头痛，感谢医生", "头痛") == [("same", "头痛"), ("gone", "，感谢医生")]
    assert find_differences("甲１２乙", "甲12乙") == [("same", "甲"), ("gone", "１２"), ("new", "12"), ("same", "乙")]
    assert find_differences("", "甲") == [("new", "甲")]
    assert find_differences("甲", "甲") == [("same", "甲")]


def test_equal_text_far_from_a_difference_is_left_out():
    assert find_differences("前" * 50 + "旧" + "后" * 50, "前" * 50 + "新" + "后" * 50, context=3) == [
        ("skip", "…"),
        ("same", "前前前"),
        ("gone", "旧"),
        ("new", "新"),
        ("same", "后后后"),
        ("skip", "…"),
    ]


def test_long_stretches_end_where_they_are_no_longer_looked_at():
    before = "".join(f"{number},甲" for number in range(1_000))
    pieces = find_differences(before, before.replace("甲", ""), context=3, most=400)
    assert pieces[-1] == ("skip", "…")
    assert pieces[:3] == [("same", "0,"), ("gone", "甲"), ("same", "1,")]
    assert {text for kind, text in pieces if kind == "gone"} == {"甲"}
    assert sum(len(text) for _, text in pieces) <= 401
