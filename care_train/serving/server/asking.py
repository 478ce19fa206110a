"""Bodies to what the engine is asked."""

import secrets
from typing import NamedTuple

from care_train.config import AnswerSettings, SamplingSettings
from care_train.errors import CareError, Exit
from care_train.generation import Chatbot, Request, fit_prompt, read_messages
from care_train.serving.server.bodies import Body, ChatBody, CompletionBody
from care_train.serving.server.refusals import Refusal
from care_train.tokens import encode_prompt

SHORT = 16
"""Longest completion of a text, in tokens, where a request names none: OpenAI's own default."""
SEEDS = 1 << 63


class Asked(NamedTuple):
    """requests: one an answer, the answers to one prompt after each other. prompt_tokens: each prompt counted once.

    left_out: how many of the oldest exchanges did not fit.
    """

    requests: list[Request]
    prompt_tokens: int
    left_out: int = 0


def ask_chat(bot: Chatbot, body: ChatBody, settings: AnswerSettings, overlong: str) -> Asked:
    """What a conversation asks for. Raises Refusal where it is too long, or not the user's turn to be answered."""
    if None not in (body.max_tokens, body.max_completion_tokens) and body.max_tokens != body.max_completion_tokens:
        what = "max_tokens and max_completion_tokens contradict each other"
        raise Refusal(400, what, param="max_completion_tokens", code="invalid_value")
    if body.top_logprobs is not None and not body.logprobs:
        raise Refusal(400, "top_logprobs needs logprobs: true", param="top_logprobs", code="invalid_value")
    longest = body.max_completion_tokens or body.max_tokens or settings.max_new_tokens
    messages = [
        {"role": "system" if one.role == "developer" else one.role, "content": one.content} for one in body.messages
    ]
    try:
        talk = read_messages(messages)
        if overlong == "truncate_history":
            ids, left_out = fit_prompt(bot, talk, longest)
        else:
            system = bot.system if talk.system is None else talk.system
            ids, left_out = encode_prompt(bot.tokenizer, bot.template, talk.question, talk.history, system), 0
    except CareError as error:
        code = "context_length_exceeded" if error.code == Exit.LIMIT else "invalid_value"
        raise Refusal(400, str(error), param="messages", code=code) from error
    check_length(bot, ids, "messages")
    likely = (body.top_logprobs or 0) if body.logprobs else None
    return Asked(list_requests(body, [ids], settings, longest, likely), len(ids), left_out)


def ask_completion(bot: Chatbot, body: CompletionBody, settings: AnswerSettings) -> Asked:
    """What texts ask for. Special tokens in a text are read as such: the caller writes all of the prompt."""
    prompts = [bot.tokenizer.encode(one) if isinstance(one, str) else one for one in body.prompt]
    for ids in prompts:
        if not ids:
            raise Refusal(400, "the prompt is empty", param="prompt", code="invalid_value")
        if min(ids) < 0 or max(ids) >= len(bot.tokenizer):
            what = f"the model has the token ids 0 to {len(bot.tokenizer) - 1}"
            raise Refusal(400, what, param="prompt", code="invalid_value")
        check_length(bot, ids, "prompt")
    requests = list_requests(body, prompts, settings, body.max_tokens or SHORT, body.logprobs)
    return Asked(requests, sum(map(len, prompts)))


def check_length(bot: Chatbot, ids: list[int], param: str) -> None:
    """Raise where no room is left for an answer."""
    if len(ids) >= bot.window:
        what = f"{param} has {len(ids):,} tokens, and the model takes {bot.window:,} with the answer. Ask shorter."
        raise Refusal(400, what, param=param, code="context_length_exceeded")


def list_requests(
    body: Body, prompts: list[list[int]], settings: AnswerSettings, longest: int, likely: int | None
) -> list[Request]:
    """`n` requests a prompt, each of its own seed: the body's and those that follow it, else drawn ones."""
    seed = secrets.randbits(63) if body.seed is None else body.seed
    stop = tuple(body.stop or ())
    return [
        Request(ids, choose_sampling(body, settings, longest, (seed + place) % SEEDS), stop, likely)
        for ids in prompts
        for place in range(body.n or 1)
    ]


def choose_sampling(body: Body, settings: AnswerSettings, longest: int, seed: int) -> SamplingSettings:
    """What the body says, else the server's settings."""

    def choose(said: float | None, own: float) -> float:
        return own if said is None else said

    return SamplingSettings(
        max_new_tokens=longest,
        temperature=choose(body.temperature, settings.temperature),
        top_p=choose(body.top_p, settings.top_p),
        repetition_penalty=choose(body.repetition_penalty, settings.repetition_penalty),
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        seed=seed,
    )
