"""What the keys of an entry ask for."""

from pathlib import Path
from typing import Any

import pytest

from care_train.dataset_info.entries import Entry
from care_train.dataset_info.layouts import Layout, Tags, list_notes, read_layout
from care_train.errors import CareError

SHAREGPT = {"formatting": "sharegpt", "file_name": "a.json"}
ROLES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


def read(keys: dict[str, Any], stage: str = "sft") -> Layout:
    return read_layout(Entry("mm", Path("x"), keys), stage)


def test_conversations_have_the_usual_column_and_tags() -> None:
    assert read(SHAREGPT) == Layout({"messages": "conversations", "id": "id"}, tags=Tags())
    assert Tags() == Tags("from", "value", "human", "gpt", "observation", "function_call", "system")
    assert read({**SHAREGPT, "formatting": "openai"}).called


def test_given_tags_are_all_there_are() -> None:
    assert read({**SHAREGPT, "tags": ROLES}).tags == Tags("role", "content", "user", "assistant", None, None, None)
    tags = read({**SHAREGPT, "tags": {**ROLES, "observation_tag": "tool", "system_tag": ""}}).tags
    assert (tags.observation_tag, tags.function_tag, tags.system_tag) == ("tool", None, None)


def test_given_columns_of_conversations_are_all_there_is() -> None:
    columns = {"messages": "m", "tools": "t", "system": "", "prompt": "q", "kto_tag": "label"}
    assert read({**SHAREGPT, "columns": columns}).columns == {"messages": "m", "tools": "t", "id": "id"}


def test_preferences_in_each_of_their_shapes() -> None:
    old, new = read({"file_name": "a"}, "rm"), {"prompt": "q", "chosen": "good", "rejected": "bad", "response": "both"}
    assert (old.pairs, old.columns["response"]) == (True, "output")
    assert read({"columns": new, "ranking": True}, "dpo") == Layout(
        {"prompt": "q", "chosen": "good", "rejected": "bad", "id": "id"}, ranking=True
    )
    told = {"messages": "m", "chosen": "good", "rejected": "bad"}
    assert read({**SHAREGPT, "ranking": True, "columns": told}, "rm") == Layout(
        {**told, "id": "id"}, tags=Tags(), ranking=True
    )


@pytest.mark.parametrize(
    ("keys", "stage", "said"),
    [
        ({"formatting": "vicuna"}, "sft", "mm: formatting vicuna is unknown. It takes: alpaca, sharegpt, openai."),
        (SHAREGPT, "pt", "mm: holds conversations, not texts. Train on it with sft."),
        ({**SHAREGPT, "ranking": True}, "rm", "mm: no chosen column is named. Add it under `columns`"),
        ({**SHAREGPT, "columns": {"system": "s"}}, "sft", "mm: no messages column is named."),
        ({"columns": {"prompt": "q", "chosen": "good"}}, "rm", "mm: no rejected column is named."),
        ({**SHAREGPT, "tags": {"role_tag": "role"}}, "sft", "mm: its tags name no content_tag and no user_tag and no "),
        ({"columns": {"prompt": "q", "audios": "a"}}, "pt", "mm: its audios (column a) are not read here."),
    ],
)
def test_what_is_missing_or_unknown_is_named(keys: dict[str, Any], stage: str, said: str) -> None:
    with pytest.raises(CareError) as caught:
        read(keys, stage)
    assert str(caught.value).startswith(said)


def test_pretraining_says_what_it_does_not_read() -> None:
    entry = Entry("mm", Path("x"), {"columns": {"prompt": "q", "query": "", "response": "a"}})
    assert list_notes(entry, "pt") == ["mm: pt learns the column q alone, not a"]
    assert list_notes(entry, "sft") == []
