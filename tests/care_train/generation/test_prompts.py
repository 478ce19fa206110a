"""Conversations to prompts."""

from dataclasses import replace

import pytest

from care_train.errors import CareError, Exit
from care_train.generation import Chatbot, Talk, fit_prompt, read_messages
from care_train.tokens import encode_prompt

HISTORY = [("一" * 8, "二" * 8), ("三" * 8, "四" * 8), ("五" * 8, "六" * 8)]


def say(*turns: str) -> list[dict[str, str]]:
    """Messages written as "role:text"."""
    return [{"role": turn.partition(":")[0], "content": turn.partition(":")[2]} for turn in turns]


def test_messages_become_exchanges() -> None:
    assert read_messages(say("user:头痛")) == Talk(None, [], "头痛")
    messages = say("system:s", "user:a", "assistant:b", "user:c", "user:d")
    assert read_messages(messages) == Talk("s", [("a", "b")], "c\nd")
    assert read_messages(say("system:s", "system:t", "user:a")).system == "s\nt"


@pytest.mark.parametrize(
    ("turns", "roles"),
    [
        ((), "none"),
        (("system:s",), "system"),
        (("user:a", "assistant:b"), "user, assistant"),
        (("assistant:b", "user:a"), "assistant, user"),
        (("user:a", "system:s", "user:b"), "user, system, user"),
        (("tool:x",), "tool"),
    ],
)
def test_a_conversation_without_an_open_question_is_refused(turns: tuple[str, ...], roles: str) -> None:
    with pytest.raises(CareError, match=f"messages: the roles are {roles}. Begin with system or user"):
        read_messages(say(*turns))


def test_the_oldest_exchanges_are_left_out_and_the_system_prompt_stays(bot: Chatbot) -> None:
    def count(history: list[tuple[str, str]]) -> int:
        return len(encode_prompt(bot.tokenizer, bot.template, "七", history, "系统"))

    talk = Talk("系统", HISTORY, "七")
    whole = count(HISTORY)
    assert fit_prompt(replace(bot, window=whole + 40), talk, 40).left_out == 0
    short = fit_prompt(replace(bot, window=whole + 39), talk, 40)
    assert (len(short.ids), short.left_out) == (count(HISTORY[1:]), 1)
    assert short.ids == encode_prompt(bot.tokenizer, bot.template, "七", HISTORY[1:], "系统")
    # a quarter of the window is kept for the answer at most
    assert fit_prompt(replace(bot, window=2 * whole), talk, 4000).left_out == 0
    # the last question is asked even without that
    assert fit_prompt(replace(bot, window=count([]) + 1), talk, 4000) == (
        encode_prompt(bot.tokenizer, bot.template, "七", [], "系统"),
        3,
    )


def test_a_question_beyond_the_window_is_refused(bot: Chatbot) -> None:
    with pytest.raises(CareError, match=r"the question has \d+ tokens, the model takes 20. Ask shorter.") as caught:
        fit_prompt(replace(bot, window=20), Talk(None, [], "病" * 90), 8)
    assert caught.value.code == Exit.LIMIT


def test_the_system_prompt_is_the_conversations_else_the_models(bot: Chatbot) -> None:
    own = replace(bot, system="模型的")
    for given, used in ((None, "模型的"), ("我的", "我的"), ("", "")):
        ids = encode_prompt(bot.tokenizer, bot.template, "七", [], used)
        assert fit_prompt(own, Talk(given, [], "七"), 8).ids == ids
