"""Trackers that a run also reports to, by the Trainer's own names for them."""

import os
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from care_train.config import usage
from care_train.errors import CareError, Exit

LIBRARIES = {
    "azure_ml": ("azureml",),
    "comet_ml": ("comet_ml",),
    "flyte": ("flytekit",),
    "kubeflow": ("kubeflow",),
    "tensorboard": ("tensorboard", "tensorboardX"),
}
"""What each needs, any one of these; what is not named needs the library of its own name."""
PROJECT = "care-train"


def choose_trackers(report_to: str) -> list[str]:
    """The trackers of "a,b", in that order; none for `none`, every installed one for `all`.

    Raises before anything is loaded: exit 2 for a name unknown, 1 for a library that is not installed.
    """
    from transformers.integrations import integration_utils as integrations

    known = integrations.INTEGRATION_TO_CALLBACK
    asked = list(dict.fromkeys(name.strip() for name in report_to.split(",") if name.strip()))
    if asked == ["all"]:
        asked = sorted(integrations.get_available_reporting_integrations())
    if asked == ["none"]:
        asked = []
    for name in asked:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise usage(f"--report_to {name} is unknown", f"{hint}There are: {', '.join(known)}.")
        libraries = LIBRARIES.get(name, (name,))
        if not any(map(find_spec, libraries)):
            fix = f"pip install {libraries[0]}, or leave it out: trainer_log.jsonl is always written."
            raise CareError(f"--report_to {name} needs {libraries[0]}, which is not installed", fix=fix)
    return asked


def start_trackers(names: list[str], folder: Path) -> None:
    """Open those of STARTS, which then write below `folder`; the others the Trainer opens itself.

    Raises (exit 5) where one cannot start, as a rule for want of a login: better before training than in it.
    """
    for name in names:
        if name not in STARTS:
            continue
        try:
            STARTS[name](import_module(name), folder)
        except Exception as error:
            first = str(error).strip().split("\n")[0].rstrip(".")
            fix = f"Log in with `{name} login`, or set {name.upper()}_MODE=offline."
            raise CareError(f"{name} cannot start: {first}", fix=fix, code=Exit.LOGIN) from error


def end_trackers(names: list[str]) -> None:
    """Close what start_trackers opened, so that all of it is written."""
    for name in names:
        if name in STARTS:
            import_module(name).finish()


def _start_wandb(wandb: Any, folder: Path) -> None:
    """What is printed is left alone: an answer printed later must not be sent along."""
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    settings = wandb.Settings(console="off")
    wandb.init(project=project, name=folder.name, dir=str(folder), reinit="finish_previous", settings=settings)


def _start_swanlab(swanlab: Any, folder: Path) -> None:
    project = os.environ.get("SWANLAB_PROJECT", PROJECT)
    swanlab.init(project=project, name=folder.name, log_dir=str(folder / "swanlog"), reinit=True)


STARTS: dict[str, Callable[[Any, Path], None]] = {"wandb": _start_wandb, "swanlab": _start_swanlab}
