"""Lines and the log."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from care_train.bars import Bar, Pace
from care_train.callbacks import ProgressLog, measure_memory

ARGS = SimpleNamespace(fp16=False)


def state(step: int, first: bool = True) -> SimpleNamespace:
    """A run of ten steps, two epochs."""
    return SimpleNamespace(global_step=step, max_steps=10, epoch=step / 5, is_world_process_zero=first)


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trainer_log.jsonl").read_text().splitlines()]


class Shown(Bar):
    """A bar that is there and keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Pace] = []

    @property
    def shown(self) -> bool:
        return True

    def move(self, pace: Pace) -> None:
        self.moves.append(pace)


def test_log_grows_live_and_a_resumed_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    said: list[str] = []
    log = ProgressLog(tmp_path, 1000, said.append)
    log.on_train_begin(ARGS, state(0), None)
    for step in (1, 2, 3):
        log.on_log(ARGS, state(step), None, logs={"loss": 3.0 / step, "grad_norm": 1.0, "learning_rate": 0.1})
    log.on_log(ARGS, state(3), None, logs={"eval_loss": 1.5})
    log.on_log(ARGS, state(3), None, logs={"train_runtime": 1})
    lines = read(tmp_path)
    assert [(line["step"], line.get("loss"), line.get("eval_loss")) for line in lines] == [
        (1, 3.0, None),
        (2, 1.5, None),
        (3, 1.0, None),
        (3, None, 1.5),
    ]
    assert len(said) == 4
    assert said[2].startswith("step 3/10  loss 1.0000  ")
    log.on_train_begin(ARGS, state(2), None)
    assert [line["step"] for line in read(tmp_path)] == [1, 2]
    log.on_train_begin(ARGS, state(0), None)
    assert (tmp_path / "trainer_log.jsonl").read_text() == ""


def test_the_last_step_is_logged_too(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path, 1, print)
    for step, wanted in ((9, False), (10, True)):
        control = SimpleNamespace(should_log=False)
        log.on_step_end(None, state(step), control)
        assert control.should_log is wanted


def test_tokens_memory_and_rewards_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, *[108.0] * 4])
    monkeypatch.setattr("care_train.callbacks.time.monotonic", lambda: next(clock))
    log = ProgressLog(tmp_path, 1000, lambda line: None)
    log.on_train_begin(ARGS, state(1), None)
    logs = {"loss": 0.7, "rewards/margins": 0.25, "logps/chosen": -9.0, "total_flos": 3.0}
    log.on_log(ARGS, state(5), None, logs=logs)
    (line,) = read(tmp_path)
    assert line.pop("memory") == pytest.approx(measure_memory(), rel=0.1)
    assert line == {
        "step": 5,
        "total_steps": 10,
        "loss": 0.7,
        "rewards/margins": 0.25,
        "logps/chosen": -9.0,
        "seconds": 8.0,
        "seconds_left": 10.0,
        "tokens": 1000,
        "tokens_per_second": 100.0,
    }


def test_memory_is_what_the_process_held_at_most() -> None:
    status = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    assert measure_memory() == pytest.approx(kilobytes * 1024, rel=0.05)


def test_a_bar_takes_the_place_of_lines_but_of_evaluations(tmp_path: Path) -> None:
    said: list[str] = []
    bar = Shown()
    log = ProgressLog(tmp_path, 1000, said.append, bar)
    log.on_train_begin(ARGS, state(0), None)
    log.on_step_end(ARGS, state(1), SimpleNamespace(should_log=False))
    log.on_log(ARGS, state(1), None, logs={"loss": 2.0, "grad_norm": 1.0})
    log.on_log(ARGS, state(1), None, logs={"eval_loss": 1.5})
    log.on_step_end(ARGS, state(2), SimpleNamespace(should_log=False))
    assert said == ["step 1/10  eval_loss 1.5000"]
    assert [(move.step, move.loss) for move in bar.moves] == [(0, None), (1, None), (1, 2.0), (1, 2.0), (2, 2.0)]
    assert [line["step"] for line in read(tmp_path)] == [1, 1]


def test_only_one_of_several_processes_writes(tmp_path: Path) -> None:
    said: list[str] = []
    log = ProgressLog(tmp_path, 1000, said.append)
    log.on_train_begin(ARGS, state(0, first=False), None)
    log.on_log(ARGS, state(1, first=False), None, logs={"loss": 2.0, "grad_norm": 1.0})
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_a_training_leaves_its_tokens_and_memory_in_the_log(trained: tuple[Path, Any, list[str]]) -> None:
    folder, result, said = trained
    lines = read(folder)
    assert [line["step"] for line in lines] == list(range(1, 13))
    wanted = [result.tokens * step / 12 for step in range(1, 13)]
    assert [line["tokens"] for line in lines] == pytest.approx(wanted, abs=1)
    assert all(0 < line["tokens_per_second"] < 1e6 and 2**26 < line["memory"] < 2**36 for line in lines)
    assert sum(" tokens/s  " in line for line in said) == 12
