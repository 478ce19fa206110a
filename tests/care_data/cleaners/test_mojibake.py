"""Texts read in a wrong encoding come back whole or stay as they are; sound texts that look like it stay, too."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.cleaners import clean
from care_data.cleaners.mojibake import repair_mojibake
from care_data.filters import reason


def repaired(text: str) -> str:
    return str(pl.select(repair_mojibake(pl.lit(text))).item())


def misread(text: str, encoding: str) -> str:
    """UTF-8 read as latin-1, GBK, or as cp1252 with latin-1 where that has nothing."""
    if encoding != "cp1252":
        return text.encode().decode(encoding)
    return "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in text.encode())


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text",
    [
        "头痛三天，怎么办？",
        "糖尿病",
        "体温37°C，it’s fine – really",
        "café",
        "血糖≥7.0mmol/L",
        "“多休息”",
        "10⁹/L α-干扰素",
        "é",
    ],
)
def test_latin(text: str, encoding: str) -> None:
    assert repaired(misread(text, encoding)) == text
    assert repaired(f"正文，{misread(text, encoding)}，正文") == f"正文，{text}，正文"


@pytest.mark.parametrize("text", ["头痛三次", "多饮水少吃盐", "头痛，发热好", "每日0.5克，分次服用"])
def test_gbk(text: str) -> None:
    assert repaired(misread(text, "gb18030")) == text


@pytest.mark.parametrize(
    "text",
    [
        "联通公司",  # its bytes in GBK are UTF-8 of something else, the oldest trap of this kind
        "枸杞茶", "疾病纾解了", "鼓槌疯", "涓涓细流", "naïve façade Ångström", "Müller–Weiß", "publié» à", "½–1片",
        "Â", "é", "", "Ã¾",
    ],
)  # fmt: skip
def test_sound_text_stays(text: str) -> None:
    assert repaired(text) == text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("的一是了患者头痛发热咳嗽枸杞茶纾解菊花，。；：0.5mg（）é–°绛虫楂"), max_size=40))
def test_chinese_is_never_changed_and_what_was_misread_comes_back(text: str) -> None:
    assert repaired(text) == text
    assert repaired(misread(text, "latin-1")) == text


@pytest.mark.parametrize("text", ["琛�糖", "ç³å°¿ç多喝水", "服药锟斤拷天"])
def test_what_cannot_be_repaired_is_dropped_by_name(text: str) -> None:
    frame = pl.DataFrame({"text": [f"共十多个字的一段文字，{text}"]})
    cleaned, _ = clean(frame, ["markup", "mojibake", "unicode"], ["text"])
    assert cleaned.select(reason("pt", {})).item() == "mojibake"


def test_the_step_runs_before_unicode_takes_out_the_controls() -> None:
    frame = pl.DataFrame({"text": [misread("糖尿病", "latin-1")]})
    cleaned, counts = clean(frame, ["unicode", "mojibake"], ["text"])
    assert cleaned.item() == "糖尿病"
    assert counts == {"changed_mojibake": 1, "changed_unicode": 0}
