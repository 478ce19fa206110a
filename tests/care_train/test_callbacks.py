"""Logs, plots and the alarm."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from care_train import callbacks
from care_train.callbacks import ProgressLog, check_alive, draw_losses, need_plots, smooth
from care_train.errors import CareError


def state(step: int) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=10, is_world_process_zero=True)


def test_log_grows_live_and_a_resumed_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    said: list[str] = []
    log = ProgressLog(tmp_path, 100.0, said.append)
    args = SimpleNamespace(fp16=False)
    log.on_train_begin(args, state(0), None)
    for step in (1, 2, 3):
        log.on_log(
            args, state(step), None, logs={"loss": 3.0 / step, "grad_norm": 1.0, "learning_rate": 0.1, "epoch": 0.1}
        )
    log.on_log(args, state(3), None, logs={"eval_loss": 1.5})
    log.on_log(args, state(3), None, logs={"train_runtime": 1})
    lines = [json.loads(line) for line in (tmp_path / "trainer_log.jsonl").read_text().splitlines()]
    assert [(line["step"], line.get("loss"), line.get("eval_loss")) for line in lines] == [
        (1, 3.0, None),
        (2, 1.5, None),
        (3, 1.0, None),
        (3, None, 1.5),
    ]
    assert len(said) == 4
    assert said[2].startswith("step 3/10  loss 1.0000  ")
    log.on_train_begin(args, state(2), None)
    assert [json.loads(line)["step"] for line in (tmp_path / "trainer_log.jsonl").read_text().splitlines()] == [1, 2]
    log.on_train_begin(args, state(0), None)
    assert (tmp_path / "trainer_log.jsonl").read_text() == ""


def test_the_last_step_is_logged_too(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path, 1.0, print)
    for step, wanted in ((9, False), (10, True)):
        control = SimpleNamespace(should_log=False)
        log.on_step_end(None, state(step), control)
        assert control.should_log is wanted


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        ({"loss": math.nan}, "step 7: loss is nan. Lower --learning_rate"),
        ({"loss": math.inf, "grad_norm": 1.0}, "step 7: loss is inf."),
        ({"loss": 1.0, "grad_norm": 0.0}, "step 7: gradient norm is 0.0. Nothing is being learned"),
        ({"loss": 1.0, "grad_norm": math.nan}, "step 7: gradient norm is nan."),
    ],
)
def test_dead_training_stops(logs: dict[str, float], said: str) -> None:
    with pytest.raises(CareError) as caught:
        check_alive(logs, 7, mixed=False)
    assert str(caught.value).startswith(said)


def test_living_training_goes_on() -> None:
    check_alive({"loss": 0.0, "grad_norm": 1e-9}, 1, mixed=False)
    check_alive({"loss": 1.0, "grad_norm": math.nan}, 1, mixed=True)


def test_smooth_is_an_average_of_growing_weight() -> None:
    assert smooth([2.0]) == [2.0]
    weight = 1.8 * (1 / (1 + math.exp(-0.1)) - 0.5)
    assert smooth([1.0, 0.0]) == pytest.approx([1.0, weight])


def test_plots_are_drawn_and_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "eval_loss": 2.5},
        {"step": 3, "loss": 2.0},
        {"train_runtime": 1.0},
    ]
    drawn = draw_losses(history, tmp_path)
    assert [path.name for path in drawn] == [
        "training_loss.png",
        "training_loss.svg",
        "training_eval_loss.png",
        "training_eval_loss.svg",
    ]
    first = [path.read_bytes() for path in drawn]
    assert first[0].startswith(b"\x89PNG")
    assert b"<svg" in first[1]
    assert [path.read_bytes() for path in draw_losses(history, tmp_path)] == first
    assert draw_losses([], tmp_path) == []


def test_missing_matplotlib_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "find_spec", lambda name: None)
    with pytest.raises(CareError, match=r"--plot_loss needs matplotlib. pip install 'care-llm\[plots\]'"):
        need_plots()
