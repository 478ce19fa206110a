"""What OpenAI's own client gets of a running server."""

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from care_train.config import LoadSettings, SamplingSettings
from care_train.generation import Engine, Request, load_chatbot
from care_train.notices import NOTICE

QUESTION: Any = [{"role": "user", "content": "头痛了怎么办？"}]
ENDLESS: Any = {"model": "toy", "prompt": "头痛", "max_tokens": 1500, "extra_body": {"repetition_penalty": 0.01}}


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Engine:
    return Engine(load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="llama2"), lambda line: None))


def answer(engine: Engine, ids: list[int], **sampling: Any) -> tuple[str, str | None, int]:
    """(text, finish, tokens) of the engine itself."""
    generation = engine.submit(Request(ids, SamplingSettings(**sampling)))
    return "".join(piece.text for piece in generation), generation.finish, generation.completion_tokens


def ask(client: OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": "toy", "messages": QUESTION, "max_tokens": 24, **more})


def encode(engine: Engine, *turns: str, system: str | None = None) -> list[int]:
    from care_train.tokens import encode_prompt

    bot = engine.bot
    history = list(zip(turns[:-1:2], turns[1::2], strict=True))
    return encode_prompt(bot.tokenizer, bot.template, turns[-1], history, system)


def test_a_chat_is_the_engines_greedy_answer(client: OpenAI, engine: Engine) -> None:
    ids = encode(engine, "头痛了怎么办？")
    text, finish, tokens = answer(engine, ids, max_new_tokens=24)
    whole = ask(client)
    assert (whole.object, whole.model, len(whole.choices)) == ("chat.completion", "toy", 1)
    assert whole.choices[0].message.content == text
    assert text
    assert whole.choices[0].finish_reason == finish
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (len(ids), tokens)
    assert whole.usage.total_tokens == len(ids) + tokens
    assert ask(client, max_completion_tokens=24, max_tokens=None).choices[0].message.content == text


def test_system_turns_and_parts_reach_the_model(client: OpenAI, engine: Engine) -> None:
    first = ask(client).choices[0].message
    parts = [{"type": "text", "text": "还是痛。"}, {"type": "text", "text": "怎么办？"}]
    ids = encode(engine, "头痛了怎么办？", first.content, "还是痛。\n怎么办？", system="简短。\n说中文。")
    for role in ("system", "developer"):
        both = [{"role": "system", "content": "简短。"}, {"role": role, "content": "说中文。"}]
        talk = ask(
            client, messages=[*both, *QUESTION, first, {"role": "user", "content": parts}], user="u", metadata={}
        )
        assert talk.usage.prompt_tokens == len(ids)
        assert talk.choices[0].message.content == answer(engine, ids, max_new_tokens=24)[0]


def test_a_stream_adds_up_to_the_whole(client: OpenAI) -> None:
    whole = ask(client, n=2)
    chunks = list(ask(client, n=2, stream=True, stream_options={"include_usage": True}))
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert [chunk.choices[0].delta.role for chunk in chunks[:2]] == ["assistant", "assistant"]
    for place in range(2):
        deltas = [one for chunk in chunks for one in chunk.choices if one.index == place]
        assert len(deltas) > 4
        assert "".join(one.delta.content or "" for one in deltas) == whole.choices[place].message.content
        assert [one.finish_reason for one in deltas if one.finish_reason] == [whole.choices[place].finish_reason]
        assert deltas[-1].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert all(chunk.usage is None for chunk in ask(client, stream=True))


def test_finish_and_stop(client: OpenAI) -> None:
    whole = ask(client).choices[0]
    assert whole.finish_reason == "stop"
    cut = ask(client, max_tokens=2)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 2)
    assert whole.message.content.startswith(cut.choices[0].message.content)
    word = whole.message.content[3:5]
    for stop in (word, ["never", word]):
        stopped = ask(client, stop=stop).choices[0]
        assert stopped.message.content == whole.message.content.partition(word)[0]
        assert stopped.finish_reason == "stop"
    streamed = "".join(c.choices[0].delta.content or "" for c in ask(client, stop=word, stream=True))
    assert streamed == whole.message.content.partition(word)[0]


def test_a_seed_gives_the_same_answers_twice(client: OpenAI) -> None:
    def draw(seed: int | None) -> list[str]:
        return [one.message.content for one in ask(client, temperature=1.8, n=3, seed=seed).choices]

    assert draw(7) == draw(7)
    assert len(set(draw(7))) > 1, "each of n is drawn by a seed of its own"
    assert draw(8)[0] == draw(7)[1], "the seeds follow each other"
    assert len({tuple(draw(None)) for _ in range(4)}) > 1


def draw_freely(client: OpenAI, **more: Any) -> str:
    """Forty tokens at a high temperature, by one seed."""
    return (
        client.completions.create(model="toy", prompt="头痛", max_tokens=40, temperature=2, seed=5, **more)
        .choices[0]
        .text
    )


def test_penalties_change_the_answer(client: OpenAI) -> None:
    again = client.completions.create(**{**ENDLESS, "max_tokens": 30})
    assert len(set(again.choices[0].text)) < 6
    assert again.choices[0].finish_reason == "length"
    for penalty in ("frequency_penalty", "presence_penalty"):
        plain, other = (draw_freely(client, **{penalty: value}) for value in (0, 2))
        assert plain != other


def test_logprobs_of_a_chat(client: OpenAI, engine: Engine) -> None:
    one = ask(client, logprobs=True, top_logprobs=3).choices[0]
    told = one.logprobs.content
    assert b"".join(bytes(token.bytes) for token in told).decode(errors="replace") == one.message.content
    for token in told:
        best = token.top_logprobs
        assert len(best) == 3
        assert (best[0].token, best[0].logprob) == (token.token, token.logprob)
        assert 0 >= best[0].logprob >= best[1].logprob >= best[2].logprob
    import torch

    with torch.inference_mode():
        logits = engine.bot.model(torch.tensor([encode(engine, "头痛了怎么办？")])).logits[0, -1]
    assert told[0].logprob == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-4)
    assert all(token.top_logprobs == [] for token in ask(client, logprobs=True).choices[0].logprobs.content)
    assert ask(client).choices[0].logprobs is None
    streamed = [c.choices[0] for c in ask(client, logprobs=True, stream=True)]
    assert [t.token for c in streamed if c.logprobs for t in c.logprobs.content] == [t.token for t in told]


def test_completions(client: OpenAI, engine: Engine) -> None:
    prompts = ["头痛了怎么", "咳嗽了怎么"]
    ids = [engine.bot.tokenizer.encode(text) for text in prompts]
    whole = client.completions.create(model="toy", prompt=prompts, n=2, max_tokens=6, logprobs=2)
    assert whole.object == "text_completion"
    expected = [answer(engine, one, max_new_tokens=6)[0] for one in ids for _ in range(2)]
    assert [choice.text for choice in whole.choices] == expected
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    assert whole.usage.prompt_tokens == sum(map(len, ids))
    by_ids = client.completions.create(model="toy", prompt=ids, max_tokens=6, n=2)
    assert [choice.text for choice in by_ids.choices] == expected
    told = whole.choices[0].logprobs
    assert told.text_offset[0] == 0
    assert told.text_offset == sorted(told.text_offset)
    for token, logprob, likely in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert likely[token] == logprob == max(likely.values())
        assert len(likely) == 2
    chunks = list(client.completions.create(model="toy", prompt=prompts[0], max_tokens=6, logprobs=2, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == expected[0]
    assert [at for c in chunks if (p := c.choices[0].logprobs) for at in p.text_offset] == told.text_offset
    assert client.completions.create(**{**ENDLESS, "max_tokens": None}).usage.completion_tokens == 16


def test_cards(client: OpenAI, served: Any) -> None:
    (card,) = client.models.list().data
    assert (card.id, card.owned_by) == ("toy", "care-train")
    assert card.care == {"base": "base", "adapters": [], "template": "llama2", "window": 2048, "notice": NOTICE}
    assert client.models.retrieve("toy") == card
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("a/b")
    assert caught.value.code == "model_not_found"
    health = httpx2.get(f"{served.url}/health").json()
    assert (health["status"], health["ready"], health["model"]) == ("ok", True, "toy")
    assert health["load"] == {"writing": 0, "waiting": 0, "max_batch": 16}


def test_answers_are_the_same_alone_and_in_company(served: Any, client: OpenAI) -> None:
    parts = ["头痛", "咳嗽", "失眠", "胃胀", "皮疹", "腰酸", "耳鸣", "心慌"] * 4
    talks = [[{"role": "user", "content": f"{part}了怎么办？" * (1 + k % 3)}] for k, part in enumerate(parts)]
    alone = [ask(client, messages=talk).choices[0].message.content for talk in talks[:8]]
    together, lost = Counter[int](), list[BaseException]()

    async def keep_asking(other: AsyncOpenAI, place: int, end: float) -> None:
        while time.monotonic() < end:
            whole = await other.chat.completions.create(model="toy", messages=talks[place], max_tokens=24)
            together[place] += 1
            if place < 8 and whole.choices[0].message.content != alone[place]:
                lost.append(AssertionError(f"{place}: {whole.choices[0].message.content} != {alone[place]}"))

    async def run() -> None:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x", max_retries=0) as other:
            end = time.monotonic() + 3
            asking = (keep_asking(other, place, end) for place in range(32))
            lost.extend(one for one in await asyncio.gather(*asking, return_exceptions=True) if one)

    asyncio.run(run())
    assert lost == []
    assert len(together) == 32
    served.wait_for((0, 0))


def test_a_row_is_freed_when_the_client_leaves(served: Any, client: OpenAI) -> None:
    stream = client.completions.create(**ENDLESS, n=20, stream=True)
    next(iter(stream))
    served.wait_for((16, 4))
    stream.close()
    served.wait_for((0, 0), seconds=3)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).completions.create(**ENDLESS, n=20)
    served.wait_for((0, 0), seconds=3)
    lines = [line for line in served.lines if "POST /v1/completions 1+" in line][-2:]
    assert [line.split()[1] for line in lines] == ["200", "499"]
    assert all(line.endswith(" s cut") for line in lines)


def test_an_answer_in_writing_does_not_keep_others_waiting(served: Any, client: OpenAI) -> None:
    stream = client.completions.create(**ENDLESS, stream=True)
    done = threading.Event()

    def read() -> None:
        for _ in stream:
            pass
        done.set()

    reader = threading.Thread(target=read)
    reader.start()
    served.wait_for((1, 0))
    assert ask(client).choices[0].finish_reason == "stop"
    assert not done.is_set()
    reader.join(60)
    assert done.is_set()


def test_the_log_tells_no_texts(served: Any, client: OpenAI) -> None:
    text = ask(client, messages=[{"role": "user", "content": "秘密的头痛"}]).choices[0].message.content
    served.wait_for((0, 0))
    said = "\n".join(served.lines)
    assert "200 POST /v1/chat/completions 1" in said
    assert "秘密" not in said
    assert text not in said
    assert NOTICE in said
