"""What is refused, with the field at fault; nothing is passed over."""

from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import ValidationError

from care_train.serving.server.bodies import UNSUPPORTED, ChatBody, CompletionBody

CHAT: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": "头痛"}]}
TEXT: dict[str, Any] = {"model": "toy", "prompt": "头痛"}


def say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content, **more}]}


@pytest.mark.parametrize(
    ("more", "param", "code", "said"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "unsupported_parameter", ""),
        ({"functions": [{"name": "f"}]}, "functions", "unsupported_parameter", ""),
        ({"tool_choice": "auto"}, "tool_choice", "unsupported_parameter", "tool_choice is not supported by this"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter", ""),
        ({"logit_bias": {"5": 1}}, "logit_bias", "unsupported_parameter", ""),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter", ""),
        ({"store": True}, "store", "unsupported_parameter", ""),
        ({"best_of": 1}, "best_of", "unsupported_parameter", ""),
        ({"stream_options": {"obfuscation": 1}, "stream": True}, "stream_options.obfuscation", "unknown_parameter", ""),
        ({"top_k": 5}, "top_k", "unknown_parameter", "top_k is unknown"),
        ({"top_k": None}, "top_k", "unknown_parameter", ""),
        ({"max_tokens": 0}, "max_tokens", "invalid_value", "max_tokens: should be greater than or equal to 1"),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "invalid_value", ""),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_completion_tokens", "invalid_value", "contradict"),
        ({"max_tokens": True}, "max_tokens", "invalid_value", ""),
        ({"max_tokens": "5"}, "max_tokens", "invalid_value", ""),
        ({"n": 0}, "n", "invalid_value", ""),
        ({"n": 129}, "n", "invalid_value", ""),
        ({"temperature": 2.1}, "temperature", "invalid_value", ""),
        ({"temperature": "0"}, "temperature", "invalid_value", ""),
        ({"top_p": -0.1}, "top_p", "invalid_value", ""),
        ({"repetition_penalty": 0}, "repetition_penalty", "invalid_value", ""),
        ({"presence_penalty": 3}, "presence_penalty", "invalid_value", ""),
        ({"stop": ["a"] * 5}, "stop", "invalid_value", "stop: should have at most 4 items"),
        ({"stop": ["a", ""]}, "stop[1]", "invalid_value", ""),
        ({"seed": 2**63}, "seed", "invalid_value", ""),
        ({"logprobs": 3}, "logprobs", "invalid_value", ""),
        ({"top_logprobs": 3}, "top_logprobs", "invalid_value", "top_logprobs needs logprobs: true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value", ""),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value", "needs stream"),
        ({"messages": []}, "messages", "invalid_value", "messages: should have at least 1 item"),
        ({"messages": None}, "messages", "invalid_value", ""),
        (say("robot", "x"), "messages[0].role", "invalid_value", "'system', 'developer'"),
        (say("tool", "x", tool_call_id="1"), "messages[0].role", "invalid_value", ""),
        (say("assistant", "x"), "messages", "invalid_value", "the roles are assistant"),
        (say("system", "x"), "messages", "invalid_value", "the roles are system"),
        (say("user", None), "messages[0].content", "invalid_value", ""),
        (say("user", []), "messages[0].content", "invalid_value", "there are no parts"),
        (
            say("user", [{"type": "image_url", "image_url": {"url": "x"}}]),
            "messages[0].content",
            "invalid_value",
            "only text",
        ),
        (
            say("user", [{"type": "text", "text": "x", "more": 1}]),
            "messages[0].content",
            "invalid_value",
            "part 0 should be",
        ),
        (say("user", "x", name="Ann"), "messages[0].name", "unsupported_parameter", ""),
        (say("user", "x", tool_calls=[{"id": "1"}]), "messages[0].tool_calls", "unsupported_parameter", ""),
        (say("user", "头" * 5000), "messages", "context_length_exceeded", "and the model takes 2,048 with the answer"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_value", ""),
    ],
)
def test_chats_are_refused(client: OpenAI, more: dict[str, Any], param: str, code: str, said: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**CHAT, extra_body=more)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code == code
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"echo": True}, "echo", "unsupported_parameter"),
        ({"suffix": "x"}, "suffix", "unsupported_parameter"),
        ({"best_of": 2}, "best_of", "unsupported_parameter"),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"logprobs": True}, "logprobs", "invalid_value"),
        ({"logprobs": 21}, "logprobs", "invalid_value"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": []}, "prompt", "invalid_value"),
        ({"prompt": [[]]}, "prompt", "invalid_value"),
        ({"prompt": None}, "prompt", "invalid_value"),
        ({"prompt": [1, "a"]}, "prompt", "invalid_value"),
        ({"prompt": [-1]}, "prompt", "invalid_value"),
        ({"prompt": [1 << 40]}, "prompt", "invalid_value"),
        ({"prompt": ["a"] * 129}, "prompt", "invalid_value"),
        ({"prompt": ["a"] * 3, "n": 100}, "n", "invalid_value"),
        ({"prompt": "头" * 5000}, "prompt", "context_length_exceeded"),
    ],
)
def test_completions_are_refused(client: OpenAI, more: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**TEXT, extra_body=more)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_what_asks_for_nothing_is_taken(client: OpenAI) -> None:
    idle = {name: None for name in UNSUPPORTED if name not in ("name", "tool_call_id")}
    more = {**idle, "tools": [], "response_format": {"type": "text"}, "logit_bias": {}, "store": False}
    said = {"role": "user", "content": "头痛", "refusal": None, "tool_calls": [], "name": None}
    body = ChatBody.model_validate({**CHAT, **more, "messages": [said]})
    assert body.messages[0].model_dump() == {"role": "user", "content": "头痛"}
    assert client.chat.completions.create(**CHAT, max_tokens=1, extra_body=more).usage.completion_tokens == 1
    assert CompletionBody.model_validate({**TEXT, "echo": False, "suffix": None}).prompt == ["头痛"]
    with pytest.raises(ValidationError):
        CompletionBody.model_validate({**TEXT, "echo": 0})


def test_another_model_is_not_found(client: OpenAI) -> None:
    for create, body in ((client.chat.completions.create, CHAT), (client.completions.create, TEXT)):
        with pytest.raises(openai.NotFoundError) as caught:
            create(**{**body, "model": "gpt"})  # type: ignore[operator]
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
