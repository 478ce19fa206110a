"""An engine that fails, with the app in this process."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from care_train.config import AnswerSettings, LoadSettings, ServerSettings, ServeSettings
from care_train.generation import Drawn, Engine, Piece, load_chatbot
from care_train.serving.server.app import build_app

ASK: Any = {"model": "base", "messages": [{"role": "user", "content": "头痛"}]}


@pytest.fixture
def engine(tiny: Path) -> Engine:
    return Engine(load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="llama2"), lambda line: None))


def talk(engine: Engine, act: Callable[[AsyncOpenAI], Any], said: list[str]) -> Any:
    """What a client gets of the app over this engine."""
    app = build_app(engine, ServeSettings(LoadSettings(), ServerSettings(), AnswerSettings()), None, said.append)

    async def run() -> Any:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport) as http:
            return await act(AsyncOpenAI(base_url="http://localhost/v1", api_key="x", max_retries=0, http_client=http))

    return asyncio.run(run())


def test_a_model_that_fails_is_an_error_without_a_traceback(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("kernel at fault\nsecond line")

    monkeypatch.setattr(engine.bot.model, "forward", fail)
    said: list[str] = []

    async def ask(client: AsyncOpenAI) -> Any:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(**ASK)
        stream = await client.chat.completions.create(**ASK, stream=True)
        first = await anext(stream)
        with pytest.raises(openai.APIError, match="the model failed on this request"):
            await anext(stream)
        return caught.value, first

    error, first = talk(engine, ask, said)
    assert error.body == {
        "message": "the model failed on this request",
        "type": "server_error",
        "param": None,
        "code": "server_error",
    }
    assert first.choices[0].delta.role == "assistant"
    assert len(said) == 2
    assert said[0].endswith("RuntimeError: kernel at fault")
    assert " 500 POST /v1/chat/completions " in said[0]
    assert engine.load == (0, 0)


def test_our_bug_is_one_line(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("头痛")

    monkeypatch.setattr(engine, "submit", fail)
    said: list[str] = []

    async def ask(client: AsyncOpenAI) -> Any:
        with pytest.raises(openai.InternalServerError, match="the server failed"):
            await client.chat.completions.create(**ASK)

    talk(engine, ask, said)
    assert said[0].endswith(" our bug: ZeroDivisionError")


def test_a_closing_engine_refuses_and_says_so(engine: Engine) -> None:
    engine.close()

    async def ask(client: AsyncOpenAI) -> Any:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(**ASK)
        return caught.value, (await client._client.get("http://localhost/health")).json()

    error, health = talk(engine, ask, [])
    assert (error.status_code, error.code) == (503, "server_stopping")
    assert (health["status"], health["ready"]) == ("stopping", False)


def test_pieces_that_end_lines_and_infinite_logprobs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(request: Any, deliver: Any) -> Any:
        deliver(Piece("a\u2028b\n", (Drawn(5, float("-inf")),)))
        deliver(Piece("c", (), "length"))
        return type("Done", (), {"cancel": lambda self: None, "completion_tokens": 2, "finish": "length"})()

    monkeypatch.setattr(engine, "submit", submit)

    async def ask(client: AsyncOpenAI) -> Any:
        whole = await client.chat.completions.create(**ASK, logprobs=True)
        async with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
            return whole, await raw.text()

    whole, raw = talk(engine, ask, [])
    assert whole.choices[0].message.content == "a\u2028b\nc"
    assert whole.choices[0].logprobs.content[0].logprob == -9999.0
    assert '"content": "a\\u2028b\\n"' in raw
    assert len(raw.splitlines()) == 10
    assert raw.endswith("data: [DONE]\n\n")
