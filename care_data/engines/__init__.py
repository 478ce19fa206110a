"""Run a function over tasks, on as many cores as there are; results come in the order of the tasks."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from care_data.engines.local import run_local

Task = Callable[[Any], Any]

SMALL = 16 << 20
"""Bytes of input below which work stays in one process: to start another takes a second."""

ENGINES = {"local": run_local}


def run_tasks(
    function: Task,
    tasks: Sequence[Any],
    workers: int | None = None,
    on_done: Callable[[int], None] | None = None,
    engine: str = "local",
) -> list[Any]:
    """`function` of each task, in order. workers: all cores by default. on_done is told how many tasks are done."""
    return ENGINES[engine](function, tasks, workers or os.cpu_count() or 1, on_done)
