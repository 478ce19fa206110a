"""The command `care-data`: parse, call one function, print."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from care_data.console import (
    HEADER,
    Bars,
    catalogue_cells,
    complain,
    print_json,
    print_markdown,
    print_result,
    print_table,
    result_json,
    stage_line,
)
from care_data.errors import CareError, Exit

CATALOGUE, STAGES, RELEASE = "Catalogue", "Stages in order", "Release"

app = typer.Typer(
    name="care-data",
    help="Open medical corpora, from where they are published to clean records with receipts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Corpora = Annotated[list[str] | None, typer.Argument(help="Corpus names, groups, or all.", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="Every corpus of the registry but the demo.")]
Name = Annotated[str | None, typer.Option(help="The release's name; made from its contents by default.")]
To = Annotated[Path, typer.Option("--to", envvar="CARE_DATA", help="The data folder.")]
Mirror = Annotated[str | None, typer.Option(help="A folder or URL with upstream's files, laid out by source.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to use; all cores by default.")]
MaxBad = Annotated[float, typer.Option(min=0, max=1, help="Share of unreadable rows a file may have.")]
Outputs = Annotated[
    list[str] | None, typer.Option("--output", help="Also make an output that is not made by default: corpus.output.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.callback(invoke_without_command=True)
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if debug:
        os.environ["CARE_DEBUG"] = "1"
    if version:
        from care_data import __version__

        typer.echo(f"care-data {__version__}")
        raise typer.Exit


# Catalogue


@app.command("list", rich_help_panel=CATALOGUE)
def list_corpora(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Every corpus: formats, rows expected (?: not known exactly), language, licence, source, status."""
    from care_data import registry

    entries = [registry.load(name) for name in registry.names()]
    rows = [
        {
            "name": entry.name,
            "group": entry.group,
            "formats": sorted({output.format for output in entry.outputs.values() if output.role == "train"}),
            "expected": sum(
                output.expect or 0 for output in entry.outputs.values() if output.role == "train" and output.default
            )
            or None,
            "benchmark": any(output.role == "benchmark" for output in entry.outputs.values()),
            "language": sorted({output.language for output in entry.outputs.values()}),
            "license": entry.license["id"],
            "redistribute": entry.license["redistribute"],
            "status": entry.status,
            "source": entry.source,
            "title": entry.title,
        }
        for entry in entries
    ]
    if as_json:
        print_json({"corpora": rows})
    elif markdown:
        print_markdown(HEADER, catalogue_cells(rows))
    else:
        print_table(HEADER, catalogue_cells(rows), right={2}, width=160)


@app.command(rich_help_panel=CATALOGUE)
def show(corpus: Annotated[str, typer.Argument(help="A corpus name.")], as_json: Json = False) -> None:
    """One corpus: where it is from, its licence, how its rows become records."""
    from care_data import registry

    entry = registry.load(corpus)
    if as_json:
        print_json({"name": entry.name, "file": entry.place, **entry.data})
    else:
        typer.echo(f"# {entry.place}\n{entry.path.read_text(encoding='utf-8').rstrip()}")


@app.command(rich_help_panel=CATALOGUE)
def check(
    corpora: Annotated[
        list[str] | None, typer.Argument(help="Corpus names or entry files (.toml); all by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check registry entries: the schema, the names they use, and that each example becomes what it says."""
    from care_data import registry
    from care_data.examples import check_example

    found: dict[str, list[str]] = {}
    for name in corpora or registry.names():
        for entry in [registry.load_file(Path(name))] if name.endswith(".toml") else registry.select([name]):
            found[entry.name] = check_example(entry)
    wrong = {name: problems for name, problems in found.items() if problems}
    if as_json:
        print_json({"checked": len(found), "problems": wrong})
    else:
        for name, problems in wrong.items():
            for problem in problems:
                typer.echo(f"{name}: {problem}")
        typer.echo(f"{len(found)} entries checked, {len(found) - len(wrong)} as they say.")
    if wrong:
        raise typer.Exit(Exit.DATA)


# Stages in order


def _stage_command(stage: str, summary: str) -> None:
    """The command of one stage."""

    def command(
        corpora: Corpora = None,
        every: Every = False,
        to: To = Path("data"),
        mirror: Mirror = None,
        workers: Workers = None,
        max_bad: MaxBad = 0.01,
        outputs: Outputs = None,
        as_json: Json = False,
    ) -> None:
        _run(_named(corpora, every), stage, to, mirror, workers, max_bad, outputs, as_json, None)

    command.__doc__ = summary
    app.command(stage, rich_help_panel=STAGES)(command)


def _release_command(word: str, panel: str, summary: str) -> None:
    """A command that ends in a release, which can be named."""

    def command(
        corpora: Corpora = None,
        every: Every = False,
        to: To = Path("data"),
        mirror: Mirror = None,
        workers: Workers = None,
        max_bad: MaxBad = 0.01,
        outputs: Outputs = None,
        name: Name = None,
        as_json: Json = False,
    ) -> None:
        _run(_named(corpora, every), "write", to, mirror, workers, max_bad, outputs, as_json, name)

    command.__doc__ = summary
    app.command(word, rich_help_panel=panel)(command)


def _named(corpora: list[str] | None, every: bool) -> list[str]:
    """The corpora asked for; CareError where none is."""
    if not corpora and not every:
        raise CareError("no corpus named", fix="Name corpora or groups, or say --all.", code=Exit.USAGE)
    return ["all"] if every else list(corpora or [])


_stage_command("fetch", "Bring upstream's files to raw/, complete and checked.")
_stage_command("convert", "Turn fetched files into records, every row accounted for.")
_stage_command("clean", "Clean the text and drop records not worth training on.")
_stage_command("dedupe", "Keep one of records alike, within and across the corpora named.")
_release_command("write", STAGES, "Write a release: Arrow shards, dataset_info.json, manifest.json.")
_release_command(
    "run",
    RELEASE,
    "Everything from corpora to a release: fetch, convert, clean, dedupe, write; what is done is not done again.",
)


def _run(
    corpora: list[str],
    last: str,
    to: Path,
    mirror: str | None,
    workers: int | None,
    max_bad: float,
    outputs: list[str] | None,
    as_json: bool,
    name: str | None,
) -> None:
    from care_data import registry
    from care_data.pipeline import run_stages
    from care_data.stages import Settings
    from care_data.store import Store

    started = time.monotonic()
    entries = registry.select(corpora)
    asked = frozenset(outputs or [])
    known = {f"{entry.name}.{output}" for entry in entries for output in entry.outputs}
    for unknown in sorted(asked - known):
        raise CareError(f"no output {unknown!r}", fix=f"Outputs are: {', '.join(sorted(known))}.", code=Exit.USAGE)
    store = Store(to)
    with store.lock(), Bars() as bars:
        settings = Settings(store, mirror, workers, max_bad, asked, bars.advance)
        result = run_stages(
            entries, settings, last, lambda corpus, done: bars.say(stage_line(corpus, done, settings)), name
        )
    seconds = time.monotonic() - started
    for corpus, error in result.failures.items():
        complain(str(error))
        if "CARE_DEBUG" in os.environ:
            import traceback

            traceback.print_exception(error)
        typer.echo(f"care-data: {corpus} is left out.", err=True)
    if as_json:
        print_json(result_json(result, seconds))
    else:
        print_result(result, last, seconds, to)
    if result.failures:
        first = next(iter(result.failures.values()))
        raise typer.Exit(first.code if len(result.failures) == len(entries) else Exit.PARTIAL)


def main() -> None:
    """Run the command; every error ends in one line on stderr and its exit code."""
    as_json = "--json" in sys.argv
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
        if code == Exit.INTERRUPTED:  # typer makes this of KeyboardInterrupt, and says nothing
            code = _fail("interrupted; run again to go on.", Exit.INTERRUPTED, as_json)
    except CareError as error:
        code = _fail(str(error), error.code, as_json, error)
    except typer.Abort:
        code = _fail("interrupted; run again to go on.", Exit.INTERRUPTED, as_json)
    except KeyboardInterrupt:
        code = _fail("interrupted; run again to go on.", Exit.INTERRUPTED, as_json)
    except MemoryError as error:
        code = _fail("out of memory. Run with fewer --workers.", Exit.LIMIT, as_json, error)
    except (BrokenPipeError, SystemExit):  # the reader has gone; typer makes sys.exit(1) of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        from care_data.store import disk_error

        told = disk_error(error, Path.cwd())
        code = _fail(str(told), told.code, as_json, error)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # a usage error of the command line's library
        if usage:
            # Without a command the help was printed, and there is nothing to add.
            code = _fail(usage(), Exit.USAGE, as_json) if usage() else Exit.USAGE
        else:
            code = _fail(
                f"{type(error).__name__}: {error}. This is a bug; run with --debug and report it.",
                Exit.BUG,
                as_json,
                error,
            )
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: Exit, as_json: bool, error: BaseException | None = None) -> int:
    if error is not None and ("CARE_DEBUG" in os.environ or "--debug" in sys.argv):
        import traceback

        traceback.print_exception(error)
    complain(text)
    if as_json:
        print_json({"error": text, "code": int(code)})
    return int(code)


if __name__ == "__main__":
    main()
