"""Conversations of messages to records."""

from typing import Any

import pyarrow as pa
import pytest

from care_train.dataset_info.layouts import Layout, Tags
from care_train.dataset_info.turns import read_turns
from care_train.errors import CareError
from care_train.shards import TYPES

OPENAI = Tags("role", "content", "user", "assistant", "tool", "function", "system")
COLUMNS = {"messages": "m", "system": "s", "tools": "t", "id": "id"}
PAIRS = {"messages": "m", "chosen": "good", "rejected": "bad", "id": "id"}


def talk(*said: str) -> list[dict[str, str]]:
    """Messages of "human: text" and the like."""
    return [dict(zip(("from", "value"), one.split(": ", 1), strict=True)) for one in said]


def read(*rows: dict[str, Any], columns: dict[str, str] | None = None, **options: Any) -> list[dict[str, Any]]:
    layout = Layout(columns or COLUMNS, frozenset({"id", "system", "tools"}), **{"tags": Tags(), **options})
    table = read_turns(list(rows), layout, "mm/a.json")
    assert table.schema == pa.schema(list(TYPES.items()))
    return table.to_pylist()


def test_turns_become_history_and_the_last_exchange() -> None:
    messages = talk("system: 你是医生。", "human: 头痛。", "gpt: 几天了？", "human: 两天。", "gpt: 多休息。")
    (row,) = read({"m": messages, "s": "不读", "t": "[1]", "id": "r1"})
    assert row == {
        **dict.fromkeys(TYPES),
        "history": [["头痛。", "几天了？"]],
        "prompt": "两天。",
        "response": "多休息。",
        "system": "你是医生。",
        "tools": "[1]",
        "id": "r1",
    }


def test_the_system_column_serves_where_no_message_does() -> None:
    first, second = read(
        {"m": talk("human: 一", "gpt: 二"), "s": "三"}, {"m": talk("system: ", "human: 一", "gpt: 二"), "s": "三"}
    )
    assert (first["system"], second["system"]) == ("三", "")


def test_calls_and_replies_of_tools_keep_their_words_and_their_roles() -> None:
    messages = talk("human: 查", "function_call: {}", "observation: [3]", "gpt: 三", "human: 谢", "gpt: 好")
    called, plain = read(
        {"m": messages, "t": [{"name": "查"}]}, {"m": talk("human: 一", "gpt: 二", "observation: 三", "gpt: 四")}
    )
    assert called["history"] == [["查", "{}"], ["[3]", "三"]]
    assert called["roles"] == ["user", "function", "observation", "assistant", "user", "assistant"]
    assert called["tools"] == '[{"name": "查"}]'
    assert plain["roles"] == ["user", "assistant", "observation", "assistant"]
    assert read({"m": talk("human: 一", "gpt: 二")})[0]["roles"] is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "no turns"),
        (["system: 只有这个"], "no turns"),
        (["human: 一", "human: 二", "gpt: 三"], "turns do not alternate"),
        (["gpt: 一", "human: 二"], "turns do not alternate"),
        (["human: 一", "system: 二"], "turns do not alternate"),
        (["human: 一", "gpt: 二", "human: 三"], "no last answer"),
        (["human: 一", "nurse: 二"], "unknown role"),
    ],
)
def test_what_cannot_be_learned_has_its_reason(said: list[str], reason: str) -> None:
    broken, whole = read({"m": talk(*said), "id": "r1"}, {"m": talk("human: 一", "gpt: 二")})
    assert broken == {**dict.fromkeys(TYPES), "id": "r1", "unfit": reason, "system": broken["system"]}
    assert whole["unfit"] is None


def test_a_message_without_text_is_counted_and_null_is_no_conversation() -> None:
    silent = [{"from": "human", "value": None}, {"from": "gpt", "value": "二"}]
    assert [row["unfit"] for row in read({"m": silent}, {"m": None})] == ["turn without text", "no turns"]


def test_pairs_of_messages_or_texts() -> None:
    asked, good, bad = talk("human: 一", "gpt: 二", "human: 三"), *talk("gpt: 好", "gpt: 坏")
    rows = read(
        {"m": asked, "good": good, "bad": bad},
        {"m": asked, "good": "好", "bad": "坏"},
        {"m": asked[:2], "good": good, "bad": bad},
        {"m": asked, "good": good, "bad": talk("human: 坏")[0]},
        {"m": asked, "good": talk("function_call: {}")[0], "bad": bad},
        columns=PAIRS,
        ranking=True,
    )
    whole = {"history": [["一", "二"]], "prompt": "三", "response": None, "chosen": "好", "rejected": "坏"}
    assert [{name: row[name] for name in whole} for row in rows[:2]] == [whole, whole]
    assert [row["unfit"] for row in rows] == [None, None, "no last question", "rejected is no answer", None]
    assert rows[4]["roles"] == ["user", "assistant", "user", "function", "assistant"]


def test_openai_takes_calls_of_a_message_and_replies_in_a_row_as_one_turn() -> None:
    calls = [{"id": "1", "function": {"name": "查", "arguments": "{}"}}, {"id": "2", "function": {"name": "问"}}]
    messages = [
        {"role": "user", "content": "几点？"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "三点"},
        {"role": "tool", "content": "四点"},
        {"role": "assistant", "content": "三点或四点。", "tool_calls": None},
    ]
    row, unended = read({"m": messages}, {"m": messages[:4]}, tags=OPENAI, called=True)
    assert row["history"] == [["几点？", '[{"name": "查", "arguments": "{}"}, {"name": "问"}]']]
    assert (row["prompt"], row["response"]) == ("三点\n四点", "三点或四点。")
    assert row["roles"] == ["user", "function", "observation", "assistant"]
    assert unended["unfit"] == "no last answer"
    assert read({"m": messages}, tags=OPENAI)[0]["unfit"] == "turns do not alternate"


def test_arrow_columns_of_messages_are_read_alike() -> None:
    rows = [{"m": talk("human: 一", "gpt: 二"), "id": "r1"}, {"m": [], "id": "r2"}]
    layout = Layout({"messages": "m", "id": "id"}, tags=Tags())
    assert read_turns(pa.Table.from_pylist(rows), layout, "x").to_pylist() == read(*rows)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"m": "x"}, "mm/a.json: record 2: m is a str. Write a list of messages, or map another column."),
        ({"m": ["x"]}, "mm/a.json: record 2: a message has no from (but a str). Set `tags`"),
        (
            {"m": [{"role": "user", "content": "x"}]},
            "mm/a.json: record 2: a message has no from (but role, content). Set `tags`",
        ),
        ({"m": [{"from": "human", "value": [1]}]}, "mm/a.json: record 2: value of a message is a list. Only text"),
        ({"m": [], "s": 3}, "mm/a.json: record 2: s is a int. It must be text"),
    ],
)
def test_what_is_no_message_names_the_record(row: dict[str, Any], said: str) -> None:
    with pytest.raises(CareError) as caught:
        read({"m": talk("human: 一", "gpt: 二"), "s": None}, row)
    assert str(caught.value).startswith(said)


def test_tags_that_fit_no_record_are_an_error_and_so_is_a_missing_column() -> None:
    with pytest.raises(CareError) as caught:
        read({"m": talk("user: 一", "assistant: 二")})
    assert str(caught.value) == (
        "mm/a.json: its roles (user, assistant) are none of human, gpt, observation, function_call, system. "
        'Set `tags` in dataset_info.json: {"user_tag": …, "assistant_tag": …}.'
    )
    with pytest.raises(CareError, match=r"mm/a.json: no column m for messages. Columns are: n\."):
        read({"n": []})
