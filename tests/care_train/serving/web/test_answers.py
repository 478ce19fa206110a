"""An answer that grows, and what becomes of it when nobody looks any more."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from care_train.config import SamplingSettings
from care_train.errors import CareError
from care_train.generation import Engine, Talk
from care_train.serving.web import answers
from care_train.serving.web.answers import stream_answer

TALK = Talk(None, [], "头痛怎么办？")
SAMPLING = SamplingSettings(max_new_tokens=50)


def test_an_answer_grows_and_says_at_last_what_it_took(script: Callable[..., Engine]) -> None:
    engine = script("先喝温水，早些休息。", pause=0.05)

    async def read() -> list[tuple[str, str, int]]:
        given = stream_answer(engine, TALK, SAMPLING, lambda _: None)
        return [(one.answer, one.finish, one.tokens) async for one in given]

    seen = asyncio.run(read())
    texts = [text for text, _, _ in seen]
    assert seen[0] == ("", "", 0)
    assert seen[-1][:2] == ("先喝温水，早些休息。", "stop")
    assert seen[-1][2] == len(engine.bot.tokenizer.encode(texts[-1], add_special_tokens=False)) + 1
    assert len(set(texts)) >= 4
    assert all(later.startswith(text) for text, later in pairwise(texts))


def test_whoever_leaves_off_stops_it(endless: Engine, wait_until: Callable[..., None]) -> None:
    async def leave() -> None:
        given = stream_answer(endless, TALK, SamplingSettings(max_new_tokens=1500), lambda _: None)
        while not (await anext(given)).answer:
            pass
        assert endless.load == (1, 0)
        await given.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    wait_until(lambda: endless.load == (0, 0), 1.0)


def test_one_that_waits_is_given_again_so_that_leaving_is_noticed(
    script: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE", 0.05)
    engine = script("好。", pause=0.4)

    async def count() -> int:
        return len([one async for one in stream_answer(engine, TALK, SAMPLING, lambda _: None) if not one.answer])

    assert asyncio.run(count()) >= 4


def test_errors_reach_whoever_asked(script: Callable[..., Engine]) -> None:
    async def ask(engine: Engine, talk: Talk) -> list[Any]:
        return [one async for one in stream_answer(engine, talk, SAMPLING, lambda _: None)]

    with pytest.raises(CareError, match="the model takes 64"):
        asyncio.run(ask(script("好。", window=64), Talk(None, [], "头痛" * 60)))
    with pytest.raises(IndexError):
        asyncio.run(ask(script(), TALK))
