"""Batches of like lengths, of lengths that are told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from care_train.packing import pack
from care_train.sequences import Examples, Pairs
from care_train.trainers import LengthTrainer

LENGTHS = np.random.default_rng(0).permutation(np.arange(1, 65))


class Unread(Examples):
    """Examples of which no token may be read."""

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        raise AssertionError("read to know its length")


def build(kind: type[Examples] = Unread) -> Examples:
    ends = np.cumsum([0, *LENGTHS])
    return kind(np.zeros(ends[-1], np.int32), np.ones(ends[-1], bool), ends)


def make_trainer(data: Any, folder: Path, strategy: str) -> LengthTrainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        report_to="none",
        per_device_train_batch_size=4,
        train_sampling_strategy=strategy,
    )
    return LengthTrainer(model=torch.nn.Linear(1, 1), args=arguments, train_dataset=data, eval_dataset=data)


def spread(order: list[int]) -> float:
    """How many tokens a batch of four pads on average."""
    batches = LENGTHS[order].reshape(-1, 4)
    return float((batches.max(1, keepdims=True) - batches).sum(1).mean())


def test_batches_are_of_like_lengths_and_no_example_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    grouped = list(make_trainer(build(), tmp_path, "group_by_length")._get_train_sampler())
    random = list(make_trainer(build(), tmp_path, "random")._get_train_sampler())
    assert sorted(grouped) == sorted(random) == list(range(64))
    assert LENGTHS[grouped[0]] == 64  # the longest first: what does not fit is known at once
    assert spread(grouped) < 25 < 60 < spread(random)


def test_evaluation_too(tmp_path: Path) -> None:
    order = list(make_trainer(build(), tmp_path, "group_by_length")._get_eval_sampler(build()))
    assert sorted(order) == list(range(64))


@pytest.mark.parametrize("strategy", ["group_by_length", "batch_rebalance", "sequential"])
def test_pairs_and_rows_have_lengths(tmp_path: Path, strategy: str) -> None:
    examples = build()
    pairs = Pairs(examples, examples.take(np.arange(64)[::-1]))
    assert pairs.lengths.tolist() == [max(one, two) for one, two in zip(LENGTHS, LENGTHS[::-1], strict=True)]
    packed = pack(examples, 64)
    assert (len(packed), int(packed.lengths.sum())) == (33, 64 * 65 // 2)
    for data in (pairs, packed):
        sampler = make_trainer(data, tmp_path, strategy)._get_train_sampler()
        assert len(list(sampler)) > 0
