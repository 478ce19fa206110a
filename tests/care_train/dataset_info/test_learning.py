"""From messages to what is learned of them."""

from typing import Any

import pytest

from care_train.config import DataSettings
from care_train.dataset_info.layouts import Layout, Tags
from care_train.dataset_info.turns import read_turns
from care_train.errors import CareError
from care_train.examples import encode_pairs, encode_records
from care_train.templates import TEMPLATES

Said = list[tuple[str, str]]
ASKED: Said = [("human", "几点？"), ("function_call", "{}"), ("observation", "三点"), ("gpt", "三点了。")]


def table(*rows: dict[str, Any], **options: Any) -> Any:
    columns = {name: name for name in ("messages", "tools", "id", *(("chosen", "rejected") if options else ()))}
    layout = Layout(columns, frozenset({"tools", "id"}), tags=Tags(), **options)
    return read_turns([{**row, "messages": talk(*row["messages"])} for row in rows], layout, "mm")


def talk(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, text in said]


def test_what_is_unfit_is_counted_with_its_reason(tokenizer: Any) -> None:
    good: Said = [("human", "头痛？"), ("gpt", "休息。")]
    rows = [{"messages": said} for said in (good, good[:1], good[1:], [], [good[0], *good])]
    _, budget = encode_records(table(*rows), tokenizer, TEMPLATES["llama2"], DataSettings())
    assert (budget.read, budget.kept) == (5, 1)
    assert budget.dropped == {"no last answer": 1, "turns do not alternate": 2, "no turns": 1}
    pair = {"chosen": "好", "rejected": "坏"}
    rows = [{"messages": good[:1], **pair}, {"messages": good, **pair}]
    _, budget = encode_pairs(table(*rows, ranking=True), tokenizer, TEMPLATES["llama2"], DataSettings())
    assert (budget.kept, budget.dropped) == (1, {"no last question": 1})


def test_replies_of_tools_go_where_the_template_has_a_place_and_are_refused_where_not(tokenizer: Any) -> None:
    rows = table({"messages": ASKED, "id": "r1"})
    with pytest.raises(CareError) as caught:
        encode_records(rows, tokenizer, TEMPLATES["llama2"], DataSettings())
    assert str(caught.value).startswith("r1: ")
    assert "llama2" in str(caught.value)


@pytest.mark.parametrize(("tools", "shown"), [('[{"name": "查"}]', True), ("[]", False), (None, False)])
def test_what_may_be_called_stands_under_the_system_prompt(tokenizer: Any, tools: str | None, shown: bool) -> None:
    rows = table({"messages": [("system", "你是医生。"), *ASKED[:1], ("gpt", "三点。")], "tools": tools})
    examples, _ = encode_records(rows, tokenizer, TEMPLATES["llama2"], DataSettings())
    text = tokenizer.decode(examples[0]["input_ids"])
    assert ('你是医生。\n\n[{"name": "查"}]' in text) == shown
    assert "你是医生。" in text
