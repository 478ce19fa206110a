"""A Trainer of pairs: one loss for two answers, and what it says of both between two logs."""

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from care_train.trainers import LengthTrainer


class PairTrainer(LengthTrainer):
    """The Trainer whose batches hold better answers first, then the worse ones; `lose` is a stage's own.

    A loss is a mean over pairs, so that of accumulated batches is the mean of theirs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False
        self._told: dict[bool, defaultdict[str, list[tuple[float, int]]]] = {
            True: defaultdict(list),
            False: defaultdict(list),
        }

    def lose(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch, a scalar, and what is to be logged of it."""
        raise NotImplementedError

    def compute_loss(self, model: nn.Module, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        loss, told = self.lose(model, inputs)
        for name, value in told.items():
            self._told[model.training][name].append((value, len(inputs["input_ids"])))
        return (loss, {}) if return_outputs else loss

    def prediction_step(
        self, model: nn.Module, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        with torch.no_grad(), self.compute_loss_context_manager():
            loss = self.compute_loss(model, self._prepare_inputs(inputs))
        return loss.detach(), None, None

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """With the means of what was told since the last log, of all processes, over pairs."""
        training = "loss" in logs
        told, before = self._told[training], "" if training else "eval_"
        if training or "eval_loss" in logs:
            logs = {**logs, **{f"{before}{name}": self._average(seen) for name, seen in told.items()}}
            told.clear()
        super().log(logs, *args, **kwargs)

    def _average(self, seen: list[tuple[float, int]]) -> float:
        """The mean of the values of batches, each with its rows."""
        sums = torch.tensor([[value * rows, rows] for value, rows in seen], device=self.args.device).sum(dim=0)
        total, rows = self.accelerator.reduce(sums).tolist()
        return round(total / rows, 6)
