"""One fetch of an entry: which files its wants name, and each of them by the first way that serves it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from care_data.errors import CareError, Exit
from care_data.sources import manual
from care_data.sources.checksums import Pin, Received, parse_pin
from care_data.sources.impostors import HEAD, refuse_impostor
from care_data.sources.ledger import FOUND, Ledger, Line
from care_data.sources.partials import Partial, hold
from care_data.sources.places import Place, check_path, expand_braces, has_star, match_paths, parse_source, shown
from care_data.sources.replies import Absent, Pointer, Withheld
from care_data.sources.routes import Route, find_routes
from care_data.sources.session import Session
from care_data.sources.wants import Fetched, Origin, Want

SAVE_PAUSE = 2.0  # seconds between two writings of fetched.json in one run
ELSEWHERE = {Exit.INTEGRITY, Exit.MANUAL, Exit.NETWORK, Exit.POLICY}  # errors after which another way is tried


@dataclass
class Run:
    """What all files of one fetch share. failing: ways that were out of reach, and are tried last from then on."""

    raw: Path
    mirror: Origin | None
    ledger: Ledger
    session: Session
    accept_changed: bool = False
    failing: set[str] = field(default_factory=set)


@dataclass
class Plan:
    """The files a want names. gone: patterns and paths that are not to be had. notes: what is worth telling."""

    want: Want
    place: Place
    routes: list[Route]
    paths: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    withheld: CareError | None = None

    @property
    def by_hand(self) -> bool:
        """Whether nobody but the user can fetch its files."""
        return self.routes[0].origin.name == "hand"

    @property
    def lenient(self) -> bool:
        """Whether the fetch goes on without a file that is absent."""
        return self.want.optional or self.by_hand or self.routes[0].origin.tolerant

    def do_without(self, what: str, error: CareError | None = None) -> None:
        """Note a path or pattern as not to be had. error: why it is withheld from us."""
        self.gone.append(what)
        if error is not None and self.withheld is None:
            self.withheld = error
            self.notes.append(f"{self.want.name}: {shown(what)} is done without: {error}")


@dataclass(frozen=True)
class Job:
    """One file of a plan."""

    plan: Plan
    path: str


def plan_want(run: Run, want: Want) -> Plan:
    """The files a want names, each once. Raises CareError where one is named that upstream cannot have."""
    place = parse_source(want.source)
    plan = Plan(want, place, find_routes(place, want.mirrors, run.mirror, run.raw, run.session.hosts))
    for pattern in expand_braces(want.path):
        try:
            paths = _resolve(run, plan, check_path(pattern))
        except Withheld as error:
            if not want.optional:
                raise
            plan.do_without(pattern, error)
            continue
        if not paths:
            plan.do_without(pattern)
        plan.paths += [check_path(path) for path in paths if path not in plan.paths]
    if plan.gone and not plan.lenient:
        raise Absent(f"nothing in {shown(place.folder)} is named '{shown(plan.gone[0])}'", fix="Correct its path.")
    return plan


def fetch_file(run: Run, job: Job) -> tuple[Fetched | CareError, list[str]]:
    """A file that lies in the raw folder now, or why it is done without; and what is worth telling of it."""
    want, local = job.plan.want, job.plan.place.at(job.path)
    pin, notes = parse_pin(want.checksums, job.path), list[str]()
    line = _find(run, job, pin)
    if line is None:
        try:
            with hold(run.raw, local) as part:
                line = _find(run, job, pin)  # another process may have fetched it while we waited for the lock
                if line is None:
                    file, route, notes = _bring(run, job, part, pin)
                    part.keep(run.raw / local)
                    line = run.ledger.note(local, file, pin, route.note)
        except (Absent, Withheld) as error:
            if want.optional or (isinstance(error, Absent) and job.plan.lenient):
                return error, notes
            raise
    run.ledger.save(pause=SAVE_PAUSE)
    verified = bool(pin) and pin.holds(line.received)
    place = want.name, want.source, job.path, local
    return Fetched(*place, line.bytes, line.sha256, verified, line.stated, line.served_by), notes


def _resolve(run: Run, plan: Plan, pattern: str) -> list[str]:
    """The paths a pattern without braces names: itself, or those pinned, or else those listed."""
    if not has_star(pattern):
        return [pattern]
    if pinned := match_paths(pattern, list(plan.want.checksums)):
        return pinned
    folder, first = plan.place.folder, plan.routes[0]
    if first.origin.name != "network":  # a mirror's files, or those put there by hand, may become more
        return _list(run, plan, pattern)
    paths = run.ledger.listing(folder, pattern)
    if paths is None:
        return _list(run, plan, pattern)
    stated = run.ledger.statements(folder, pattern)
    run.session.stated.update({plan.place.at(path): stated[path] for path in paths})
    return paths


def _list(run: Run, plan: Plan, pattern: str) -> list[str]:
    """The paths that the first way names which can be asked. Where all withhold them, those put there by hand."""
    troubles: list[tuple[Route, CareError]] = []
    for route in (route for route in plan.routes if route.lists):
        try:
            paths = route.origin.find(route.place, pattern, run.session)
        except CareError as error:
            if error.code not in ELSEWHERE:
                raise
            troubles.append((route, error))
            continue
        if route.origin.name == "network" and not route.served_by:
            stated = {path: run.session.stated.get(plan.place.at(path), Pin()) for path in paths}
            run.ledger.note_listing(plan.place.folder, pattern, stated)
        if paths or not plan.want.mirrors:
            return paths
    if not troubles:
        return []
    combined = _combine(troubles)
    lying = manual.find_in_raw(run.raw, plan.place, pattern, run.session) if isinstance(combined, Withheld) else []
    if not lying:
        raise combined
    plan.notes.append(f"{plan.want.name}: {shown(pattern)} is taken to be what was put there by hand: {combined.what}")
    return lying


def _bring(run: Run, job: Job, part: Partial, pin: Pin) -> tuple[Received, Route, list[str]]:
    """The file by the first way that serves it as it should be, and a line where that is not the source itself."""
    troubles: list[tuple[Route, CareError]] = []
    for route in sorted(job.plan.routes, key=lambda route: route.key in run.failing):
        try:
            file = route.origin.bring(route.place, job.path, part, pin, run.session)
            _hold_to_record(run, job, part, file, pin, route)
        except CareError as error:
            if not isinstance(error, Absent) and error.code not in ELSEWHERE:
                raise
            if error.code == Exit.NETWORK and not isinstance(error, Absent):
                run.failing.add(route.key)
            troubles.append((route, error))
        else:
            why = "".join(f"; {trouble.what}" for _, trouble in troubles)
            note = f"{job.plan.want.name}: {shown(job.path)} came from {shown(route.served_by)}{why}"
            return file, route, [note] if route.served_by else []
    raise _combine(troubles)


def _hold_to_record(run: Run, job: Job, part: Partial, file: Received, pin: Pin, route: Route) -> None:
    """Raise CareError (4) if a file that is not pinned is another than the one fetched first."""
    before = run.ledger.record(job.plan.place.at(job.path))
    if pin or run.accept_changed or route.origin.tolerant or before is None or not before.binds:
        return
    if file.sha256 != before.sha256:
        aside = part.quarantine(file.sha256)
        raise CareError(
            f"{shown(job.path)} is not what was fetched first: sha256 is {file.sha256} ({file.bytes} bytes), recorded"
            f" is {before.sha256} ({before.bytes} bytes); the new one is kept aside as {shown(aside)}",
            fix="If upstream changed it on purpose, run again with --accept-changed.",
            code=Exit.INTEGRITY,
        )


def _combine(troubles: Sequence[tuple[Route, CareError]]) -> CareError:
    """The error for a file that no way serves: the first way's, and what each of the others said."""
    (_, first), *others = troubles
    if not others:
        return first
    said = "".join(f"; {shown(route.key)}: {error.what}" for route, error in others)
    if all(isinstance(error, Absent) for _, error in troubles):
        return Absent(first.what + said, fix=first.fix, code=first.code)
    codes = [error.code for _, error in troubles if not isinstance(error, Absent)]
    code = Exit.INTEGRITY if Exit.INTEGRITY in codes else codes[0]
    kind = Withheld if all(isinstance(error, Absent | Withheld) for _, error in troubles) else CareError
    return kind(first.what + said, fix=first.fix, code=code)


def _find(run: Run, job: Job, pin: Pin) -> Line | None:
    """The file in the raw folder, if it will do.

    Pinned, it must be right, or as wrong as this same mirror's. Not pinned, it must be upstream's or this mirror's:
    another one's may be a sample. What somebody put there must look like data.
    """
    local, origin = job.plan.place.at(job.path), job.plan.routes[0].origin
    line = run.ledger.find(local, pin)
    if line is None or (line.origin == FOUND and not _is_data(run, job, line)):
        return None
    if origin.tolerant and line.origin == origin.name:
        return line
    if not pin and line.origin.startswith("mirror:"):
        return None
    return line if pin.holds(line.received) else None


def _is_data(run: Run, job: Job, line: Line) -> bool:
    """Whether a file that somebody put into the raw folder may be the one; a Git LFS pointer is fetched in full.

    CareError where it is empty or a web page.
    """
    path = run.raw / job.plan.place.at(job.path)
    if not line.bytes and not line.verified:
        raise CareError(f"{shown(str(path))} is empty", fix="Put the file itself there.", code=Exit.MANUAL)
    with path.open("rb") as file:
        head = file.read(HEAD)
    try:
        refuse_impostor(head, job.path, shown(str(path)))
    except Pointer:
        if job.plan.place.scheme in manual.ADDRESSES:
            raise
        return False
    return True
