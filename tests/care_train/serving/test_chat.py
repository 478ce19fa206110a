"""One answer, and a conversation."""

from collections.abc import Iterator
from typing import Any

import pytest

from care_train.config import SamplingSettings
from care_train.serving import chat
from care_train.serving.chat import HELP, answer_once, converse


class Bot:
    """Enough of a Chatbot for the loop around it."""

    @staticmethod
    def tokenizer(text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": list(range(len(text)))}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every question with the history it was asked in; answers are "re: " and the question, in pieces."""
    seen: list[tuple[str, list[tuple[str, str]]]] = []

    def stream(bot: Any, question: str, history: Any, sampling: Any) -> Iterator[str]:
        seen.append((question, list(history)))
        yield "re: "
        yield f"{question} "

    monkeypatch.setattr(chat, "stream_answer", stream)
    return seen


def test_one_answer(asked: list[Any]) -> None:
    said: list[str] = []
    answer = answer_once(Bot, "头痛？", SamplingSettings(), said.append)
    assert said == ["re: ", "头痛？ "]
    assert (answer.question, answer.answer, answer.tokens) == ("头痛？", "re: 头痛？", 8)


def test_a_conversation_remembers_until_told_to_forget(asked: list[Any]) -> None:
    said: list[str] = []
    history = converse(
        Bot, SamplingSettings(), iter(["a", " ", "b ", "/help", "/clear", "c", "/exit", "d"]), said.append
    )
    assert asked == [("a", []), ("b", [("a", "re: a")]), ("c", [])]
    assert history == [("c", "re: c")]
    assert said.count("\n") == 3
    assert f"{HELP}\n" in said
