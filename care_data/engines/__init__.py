"""Run a function over tasks, on all cores of this machine or of many; results come in the order of the tasks."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from care_data.engines.local import run_local
from care_data.engines.ray import run_ray
from care_data.errors import CareError, Exit

Task = Callable[[Any], Any]

SMALL = 16 << 20
"""Bytes of input below which work stays in one process: to start another takes a second."""

ENGINES = ("local", "ray")


def run_tasks(
    function: Task,
    tasks: Sequence[Any],
    workers: int | None = None,
    on_done: Callable[[int], None] | None = None,
    engine: str = "local",
    address: str | None = None,
) -> list[Any]:
    """`function` of each task, in order. workers: all cores by default. on_done is told how many tasks are done.

    engine: one of ENGINES; address: of the cluster, where the engine is ray, by default one of this machine alone.
    """
    check_engine(engine)
    if engine == "ray":
        return run_ray(function, tasks, workers, on_done, address)
    return run_local(function, tasks, workers or os.cpu_count() or 1, on_done)


def check_engine(engine: str) -> None:
    """CareError (2) for a name that is no engine's."""
    if engine not in ENGINES:
        fix = f"Engines: {', '.join(ENGINES)}."
        raise CareError(f"no engine is called {engine!r}", fix=fix, code=Exit.USAGE)
