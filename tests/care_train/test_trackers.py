"""Trackers: named, missing, opened and closed; those that are installed with a training of some steps, offline."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from care_train import trackers
from care_train.errors import CareError, Exit
from care_train.trackers import choose_trackers, end_trackers, start_trackers


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes only these libraries seem installed."""

    def install(*names: str) -> None:
        monkeypatch.setattr(trackers, "find_spec", lambda name: name if name in names else None)

    return install


def test_names_become_a_list(installed: Callable[..., None]) -> None:
    installed("tensorboardX", "wandb", "swanlab")
    assert choose_trackers("none") == []
    assert choose_trackers("tensorboard, wandb,wandb,swanlab") == ["tensorboard", "wandb", "swanlab"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "swanlab", "comet_ml"])
def test_a_missing_library_is_said_before_anything_is_loaded(installed: Callable[..., None], name: str) -> None:
    installed()
    with pytest.raises(CareError) as caught:
        choose_trackers(name)
    assert str(caught.value) == (
        f"--report_to {name} needs {name}, which is not installed. "
        f"pip install {name}, or leave it out: trainer_log.jsonl is always written."
    )
    assert caught.value.code == Exit.DATA


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(CareError, match=r"--report_to swanlabs is unknown. Did you mean swanlab\?") as caught:
        choose_trackers("swanlabs")
    assert caught.value.code == Exit.USAGE


def test_one_that_cannot_start_says_how_to_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**given: Any) -> None:
        raise RuntimeError("No API key.\nmore")

    module = ModuleType("wandb")
    module.init, module.Settings = refuse, SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    with pytest.raises(CareError) as caught:
        start_trackers(["tensorboard", "wandb"], tmp_path)
    said = "wandb cannot start: No API key. Log in with `wandb login`, or set WANDB_MODE=offline."
    assert (str(caught.value), caught.value.code) == (said, 5)


def test_they_write_into_the_folder_and_are_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.setenv("SWANLAB_PROJECT", "mine")
    done: list[Any] = []
    for name in ("wandb", "swanlab"):
        module = ModuleType(name)
        module.init = lambda name=name, **given: done.append(given)  # type: ignore[attr-defined]
        module.finish = lambda name=name: done.append(name)  # type: ignore[attr-defined]
        module.Settings = dict  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    start_trackers(["wandb", "swanlab"], tmp_path)
    end_trackers(["tensorboard", "wandb", "swanlab"])
    wandb, swanlab, *closed = done
    assert (wandb["project"], wandb["dir"], wandb["settings"]) == ("care-train", str(tmp_path), {"console": "off"})
    assert (swanlab["project"], swanlab["log_dir"]) == ("mine", str(tmp_path / "swanlog"))
    assert closed == ["wandb", "swanlab"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("tensorboard", "runs/*/events.*"), ("wandb", "wandb/offline-run-*/run-*.wandb"), ("swanlab", "swanlog/run-*/*")],
)
def test_a_training_reports_to_it(
    name: str, kept: str, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip(name)
    monkeypatch.setenv(f"{name.upper()}_MODE", "offline")
    from care_train.stages.sft import train

    output = tmp_path / "output"
    train(make_settings(output, "max_steps=2", f"report_to={name}"), lambda line: None)
    (found,) = list(output.glob(kept))[:1]
    until = time.monotonic() + 20  # wandb's own process writes the last of it
    while found.stat().st_size <= 100 and time.monotonic() < until:
        time.sleep(0.1)
    assert found.stat().st_size > 100
    if name == "wandb":
        assert library.run is None
