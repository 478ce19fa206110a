"""How likely a model is to write each of several answers: the sum of the logarithms over their tokens.

Answers to one prompt are a tree that shares its beginnings, so each token is asked for once; prompts of like length go
through the model together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from care_train.generation.batches import Batch, takes_company


class Task(NamedTuple):
    """A prompt and the answers to weigh, as token ids; no answer is empty."""

    prompt: list[int]
    answers: list[list[int]]


@dataclass(frozen=True, eq=False)
class _Unit:
    """Some answers of a task. places: where their sums go; width: the most rows that the tree needs at once."""

    task: int
    prompt: list[int]
    answers: list[tuple[int, ...]]
    places: list[int]

    @property
    def width(self) -> int:
        longest = max(map(len, self.answers))
        depths = [{one[:depth] for one in self.answers if len(one) > depth} for depth in range(1, longest)]
        return max([1, *map(len, depths)])


class _Row(NamedTuple):
    unit: _Unit
    said: tuple[int, ...]


def weigh_answers(
    model: Any, tasks: list[Task], batch_size: int, tick: Callable[[int, int], None] = lambda done, tokens: None
) -> list[list[float]]:
    """ln p of each answer of each task given its prompt.

    batch_size: rows at a time. tick: called with how many tasks and tokens of prompts were dealt with.
    """
    company = takes_company(model)
    sums = [[0.0] * len(task.answers) for task in tasks]
    units = list(_cut(tasks, batch_size if company else 1))
    units.sort(key=lambda unit: (len(unit.prompt), unit.task, unit.places))
    left = [len(task.answers) for task in tasks]
    for group in _group(units, batch_size if company else 1):
        _weigh(model, group, sums)
        for unit in group:
            left[unit.task] -= len(unit.answers)
            tick(left[unit.task] == 0, len(unit.prompt))
    return sums


def _cut(tasks: list[Task], most: int) -> Iterator[_Unit]:
    """The tasks' answers, those with equal beginnings together, at most so many at a time that the rows suffice.

    Answers of one token need no row but the prompt's, so they are never cut.
    """
    for number, (prompt, answers) in enumerate(tasks):
        order = sorted(range(len(answers)), key=lambda place: answers[place])
        short = [place for place in order if len(answers[place]) == 1]
        long = [place for place in order if len(answers[place]) > 1]
        parts = [long[at : at + most] for at in range(0, len(long), most)] or [[]]
        parts[0] = short + parts[0]
        for part in parts:
            yield _Unit(number, prompt, [tuple(answers[place]) for place in part], part)


def _group(units: list[_Unit], most: int) -> Iterator[list[_Unit]]:
    """Units in their order, as many at a time as have rows enough."""
    group: list[_Unit] = []
    rows = 0
    for unit in units:
        if group and rows + unit.width > most:
            yield group
            group, rows = [], 0
        group.append(unit)
        rows += unit.width
    if group:
        yield group


def _weigh(model: Any, units: list[_Unit], sums: list[list[float]]) -> None:
    """Add ln p of every token of the units' answers to its answer's sum, one token deeper at a time."""
    batch = Batch(model)
    rows = [_Row(unit, ()) for unit in units]
    logits = batch.admit([list(unit.prompt) for unit in units])
    while rows:
        logs = logits.float().log_softmax(-1)
        wanted = [(place, row.unit, which) for place, row in enumerate(rows) for which in _find_answers(row)]
        depth = len(rows[0].said)
        picked = logs[
            torch.tensor([place for place, _, _ in wanted], device=logs.device),
            torch.tensor([unit.answers[which][depth] for _, unit, which in wanted], device=logs.device),
        ]
        for (_, unit, which), value in zip(wanted, picked.tolist(), strict=True):
            sums[unit.task][unit.places[which]] += value
        deeper = {
            _Row(unit, unit.answers[which][: depth + 1]): place
            for place, unit, which in wanted
            if len(unit.answers[which]) > depth + 1
        }
        rows = list(deeper)
        if rows:
            batch.keep(list(deeper.values()))
            logits = batch.step([row.said[-1] for row in rows])


def _find_answers(row: _Row) -> list[int]:
    """Which answers of the unit begin as the row does and go on."""
    depth = len(row.said)
    return [which for which, one in enumerate(row.unit.answers) if len(one) > depth and one[:depth] == row.said]
