"""What a person sees of a training while it runs: lines or a bar, trainer_log.jsonl as it grows."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from care_train.bars import Bar, Pace, describe_pace

LOGGED = ("loss", "eval_loss", "grad_norm", "learning_rate", "epoch")
TOLD = ("rewards/", "logps/", "eval_rewards/", "eval_logps/")
"""Beginnings of the names that runs on preferences log."""


class ProgressLog(TrainerCallback):
    """Says or shows, and writes, each log of the Trainer.

    tokens: of one epoch, padding not counted. A line of the log has `tokens` read since the first step of all,
    `tokens_per_second` since this start, and `memory`, the most this process has held so far, in bytes.
    """

    def __init__(self, folder: Path, tokens: int, say: Callable[[str], None], bar: Bar | None = None) -> None:
        self.path, self.tokens, self.say, self.bar = folder / "trainer_log.jsonl", tokens, say, bar or Bar()
        self.start, self.first, self.first_epoch = time.monotonic(), 0, 0.0
        self.loss: float | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep what an earlier run logged up to the step it is resumed from."""
        self.start, self.first, self.first_epoch = time.monotonic(), state.global_step, float(state.epoch or 0)
        if not state.is_world_process_zero:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.first]
        self.path.write_text("".join(kept) if self.first else "", encoding="utf-8")
        self.bar.move(self._measure(state))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar; log the last step too, where logging_steps would pass over it."""
        control.should_log = control.should_log or state.global_step >= state.max_steps
        self.bar.move(self._measure(state))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        logs = logs or {}
        if "loss" in logs:
            self.loss = float(logs["loss"])
        if not state.is_world_process_zero or not {"loss", "eval_loss"} & logs.keys():
            return
        pace = self._measure(state)
        line: dict[str, Any] = {
            "step": state.global_step,
            "total_steps": state.max_steps,
            **{name: value for name, value in logs.items() if name in LOGGED or name.startswith(TOLD)},
            "seconds": round(time.monotonic() - self.start, 2),
            "seconds_left": round(pace.left, 2),
            "tokens": round(self.tokens * float(state.epoch or 0)),
            "tokens_per_second": round(pace.tokens, 1),
            "memory": pace.memory,
        }
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        step = f"step {state.global_step}/{state.max_steps}"
        if "eval_loss" in logs:
            self.say(f"{step}  eval_loss {float(logs['eval_loss']):.4f}")
        elif not self.bar.shown:
            self.say(f"{step}  {describe_pace(pace)}")
        self.bar.move(pace)

    def _measure(self, state: Any) -> Pace:
        seconds = max(time.monotonic() - self.start, 1e-9)
        left = seconds / max(state.global_step - self.first, 1) * (state.max_steps - state.global_step)
        read = self.tokens * (float(state.epoch or 0) - self.first_epoch)
        return Pace(state.global_step, state.max_steps, self.loss, read / seconds, left, measure_memory())


def measure_memory() -> int:
    """The most this process has held so far, in bytes: of the GPU where it has one, else of memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
