"""Commands on what is made: one record explained, the report, a release checked, compared and published."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from care_data.bars import Bars
from care_data.console import complain, print_card, print_json, print_table
from care_data.errors import CareError, Exit
from care_data.options import Json

if TYPE_CHECKING:
    from care_data.publishing import Plan

RELEASE = "Release"

releases = typer.Typer()
ReleaseFolder = Annotated[
    str, typer.Argument(help="A release: its folder, or its name in the data folder.", metavar="RELEASE")
]


@releases.command(rich_help_panel=RELEASE)
def explain(
    record: Annotated[str, typer.Argument(help="The id of a record: corpus/output/path#row.", metavar="ID")],
    to: Annotated[Path, typer.Option("--to", envvar="CARE_DATA", help="The data folder.")] = Path("data"),
    as_json: Json = False,
) -> None:
    """One record: where it came from, what changed it, why it went or what went for it."""
    from care_data import provenance
    from care_data.sheets import tell_story
    from care_data.store import Store

    story = provenance.explain(record, Store(to.expanduser()))
    if as_json:
        print_json(asdict(story))
    else:
        print_card(tell_story(story))


@releases.command(rich_help_panel=RELEASE)
def report(
    names: Annotated[
        list[str] | None, typer.Argument(help="Corpora, groups or one release; all by default.", show_default=False)
    ] = None,
    to: Annotated[Path, typer.Option("--to", envvar="CARE_DATA", help="The data folder.")] = Path("data"),
    out: Annotated[
        Path | None, typer.Option(help="The page to write; report.html by default, none with --json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What was read, changed, dropped and why, with examples: one HTML page, and its numbers here."""
    from care_data.reports import write_report
    from care_data.reports.tables import short_tables
    from care_data.store import Store

    page = None if as_json and out is None else (out or Path("report.html")).expanduser()
    numbers = write_report(names or [], Store(to.expanduser()), page)
    if as_json:
        print_json(numbers)
    else:
        for header, rows, right in short_tables(numbers):
            print_table(header, rows, right=right)
        typer.echo(f"Report: {page}")


@releases.command(rich_help_panel=RELEASE)
def verify(
    release: ReleaseFolder,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores by default.")] = None,
    as_json: Json = False,
) -> None:
    """A release, or any folder with a manifest, held to it: every byte, no file missing, none foreign."""
    from care_data.audits import verification
    from care_data.audits.sections import tell_whole

    folder = find_release(release)
    with Bars() as bars:

        def advance(done: int, total: int) -> None:
            bars.advance("verify", folder.name, done, total)

        found = verification.verify(folder, advance, workers)
    if as_json:
        print_json(found.to_json())
        if found.problems:
            raise typer.Exit(Exit.INTEGRITY)
    elif refused := verification.refusal(found):
        raise refused
    else:
        typer.echo(tell_whole(found))


@releases.command(rich_help_panel=RELEASE)
def diff(before: ReleaseFolder, after: ReleaseFolder, as_json: Json = False) -> None:
    """What changed between two releases: corpora, settings, counts, and records added, gone and altered."""
    from care_data.audits.comparison import compare
    from care_data.audits.sections import RECORD_HEADER, record_cells, tell_difference

    found = compare(find_release(before), find_release(after))
    if as_json:
        print_json(found.to_json())
    else:
        print_card(tell_difference(found), width=110)
        print_table(RECORD_HEADER, record_cells(found), right=set(range(1, len(RECORD_HEADER))))


@releases.command(rich_help_panel=RELEASE)
def publish(
    release: ReleaseFolder,
    repo: Annotated[str, typer.Option(help="The dataset repository on the Hub: NAME or NAMESPACE/NAME.")] = "",
    to: Annotated[Path | None, typer.Option(help="Write the tree into this folder instead.", metavar="FOLDER")] = None,
    public: Annotated[bool, typer.Option("--public", help="For everyone to see; else private.")] = False,
    only_redistributable: Annotated[
        bool, typer.Option("--only-redistributable", help="Leave out corpora that may not be passed on.")
    ] = False,
    accept_pii: Annotated[
        bool, typer.Option("--accept-pii", help="Although personal data was found in the texts.")
    ] = False,
    tag: Annotated[str, typer.Option(help="The version's name; by default the release's with its key.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent, and the card.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    send_token: Annotated[
        bool, typer.Option("--send-token", help="Let the host of HF_ENDPOINT have the token.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes to use; all cores by default.")] = None,
    as_json: Json = False,
) -> None:
    """Send a release to the Hugging Face Hub as Parquet, with its card; shown first, private unless --public."""
    from care_data import publishing
    from care_data.sheets import list_published, tell_publication
    from care_data.sources.hosts import load_hosts

    if bool(repo) == (to is not None):
        raise CareError("say where to", fix="Name one of --repo NAME and --to FOLDER.", code=Exit.USAGE)
    folder, hosts = find_release(release), load_hosts(send_token=send_token)
    with Bars() as bars:

        def advance(done: int, total: int) -> None:
            bars.advance("publish", folder.name, done, total)

        if to is not None:
            plan = publishing.plan_folder(folder, to.expanduser(), only_redistributable, workers, advance)
        else:
            plan = publishing.plan_repo(
                folder,
                repo,
                hosts,
                tag=tag,
                public=public,
                only_redistributable=only_redistributable,
                accept_private=accept_pii,
                offline=dry_run,
                workers=workers,
                advance=advance,
            )
    if not as_json:
        print_card(tell_publication(plan))
        print_table(["file", "rows", "bytes", "on the Hub"], list_published(plan), right={1, 2})
        if dry_run:
            typer.echo((plan.folder / "README.md").read_text(encoding="utf-8"))
    if to is None and not dry_run:
        if not (plan.done or yes):
            _ask(plan)
        address = publishing.publish(plan, hosts)
    else:
        address = str(plan.folder)
    if as_json:
        print_json({**plan.to_json(), "dry_run": dry_run, "address": address})
    elif not dry_run:
        state = "there already" if plan.done and to is None else "done"
        typer.echo(f"Published: {address}" + (f" at {plan.tag} ({state})" if plan.tag else ""))


def _ask(plan: "Plan") -> None:
    """Have a person agree. CareError (2) where none is there to ask."""
    if not sys.stdin.isatty():
        fix = "Say -y to publish, or --dry-run to look only."
        raise CareError("nobody is there to ask", fix=fix, code=Exit.USAGE)
    seen = "everyone" if plan.public else "yourself and those you let in"
    if not typer.confirm(f"Send this to {plan.repo}, for {seen} to see?"):
        complain("Nothing was sent.")
        raise typer.Exit(Exit.INTERRUPTED)


def is_info(name: str) -> bool:
    """Whether a name is not a corpus's but that of a dataset_info.json, or of a folder that holds one."""
    return name.endswith(".json") or os.path.isfile(os.path.join(name, "dataset_info.json"))


def check_info_file(path: Path, as_json: bool) -> None:
    """Say all that is wrong with a dataset_info.json and the files it names; the gravest gives the exit code."""
    from care_data.dataset_info import check_info, report_lines

    told = check_info(path.expanduser())
    if as_json:
        print_json(told.to_json())
    else:
        typer.echo("\n".join(report_lines(told)))
    if told.code:
        raise typer.Exit(told.code)


def find_release(named: str) -> Path:
    """The folder of a release, by its path or by its name in the data folder."""
    path = Path(named).expanduser()
    if path.is_dir() or os.sep in named:
        return path
    return Path(os.environ.get("CARE_DATA", "data")).expanduser() / "releases" / named
