"""How a token is chosen."""

import math
from collections import Counter
from typing import Any

import pytest
import torch

from care_train.config import SamplingSettings
from care_train.generation import sampling
from care_train.generation.sampling import Drawn, Sampler, choose_tokens

LOGITS = torch.tensor([0.0, 3.0, 2.9, -1.0])


def make(said: tuple[int, ...] = (), logprobs: int | None = None, **settings: Any) -> Sampler:
    return Sampler(SamplingSettings(**settings), Counter(said), logprobs)


def test_the_likeliest_is_taken_at_temperature_0() -> None:
    assert make().choose(LOGITS) == Drawn(1)
    assert choose_tokens(torch.stack([LOGITS, -LOGITS]), [make(), make()]) == [Drawn(1), Drawn(3)]


def test_what_the_prompt_said_is_punished_by_the_factor() -> None:
    assert make((1,), repetition_penalty=2.0).choose(LOGITS).token == 2
    assert make((3,), repetition_penalty=0.1).choose(torch.tensor([-0.3, -1.0, -0.5, -1.5])).token == 3
    assert LOGITS.tolist() == pytest.approx([0.0, 3.0, 2.9, -1.0])


def test_what_the_answer_said_is_punished_by_its_count() -> None:
    one = make((1,), frequency_penalty=0.06)
    assert one.choose(LOGITS).token == 1  # the prompt's words do not count
    one.note(1)
    assert one.choose(LOGITS).token == 1  # 2.94 against 2.9
    one.note(1)
    assert one.choose(LOGITS).token == 2
    once = make((2,), presence_penalty=0.2)
    once.note(1)
    assert once.choose(LOGITS).token == 2


def test_top_p_keeps_the_smallest_set_that_makes_up_the_share() -> None:
    drawn = {make(temperature=1.0, top_p=0.8, seed=seed).choose(LOGITS).token for seed in range(60)}
    assert drawn == {1, 2}
    assert {make(temperature=9.0, top_p=0.0, seed=seed).choose(LOGITS).token for seed in range(20)} == {1}
    assert {make(temperature=9.0, seed=seed).choose(LOGITS).token for seed in range(200)} == {0, 1, 2, 3}


def test_top_p_is_the_same_where_the_few_likeliest_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.linspace(0, 1, 300)
    whole = [make(temperature=1.0, top_p=0.7, seed=seed).choose(logits).token for seed in range(40)]
    monkeypatch.setattr(sampling, "FEW", 8)
    assert [make(temperature=1.0, top_p=0.7, seed=seed).choose(logits).token for seed in range(40)] == whole
    assert len(set(whole)) > 20


def test_shares_follow_the_temperature() -> None:
    dice = make(temperature=0.5, seed=7)
    counts = Counter(dice.choose(torch.tensor([0.0, math.log(3.0) / 2])).token for _ in range(4000))
    assert counts[1] / 4000 == pytest.approx(0.75, abs=0.03)


def test_logprobs_are_those_of_the_model_before_temperature_and_penalty() -> None:
    probabilities = torch.tensor([0.2, 0.5, 0.3]).log()
    drawn = make((1,), logprobs=2, repetition_penalty=9.0).choose(probabilities)
    assert drawn.token == 2
    assert drawn.logprob == pytest.approx(math.log(0.3))
    assert [(one.token, one.logprob) for one in drawn.top] == [
        (1, pytest.approx(math.log(0.5))),
        (2, pytest.approx(math.log(0.3))),
    ]
    assert make(logprobs=0).choose(probabilities) == Drawn(1, pytest.approx(math.log(0.5)), ())
