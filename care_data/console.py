"""How the command talks to a person: lines and bars on stderr, tables and JSON on stdout."""

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from care_data.pipeline import RunResult
    from care_data.stages import Settings, StageResult


def stage_line(name: str, result: "StageResult", settings: "Settings") -> str:
    """One line on a finished stage: what it did and where the result lies."""
    manifest = result.manifest
    folder = settings.store.folder(manifest.stage, name)
    if not result.fresh:
        return f"{manifest.stage:8} {name}: nothing to do"
    warnings = "".join(f"\n         warning: {text}" for text in manifest.warnings if manifest.stage != "release")
    if manifest.stage == "fetch":
        size = sum(f["bytes"] for f in manifest.files)
        state = "" if manifest.verified else ", unverified"
        return f"fetch    {name}: {len(manifest.files)} files, {size:,} bytes{state} → {folder}{warnings}"
    read = sum(counts["read"] for counts in manifest.counts.values())
    kept = sum(counts["kept"] for counts in manifest.counts.values())
    if manifest.stage == "release":
        return f"release  {len(manifest.counts)} datasets, {kept:,} records → {folder}"
    return f"{manifest.stage:8} {name}: {read:,} read, {kept:,} kept → {folder}{warnings}"


def print_result(result: "RunResult", last: str, seconds: float, to: "Path") -> None:
    """The table of counts of the last stage, and where to go from here."""
    from care_data.pipeline import STAGES as ORDER

    manifests = result.manifests.get(last, {})
    rows, total = [], [0, 0]
    for manifest in manifests.values():
        for output, counts in sorted(manifest.counts.items()):
            name = output if last == "write" else f"{manifest.corpus}/{output}"
            reasons = ", ".join(
                f"{count:,} {reason}"
                for reason, count in sorted(counts["dropped"].items(), key=lambda i: (-i[1], i[0]))
            )
            total = [total[0] + counts["read"], total[1] + counts["kept"]]
            rows.append(
                [
                    name,
                    f"{counts['read']:,}",
                    f"{counts['kept']:,}",
                    f"{counts['read'] - counts['kept']:,}",
                    reasons or "–",
                ]
            )
    if len(rows) > 1:
        rows.append(["all", f"{total[0]:,}", f"{total[1]:,}", f"{total[0] - total[1]:,}", "read = kept + dropped"])
    if rows:
        print_table(["dataset", "read", "kept", "dropped", "by reason"], rows, right={1, 2, 3})
    if not result.fresh and manifests and not result.failures:
        typer.echo(f"Nothing to do: all of it is there already ({seconds:.1f} s).")
    if result.release:
        if not next(iter(manifests.values())).verified:
            typer.echo("Unverified: some files are not the pinned ones of upstream, or nothing pins them.")
        typer.echo(f"Release: {result.release}")
    elif manifests and last != "fetch":
        following = ORDER[ORDER.index(last) + 1]
        typer.echo(f"Next: care-data {following} {' '.join(manifests)} --to {shlex.quote(str(to))}")


def result_json(result: "RunResult", seconds: float) -> dict[str, Any]:
    return {
        "release": str(result.release) if result.release else None,
        "fresh": result.fresh,
        "seconds": round(seconds, 3),
        "stages": {
            stage: {
                name: {
                    "counts": m.counts,
                    "verified": m.verified,
                    "missing": m.missing,
                    "skipped": m.skipped,
                    "warnings": m.warnings,
                }
                for name, m in manifests.items()
            }
            for stage, manifests in result.manifests.items()
        },
        "failures": {name: {"error": str(error), "code": int(error.code)} for name, error in result.failures.items()},
    }


# How we print


class Bars:
    """Progress on stderr: a bar that moves for a person at a terminal, a line for each finished stage for all."""

    def __enter__(self) -> "Bars":
        self._bar: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        self._tasks: dict[tuple[str, str], Any] = {}
        return self

    def advance(self, stage: str, corpus: str, done: int, total: int | None) -> None:
        """Move a stage's bar."""
        if self._bar is None:
            return
        key = (stage, corpus)
        if key not in self._tasks:
            self._tasks[key] = self._bar.add_task(f"{stage} {corpus}", total=total)
        self._bar.update(self._tasks[key], completed=done, total=total, visible=done != total)

    def say(self, line: str) -> None:
        """Print a line on stderr, above the bars."""
        if self._bar is None:
            typer.echo(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()


HEADER = ["corpus", "formats", "expected", "language", "licence", "republish", "source", "status"]


def catalogue_cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The catalogue's rows as cells under HEADER."""
    return [
        [
            row["name"],
            " ".join([*row["formats"], *(["benchmark"] if row["benchmark"] else [])]),
            f"{row['expected']:,}" if row["expected"] else "?",
            " ".join(row["language"]),
            row["license"],
            "yes" if row["redistribute"] else "no",
            row["source"].partition(":")[0],
            row["status"],
        ]
        for row in rows
    ]


def print_markdown(header: list[str], rows: list[list[str]]) -> None:
    """A Markdown table on stdout."""
    lines = [header, ["---"] * len(header), *rows]
    typer.echo("\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines))


def print_json(value: Any) -> None:
    """Print the value on stdout as JSON, in ASCII alone where stdout cannot hold it as it is."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    typer.echo(text)


def print_table(header: list[str], rows: list[list[str]], right: set[int] | None = None, width: int = 120) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    right = right or set()
    for number, name in enumerate(header):
        table.add_column(
            name, justify="right" if number in right else "left", overflow="fold", no_wrap=not number or number in right
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    plain = Console(width=width)
    with plain.capture() as printed:
        plain.print(table)
    typer.echo("\n".join(line.rstrip() for line in printed.get().strip("\n").split("\n")))


def complain(text: str) -> None:
    """Print one line on stderr; what a terminal would obey or cannot show is escaped."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    typer.echo(f"care-data: {shown}", err=True)
