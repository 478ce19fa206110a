"""The check of what LLaMA-Factory loads, without it: what is expected of a record, and that a change is found."""

from pathlib import Path
from types import ModuleType

import pytest

from care_data import registry
from care_data.examples import check_example

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is in no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    import llamafactory_loads

    return llamafactory_loads


TALK = {"instruction": "还要忌口吗？", "input": "有胃病。", "output": "少吃辣。", "history": [["肚子胀。", "几天了？"]]}
LIKED = {
    **TALK,
    "history": [],
    "input": "",
    "output": ["少吃辣。", "不用。"],
    "chosen": "少吃辣。",
    "rejected": "不用。",
}


def said(role, text):
    return {"role": role, "content": text}


def test_messages_are_what_a_record_says(loads):
    turns = [said("user", "肚子胀。"), said("assistant", "几天了？"), said("user", "还要忌口吗？\n有胃病。")]
    assert loads.expect(TALK, "sft") == [turns, [said("assistant", "少吃辣。")], ""]
    assert loads.expect({**TALK, "system": "你是医生。"}, "sft")[2] == "你是医生。"
    answers = [said("assistant", "少吃辣。"), said("assistant", "不用。")]
    assert loads.expect(LIKED, "rw") == [[said("user", "还要忌口吗？")], answers, ""]
    assert loads.expect({"text": "胃要养。"}, "pt") == [[said("user", "胃要养。")], [], ""]


def test_all_answers_are_learned(loads):
    assert loads.learned(TALK, "sft") == ["几天了？少吃辣。"]
    assert loads.learned(LIKED, "rw") == ["少吃辣。", "不用。"]
    assert loads.learned({"text": "胃要养。"}, "pt") == ["胃要养。"]


@pytest.mark.parametrize(("record", "form"), [(TALK, "sft"), (LIKED, "rw"), ({"text": "胃要养。"}, "pt")])
def test_what_differs_is_told(loads, record, form):
    told = {"messages": [loads.expect(record, form)] * 2, "learned": [loads.learned(record, form)] * 2}
    assert loads.compare(told, [record, record], form) == ""
    assert loads.compare(told, [record], form) == "1 records, 2 rows of messages"
    cut = {**told, "learned": [told["learned"][0], ["胃"]]}
    assert loads.compare(cut, [record, record], form).startswith("record 2, learned: [")
    lost = {**told, "messages": [[[], [], ""], told["messages"][1]]}
    assert loads.compare(lost, [record, record], form).startswith("record 1, messages: [[{")


def test_its_registry_entry_does_what_its_example_says(loads, tmp_path, monkeypatch):
    (tmp_path / f"{loads.NAME}.toml").write_text(loads.ENTRY, encoding="utf-8")
    monkeypatch.setenv("CARE_REGISTRY", str(tmp_path))
    registry.groups.cache_clear()
    assert check_example(registry.load(loads.NAME)) == []
    assert {name: out.format for name, out in registry.load(loads.NAME).outputs.items()} == {"pt": "pt", "sft": "sft"}
