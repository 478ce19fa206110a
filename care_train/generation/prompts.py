"""Conversations to the tokens that a model is asked to go on from, within the room it has."""

from bisect import bisect_left
from typing import Any, NamedTuple

from care_train.errors import CareError, Exit
from care_train.generation.chatbots import Chatbot
from care_train.tokens import encode_prompt

Message = dict[str, Any]
History = list[tuple[str, str]]


class Talk(NamedTuple):
    """A conversation up to its open question. system: None where it has none."""

    system: str | None
    history: History
    question: str


class Prompt(NamedTuple):
    """ids: what the model is given. left_out: how many of the oldest exchanges did not fit."""

    ids: list[int]
    left_out: int


def read_messages(messages: list[Message]) -> Talk:
    """The conversation of messages with role (system, user, assistant) and content (text).

    Messages of one role that follow one another are one, a line each. Raises where no question is open.
    """
    joined: list[tuple[str, str]] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if joined and joined[-1][0] == role:
            joined[-1] = (role, f"{joined[-1][1]}\n{content}")
        else:
            joined.append((role, content))
    roles = [role for role, _ in joined]
    system = joined.pop(0)[1] if joined and joined[0][0] == "system" else None
    if [role for role, _ in joined] != ["user", "assistant"] * (len(joined) // 2) + ["user"]:
        fix = "Begin with system or user, let user and assistant take turns, and end with user."
        raise CareError(f"the roles are {', '.join(roles) or 'none'}", where="messages", fix=fix)
    texts = [content for _, content in joined]
    return Talk(system, list(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1])


def fit_prompt(bot: Chatbot, talk: Talk, room: int) -> Prompt:
    """The prompt of a conversation that leaves `room` tokens for the answer, or what the question alone leaves.

    Where it is longer, the oldest exchanges go, the system prompt stays. Raises where the question alone is too long.
    """
    system = bot.system if talk.system is None else talk.system
    limit = bot.window - min(room, bot.window // 4)

    def encode(left_out: int) -> list[int]:
        return encode_prompt(bot.tokenizer, bot.template, talk.question, talk.history[left_out:], system)

    ids = encode(0)
    if len(ids) <= limit:
        return Prompt(ids, 0)
    # Looked for by halves: to read what is left again for every exchange would take minutes for thousands of them.
    left_out = bisect_left(range(len(talk.history)), True, key=lambda count: len(encode(count)) <= limit)
    ids = encode(left_out)
    if len(ids) < bot.window:
        return Prompt(ids, left_out)
    fix = "Ask shorter."
    raise CareError(f"the question has {len(ids):,} tokens, the model takes {bot.window:,}", fix=fix, code=Exit.LIMIT)
