"""Upstream's bytes, complete and checked or not at all: fetch()."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from care_data.errors import CareError, Exit
from care_data.sources import manual
from care_data.sources.checksums import parse_pin
from care_data.sources.crews import work_through
from care_data.sources.hosts import Hosts, load_hosts
from care_data.sources.ledger import Ledger
from care_data.sources.limits import Limits
from care_data.sources.partials import FULL, sweep
from care_data.sources.places import shown
from care_data.sources.replies import Absent
from care_data.sources.routes import SOURCES, open_mirror
from care_data.sources.runs import Job, Plan, Run, fetch_file, plan_want
from care_data.sources.session import Session
from care_data.sources.wants import Fetched, FetchResult, Origin, Want

__all__ = ["SOURCES", "FetchResult", "Fetched", "Origin", "Want", "fetch"]

NOTES = ".crawl"  # below the raw folder: how far a site was read


def fetch(
    wants: list[Want],
    raw: Path,
    *,
    mirror: str | None = None,
    progress: Callable[[str, int, int | None], None] | None = None,
    token: str | None = None,
    hosts: Hosts | None = None,
    limits: Limits | None = None,
    accept_changed: bool = False,
    crawl: bool = False,
    stop: threading.Event | None = None,
) -> FetchResult:
    """The files of an entry, in the raw folder and checked; what is there already is not fetched again.

    mirror: a folder or an http address, laid out by source, to take everything from. progress: called with upstream
    path, bytes there, bytes in all if known. token: the Hub's, sent to no other host. hosts: who stands for upstream,
    else what the config file and the environment say. accept_changed: a file that is not pinned and has become another
    is taken, and recorded anew. crawl: the user has permission to crawl the sites asked for. stop: ends all once set.
    Raises CareError: 1 nothing found, 4 a checksum or a path refused, 5 to be done by hand, 6 network, 7 not allowed,
    8 disk full, 130 stopped.
    """
    try:
        raw.mkdir(parents=True, exist_ok=True)
        hosts, notes = hosts or load_hosts(), raw / NOTES
        session = Session(progress, token, limits, hosts=hosts, crawl=crawl, stop=stop, notes=notes)
        run = Run(raw, open_mirror(mirror) if mirror else None, Ledger(raw), session, accept_changed)
        try:
            return _fetch_all(run, wants)
        finally:
            session.close()
            run.ledger.save()
            sweep(raw)
    except OSError as error:
        code = Exit.LIMIT if error.errno in FULL else Exit.DATA
        fix = "Free some space, then run again." if code == Exit.LIMIT else "See that it can be read and written."
        raise CareError(f"{shown(str(error.filename or raw))}: {error.strerror}", fix=fix, code=code) from error


def _fetch_all(run: Run, wants: list[Want]) -> FetchResult:
    """All wants: named first, then fetched side by side; what is to be done by hand is asked for at the end."""
    plans: list[Plan] = []
    trouble: CareError | None = None
    for want in wants:
        try:
            plans.append(plan_want(run, want))
        except CareError as error:  # told after what comes before it is fetched
            trouble = error.within(want.name)
            break
    jobs = [Job(plan, path) for plan in plans for path in plan.paths]
    outcomes = work_through([partial(_fetch_job, run, job) for job in jobs], run.session.stop)
    if trouble is not None:
        raise trouble
    result = FetchResult([], [], [])
    for plan in plans:
        _add(result, plan, [each for job, each in zip(jobs, outcomes, strict=True) if job.plan is plan])
    _require_some(run, plans, result)
    return result


def _fetch_job(run: Run, job: Job) -> tuple[Job, Fetched | CareError, list[str]]:
    """One file, its errors placed in its want."""
    try:
        return job, *fetch_file(run, job)
    except CareError as error:
        raise error.within(job.plan.want.name) from error


def _add(result: FetchResult, plan: Plan, outcomes: list[tuple[Job, Fetched | CareError, list[str]]]) -> None:
    """Enter what a plan brought, and what it did not."""
    want, files = plan.want, list[Fetched]()
    for job, outcome, notes in outcomes:
        plan.notes += notes
        if isinstance(outcome, Fetched):
            files.append(outcome)
        else:
            plan.do_without(job.path, None if isinstance(outcome, Absent) else outcome)
    result.files.extend(sorted(files, key=lambda file: file.path))
    wrong = [file.local for file in files if parse_pin(want.checksums, file.path) and not file.verified]
    result.mismatched.extend(local for local in wrong if local not in result.mismatched)
    if files:
        result.partial.extend(f"{want.name}: {path}" for path in plan.gone)
    else:
        result.missing.append(f"{want.name}: {want.path}")
    result.notes.extend(plan.notes)


def _require_some(run: Run, plans: list[Plan], result: FetchResult) -> None:
    """Raise CareError for what has to be fetched by hand, and where nothing was fetched at all."""
    hands = [plan for plan in plans if plan.by_hand and plan.gone]
    needed = [(plan.place, path) for plan in hands if not plan.want.optional for path in plan.gone]
    if needed:
        raise manual.ask(needed, run.raw)
    if result.files or not plans:
        return
    if hands:
        raise manual.ask([(plan.place, plan.want.path) for plan in hands], run.raw)
    for plan in plans:
        if plan.withheld is not None:
            raise plan.withheld.within(plan.want.name)
    looked, fix = "upstream", "Correct the entry."
    if run.mirror is not None:
        looked = f"in the {run.mirror.name.replace(':', ' ', 1)}"
        fix = "It is laid out as <scheme>/<place>[@<pin>]/<upstream path>; behind an address, stars need [checksums]."
    raise CareError(f"none of its files is {looked} ({shown('; '.join(result.missing))})", fix=fix)
