"""What a Trainer of pairs logs: means over pairs since the last log, evaluation apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_train.collators import make_pair_padder
from care_train.pairwise import PairTrainer
from care_train.sequences import Examples, Pairs


class Toy(nn.Module):
    """A weight; a pair's loss is it times the first token of the better answer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.weight * input_ids[:, 0].float()


class ToyTrainer(PairTrainer):
    def lose(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        better = model(batch["input_ids"]).chunk(2)[0]
        return better.mean(), {"first": float(batch["input_ids"][:, 0].chunk(2)[0].float().mean())}


def make_pairs(*firsts: int) -> Pairs:
    ids = np.array([token for first in firsts for token in (first, 0)], np.int32)
    both = Examples(ids, np.ones(len(ids), bool), np.arange(0, len(ids) + 1))
    return Pairs(both.take(np.arange(0, len(ids), 2)), both.take(np.arange(1, len(ids), 2)))


def run(folder: Path, training: Pairs, evaluation: Pairs | None = None, **words: Any) -> list[dict[str, Any]]:
    from transformers import TrainingArguments

    settings = {
        "per_device_train_batch_size": 1,
        "per_device_eval_batch_size": 2,
        "learning_rate": 0.0,
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "logging_steps": 2,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "remove_unused_columns": False,
    }
    trainer = ToyTrainer(
        model=Toy(),
        args=TrainingArguments(output_dir=str(folder), **{**settings, **words}),
        train_dataset=training,
        eval_dataset=evaluation,
        data_collator=make_pair_padder(0),
    )
    trainer.train()
    return trainer.state.log_history


def test_what_is_told_is_the_mean_since_the_last_log(tmp_path: Path) -> None:
    history = run(tmp_path, make_pairs(1, 3, 5, 9))
    assert [line["first"] for line in history if "loss" in line] == [2.0, 7.0]
    assert [line["loss"] for line in history if "loss" in line] == [2.0, 7.0]


def test_evaluation_is_a_mean_over_pairs_and_apart_from_training(tmp_path: Path) -> None:
    """Batches of two and of one: a mean over batches would say 6.5."""
    history = run(tmp_path, make_pairs(1, 3, 5, 9), make_pairs(2, 4, 10), eval_strategy="epoch")
    (told,) = [line for line in history if "eval_loss" in line]
    assert told["eval_first"] == pytest.approx(16 / 3, abs=1e-6)
    assert told["eval_loss"] == pytest.approx(16 / 3, abs=1e-6)
    assert "first" not in told
    assert [line["first"] for line in history if "loss" in line] == [2.0, 7.0]


def test_accumulated_batches_weigh_alike(tmp_path: Path) -> None:
    parts = run(tmp_path / "a", make_pairs(1, 3, 5, 9), gradient_accumulation_steps=4, logging_steps=1)
    whole = run(tmp_path / "b", make_pairs(1, 3, 5, 9), per_device_train_batch_size=4, logging_steps=1)
    for name in ("loss", "grad_norm", "first"):
        assert parts[0][name] == whole[0][name] == 4.5
