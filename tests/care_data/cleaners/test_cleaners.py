"""clean(): shapes, counts and idempotence, over all steps together."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from care_data.characters import TAGS
from care_data.cleaners import MASKS, ROUNDS, STEPS, clean
from care_data.errors import CareError, Exit

ALL = list(STEPS)
HISTORY = pl.List(pl.List(pl.String))

FRAGMENTS = [
    "<", ">", "/", "b", "p", "br", "<p>", "</b>", "<b>", "<sup>9</sup>", "<script>", "</script>", "<!--", "-->", "&",
    ";", "amp;", "lt;", "gt;", "#60;", "#x3c;", "#8203;", "nbsp;", "#0;", "[", "]", "](", ")", "http://",
    "a.example/x", "www.", "https://doi.org/10.1/", "\u200b", "\u200d", "👨", "👩", "\u0301", "e", "ｅ", "⽔", "㎡",
    "\u3000", "\u00a0", " ", "\n", "\r", "\t", "\x07", "\ue000", "\ufdd0", "\ufdd1", "\ufeff", "１３８", "138",
    "12345678", "0571-", "87654321", "x", "_", "@", "＠", "微信", "微信号：", "vx:", "QQ", "住院号：", "电话",
    "身份证", "11010519491231002X", "PMID: ", "doi:10.1000/", ".", "，", "。", "头痛", "感谢医生为我快速解答", "——该",
    "欢迎您下次再咨询", "图片因隐私", "问题无法显示", "真情寄语：", "（空）", "[PHONE]", "[URL]", "<140/90", "<s>",
    "问：\n", "\n答：\n",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=14).map("".join)


def texts(*values: str | None) -> pl.DataFrame:
    """A frame of one text column."""
    return pl.DataFrame({"text": values}, schema={"text": pl.String})


@settings(max_examples=120, deadline=None)
@given(st.lists(TEXTS, min_size=10, max_size=30))
@example(["&amp;amp;lt;br&amp;gt;", "<<b>b</b>>x</b>", "[[a](http://b)](http://c)", "13812345678 13912345678"])
@example(["图片因隐私图片因隐私问题无法显示问题无法显示", "e\u200b\u0301", "&#38;#38;#60;p>", "微信号：微信号：abc_1"])
def test_twice_equals_once(values: list[str]) -> None:
    once, _ = clean(texts(*values), ALL, ["text"])
    twice, counts = clean(once, ALL, ["text"])
    assert twice["text"].to_list() == once["text"].to_list()
    assert set(counts.values()) == {0}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.lists(st.one_of(st.none(), TEXTS), max_size=2), max_size=3), min_size=1, max_size=5))
def test_history_is_cleaned_like_text(history: list[list[list[str | None]]]) -> None:
    frame = pl.DataFrame({"history": history}, schema={"history": HISTORY})
    flat = [text for exchanges in history for exchange in exchanges for text in exchange]
    cleaned = clean(frame, ALL, ["history"])[0]["history"].to_list()
    assert [[len(exchange) for exchange in exchanges] for exchanges in cleaned] == [
        [len(exchange) for exchange in exchanges] for exchanges in history
    ]
    found = [text for exchanges in cleaned for exchange in exchanges for text in exchange]
    assert found == clean(texts(*flat), ALL, ["text"])[0]["text"].to_list()


def test_shape_and_types_stay() -> None:
    frame = pl.DataFrame(
        {
            "id": ["<p>1", "2", "3"],
            "instruction": ["<p>头痛</p>", None, "ＡＢＣ"],
            "output": [["多休息<br>", "好"], [], None],
            "history": [[["电话13812345678", None]], [], None],
            "priority": [1, 2, 3],
        },
        schema_overrides={"output": pl.List(pl.String), "history": HISTORY, "priority": pl.Int8},
    )
    cleaned, _ = clean(frame, ALL, ["instruction", "input", "output", "history", "priority"])
    assert cleaned.schema == frame.schema
    assert cleaned.to_dict(as_series=False) == {
        "id": ["<p>1", "2", "3"],
        "instruction": ["头痛", None, "ABC"],
        "output": [["多休息", "好"], [], None],
        "history": [[["电话[PHONE]", None]], [], None],
        "priority": [1, 2, 3],
    }


def test_counts_records_and_values() -> None:
    frame = pl.DataFrame(
        {
            "instruction": [
                "<p>13812345678或13912345678",
                "好",
                "[PHONE]已隐，另有13912345678",
                "<b>a</b>@b.example.com",
            ],
            "history": [[["a@b.example.com", "<br>13712345678"]], [], [], [["https://a.example/1", ""]]],
        },
        schema={"instruction": pl.String, "history": HISTORY},
    )
    cleaned, counts = clean(frame, ALL, ["instruction", "history"])
    assert {name: count for name, count in counts.items() if count} == {
        "changed_markup": 2,
        "changed_unicode": 1,
        "changed_links": 1,
        "changed_privacy": 3,
        "masked_url": 1,
        "masked_phone": 4,
        "masked_email": 2,
    }
    assert cleaned["history"].to_list()[0] == [["[EMAIL]", "[PHONE]"]]
    assert set(counts) == {f"changed_{step}" for step in STEPS} | {f"masked_{kind}" for kind in TAGS}


def test_only_the_steps_asked_for_in_their_order() -> None:
    frame = texts("ＱＱ：１２３４５６<p>")
    cleaned, counts = clean(frame, ["privacy", "unicode"], ["text"])
    assert cleaned["text"].to_list() == ["QQ：[QQ]<p>"]
    assert list(counts)[:2] == ["changed_unicode", "changed_privacy"]
    untouched, none = clean(frame, [], ["text"])
    assert untouched.equals(frame)
    assert none == {}


@pytest.mark.parametrize("columns", [["text"], [], ["missing"]])
def test_no_rows_no_columns(columns: list[str]) -> None:
    empty = texts()
    assert clean(empty, ALL, columns)[0].equals(empty)
    full = texts("<p>", None)
    assert clean(full, ALL, columns)[0].shape == (2, 1)


def test_order_of_rows_is_kept_when_some_need_more_rounds() -> None:
    values = ["&lt;p&gt;甲", "乙", "&amp;lt;i&amp;gt;丙&lt;/i&gt;", "丁 ", "[[戊](http://a)](http://b)"]
    assert clean(texts(*values), ALL, ["text"])[0]["text"].to_list() == ["甲", "乙", "丙", "丁", "戊"]


def test_hostile_nesting_ends() -> None:
    depth = ROUNDS * 20
    cleaned, counts = clean(texts("<" * depth + "p>" * depth), ALL, ["text"])
    assert cleaned.height == 1
    assert counts["changed_markup"] == 1


def test_unknown_step() -> None:
    with pytest.raises(CareError) as caught:
        clean(texts("好"), ["markup", "unicod"], ["text"])
    assert str(caught.value) == f"no cleaning step is called 'unicod'. Known steps: {', '.join(STEPS)}."
    assert caught.value.code == Exit.USAGE


def test_every_mask_has_a_tag() -> None:
    assert sorted(kind for kinds in MASKS.values() for kind in kinds) == sorted(TAGS)
    assert set(MASKS) <= set(STEPS)
