"""Pictures of a training."""

import math
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from care_train import plots
from care_train.errors import CareError
from care_train.plots import draw_losses, need_plots, smooth

HISTORY: list[dict[str, Any]] = [
    {"step": 1, "loss": 3.0},
    {"step": 2, "eval_loss": 2.5},
    {"step": 3, "loss": 2.0},
    {"train_runtime": 1.0},
]
PREFERENCES: list[dict[str, Any]] = [
    {"step": 1, "loss": 0.7, "rewards/margins": 0.0, "rewards/accuracies": 0.5},
    {"step": 2, "loss": 0.6, "rewards/margins": 0.2, "rewards/accuracies": 0.75},
    {"step": 2, "eval_loss": 0.65, "eval_rewards/margins": 0.1, "eval_rewards/accuracies": 0.6},
]


def test_smooth_is_an_average_of_growing_weight() -> None:
    assert smooth([2.0]) == [2.0]
    weight = 1.8 * (1 / (1 + math.exp(-0.1)) - 0.5)
    assert smooth([1.0, 0.0]) == pytest.approx([1.0, weight])


def test_plots_are_drawn_and_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = draw_losses(HISTORY, tmp_path)
    assert [path.name for path in drawn] == [
        "training_loss.png",
        "training_loss.svg",
        "training_eval_loss.png",
        "training_eval_loss.svg",
    ]
    first = [path.read_bytes() for path in drawn]
    assert first[0].startswith(b"\x89PNG")
    assert b"<svg" in first[1]
    assert [path.read_bytes() for path in draw_losses(HISTORY, tmp_path)] == first
    assert draw_losses([], tmp_path) == []


def read_axes(monkeypatch: pytest.MonkeyPatch, history: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """What each part of training_loss shows: its labels, and the values of its curves by name."""
    figure = pytest.importorskip("matplotlib.figure")
    seen: list[Any] = []
    save = figure.Figure.savefig

    def keep(self: Any, path: Path, **kwargs: Any) -> None:
        save(self, path, **kwargs)
        if path.name == "training_loss.png":
            seen.append(self)

    monkeypatch.setattr(figure.Figure, "savefig", keep)
    draw_losses(history, folder)
    return [
        {
            "labels": (axes.get_xlabel(), axes.get_ylabel()),
            "curves": {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in axes.lines},
        }
        for axes in seen[0].axes
    ]


def test_evaluation_is_in_the_same_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (loss,) = read_axes(monkeypatch, HISTORY, tmp_path)
    assert loss["labels"] == ("step", "loss")
    assert loss["curves"]["raw"] == [(1, 3.0), (3, 2.0)]
    assert loss["curves"]["evaluation"] == [(2, 2.5)]
    assert list(loss["curves"]) == ["raw", "smoothed", "evaluation"]


def test_preferences_show_margins_and_accuracies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loss, margins, order = read_axes(monkeypatch, PREFERENCES, tmp_path)
    assert [part["labels"] for part in (loss, margins, order)] == [
        ("", "loss"),
        ("", "reward margin"),
        ("step", "reward accuracy"),
    ]
    assert margins["curves"]["raw"] == [(1, 0.0), (2, 0.2)]
    assert margins["curves"]["evaluation"] == [(2, 0.1)]
    assert order["curves"]["raw"] == [(1, 0.5), (2, 0.75)]
    assert order["curves"]["evaluation"] == [(2, 0.6)]


def test_labels_need_no_font_of_the_machine(tmp_path: Path) -> None:
    """Whatever font a person has set, letters are outlines of the font that comes along, and none is missing."""
    matplotlib = pytest.importorskip("matplotlib")
    plain = [path.read_bytes() for path in draw_losses(PREFERENCES, tmp_path)]
    with matplotlib.rc_context({"font.family": "No Such Font", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw_losses(PREFERENCES, tmp_path)
        assert matplotlib.rcParams["svg.fonttype"] == "none"
    assert [path.read_bytes() for path in drawn] == plain
    svg = (tmp_path / "training_loss.svg").read_text(encoding="utf-8")
    assert "<text" not in svg
    assert set(re.findall(r"<!-- (.*?) -->", svg)) >= {"training loss", "reward margin", "reward accuracy", "step"}


def test_missing_matplotlib_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    with pytest.raises(CareError, match=r"--plot_loss needs matplotlib. pip install 'care-llm\[plots\]'"):
        need_plots()
