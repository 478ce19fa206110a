"""A bar on stderr that moves while a model learns, for a person at a terminal."""

import sys
from datetime import timedelta
from typing import Any, NamedTuple


class Pace(NamedTuple):
    """Where a run stands. tokens: a second, padding not counted; left: seconds; memory: the most so far, in bytes."""

    step: int
    steps: int
    loss: float | None
    tokens: float
    left: float
    memory: int


class Bar:
    """On a terminal a bar with loss, tokens/s, time left and memory, below what is printed meanwhile; else nothing.

    first: whether this process speaks for all of them. `shown` says whether there is a bar.
    """

    def __init__(self, first: bool = True) -> None:
        self._first = first
        self._progress: Any = None
        self._task: Any = None

    @property
    def shown(self) -> bool:
        return self._progress is not None

    def __enter__(self) -> "Bar":
        if self._first and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                TextColumn("step {task.fields[step]}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[pace]}", justify="right"),
            )
            self._progress = Progress(*columns, console=Console(stderr=True), expand=True)
            self._progress.start()
        return self

    def move(self, pace: Pace) -> None:
        """Show where the run stands."""
        if self._progress is None:
            return
        told = {"completed": pace.step, "step": f"{pace.step:,}/{pace.steps:,}", "pace": describe_pace(pace)}
        if self._task is None:
            self._task = self._progress.add_task("", total=pace.steps, **told)
        else:
            self._progress.update(self._task, **told)

    def __exit__(self, *raised: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def describe_pace(pace: Pace) -> str:
    """Loss, tokens a second, time left and memory in a few words."""
    loss = "" if pace.loss is None else f"loss {pace.loss:.4f}  "
    left = timedelta(seconds=round(pace.left))
    return f"{loss}{pace.tokens:,.0f} tokens/s  {left} left  {pace.memory / 2**30:.1f} GiB"
