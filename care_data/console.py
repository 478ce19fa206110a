"""How the command talks to a person: lines and bars on stderr, tables and JSON on stdout."""

import json
import shlex
import sys
import threading
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer

from care_data.summaries import (
    COUNT_HEADER,
    FETCH_HEADER,
    OVERLAP_HEADER,
    PLAN_HEADER,
    count_cells,
    failures_json,
    fetched_cells,
    fetched_json,
    overlap_cells,
    plan_cells,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from care_data.bundles import Bundle
    from care_data.duplicates.showcase import Cluster
    from care_data.entries import Entry
    from care_data.pipeline import RunResult
    from care_data.publishing.retrieval import Retrieved
    from care_data.sheets import Section
    from care_data.stages import Settings, StageResult
    from care_data.stages.file_deduplication import FilesResult
    from care_data.stages.plans import Plan


def stage_line(name: str, result: "StageResult", settings: "Settings") -> str:
    """One line on a finished stage: what it did and where the result lies."""
    manifest = result.manifest
    folder = settings.store.folder(manifest.stage, name)
    told = [*result.notes, *(manifest.warnings if result.fresh and manifest.stage != "release" else [])]
    warnings = "".join(f"\n         warning: {text}" for text in told)
    if barred := [corpus for corpus, why in manifest.skipped.items() if why.startswith("licence ")]:
        use = manifest.parameters["mix"]["licence"]
        warnings += f"\n         left out, not being for {use} use: {', '.join(barred)}"
    if not result.fresh:
        return f"{manifest.stage:8} {name}: nothing to do{warnings}"
    if manifest.stage == "fetch":
        sizes = {f["path"]: f["bytes"] for f in manifest.files}  # several files of an entry may be one upstream
        state = "" if manifest.verified else ", unverified"
        return f"fetch    {name}: {len(sizes)} files, {sum(sizes.values()):,} bytes{state} → {folder}{warnings}"
    read = sum(counts["read"] for counts in manifest.counts.values())
    kept = sum(counts["kept"] for counts in manifest.counts.values())
    if manifest.stage == "release":
        return f"release  {len(manifest.counts)} datasets, {kept:,} records → {folder}{warnings}"
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
    counts = {
        output if last == "write" else f"{manifest.corpus}/{output}": counts
        for manifest in manifests.values()
        for output, counts in sorted(manifest.counts.items())
    }
    if counts:
        print_table(COUNT_HEADER, count_cells(counts), right={1, 2, 3})
    if last == "dedupe":
        reads = {name: sum(each["read"] for each in m.counts.values()) for name, m in manifests.items()}
        print_overlaps({name: manifest.overlaps for name, manifest in manifests.items()}, reads)
        print_clusters(result.clusters)
    if not result.fresh and manifests and not result.failures:
        typer.echo(f"Nothing to do: all of it is there already ({seconds:.1f} s).")
    if result.release:
        if not next(iter(manifests.values())).verified:
            typer.echo("Unverified: some files are not the pinned ones of upstream, or nothing pins them.")
        typer.echo(f"Release: {result.release}")
    elif manifests and last != "fetch":
        following = ORDER[ORDER.index(last) + 1]
        typer.echo(f"Next: care-data {following} {' '.join(manifests)} --to {shlex.quote(str(to))}")


def print_files(result: "FilesResult", out: "Path", seconds: float) -> None:
    """The table of counts of files without duplicates, how sure that is, and some clusters to judge by."""
    found, counts = result.manifest.parameters["found"], result.manifest.counts
    print_table(COUNT_HEADER, count_cells(counts), right={1, 2, 3})
    overlaps = result.manifest.parameters["overlaps"]
    print_overlaps(overlaps, {name: each["read"] for name, each in counts.items()})
    print_clusters(result.clusters)
    fields = ", ".join("+".join(group) for group in result.manifest.parameters["fields"])
    sure = f"a pair exactly there is missed with a chance of {found['miss']:.1g}" if found["miss"] else "none is missed"
    typer.echo(f"Alike: {found['threshold']} or more of the 5-grams of {fields}; {sure}.")
    total = sum(each["read"] for each in counts.values())
    if found["largest_bucket"] > max(100, total // 100) and found["bands"]:
        typer.echo(f"Many records share a passage: {found['largest_bucket']:,} of {total:,} have one band in common.")
    done = "" if result.fresh else " Nothing to do: it is there already."
    typer.echo(f"{seconds:.1f} s → {out}{done}")


def print_retrieved(releases: "Sequence[Retrieved]") -> None:
    """A line for each published release that was brought back."""
    for each in releases:
        rows = sum(counts["kept"] for counts in each.manifest.counts.values())
        typer.echo(f"Release: {each.folder} ({rows:,} records, {'brought' if each.fresh else 'there already'})")


def print_indexes(indexes: list[dict[str, Any]]) -> None:
    """Indexes, each with its records by label and how it was made."""
    from rich.filesize import decimal

    for told in indexes:
        settings, made = told["settings"], told["made_with"]
        fields = ", ".join("+".join(group) for group in settings["fields"])
        typer.echo(f"{told['folder']}: {told['records']:,} records, {decimal(told['bytes'])}")
        typer.echo(f"  on {fields}; {settings['bands']} bands of {settings['rows']}, {settings['scheme']}", nl=False)
        typer.echo(f"; made at {made['threshold']}; {len(told['segments'])} segments of {len(told['runs'])} runs")
        print_table(["label", "records"], [[name, f"{count:,}"] for name, count in told["labels"].items()], right={1})


def print_overlaps(overlaps: dict[str, dict[str, int]], reads: dict[str, int], most: int = 12) -> None:
    """The table of which records of one are in another, where there are any."""
    cells = overlap_cells(overlaps, reads)
    if cells:
        print_table(OVERLAP_HEADER, cells[:most], right={1, 2})
    if len(cells) > most:
        typer.echo(f"{len(cells) - most} smaller overlaps are in --json.")


def print_clusters(clusters: "Sequence[Cluster]") -> None:
    """Clusters, each with its keeper and some of what went for it, a line each."""
    for cluster in clusters:
        typer.echo(f"{cluster.size} records are one:")
        for member in cluster.members:
            share = "" if member.jaccard is None else f" {member.jaccard:.2f}"
            mark = "kept" if member.reason == "kept" else f"{member.reason.partition('_')[0]}{share}"
            text = shown_lines(" ⏎ ".join(member.texts)).replace("\n", " ⏎ ")
            typer.echo(f"  {mark:10} {member.id}\n             {shorten(text)}")


def shorten(text: str, width: int = 100) -> str:
    """The beginning of a text, so wide on a terminal at most, and its end where it is longer."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    tail = text[-12:]
    return set_cell_size(text, width - cell_len(tail) - 3).rstrip() + " … " + tail


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
                    **({"overlaps": m.overlaps} if stage == "dedupe" else {}),
                }
                for name, m in manifests.items()
            }
            for stage, manifests in result.manifests.items()
        },
        "fetched": fetched_json(result.fetched),
        "failures": failures_json(result.failures),
        **({"clusters": [asdict(cluster) for cluster in result.clusters]} if result.clusters else {}),
    }


# How we print


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


def load_tables() -> None:
    """Load what tables are drawn with, in a thread of its own."""
    threading.Thread(target=import_module, args=("rich.table",), daemon=True).start()


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
