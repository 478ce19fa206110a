"""What a person sees of a training: progress lines, trainer_log.jsonl as it grows, loss plots, an alarm."""

import json
import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from care_train.errors import CareError

LOGGED = ("loss", "eval_loss", "grad_norm", "learning_rate", "epoch")


class ProgressLog(TrainerCallback):
    """Says and writes each log of the Trainer; raises where training has gone dead.

    tokens: real tokens (padding not counted) that one step takes on average.
    """

    def __init__(self, folder: Path, tokens: float, say: Callable[[str], None]) -> None:
        self.path, self.tokens, self.say = folder / "trainer_log.jsonl", tokens, say
        self.start, self.first = time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep what an earlier run logged up to the step it is resumed from."""
        self.start, self.first = time.monotonic(), state.global_step
        if not state.is_world_process_zero:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.first]
        self.path.write_text("".join(kept) if self.first else "", encoding="utf-8")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the last step too, where logging_steps would pass over it."""
        control.should_log = control.should_log or state.global_step >= state.max_steps

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        logs = logs or {}
        if "loss" in logs:
            check_alive(logs, state.global_step, mixed=args.fp16)
        if not state.is_world_process_zero or not {"loss", "eval_loss"} & logs.keys():
            return
        seconds = time.monotonic() - self.start
        done = max(state.global_step - self.first, 1)
        left = seconds / done * (state.max_steps - state.global_step)
        line: dict[str, Any] = {
            "step": state.global_step,
            "total_steps": state.max_steps,
            **{name: logs[name] for name in LOGGED if name in logs},
            "seconds": round(seconds, 2),
            "seconds_left": round(left, 2),
        }
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        name = "loss" if "loss" in logs else "eval_loss"
        self.say(
            f"step {state.global_step}/{state.max_steps}  {name} {float(logs[name]):.4f}  "
            f"{self.tokens * done / max(seconds, 1e-9):,.0f} tokens/s  {left:.0f} s left"
        )


def check_alive(logs: dict[str, Any], step: int, *, mixed: bool) -> None:
    """Raise for a loss that is no number, or gradients of zero; in fp16 the scaler may skip early steps."""
    loss, norm = float(logs["loss"]), float(logs.get("grad_norm", 1.0))
    if not math.isfinite(loss):
        raise CareError(f"loss is {loss}", where=f"step {step}", fix="Lower --learning_rate, or train in --bf16.")
    if norm == 0.0 or (math.isnan(norm) and not mixed):
        fix = "Nothing is being learned: check --lora_target and the precision flags."
        raise CareError(f"gradient norm is {norm}", where=f"step {step}", fix=fix)


def need_plots() -> None:
    """Raise before training rather than after it where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise CareError("--plot_loss needs matplotlib", fix="pip install 'care-llm[plots]', or leave --plot_loss out.")


def draw_losses(history: list[dict[str, Any]], folder: Path) -> list[Path]:
    """training_loss.png and .svg, and training_eval_loss.* where there was evaluation: raw and smoothed curves.

    history: the Trainer's log. Gives the paths drawn. Labels are English, so that no Chinese font is needed.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "care"
    from matplotlib.figure import Figure

    drawn = []
    for name in ("loss", "eval_loss"):
        points = [(entry["step"], float(entry[name])) for entry in history if name in entry]
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(steps, values, color="#9db4d3", label="raw", marker="." if len(steps) < 30 else "")
        axes.plot(steps, smooth(list(values)), color="#1f4e8c", label="smoothed")
        axes.set(xlabel="step", ylabel=name.replace("_", " "), title=f"training {name.replace('_', ' ')}")
        axes.grid(alpha=0.3)
        axes.legend()
        for suffix, meta in ((".png", {"Software": None}), (".svg", {"Date": None})):
            path = folder / f"training_{name}{suffix}"
            figure.savefig(path, dpi=150, metadata=meta)
            drawn.append(path)
    return drawn


def smooth(values: list[float]) -> list[float]:
    """Exponential moving average whose weight grows with the number of values, as the 2023 trainer drew it."""
    weight = 1.8 * (1 / (1 + math.exp(-0.05 * len(values))) - 0.5)
    out = values[:1]
    for value in values[1:]:
        out.append(out[-1] * weight + value * (1 - weight))
    return out
