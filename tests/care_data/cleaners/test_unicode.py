"""The Unicode table: what is folded, what goes, and the figures and signs of medicine that stay."""

import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from care_data.characters import INVISIBLE
from care_data.cleaners.unicode import _normalize, normalize_unicode


def normalized(text: str) -> str:
    """One text through the cleaner."""
    return pl.select(normalize_unicode(pl.lit(text))).item()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ＡＢＣ１２３ｘ", "ABC123x"),
        ("血糖６．２，尿酸４８０", "血糖6．2，尿酸480"),  # the full-width stop is punctuation and stays
        ("e\u0301pilepsie", "épilepsie"),
        ("A\u200b\u030angstrom", "Ångstrom"),  # composed once the zero-width space is gone
        ("⽔肿、⽣化全项、贫⾎", "水肿、生化全项、贫血"),
        ("每次５㎎，体重６０㎏，面积２㎡，层厚５㎛", "每次5mg，体重60kg，面积2m²，层厚5μm"),
        ("注射２㏄", "注射2cc"),
        ("50µg", "50μg"),
        ("发热\ufeff三天\u00ad，\u202e咳嗽\u202c", "发热三天，咳嗽"),
        ("咽痛\x07两天\x00\x9f", "咽痛两天"),
        ("舌红\ue2f0苔黄\U000f0001", "舌红苔黄"),
        ("头晕\u00a0乏力\u3000恶心\u2003呕吐", "头晕 乏力 恶心 呕吐"),
        ("\u3000\u3000病史：两年。\n\u3000\u3000查体：无殊。", "病史：两年。\n查体：无殊。"),
        ("第一行\r\n第二行\r第三行\u2028第四行\x0c第五行", "第一行\n第二行\n第三行\n第四行\n第五行"),
        ("多饮水   多休息\t\t勿熬夜", "多饮水 多休息 勿熬夜"),
        ("上段  \n \n\n\n  下段", "上段\n\n下段"),
        ("  \n两头有空\n ", "两头有空"),
        ("👨\u200d👩\u200d👧好", "👨\u200d👩\u200d👧好"),  # one emoji, held together
        ("低\u200d热\u200c不退\u200d", "低热不退"),
        ("\u3000", ""),
    ],
)
def test_changed(before: str, after: str) -> None:
    assert normalized(before) == after
    assert normalized(after) == after


@pytest.mark.parametrize(
    "text",
    [
        "白细胞10⁹/L", "①头痛②恶心③呕吐", "体温38.5℃", "5μm", "½片", "H₂O与CO₂", "m²", "Ⅱ型", "㊙方",
        "头痛？发热！（偶有）“刺痛”：左侧；右侧，", "138×10^9/L", "≥140/90mmHg", "α-干扰素", "β₂受体",
        "±", "↑↓", "℉", "‰",
    ],
)  # fmt: skip
def test_kept(text: str) -> None:
    assert normalized(text) == text


NASTY = st.text(
    st.one_of(
        st.sampled_from("头痛a1 \n\t\r\u3000\u00a0\u200d\u200be\u0301ｅ⽔㎡👨👩Å\uac00\u11a8"),
        st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs"]),
    ),
    max_size=12,
)


@settings(max_examples=500, deadline=None)
@given(NASTY)
@example("a  b")
@example("a \nb")
@example("a\n b")
@example("a\n\n\nb")
@example(" a")
@example("a ")
@example("\ufa1e")  # looks composed and is not
def test_no_text_that_has_work_is_passed_over(text: str) -> None:
    assert normalized(text) == pl.select(_normalize(pl.lit(text))).item()


def test_null_stays_null() -> None:
    frame = pl.DataFrame({"text": [None, "好"]}, schema={"text": pl.String})
    assert frame.select(normalize_unicode(pl.col("text")))["text"].to_list() == [None, "好"]


def test_every_control_goes() -> None:
    controls = [chr(code) for code in range(0x2100) if unicodedata.category(chr(code)) in {"Cc", "Cf", "Co"}]
    space = set("\t\n\x0b\x0c\r\x85")
    arabic = {chr(code) for code in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2)}  # signs, not invisible
    gone = [char for char in controls if char not in space | arabic]
    assert len(gone) > 80
    assert [char for char in gone if normalized(f"热{char}退") != "热退"] == []
    assert pl.select(pl.lit("热退，Ab1℃⁹①👨").str.contains(f"[{INVISIBLE}]")).item() is False
