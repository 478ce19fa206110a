"""The command `care-data`: parse, call one function, print."""

import atexit
import gc
import inspect
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from care_data.commands import bring_releases, dedupe_given_files, run, tell_plan, tell_troubles
from care_data.console import (
    HEADER,
    catalogue_cells,
    complain,
    print_card,
    print_json,
    print_markdown,
    print_table,
)
from care_data.errors import CareError, Exit
from care_data.index_commands import indexes
from care_data.options import Json, Options
from care_data.release_commands import RELEASE, check_info_file, is_info, releases

CATALOGUE, STAGES = "Catalogue", "Stages in order"

app = typer.Typer(
    name="care-data",
    help="Open medical corpora, from where they are published to clean records with receipts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMON = ("corpora", "every", "to", "mirror", "as_json")
FETCHING = ("dry_run", "hf_endpoint", "send_token", "accept_changed", "permitted", "bundle", "pin")
READING = ("workers", "max_bad", "outputs", "engine", "address")
CLEANING = (*READING, "changes", "pii")
DEDUPING = ("threshold", "miss", "exhaustive", "by_optimum", "scheme", "index")
MIXING = ("against", "licence", "max_share", "weight", "sample", "split", "seed", "name")


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

    failures: dict[str, CareError] = {}
    entries = registry.select(registry.names(), failures)
    tell_troubles(failures)
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
            "use": entry.license["use"],
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
def show(
    corpus: Annotated[str, typer.Argument(help="A corpus name.")],
    toml: Annotated[bool, typer.Option("--toml", help="Print the entry's file itself.")] = False,
    as_json: Json = False,
) -> None:
    """One corpus: its licence, where it is from, its files, how their rows become records, and an example."""
    from care_data import registry

    entry = registry.load(corpus)
    if as_json:
        print_json({"name": entry.name, "file": entry.place, **entry.data})
    elif toml:
        typer.echo(f"# {entry.place}\n{entry.path.read_text(encoding='utf-8').rstrip()}")
    else:
        from care_data.examples import convert_example
        from care_data.sheets import describe

        made = []
        try:
            made = convert_example(entry, next(iter(entry.outputs.values())))
        except CareError as error:  # the rest of the card is worth reading all the same
            complain(str(error.within(entry.name)))
        print_card(describe(entry, made[0] if made else None))


@app.command(rich_help_panel=CATALOGUE)
def check(
    corpora: Annotated[
        list[str] | None,
        typer.Argument(help="Corpus names or entry files (.toml); all by default. Or one dataset_info.json."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check registry entries, that each example becomes what it says; or anyone's dataset_info.json with its files."""
    if len(corpora or []) == 1 and is_info(corpora[0]):  # type: ignore[index]
        check_info_file(Path(corpora[0]), as_json)  # type: ignore[index]
        return
    from care_data import registry
    from care_data.examples import check_example

    found: dict[str, list[str]] = {}
    failures: dict[str, CareError] = {}
    for name in corpora or registry.names():
        is_file = name.endswith(".toml")
        for entry in [registry.load_file(Path(name))] if is_file else registry.select([name], failures):
            found[entry.name] = check_example(entry)
    found |= {name: [str(error)] for name, error in failures.items()}
    wrong = {name: problems for name, problems in found.items() if problems}
    told = {problem for problems in wrong.values() for problem in problems}
    if troubles := [] if corpora else [str(error) for error in registry.troubles() if str(error) not in told]:
        wrong["registry"] = troubles
    if as_json:
        print_json({"checked": len(found), "problems": wrong})
    else:
        for name, problems in wrong.items():
            for problem in problems:
                typer.echo(f"{name}: {problem}")
        right = sum(not problems for problems in found.values())
        typer.echo(f"{len(found)} entries checked, {right} as they say.")
    if wrong:
        raise typer.Exit(Exit.DATA)


app.add_typer(releases)
app.add_typer(indexes, rich_help_panel=RELEASE)


# Stages in order


def _add_command(word: str, panel: str, summary: str, last: str, own: tuple[str, ...]) -> None:
    """The command that runs the stages up to `last`; own: the options it has beside the common ones."""

    def command(**given: Any) -> None:
        options = Options(**given)
        if options.on is not None or options.out is not None:
            code = dedupe_given_files(options)
        elif last == "fetch" and any(name.startswith("hub:") for name in options.corpora or []):
            code = bring_releases(options)
        else:
            code = tell_plan(options) if options.dry_run else run(options, last)
        if code:
            raise typer.Exit(code)

    shown = [p for p in inspect.signature(Options).parameters.values() if p.name in COMMON + own]
    command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what the parser reads
    command.__doc__ = summary
    app.command(word, rich_help_panel=panel)(command)


_add_command("fetch", STAGES, "Bring upstream's files to raw/, complete and checked.", "fetch", FETCHING)
_add_command("convert", STAGES, "Turn fetched files into records, every row accounted for.", "convert", READING)
_add_command("clean", STAGES, "Clean the text and drop records not worth training on.", "clean", CLEANING)
_add_command(
    "dedupe",
    STAGES,
    "Keep one of records alike, within and across the corpora named, or, with --out, of files and folders.",
    "dedupe",
    (*CLEANING, *DEDUPING, "on", "id_field", "out"),
)
_add_command(
    "decontaminate",
    STAGES,
    "Take out training records that hold an item of a benchmark, or of the files named with --against.",
    "decontaminate",
    (*CLEANING, *DEDUPING, "against"),
)
_add_command(
    "write",
    STAGES,
    "Write a release: Arrow shards, dataset_info.json, manifest.json.",
    "write",
    (*CLEANING, *DEDUPING, *MIXING),
)
_add_command(
    "run",
    RELEASE,
    "Everything from corpora to a release, all stages in order; what is done is not done again.",
    "write",
    (*CLEANING, *DEDUPING, *MIXING),
)


def main() -> None:
    """Run the command; every error ends in one line on stderr and its exit code."""
    as_json = "--json" in sys.argv
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.set_threshold(400_000)  # libraries make many objects as they load, and hardly any are garbage
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads for matrices, of which there are none, spin
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
    gc.freeze()  # else the interpreter, as it ends, looks through all it holds: a quarter of a second
    sys.exit(code if isinstance(code, int) else 0)


def start() -> None:
    """main() as a process, which ends without taking apart what it holds, as the system does that faster."""
    try:
        main()
    except SystemExit as ended:
        if threading.active_count() > 1 or not isinstance(ended.code, int):
            raise
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            raise ended from None
        atexit._run_exitfuncs()  # logs, and the connections of a cluster
        os._exit(ended.code)


def _fail(text: str, code: Exit, as_json: bool, error: BaseException | None = None) -> int:
    if error is not None and ("CARE_DEBUG" in os.environ or "--debug" in sys.argv):
        import traceback

        traceback.print_exception(error)
    details = error.details if isinstance(error, CareError) else ()
    complain(text, details)
    if as_json:
        print_json({"error": text, "code": int(code), **({"details": list(details)} if details else {})})
    return int(code)


if __name__ == "__main__":
    start()
