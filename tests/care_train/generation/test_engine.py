"""Many requests at a time, each answered as if it were alone."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from care_train.config import SamplingSettings
from care_train.errors import CareError, Exit
from care_train.generation import Chatbot, Engine, Piece, Request, Talk
from care_train.tokens import encode_prompt

LONG = "失眠已经很久了，晚上总是睡不着，白天又没有精神，怎么办？"
QUESTIONS = ["头痛了怎么办？", "咳嗽", LONG, "心慌？", "腰酸了", "耳鸣"]


def ask(bot: Chatbot, question: str, **settings: Any) -> Request:
    return Request(
        encode_prompt(bot.tokenizer, bot.template, question, []), SamplingSettings(**{"max_new_tokens": 20, **settings})
    )


def listen(generation: Any) -> str:
    return "".join(piece.text for piece in generation)


def generate(bot: Chatbot, request: Request) -> str:
    """The answer by transformers' own greedy generation."""
    ids = torch.tensor([request.ids])
    out = bot.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=request.sampling.max_new_tokens,
        do_sample=False,
        eos_token_id=list(bot.ends),
        pad_token_id=0,
    )
    return bot.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_company_changes_no_answer(bot: Chatbot, engine: Engine) -> None:
    requests = [ask(bot, question, max_new_tokens=5 + 4 * place) for place, question in enumerate(QUESTIONS)] * 2
    answers = [listen(one) for one in [engine.submit(request) for request in requests]]
    assert answers == [generate(bot, request) for request in requests]
    assert len(set(answers)) > 3
    assert engine.load == (0, 0)


def test_an_answer_counts_and_says_why_it_ended(bot: Chatbot, script: Callable[..., Engine]) -> None:
    done = script("多喝水。").submit(ask(bot, "渴"))
    assert listen(done) == "多喝水。"
    spoken = len(bot.tokenizer.encode("多喝水。", add_special_tokens=False))
    assert (done.finish, done.completion_tokens, done.prompt_tokens) == ("stop", spoken + 1, len(done.request.ids))
    cut = script("多喝水。").submit(ask(bot, "渴", max_new_tokens=2))
    assert len(listen(cut)) < 4
    assert (cut.finish, cut.completion_tokens) == ("length", 2)
    stopped = script("多喝水。少吃糖。").submit(replace(ask(bot, "渴"), stop=("少",)))
    assert (listen(stopped), stopped.finish) == ("多喝水。", "stop")
    template = script("多喝水。\nQuestion: 别的", template="plain").submit(ask(bot, "渴"))
    assert (listen(template), template.finish) == ("多喝水。", "stop")


def test_an_answer_ends_where_the_window_does(bot: Chatbot, script: Callable[..., Engine]) -> None:
    request = ask(bot, "渴", max_new_tokens=500)
    long = script("好" * 90, window=len(request.ids) + 7).submit(request)
    listen(long)
    assert (long.finish, long.completion_tokens) == ("length", 7)
    with pytest.raises(CareError, match=r"the prompt has \d+ tokens, the model takes 5\."):
        script("好", window=5).submit(request)


def test_a_seed_means_the_same_answer_again(bot: Chatbot, engine: Engine) -> None:
    def draw(seed: int) -> str:
        return listen(engine.submit(ask(bot, QUESTIONS[0], temperature=2.0, seed=seed)))

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1


def test_company_changes_no_draw(bot: Chatbot, engine: Engine) -> None:
    request = ask(bot, QUESTIONS[0], temperature=1.5, seed=3)
    alone = listen(engine.submit(request))
    together = [engine.submit(one) for one in (request, ask(bot, QUESTIONS[2], max_new_tokens=60), request)]
    assert [listen(one) for one in together][::2] == [alone, alone]


def test_tokens_come_with_their_likelihood(bot: Chatbot, engine: Engine) -> None:
    answer = engine.submit(replace(ask(bot, QUESTIONS[1]), logprobs=3))
    tokens = [token for piece in answer for token in piece.tokens]
    ended = answer.finish == "stop"
    assert len(tokens) == answer.completion_tokens - ended
    assert all(one.token == one.top[0].token and one.logprob == one.top[0].logprob for one in tokens)
    assert all(len(one.top) == 3 and one.top[0].logprob >= one.top[1].logprob for one in tokens)


def test_a_cancelled_answer_gives_its_row_to_the_next(bot: Chatbot, script: Callable[..., Engine]) -> None:
    steps = threading.Semaphore(3)
    engine = script("好" * 60, before=steps.acquire)
    first, second = engine.submit(ask(bot, "渴", max_new_tokens=40)), engine.submit(ask(bot, "渴", max_new_tokens=2))
    assert next(iter(first)).text == "好"
    assert engine.load == (1, 1)
    first.cancel()
    steps.release(100)
    listen(first)
    listen(second)
    assert (first.finish, second.finish) == ("cancelled", "length")
    assert first.completion_tokens <= 4


def test_one_who_left_before_the_beginning_is_not_answered(bot: Chatbot, script: Callable[..., Engine]) -> None:
    steps = threading.Semaphore(0)
    engine = script("好" * 60, before=steps.acquire)
    first, second = engine.submit(ask(bot, "渴", max_new_tokens=2)), engine.submit(ask(bot, "渴"))
    second.cancel()
    steps.release(100)
    assert (listen(second), second.finish, second.completion_tokens) == ("", "cancelled", 0)
    assert listen(first)


def test_pieces_can_be_delivered(bot: Chatbot, script: Callable[..., Engine]) -> None:
    got, done = list[Piece](), threading.Event()

    def deliver(piece: Piece) -> None:
        got.append(piece)
        if piece.finish:
            done.set()

    script("多喝水。").submit(ask(bot, "渴"), deliver)
    assert done.wait(20)
    assert "".join(piece.text for piece in got) == "多喝水。"
    assert [piece.finish for piece in got] == [None] * (len(got) - 1) + ["stop"]


def test_one_who_cannot_take_pieces_harms_no_other(bot: Chatbot, engine: Engine) -> None:
    deaf = engine.submit(ask(bot, QUESTIONS[0]), lambda piece: 1 / 0)
    other = engine.submit(ask(bot, QUESTIONS[2]))
    assert listen(other) == generate(bot, other.request)
    engine.close()
    assert deaf.finish == "cancelled"
    assert deaf.completion_tokens <= 2


def test_those_who_gave_up_waiting_free_their_places(bot: Chatbot, script: Callable[..., Engine]) -> None:
    steps = threading.Semaphore(1)
    engine = script("好" * 60, before=steps.acquire)
    first = engine.submit(ask(bot, "渴", max_new_tokens=8))
    assert next(iter(first)).text == "好"
    gone = [engine.submit(ask(bot, "渴")) for _ in range(3)]
    for one in gone:
        one.cancel()
    steps.release()  # one more token of the first, whose row stays taken
    assert [listen(one) for one in gone] == [""] * 3
    assert engine.load == (1, 0)
    steps.release(100)
    listen(first)


def test_a_fault_reaches_those_it_hit_and_the_engine_goes_on(bot: Chatbot, script: Callable[..., Engine]) -> None:
    faults = [RuntimeError("out of memory")]

    def before() -> None:
        if faults:
            raise faults.pop()

    engine = script("好" * 60, before=before)
    with pytest.raises(RuntimeError, match="out of memory"):
        listen(engine.submit(ask(bot, "渴")))
    assert listen(engine.submit(ask(bot, "渴", max_new_tokens=2)))


def test_a_fault_while_prompts_are_read_leaves_no_row_behind(
    bot: Chatbot, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, admit = listen(engine.submit(ask(bot, QUESTIONS[0]))), engine.batch.admit
    monkeypatch.setattr(engine.batch, "admit", lambda prompts: len(admit(prompts)) / 0)
    with pytest.raises(ZeroDivisionError):
        listen(engine.submit(ask(bot, QUESTIONS[2])))
    assert listen(engine.submit(ask(bot, QUESTIONS[0]))) == expected


def test_too_many_are_turned_away(bot: Chatbot, script: Callable[..., Engine]) -> None:
    steps = threading.Semaphore(0)
    engine = script("好" * 60, before=steps.acquire)
    engine.max_waiting = 2
    kept = [engine.submit(ask(bot, "渴", max_new_tokens=1))]
    for _ in range(200):
        if engine.load[1] == 0:
            break
        time.sleep(0.01)
    kept += [engine.submit(ask(bot, "渴", max_new_tokens=1)) for _ in range(2)]
    with pytest.raises(CareError, match=r"2 requests wait already. Ask again later.") as caught:
        engine.submit(ask(bot, "渴"))
    assert caught.value.code == Exit.LIMIT
    steps.release(100)
    assert [one.finish for one in kept if listen(one)] == ["length"] * 3


def test_closing_finishes_what_was_begun(bot: Chatbot) -> None:
    engine = Engine(bot, max_batch=2)
    begun = [engine.submit(ask(bot, question)) for question in QUESTIONS]
    engine.close()
    assert all(one.finish in ("stop", "length") for one in begun)
    with pytest.raises(CareError, match="the engine is closing"):
        engine.submit(ask(bot, "渴"))


def test_closing_at_once_stops_them(bot: Chatbot) -> None:
    engine = Engine(bot, max_batch=2)
    begun = [engine.submit(ask(bot, question, max_new_tokens=400)) for question in QUESTIONS]
    engine.close(finish=False)
    assert {one.finish for one in begun} <= {"cancelled", "stop"}
    assert any(one.finish == "cancelled" for one in begun)


def test_a_conversation_is_asked_with_what_fits(bot: Chatbot) -> None:
    history = [("问" * 5, "答" * 5)] * 4
    engine = Engine(replace(bot, window=120))
    prompt, answer = engine.ask(Talk(None, history, "渴"), SamplingSettings(max_new_tokens=4))
    listen(answer)
    assert 0 < prompt.left_out < 4
    assert answer.prompt_tokens == len(prompt.ids) <= 116
    engine.close()
