"""Progress on stderr while a command works."""

import sys
import threading
from typing import Any

import typer


class Bars:
    """Progress on stderr: bars that move for a person at a terminal, a line for each finished stage for all.

    A fetch of several corpora has a bar for each that is on its way, and one for all of them.
    """

    def __init__(self, corpora: int = 1) -> None:
        self._corpora, self._lock = corpora, threading.Lock()
        self._bar: Any = None
        self._tasks: dict[tuple[str, str], Any] = {}
        self._bytes: dict[str, int] = {}
        self._ended: set[str] = set()

    def __enter__(self) -> "Bars":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[amount]}", justify="right"),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True, expand=True)
            self._bar.start()
        return self

    def advance(self, stage: str, corpus: str, done: int, total: int | None) -> None:
        """Move a stage's bar. Called from several threads."""
        if self._bar is None:
            return
        with self._lock:
            if stage == "fetch":
                self._bytes[corpus] = done
                self._move(stage, corpus, done, total, _amount(done, total))
                if self._corpora > 1:
                    self._move_all()
            else:
                self._move(stage, corpus, done, total, f"{done:,}" + (f" of {total:,}" if total is not None else ""))

    def end(self, stage: str, corpus: str) -> None:
        """Take a stage's bar away."""
        if self._bar is None:
            return
        with self._lock:
            if (stage, corpus) in self._tasks:
                self._bar.update(self._tasks[stage, corpus], visible=False)
            if stage == "fetch" and self._corpora > 1:
                self._ended.add(corpus)
                self._move_all()

    def say(self, line: str) -> None:
        """Print a line on stderr, above the bars."""
        if self._bar is None:
            typer.echo(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _move_all(self) -> None:
        """The bar of all corpora of a fetch: how many have ended, and the bytes so far."""
        text = f"{_amount(sum(self._bytes.values()), None)}, {len(self._ended)} of {self._corpora}"
        self._move("fetch", f"all {self._corpora}", len(self._ended), self._corpora, text)

    def _move(self, stage: str, corpus: str, done: int, total: int | None, amount: str) -> None:
        key = (stage, corpus)
        if key not in self._tasks:
            self._tasks[key] = self._bar.add_task(f"{stage} {corpus}", total=total, amount=amount)
        self._bar.update(self._tasks[key], completed=done, total=total, amount=amount, visible=done != total)


def _amount(done: int, total: int | None) -> str:
    from rich.filesize import decimal

    return decimal(done) if total is None else f"{decimal(done)} of {decimal(total)}"
