"""The plainest rules, each with a record it drops and one it keeps; the fold into one reason; limits that are none."""

import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from care_data.errors import CareError, Exit
from care_data.filters import LIMITED, RULES, check_limits, reason

DEFAULTS = tomllib.loads((Path(__file__).parents[3] / "registry" / "_defaults.toml").read_text("utf-8"))
PT = {"text": "足够长的一段医学文字，共十多个字。"}
SFT = {"instruction": "头痛怎么办？", "input": "", "output": "多休息。"}
RW = {"instruction": "头痛怎么办？", "input": "", "chosen": "多休息。", "rejected": "不知道。"}
EVAL = {"question": "首选药物是？", "answer": "A", "explanation": ""}


def why(format: str, **fields: str | None) -> str | None:
    """The reason a record of this format gets under the default limits."""
    bases: dict[str, dict[str, Any]] = {"pt": PT, "sft": SFT, "rw": RW, "eval": EVAL}
    record = bases[format] | fields
    schema = dict.fromkeys(record, pl.String) | {"history": pl.List(pl.List(pl.String))}
    frame = pl.DataFrame([record | {"history": []}], schema=schema)
    return frame.select(reason(format, DEFAULTS["filters"][format]))["reason"].item()


@pytest.mark.parametrize(
    ("format", "fields", "expected"),
    [
        ("pt", {"text": ""}, "blank_text"),
        ("pt", {"text": None}, "blank_text"),
        ("pt", {"text": "只有九个字的文本。"}, "too_short"),
        ("pt", {"text": "刚好有十个字的文本。"}, None),
        ("sft", {}, None),
        ("sft", {"instruction": " ", "input": None}, "blank_prompt"),
        ("sft", {"instruction": "", "input": "头痛"}, None),
        ("sft", {"output": "\n"}, "blank_answer"),
        ("sft", {"output": None}, "blank_answer"),
        ("sft", {"output": "头痛怎么办"}, "answer_equals_question"),
        ("sft", {"input": "已经三天了", "output": "已经三天了。"}, "answer_equals_question"),
        ("sft", {"input": "已经三天了", "output": "头痛怎么办？\n已经三天了"}, "answer_equals_question"),
        ("sft", {"instruction": "Is it flu?", "output": "is it FLU."}, "answer_equals_question"),
        ("sft", {"output": "头痛怎么办？先量血压。"}, None),
        ("sft", {"instruction": "HBsAg+", "output": "HBsAg-"}, None),
        ("sft", {"instruction": "正常值是3.5？", "output": "正常值是35"}, None),
        ("sft", {"instruction": "？", "output": "！"}, "no_words"),
        ("sft", {"output": "。"}, "no_words"),
        ("sft", {"output": "……——"}, "no_words"),
        ("sft", {"output": "是"}, "too_short_to_explain"),
        ("sft", {"instruction": "这是偏头痛吗？", "output": "是"}, None),
        ("sft", {"output": "阴性"}, None),
        ("sft", {"output": "氧"}, None),
        ("sft", {"output": "A"}, None),
        ("sft", {"output": "+++"}, None),
        ("sft", {"output": "①"}, None),
        ("sft", {"output": "https://a.example/1.html"}, "url_only"),
        ("sft", {"output": "[URL]，[URL]"}, "url_only"),
        ("sft", {"output": "[URL] 第三节"}, None),
        ("rw", {}, None),
        ("rw", {"instruction": ""}, "blank_prompt"),
        ("rw", {"chosen": ""}, "blank_answer"),
        ("rw", {"rejected": None}, "blank_answer"),
        ("rw", {"rejected": "多 休息。\n"}, "equal_answers"),
        ("rw", {"rejected": "多休息"}, None),
        ("rw", {"rejected": "。"}, None),
        ("rw", {"chosen": "。"}, "no_words"),
        ("rw", {"chosen": "头痛怎么办"}, "answer_equals_question"),
        ("rw", {"chosen": "[URL]"}, "url_only"),
        ("eval", {}, None),
        ("eval", {"question": ""}, "blank_prompt"),
        ("eval", {"answer": None}, "blank_answer"),
    ],
)
def test_reason(format: str, fields: dict[str, str | None], expected: str | None) -> None:
    assert why(format, **fields) == expected


def test_defaults_name_every_rule() -> None:
    assert {format: set(limits) for format, limits in DEFAULTS["filters"].items()} == {
        format: {rule.__name__ for rule in rules} for format, rules in RULES.items()
    }


def test_a_limit_moves_and_false_leaves_a_rule_out() -> None:
    frame = pl.DataFrame({"text": ["", "短文", "长一点的文字"]})
    assert frame.select(reason("pt", {"too_short": 3}))["reason"].to_list() == ["blank_text", "too_short", None]
    assert frame.select(reason("pt", {"blank_text": False}))["reason"].to_list() == [None, None, None]
    assert frame.select(reason("pt", {"blank_text": False, "too_short": False}))["reason"].dtype == pl.String


def test_counts_add_up() -> None:
    outputs = ["多休息。", "", "。", "头痛怎么办？", "[URL]", "阴性"]
    records = [SFT | {"output": output, "history": []} for output in outputs]
    frame = pl.DataFrame(records, schema_overrides={"history": pl.List(pl.List(pl.String))})
    found = frame.with_columns(reason("sft", {}))["reason"]
    assert found.null_count() + found.drop_nulls().value_counts()["count"].sum() == len(outputs)
    assert found.to_list() == [None, "blank_answer", "no_words", "answer_equals_question", "url_only", None]


def test_unknown_names() -> None:
    with pytest.raises(CareError) as caught:
        reason("pt", {"to_short": 3})
    assert str(caught.value).startswith(
        "filters.pt: no filter is called 'to_short'. Rules of pt: blank_text, too_short, mojibake, "
    )
    assert caught.value.code == Exit.USAGE
    with pytest.raises(CareError, match=r"no filters for the format 'dpo'\. Known formats: pt, sft, rw, eval\."):
        reason("dpo", {})


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"too_short": True}, "too_short = True is no limit. Give a number, or false to leave the rule out."),
        ({"too_short": "ten"}, "too_short = 'ten' is no limit. Give a number, or false to leave the rule out."),
        ({"toxic": 0.5}, "toxic has no limit, it is 0.5. Say true or false."),
    ],
)
def test_limits_that_are_none(limits: dict[str, Any], said: str) -> None:
    with pytest.raises(CareError) as caught:
        check_limits("pt", limits)
    assert str(caught.value) == f"filters.pt: {said}"
    assert caught.value.code == Exit.USAGE


def test_every_rule_with_a_limit_is_a_rule() -> None:
    assert {rule.__name__ for rules in RULES.values() for rule in rules} >= LIMITED


def test_rows_are_judged_alone() -> None:
    """The same record gets the same reason whatever stands around it."""
    outputs = [
        "多休息。",
        "建议去医院检查。",
        "很抱歉，作为人工智能助手，我无法诊断。",
        "头痛怎么办",
        "饮食要清淡，以及",
        "阴性",
    ]
    records = [SFT | {"output": output, "history": []} for output in outputs]
    frame = pl.DataFrame(records, schema_overrides={"history": pl.List(pl.List(pl.String))})
    whole = frame.with_columns(reason("sft", DEFAULTS["filters"]["sft"]))["reason"].to_list()
    alone = [part.select(reason("sft", DEFAULTS["filters"]["sft"])).item() for part in frame.iter_slices(1)]
    assert whole == alone == [None, "see_a_doctor_only", "refusal", "answer_equals_question", "unfinished", None]
