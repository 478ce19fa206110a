"""What columns hold by their names."""

from typing import Any

import pytest

from care_data.dataset_info.keys import check_keys
from care_data.dataset_info.roles import guess, role_of

TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}

GUESSES: list[tuple[str, dict[str, Any]]] = [
    ("instruction input output", {"columns": {"prompt": "instruction", "query": "input", "response": "output"}}),
    (
        "id instruction input output history",
        {"columns": {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}},
    ),
    ("question answer", {"columns": {"prompt": "question", "response": "answer"}}),
    ("Question Answer", {"columns": {"prompt": "Question", "response": "Answer"}}),
    ("问题 回答", {"columns": {"prompt": "问题", "response": "回答"}}),
    ("prompt response", {"columns": {"prompt": "prompt", "response": "response"}}),
    ("query response", {"columns": {"prompt": "query", "response": "response"}}),
    ("input output", {"columns": {"prompt": "input", "response": "output"}}),
    ("prompt query response", {"columns": {"prompt": "prompt", "query": "query", "response": "response"}}),
    (
        "question context answer system",
        {"columns": {"prompt": "question", "query": "context", "response": "answer", "system": "system"}},
    ),
    ("text", {"columns": {"prompt": "text"}}),
    ("text label", {"columns": {"prompt": "text"}}),
    ("conversations", {"formatting": "sharegpt", "columns": {"messages": "conversations"}}),
    (
        "conversations system tools",
        {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system", "tools": "tools"}},
    ),
    ("messages", {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}),
    (
        "messages label",
        {"formatting": "sharegpt", "columns": {"messages": "messages", "kto_tag": "label"}, "tags": TAGS},
    ),
    (
        "conversations chosen rejected",
        {
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        },
    ),
    (
        "prompt chosen rejected",
        {"ranking": True, "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}},
    ),
    ("prompt chosen", {"columns": {"prompt": "prompt"}}),
    ("prompt response kto_tag", {"columns": {"prompt": "prompt", "response": "response", "kto_tag": "kto_tag"}}),
    ("col1 col2", {}),
    ("answer", {}),
    ("", {}),
]


@pytest.mark.parametrize(("names", "keys"), GUESSES)
def test_guesses(names: str, keys: dict[str, Any]):
    assert guess(names.split()) == keys


@pytest.mark.parametrize("names", [names for names, keys in GUESSES if keys])
def test_what_is_guessed_is_sound(names: str):
    assert check_keys("n", {"file_name": "x.json", **guess(names.split())}) == []


def test_roles_by_name():
    assert [role_of(name) for name in ("Question", "output", "history", "input", "col", "")] == [
        *("prompt", "response", "history", "prompt", "", "")
    ]
