"""How the command talks to a person: lines and bars on stderr, tables and JSON on stdout."""

import json
import shlex
import sys
import threading
from typing import TYPE_CHECKING, Any

import typer

from care_data.summaries import FETCH_HEADER, PLAN_HEADER, failures_json, fetched_cells, fetched_json, plan_cells

if TYPE_CHECKING:
    from pathlib import Path

    from care_data.bundles import Bundle
    from care_data.entries import Entry
    from care_data.pipeline import RunResult
    from care_data.sheets import Section
    from care_data.stages import Settings, StageResult
    from care_data.stages.plans import Plan


def stage_line(name: str, result: "StageResult", settings: "Settings") -> str:
    """One line on a finished stage: what it did and where the result lies."""
    manifest = result.manifest
    folder = settings.store.folder(manifest.stage, name)
    told = [*result.notes, *(manifest.warnings if result.fresh and manifest.stage != "release" else [])]
    warnings = "".join(f"\n         warning: {text}" for text in told)
    if not result.fresh:
        return f"{manifest.stage:8} {name}: nothing to do{warnings}"
    if manifest.stage == "fetch":
        sizes = {f["path"]: f["bytes"] for f in manifest.files}  # several files of an entry may be one upstream
        state = "" if manifest.verified else ", unverified"
        return f"fetch    {name}: {len(sizes)} files, {sum(sizes.values()):,} bytes{state} → {folder}{warnings}"
    read = sum(counts["read"] for counts in manifest.counts.values())
    kept = sum(counts["kept"] for counts in manifest.counts.values())
    if manifest.stage == "release":
        return f"release  {len(manifest.counts)} datasets, {kept:,} records → {folder}"
    return f"{manifest.stage:8} {name}: {read:,} read, {kept:,} kept → {folder}{warnings}"


def bundle_line(bundle: "Bundle") -> str:
    """What was packed, and what may not be passed on."""
    from rich.filesize import decimal

    line = f"bundle   {len(bundle.corpora)} corpora, {bundle.files} files, {decimal(bundle.bytes)}"
    line += f", {bundle.copied} new → {bundle.folder}\n         use it with --mirror {shlex.quote(str(bundle.folder))}"
    if bundle.withheld:
        names = ", ".join(bundle.withheld)
        line += f"\n         not to be passed on by their licences or for want of one: {names}"
    return line


def print_result(result: "RunResult", last: str, seconds: float, to: "Path") -> None:
    """The table of counts of the last stage, and where to go from here."""
    from care_data.pipeline import STAGES as ORDER

    manifests = result.manifests.get(last, {})
    if last == "fetch" and (result.fetched or result.failures):
        print_table(FETCH_HEADER, fetched_cells(result.fetched, result.failures, seconds), right={1, 2, 3, 6})
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


def print_plan(plans: "list[Plan]", entries: "list[Entry]", free: int, to: "Path") -> None:
    """The table of what a fetch would bring, and whether it fits on the disk."""
    from rich.filesize import decimal

    if plans:
        print_table(PLAN_HEADER, plan_cells(plans, entries), right={2, 3}, width=140)
    starred = [f"{plan.corpus}: {', '.join(dict.fromkeys(plan.patterns))}" for plan in plans if plan.patterns]
    if starred:
        typer.echo("* all files that a pattern names, listed when they are fetched:")
        typer.echo("".join(f"  {line}\n" for line in starred))
    missing, complete = sum(plan.missing for plan in plans), all(plan.complete for plan in plans)
    more = "" if complete else " and what is not known (?)"
    typer.echo(f"To fetch: {decimal(missing)}{more}; free at {to.absolute()}: {decimal(free)}.")
    if missing > free:
        typer.echo("The disk is too small for it.")


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
        "fetched": fetched_json(result.fetched),
        "failures": failures_json(result.failures),
    }


# How we print


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
    """A table on stdout, as wide as the terminal, or `width` columns. right: columns set to the right, never folded.

    Where it is too wide the first column is folded too, and no other vanishes.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, right = Console(), right or set()
    widths = [max(map(cell_len, column)) for column in zip(header, *rows, strict=True)]
    tight = sum(widths) + 3 * len(header) > (console.width if console.is_terminal else width)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0) if tight else (0, 1))
    for number, name in enumerate(header):
        table.add_column(
            name,
            justify="right" if number in right else "left",
            overflow="fold",
            no_wrap=number in right or not (number or tight),
            min_width=min(widths[number], 6) if tight else None,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if console.is_terminal:
        console.print(table)
        return
    plain = Console(width=width)
    with plain.capture() as printed:
        plain.print(table)
    typer.echo("\n".join(line.rstrip() for line in printed.get().strip("\n").split("\n")))


def print_card(sections: "list[Section]", width: int = 80) -> None:
    """Headings, each with a table of two columns below, as wide as the terminal, up to 100 columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = Console()
    console = Console(width=min(terminal.width, 100) if terminal.is_terminal else width)
    with console.capture() as printed:
        for number, (heading, rows) in enumerate(sections):
            console.print(*([""] if number else []), Text(shown_lines(heading), style="bold"), sep="\n")
            table = Table.grid(padding=(0, 2), pad_edge=True)
            table.add_column(max_width=22, overflow="fold", style="dim" if terminal.is_terminal else "")
            table.add_column(overflow="fold")
            for label, text in rows:
                table.add_row(Text(shown_lines(label)), Text(shown_lines(text)))
            console.print(table)
    typer.echo("\n".join(line.rstrip() for line in printed.get().rstrip("\n").split("\n")))


def shown_lines(text: str) -> str:
    """Text of several lines as it may be shown: what a terminal would obey is escaped."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(x if x.isprintable() else ascii(x)[1:-1] for x in line) for line in lines)


def complaint(text: str, details: tuple[str, ...] = ()) -> str:
    """One line for stderr, and details indented below; what a terminal would obey or cannot show is escaped."""
    return "\n".join(
        mark + "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
        for mark, line in [("care-data: ", text), *(("    ", detail) for detail in details)]
    )


def complain(text: str, details: tuple[str, ...] = ()) -> None:
    """Print a complaint on stderr."""
    typer.echo(complaint(text, details), err=True)
