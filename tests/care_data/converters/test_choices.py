"""Questions with options: what is asked and what is right, for tests and for training."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = {"question": "{q}", "answer": "{a}"}


def row(answer: str | None, *texts: str | None, question: str | None = "哪项正确？") -> dict[str, Any]:
    options = [{"label": "ABCDEFGH"[at], "text": text} for at, text in enumerate(texts)]
    return {"q": question, "a": answer, "option": options}


@pytest.fixture
def choose(convert_rows: Any) -> Any:
    """choose(row, …, form="eval") -> Converted"""

    def convert(*rows: dict[str, Any], form: str = "eval", **spec: Any) -> Any:
        return convert_rows(list(rows), "choice", form, options="option", **{"fields": FIELDS, **spec})

    return convert


def test_an_eval_record_holds_the_options_and_the_letters(choose: Any) -> None:
    made = choose(row("C", "发热", "咳嗽", "乏力")).records.to_dicts()
    assert made == [
        {
            "id": "mine/eval/p#1",
            "corpus": "mine",
            "license": "MIT",
            "question": "哪项正确？",
            "options": [{"label": "A", "text": "发热"}, {"label": "B", "text": "咳嗽"}, {"label": "C", "text": "乏力"}],
            "answer": "C",
            "explanation": "",
        }
    ]


def test_for_training_the_options_are_input_and_the_right_ones_are_written_out(choose: Any) -> None:
    fields = {"instruction": "选出正确的答案", **FIELDS}
    made = choose(row("CA", "发热", "咳嗽", "乏力"), form="sft", fields=fields).records.to_dicts()[0]
    assert made["instruction"] == "选出正确的答案"
    assert made["input"] == "哪项正确？\nA. 发热\nB. 咳嗽\nC. 乏力"
    assert made["output"] == "A. 发热\nC. 乏力"
    assert made["history"] == []


def test_an_explanation_goes_along(choose: Any) -> None:
    rows = [row("A", "发热", "咳嗽") | {"why": "体温高。"}, row("B", "发热", "咳嗽")]
    made = choose(*rows, fields={**FIELDS, "explanation": "{why|}"}).records
    assert made["explanation"].to_list() == ["体温高。", ""]


@pytest.mark.parametrize(
    ("answer", "letters"),
    [("B", "B"), ("b", "B"), ("EB", "BE"), ("A,C", "AC"), ("A、C、F", "ACF"), (" D ", "D"), ("DD", "D"), ("E.", "E"),
     ("ABCDEF", "ABCDEF"), ("f e d", "DEF")],
)  # fmt: skip
def test_letters_count_as_a_set(answer: str, letters: str, choose: Any) -> None:
    assert choose(row(answer, *"甲乙丙丁戊己")).records["answer"].to_list() == [letters]


@pytest.mark.parametrize(
    "answer",
    ["G", "AG", "3", "C倍", "水量以超过药面C-Ecm为宜", "A.D0", "正确", "A或者B", "无", "-", "A1", "．", "Ａ"],
)
def test_what_is_no_option_is_no_answer(answer: str, choose: Any) -> None:
    for form, fields in (("eval", FIELDS), ("sft", {"instruction": "选", **FIELDS})):
        done = choose(row(answer, *"甲乙丙丁戊己"), form=form, fields=fields)
        assert done.records.height == 0
        assert dict(done.dropped) == {"answer_outside_options": 1}


def test_blank_options_go_and_can_be_no_answer(choose: Any) -> None:
    done = choose(row("A", "肾", "", " ", None, "心"), row("C", "肾", "心", ""), row("E", "肾", "", " ", None, "心"))
    assert [[part["label"] for part in options] for options in done.records["options"].to_list()] == [["A", "E"]] * 2
    assert done.records["answer"].to_list() == ["A", "E"]
    assert done.rejects.select("id", "reason").rows() == [("mine/eval/p#2", "answer_outside_options")]


def test_options_that_say_nothing_are_options(choose: Any) -> None:
    assert choose(row("B", "有", "无"), blank=["无"]).records["options"].to_list()[0][1] == {"label": "B", "text": "无"}


def test_what_is_missing_is_named(choose: Any) -> None:
    rows = [
        row("A"),
        row("A", "", None),
        {"q": "问", "a": "A", "option": None},
        row(None, "甲", "乙"),
        row(" ", "甲", "乙"),
        row("A", "甲", question=None),
        row("A", "甲", question=" "),
    ]
    named = ["no_options", "no_options", "no_options", "blank_answer", "blank_answer", *["blank_question"] * 2]
    done = choose(*rows)
    assert (done.read, done.records.height) == (7, 0)
    assert sorted(done.rejects["reason"]) == sorted(named)
    done = choose(*rows, form="sft", fields={"instruction": "选", **FIELDS})
    assert sorted(done.rejects["reason"]) == sorted("blank_output" if "answer" in name else name for name in named)


def test_a_letter_given_twice_is_no_answer_one_can_hold_a_model_to(choose: Any) -> None:
    options = [{"label": "A", "text": "甲"}, {"label": "A", "text": "乙"}, {"label": "B", "text": "丙"}]
    done = choose({"q": "问", "a": "A", "option": options}, {"q": "问", "a": "B", "option": options})
    assert dict(done.dropped) == {"answer_outside_options": 1}
    assert done.records["answer"].to_list() == ["B"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.text("ABCDEG3答 ,", max_size=4), st.lists(st.sampled_from(["甲", "乙", "", " "]), max_size=6)),
        min_size=1,
        max_size=6,
    )
)
def test_every_row_is_a_record_or_a_reject(convert_rows: Any, drawn: list[tuple[str, list[str]]]) -> None:
    rows = [row(answer, *texts) for answer, texts in drawn]
    done = convert_rows(rows, "choice", "eval", options="option", fields=FIELDS)
    assert done.records.height + done.rejects.height == done.read == len(rows)
    for made in done.records.to_dicts():
        given_letters, texts = drawn[int(made["id"].rpartition("#")[2]) - 1]
        assert set(made["answer"]) == set(given_letters) - set(" ,")
        assert [part["text"] for part in made["options"]] == [text for text in texts if text.strip()]
        assert set(made["answer"]) <= {part["label"] for part in made["options"]}
