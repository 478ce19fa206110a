"""Responses of both kinds: whole, or in the chunks of a stream."""

import codecs
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from care_train.generation import Drawn
from care_train.serving.server.asking import Asked
from care_train.serving.server.refusals import Refusal, write_error
from care_train.serving.server.vocabulary import Vocabulary
from care_train.serving.server.writing import Writing

LOWEST = -9999.0
"""Stands for minus infinity, which JSON has no word for."""
DONE = "data: [DONE]\n\n"
LINE_ENDS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})
"""Some readers of a stream take these for ends of lines."""

Tokens = tuple[Drawn, ...] | list[Drawn]


class Form(NamedTuple):
    """How one kind of request is answered. begin: what opens an answer's stream, None for nothing.

    choice and delta: an answer, and a piece of one, from its text. weigh: logprobs of tokens that follow on so many
    characters of the answer.
    """

    prefix: str
    whole: str
    chunk: str
    choice: Callable[[str], dict[str, Any]]
    delta: Callable[[str], dict[str, Any]]
    begin: dict[str, Any] | None
    weigh: Callable[[Vocabulary, Tokens, int], dict[str, Any]]


@dataclass
class Reply:
    """What all parts of one response share. care: what is told besides OpenAI's fields, if anything."""

    form: Form
    model: str
    vocabulary: Vocabulary
    asked: Asked
    with_usage: bool
    care: dict[str, Any] | None

    def __post_init__(self) -> None:
        self.head = {"id": f"{self.form.prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": self.model}

    async def write(self, writing: Writing) -> dict[str, Any]:
        """The whole response, once every answer has ended."""
        choices = [
            {"index": place, **self.form.choice(one.text), **self._weigh(place, one.drawn, 0), **end(one.finish)}
            for place, one in enumerate(await writing.collect())
        ]
        usage = {"usage": count_tokens(self.asked, writing)}
        return {**self.head, "object": self.form.whole, "choices": choices, **usage, **self._tell()}

    async def stream(self, writing: Writing) -> AsyncIterator[str]:
        """The response as server-sent events; where it breaks off, the last is an error."""
        said = [0] * len(writing.generations)
        if self.form.begin is not None:
            for place in range(len(said)):
                yield self._chunk([{"index": place, **self.form.begin, "logprobs": None, **end(None)}], **self._tell())
        try:
            async for place, piece in writing.list_pieces():
                if piece.text or piece.tokens:
                    weights = self._weigh(place, piece.tokens, said[place])
                    yield self._chunk([{"index": place, **self.form.delta(piece.text), **weights, **end(None)}])
                    said[place] += len(piece.text)
                if piece.finish:
                    last = self.form.delta("") if self.form.begin is None else {"delta": {}}
                    yield self._chunk([{"index": place, **last, "logprobs": None, **end(piece.finish)}])
        except Refusal as refusal:
            yield event(write_error(refusal))
            return
        if self.with_usage:
            yield self._chunk([], usage=count_tokens(self.asked, writing))
        yield DONE

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> str:
        unknown = {"usage": None} if self.with_usage else {}
        return event({**self.head, "object": self.form.chunk, "choices": choices, **unknown, **more})

    def _weigh(self, place: int, drawn: Tokens, start: int) -> dict[str, Any]:
        asked = self.asked.requests[place].logprobs is not None
        return {"logprobs": self.form.weigh(self.vocabulary, drawn, start) if asked else None}

    def _tell(self) -> dict[str, Any]:
        return {} if self.care is None else {"care": self.care}


def event(value: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False, allow_nan=False).translate(LINE_ENDS)}\n\n"


def end(finish: str | None) -> dict[str, Any]:
    """Why an answer ended, None while it goes on."""
    return {"finish_reason": finish}


def count_tokens(asked: Asked, writing: Writing) -> dict[str, int]:
    """Tokens read and written; the one that ends an answer counts too."""
    said = writing.completion_tokens
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": said,
        "total_tokens": asked.prompt_tokens + said,
    }


def weigh_chat(vocabulary: Vocabulary, drawn: Tokens, _: int) -> dict[str, Any]:
    """Each token with its logprob, and the likeliest in its place."""

    def tell(token: int, logprob: float | None) -> dict[str, Any]:
        spelling = vocabulary.spell(token)
        return {"token": spelling.text, "logprob": floor(logprob), "bytes": spelling.bytes}

    content = [
        {**tell(one.token, one.logprob), "top_logprobs": [tell(top.token, top.logprob) for top in one.top]}
        for one in drawn
    ]
    return {"content": content, "refusal": None}


def weigh_completion(vocabulary: Vocabulary, drawn: Tokens, start: int) -> dict[str, Any]:
    """Lists of tokens, logprobs, the likeliest by their text (the chosen one among them), and where each begins."""
    likely = [{vocabulary.spell(token).text: floor(logprob) for token, logprob in list_likely(one)} for one in drawn]
    return {
        "tokens": [vocabulary.spell(one.token).text for one in drawn],
        "token_logprobs": [floor(one.logprob) for one in drawn],
        "top_logprobs": likely,
        "text_offset": list(list_offsets(vocabulary, drawn, start)),
    }


def list_likely(one: Drawn) -> Iterator[tuple[int, float | None]]:
    """The likeliest tokens, the likeliest last to stay where two read alike, and the chosen one."""
    for top in reversed(one.top):
        yield top.token, top.logprob
    yield one.token, one.logprob


def list_offsets(vocabulary: Vocabulary, drawn: Tokens, start: int) -> Iterator[int]:
    """Where each token begins in the text of its answer, in characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for one in drawn:
        yield start
        start += len(decoder.decode(bytes(vocabulary.spell(one.token).bytes)))


def floor(logprob: float | None) -> float:
    """A logprob that JSON can hold."""
    return max(LOWEST, LOWEST if logprob is None else logprob)


FORMS: dict[str, Form] = {
    "chat": Form(
        "chatcmpl",
        "chat.completion",
        "chat.completion.chunk",
        lambda text: {"message": {"role": "assistant", "content": text, "refusal": None}},
        lambda text: {"delta": {"content": text}},
        {"delta": {"role": "assistant", "content": ""}},
        weigh_chat,
    ),
    "completion": Form(
        "cmpl",
        "text_completion",
        "text_completion",
        lambda text: {"text": text},
        lambda text: {"text": text},
        None,
        weigh_completion,
    ),
}
