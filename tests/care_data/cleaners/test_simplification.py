"""Traditional texts become simplified ones, simplified texts with an old character in them stay."""

import sys

import polars as pl
import pytest

from care_data import registry
from care_data.cleaners import clean, simplification
from care_data.cleaners.simplification import simplify
from care_data.errors import CareError, Exit

pytest.importorskip("opencc")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("這種藥對頭痛有效，飯後服用。", "这种药对头痛有效，饭后服用。"),
        ("乾燥綜合征與皮膚乾燥無關", "干燥综合征与皮肤干燥无关"),
        ("心臟與脈搏", "心脏与脉搏"),
        # kept
        ("患者姓陳，服药三天后头痛减轻，体温正常，继续观察。", "患者姓陳，服药三天后头痛减轻，体温正常，继续观察。"),
        ("白芍三钱，熟地黄五钱，水煎服。湯頭歌诀载此方，临床常用于血虚之证，加减得宜则效。", None),
        ("頭痛", "头痛"),
        ("HbA1c 7.0%", None),
        ("", None),
    ],
)
def test_texts(before: str, after: str | None) -> None:
    once = pl.select(simplify(pl.lit(before))).item()
    assert once == (before if after is None else after)
    assert pl.select(simplify(pl.lit(once))).item() == once


def test_the_step_is_asked_for_by_name() -> None:
    assert all("simplify" not in steps for steps in registry.defaults()["clean"].values())
    frame = pl.DataFrame({"text": ["這種藥對頭痛有效", None]})
    cleaned, counts = clean(frame, ["simplify"], ["text"])
    assert cleaned["text"].to_list() == ["这种药对头痛有效", None]
    assert counts == {"changed_simplify": 1}


def test_without_opencc_the_step_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    simplification._converter.cache_clear()
    with pytest.raises(CareError) as caught:
        simplify(pl.col("text"))
    said = "the step simplify needs OpenCC, which is not installed. Install it: pip install 'care-llm[opencc]'."
    assert (str(caught.value), caught.value.code) == (said, Exit.USAGE)
