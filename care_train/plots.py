"""The course of a training as pictures."""

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from care_train.errors import CareError

RAW, SMOOTH, EVALUATED = "#9db4d3", "#1f4e8c", "#c8621b"
STYLE = {"font.family": "DejaVu Sans", "svg.hashsalt": "care", "svg.fonttype": "path"}
"""The font that matplotlib brings, drawn as outlines in SVG: it looks the same whatever fonts a machine has."""
PANELS = {"loss": "loss", "rewards/margins": "reward margin", "rewards/accuracies": "reward accuracy"}
"""What is drawn of a log, below each other, and how it is called."""

Log = list[dict[str, Any]]


def need_plots() -> None:
    """Raise before training rather than after it where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise CareError("--plot_loss needs matplotlib", fix="pip install 'care-llm[plots]', or leave --plot_loss out.")


def draw_losses(history: Log, folder: Path) -> list[Path]:
    """training_loss.png and .svg: the loss raw and smoothed, the evaluation's too, and of a run on preferences how far
    and how often the better answers are ahead; training_eval_loss.* besides, where there was evaluation.

    history: the Trainer's log. Gives the paths drawn. Labels are English, so that no Chinese font is needed.
    """
    drawn = []
    panels = [name for name in PANELS if _collect(history, name)]
    if panels:
        drawn += _draw(history, panels, folder / "training_loss")
    if _collect(history, "eval_loss"):
        drawn += _draw(history, ["eval_loss"], folder / "training_eval_loss")
    return drawn


def _draw(history: Log, panels: list[str], path: Path) -> list[Path]:
    """A picture of these values of the log, one below the other, as PNG and as SVG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        figure = Figure(figsize=(7, 1.6 + 2.4 * len(panels)), layout="constrained")
        FigureCanvasAgg(figure)
        for row, name in enumerate(panels):
            axes = figure.add_subplot(len(panels), 1, row + 1)
            label = PANELS.get(name, name.replace("_", " "))
            _plot(axes, history, name)
            axes.set(ylabel=label, xlabel="step" if row == len(panels) - 1 else "")
            if not row:
                axes.set_title(f"training {label}")
            axes.locator_params(axis="x", integer=True)
            axes.grid(alpha=0.3)
            axes.legend()
        drawn = []
        for suffix, meta in ((".png", {"Software": None}), (".svg", {"Date": None})):
            drawn.append(path.with_name(path.name + suffix))
            figure.savefig(drawn[-1], dpi=150, metadata=meta)
    return drawn


def _plot(axes: Any, history: Log, name: str) -> None:
    steps, values = zip(*_collect(history, name), strict=True)
    axes.plot(steps, values, color=RAW, label="raw", marker="." if len(steps) < 30 else "")
    axes.plot(steps, smooth(list(values)), color=SMOOTH, label="smoothed")
    evaluated = _collect(history, f"eval_{name}")
    if evaluated:
        axes.plot(*zip(*evaluated, strict=True), color=EVALUATED, label="evaluation", marker="o", markersize=4)


def _collect(history: Log, name: str) -> list[tuple[int, float]]:
    """(step, value) of each entry of the log that has it."""
    return [(entry["step"], float(entry[name])) for entry in history if name in entry]


def smooth(values: list[float]) -> list[float]:
    """Exponential moving average whose weight grows with the number of values, as the 2023 trainer drew it."""
    weight = 1.8 * (1 / (1 + math.exp(-0.05 * len(values))) - 0.5)
    out = values[:1]
    for value in values[1:]:
        out.append(out[-1] * weight + value * (1 - weight))
    return out
