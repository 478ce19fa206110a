"""Likelihoods of answers against plain forward passes, one answer at a time."""

import random

import pytest
import torch

from care_train.config import ModelSettings
from care_train.evaluation.likelihood import Task, weigh_answers
from care_train.models import load_model


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(ModelSettings(model_name_or_path=str(tiny))).eval()


def weigh_alone(model, prompt: list[int], answer: list[int]) -> float:
    """The definition: ln p of every token of the answer, from one pass over prompt and answer."""
    with torch.inference_mode():
        logs = model(input_ids=torch.tensor([[*prompt, *answer]]), use_cache=False).logits[0].log_softmax(-1)
    return sum(float(logs[len(prompt) + at - 1, token]) for at, token in enumerate(answer))


def test_every_answer_has_the_sum_of_its_tokens(model):
    dice = random.Random(5)
    draw = lambda least, most: [dice.randrange(300) for _ in range(dice.randint(least, most))]  # noqa: E731
    tasks = [Task(draw(3, 90), [draw(1, 5) for _ in range(dice.randint(1, 7))]) for _ in range(9)]
    tasks.append(Task(draw(20, 20), [[1, 2], [1, 2, 3], [1], [1, 2, 4], [1, 2, 3]]))  # beginnings of one another
    expected = [[weigh_alone(model, prompt, one) for one in answers] for prompt, answers in tasks]
    ticks: list[tuple[int, int]] = []
    for batch_size in (1, 3, 16):
        ticks.clear()
        found = weigh_answers(model, tasks, batch_size, lambda done, tokens: ticks.append((done, tokens)))
        for mine, theirs in zip(found, expected, strict=True):
            assert mine == pytest.approx(theirs, abs=2e-4)
        assert sum(done for done, _ in ticks) == len(tasks)


def test_no_more_rows_than_asked_for(model, monkeypatch):
    from care_train.generation.batches import Batch

    rows: list[int] = []
    step = Batch.step
    monkeypatch.setattr(Batch, "step", lambda self, tokens: rows.append(len(tokens)) or step(self, tokens))
    answers = [[one, two, 9] for one in range(1, 7) for two in range(1, 7)]
    weigh_answers(model, [Task([1, 5, 6], answers), Task([1, 5], answers)], 8)
    assert len(rows) >= 9
    assert max(rows) <= 8


def test_the_same_twice(model):
    tasks = [Task([1, 5, 6, number], [[2], [3, 4]]) for number in range(7)]
    assert weigh_answers(model, tasks, 4) == weigh_answers(model, tasks, 4)
