r"""Broken lines become sentences again, verses and headings stay; \x marks go, what they hold stays."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.cleaners import STEPS, clean
from care_data.cleaners.wrapping import WRAPPED, join_wrapped_lines, strip_x_marks

LONG = "此方专为演示而拟，凡遇长句换行之处，皆应接续而读，不可断作两"


def join(text: str) -> str:
    return pl.select(join_wrapped_lines(pl.lit(text))).item()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{LONG} \n句。 \n又一段。", f"{LONG}句。\n又一段。"),
        (f"{LONG}\n句，而此行又甚\n短，终于此。", f"{LONG}句，而此行又甚短，终于此。"),
        (f"{LONG}句。\n{LONG}\n句。", f"{LONG}句。\n{LONG}句。"),
        ("短行之后\n，不当起于逗号。", "短行之后，不当起于逗号。"),
        ("a sentence that is long enough\nto be wrapped", "a sentence that is long enough to be wrapped"),
        (f"{LONG}A\nB", f"{LONG}A B"),
        (f"{'甲' * 12}\n，{'乙' * 10}\n丙", f"{'甲' * 12}，{'乙' * 10}丙"),
        # kept
        (
            "问君何药补心经，\n远志山药共麦冬，\n枣仁当归天竺黄。",
            "问君何药补心经，\n远志山药共麦冬，\n枣仁当归天竺黄。",
        ),
        (f"{LONG}\n\n句。", f"{LONG}\n\n句。"),
        (f"{LONG}；\n其二。", f"{LONG}；\n其二。"),
        (f"\\x{LONG}\\x\n下文。", f"\\x{LONG}\\x\n下文。"),
        (f"{LONG}\n\\x第二论\\x\n下文。", f"{LONG}\n\\x第二论\\x\n下文。"),
        ("一行", "一行"),
        ("", ""),
        ("\n", "\n"),
    ],
)
def test_lines(before: str, after: str) -> None:
    assert join(before) == after


def test_the_width_from_which_a_line_counts_as_broken() -> None:
    assert join("甲" * WRAPPED + "\n乙") == "甲" * WRAPPED + "乙"
    assert join("甲" * (WRAPPED - 1) + "\n乙") == "甲" * (WRAPPED - 1) + "\n乙"


def test_nulls_stay() -> None:
    frame = pl.DataFrame({"text": [None, "甲\n，乙"]})
    assert frame.select(join_wrapped_lines(pl.col("text")))["text"].to_list() == [None, "甲，乙"]


PIECES = st.lists(st.sampled_from([LONG, "\n", "\n", " ", "。", "，", "\\x", "a", "短", "word " * 5]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(PIECES.map("".join))
def test_twice_equals_once_and_no_letter_is_lost(text: str) -> None:
    once = join(text)
    assert join(once) == once
    assert "".join(once.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r"\x第一论\x", "第一论"),
        (r"前\x《某书》卷一\x 后\x又\x", "前《某书》卷一 后又"),
        ("\\x跨\n行\\x", "\\x跨\n行\\x"),
        (r"一个\x而已", r"一个\x而已"),
    ],
)
def test_x_marks(before: str, after: str) -> None:
    assert pl.select(strip_x_marks(pl.lit(before))).item() == after


def test_the_steps_together_tell_headings_by_their_marks() -> None:
    frame = pl.DataFrame({"text": [f"\\x第一论\\x \n{LONG} \n句。 \n\\x第二论\\x"]})
    cleaned, counts = clean(frame, ["x_marks", "join_wrapped_lines", "unicode"], ["text"])
    assert cleaned["text"].to_list() == [f"第一论\n{LONG}句。\n第二论"]
    assert counts == {"changed_unicode": 1, "changed_join_wrapped_lines": 1, "changed_x_marks": 1}
    assert list(STEPS).index("join_wrapped_lines") < list(STEPS).index("x_marks")
