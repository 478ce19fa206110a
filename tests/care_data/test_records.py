"""The formats: columns from the schemas, and the checks over columns against jsonschema on arbitrary records."""

from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.errors import CareError, Exit
from care_data.records import (
    FORMATS,
    arrow_schema,
    columns,
    explain,
    fill_defaults,
    load_schema,
    polars_schema,
    require,
    text_columns,
    violation,
    violations,
)

SFT = {"instruction": "问", "input": "", "output": "答", "history": []}
RW = {"instruction": "问", "input": "", "output": ["好", "坏"], "chosen": "好", "rejected": "坏", "history": []}
EVAL = {"question": "问", "options": [], "answer": "A", "explanation": ""}
WHOLE = {"pt": {"text": "文"}, "sft": SFT, "rw": RW, "eval": EVAL}


def why(form: str, record: dict[str, Any]) -> str | None:
    """The reason of one record by the checks over columns."""
    frame = pl.DataFrame([record], schema={name: kind for name, kind in polars_schema(form).items() if name in record})
    return frame.select(violation(form, frame.columns).alias("reason")).item()


def test_columns_of_each_format() -> None:
    assert columns("pt") == ["id", "corpus", "license", "text"]
    assert columns("sft") == ["id", "corpus", "license", "instruction", "input", "output", "history"]
    assert text_columns("sft", ("system",)) == ["instruction", "input", "output", "history", "system"]
    assert text_columns("rw") == ["instruction", "input", "output", "chosen", "rejected", "history"]
    assert text_columns("eval") == ["question", "options", "answer", "explanation"]


def test_types_on_disk_and_in_memory_agree() -> None:
    seen = 0
    for form in FORMATS:
        schema = arrow_schema(form, ("system",))
        frame = pl.DataFrame(schema=polars_schema(form, ("system",)))
        assert frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema).schema == schema
        seen += 1
    assert seen == 4
    assert arrow_schema("sft").field("history").type == pa.list_(pa.list_(pa.string()))
    options = pa.list_(pa.struct([("label", pa.string()), ("text", pa.string())]))
    assert arrow_schema("eval").field("options").type == options


def test_defaults_are_the_schemas() -> None:
    frame = pl.DataFrame({"instruction": ["问", None], "output": ["答", "答"], "system": [None, "s"], "other": [1, 2]})
    filled = fill_defaults(frame, "sft", ("system",))
    assert filled.rows(named=True) == [
        {"id": None, "corpus": None, "license": None, **SFT, "system": ""},
        {"id": None, "corpus": None, "license": None, **SFT, "instruction": None, "system": "s"},
    ]
    assert fill_defaults(frame.clear(), "eval").schema == pl.Schema(polars_schema("eval"))


@pytest.mark.parametrize(
    ("form", "change", "reason"),
    [
        *((form, {}, None) for form in FORMATS),
        ("pt", {"text": " \n"}, "blank_text"),
        ("pt", {"text": None}, "blank_text"),
        ("sft", {"instruction": ""}, "blank_instruction"),
        ("sft", {"instruction": "\x1c\u3000"}, "blank_instruction"),
        ("sft", {"instruction": "\u200b"}, None),
        ("sft", {"output": None}, "blank_output"),
        ("sft", {"output": " https://a.b/c?d=e \n"}, "url_only"),
        ("sft", {"output": "见 https://a.b/c"}, None),
        ("sft", {"output": "https://a.b/c\x1cd"}, None),
        ("sft", {"history": [["q"]]}, "bad_history"),
        ("sft", {"history": [["q", "a", "b"]]}, "bad_history"),
        ("sft", {"history": [["q", None]]}, "bad_history"),
        ("sft", {"history": [None]}, "bad_history"),
        ("sft", {"history": None}, "no_history"),
        ("sft", {"history": [["", ""]]}, None),
        ("rw", {"output": ["x", "x"]}, "equal_answers"),
        ("rw", {"output": ["x"]}, "not_a_pair"),
        ("rw", {"output": ["x", "y", "z"]}, "not_a_pair"),
        ("rw", {"output": ["x", " "]}, "blank_output"),
        ("rw", {"output": ["", ""]}, "blank_output"),
        ("rw", {"output": ["x", None]}, "bad_output"),
        ("eval", {"question": ""}, "blank_question"),
        ("eval", {"answer": " "}, "blank_answer"),
        ("eval", {"options": [{"label": "A", "text": None}]}, "bad_options"),
        ("eval", {"options": [{"label": "A", "text": ""}]}, None),
    ],
)
def test_each_rule_has_its_reason(form: str, change: dict[str, Any], reason: str | None) -> None:
    record = WHOLE[form] | change
    assert why(form, record) == reason
    assert bool(explain(form, record)) == (reason is not None)


def test_every_reason_of_the_schemas_is_one_a_check_can_give() -> None:
    def reasons(rule: Any) -> set[str]:
        if isinstance(rule, dict):
            own = {rule["reason"]} if isinstance(rule.get("reason"), str) else set()
            return own.union(*(reasons(part) for part in rule.values()))
        return set().union(*(reasons(part) for part in rule)) if isinstance(rule, list) else set()

    seen = set()
    for form in FORMATS:
        told = {reason for reason, _ in violations(form, columns(form))}
        assert reasons(load_schema(form)["properties"]) <= told
        seen |= told
    assert {"blank_text", "url_only", "equal_answers", "not_a_pair", "blank_question"} <= seen


TEXTS = st.text(max_size=6) | st.sampled_from(
    [None, "", " ", "\n", "\x1c", "\x1f \x85", "\u3000", "\xa0", "\u2028", "\u180e", "\u200b", "http://x.y",
     "https://x.y/z\n", " https://x\x1dy", "https:// x", "https://\x1e"]
)  # fmt: skip
PAIRS = st.lists(TEXTS, max_size=3) | st.lists(TEXTS, min_size=2, max_size=2)
OPTIONS = st.lists(st.none() | st.fixed_dictionaries({"label": TEXTS, "text": TEXTS}), max_size=2)
ANY = {
    "pt": st.fixed_dictionaries({"text": TEXTS}),
    "sft": st.fixed_dictionaries(
        {"instruction": TEXTS, "input": TEXTS, "output": TEXTS, "history": st.lists(st.none() | PAIRS, max_size=3)},
        optional={"system": TEXTS},
    ),
    "rw": st.fixed_dictionaries(
        {"instruction": TEXTS, "input": TEXTS, "output": PAIRS, "chosen": TEXTS, "rejected": TEXTS}
    ),
    "eval": st.fixed_dictionaries({"question": TEXTS, "options": OPTIONS, "answer": TEXTS, "explanation": TEXTS}),
}


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_checks_over_columns_say_what_jsonschema_says(form: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(ANY[form], min_size=1, max_size=4))
    names = set.intersection(*(set(row) for row in rows))
    rows = [{name: row[name] for name in names} for row in rows]
    kinds = {name: kind for name, kind in polars_schema(form, ("system",)).items() if name in names}
    frame = pl.DataFrame(rows, schema=kinds)
    reasons = frame.select(violation(form, frame.columns).alias("reason")).to_series()
    assert [reason is not None for reason in reasons] == [bool(explain(form, row)) for row in rows], rows


def test_an_error_names_its_place_in_one_line() -> None:
    assert explain("sft", SFT) == ""
    assert explain("sft", SFT | {"history": [["q", "a"], ["q"]]}) == "history[1]: ['q'] is too short"
    assert explain("sft", {"instruction": "问"}) == "'output' is a required property"
    with pytest.raises(CareError) as caught:
        require("sft", SFT | {"input": 3}, "row 7")
    assert str(caught.value) == "row 7: input: 3 is not of type 'string'. See schemas/sft.schema.json."
    assert caught.value.code == Exit.DATA
