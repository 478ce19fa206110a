"""Upstream's bytes, complete and checked or not at all: fetch()."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from care_data.errors import CareError, Exit
from care_data.sources import github, hub, manual, package
from care_data.sources import mirror as mirrors
from care_data.sources.checksums import Pin, Received, parse_pin
from care_data.sources.ledger import Ledger, Line
from care_data.sources.partials import FULL, Partial, hold, sweep
from care_data.sources.places import Place, check_path, expand_braces, has_star, match_paths, parse_source, shown
from care_data.sources.replies import Absent, address
from care_data.sources.session import Session

__all__ = ["SOURCES", "FetchResult", "Fetched", "Origin", "Want", "fetch"]

SAVE_PAUSE = 2.0  # seconds between two writings of fetched.json in one run


@dataclass(frozen=True)
class Want:
    """One file of an entry, as its registry entry asks for it.

    name: the file's name in [files]. source: `github:OWNER/REPO@PIN` and the like. path: upstream path, may hold `*`,
    `**/` and `{a,b}`. checksums: upstream path to {"sha256": hex} or {"git": blob id}, with "bytes" if known.
    """

    name: str
    source: str
    path: str
    optional: bool
    checksums: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Fetched:
    """A file that lies in the raw folder, at `local` below it. verified: a pinned checksum held."""

    name: str
    source: str
    path: str
    local: str
    bytes: int
    sha256: str
    verified: bool


@dataclass(frozen=True)
class FetchResult:
    """What a fetch brought, sorted by the order of the wants, then by path, and what it did not.

    missing: "<name>: <path>" of wants that found nothing. mismatched: local paths whose pinned checksum did not hold,
    which only a mirror may do. partial: "<name>: <path>" of paths a mirror lacks, where the want found others.
    """

    files: list[Fetched]
    missing: list[str]
    mismatched: list[str]
    partial: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """How files come from one kind of place. name: as fetched.json notes it.

    find: the paths that a pattern with a star names. bring: one file, whole and checked, into a partial one.
    """

    name: str
    find: Callable[[Place, str, Session], list[str]]
    bring: Callable[[Place, str, Partial, Pin, Session], Received]
    tolerant: bool = False


@dataclass
class _Run:
    """What all files of one fetch share. by_hand: what nobody but the user can fetch."""

    raw: Path
    mirror: Origin | None
    ledger: Ledger
    session: Session
    by_hand: list[tuple[Place, str]] = field(default_factory=list)


def fetch(
    wants: list[Want],
    raw: Path,
    *,
    mirror: str | None = None,
    progress: Callable[[str, int, int | None], None] | None = None,
    token: str | None = None,
) -> FetchResult:
    """The files of an entry, in the raw folder and checked; what is there already is not fetched again.

    mirror: a folder or an http address, laid out by source, to take everything from. progress: called with upstream
    path, bytes there, bytes in all if known. token: the Hub's, sent to no other host.
    Raises CareError: 1 nothing found, 4 a checksum or a path refused, 5 to be done by hand, 6 network, 8 disk full.
    """
    try:
        raw.mkdir(parents=True, exist_ok=True)
        run = _Run(raw, _open_mirror(mirror) if mirror else None, Ledger(raw), Session(progress, token))
        try:
            return _fetch_all(run, wants)
        finally:
            run.session.close()
            run.ledger.save()
            sweep(raw)
    except OSError as error:
        code = Exit.LIMIT if error.errno in FULL else Exit.DATA
        fix = "Free some space, then run again." if code == Exit.LIMIT else "See that it can be read and written."
        raise CareError(f"{shown(str(error.filename or raw))}: {error.strerror}", fix=fix, code=code) from error


def _fetch_all(run: _Run, wants: list[Want]) -> FetchResult:
    """Every want in turn. What is to be done by hand is asked for at the end, all at once."""
    result, hidden = FetchResult([], [], []), []
    for want in wants:
        try:
            place = parse_source(want.source)
            files, gone = _fetch_want(run, want, place)
        except CareError as error:
            raise error.within(want.name) from error
        result.files.extend(sorted(files, key=lambda file: file.path))
        wrong = [file.local for file in files if parse_pin(want.checksums, file.path) and not file.verified]
        result.mismatched.extend(local for local in wrong if local not in result.mismatched)
        if files:
            result.partial.extend(f"{want.name}: {path}" for path in gone)
        else:
            result.missing.append(f"{want.name}: {want.path}")
            hidden += [(place, want.path)] if place.scheme in manual.ADDRESSES and run.mirror is None else []
    if run.by_hand or (hidden and not result.files):
        raise manual.ask(run.by_hand or hidden, run.raw)
    if wants and not result.files:
        raise _found_nothing(run, result)
    return result


def _fetch_want(run: _Run, want: Want, place: Place) -> tuple[list[Fetched], list[str]]:
    """The files of one want, and the paths that were not to be had."""
    origin = _pick(run, place)
    files: list[Fetched] = []
    gone: list[str] = []
    seen: set[str] = set()
    for pattern in expand_braces(want.path):
        paths = _resolve(run, want, place, origin, check_path(pattern))
        if not paths:
            gone.append(pattern)
        for path in paths:
            if path in seen:
                continue  # two alternatives of a brace may name one file
            seen.add(path)
            try:
                files.append(_fetch_file(run, want, place, origin, check_path(path)))
            except Absent:
                gone.append(path)
                if not (want.optional or origin.tolerant or place.scheme in manual.ADDRESSES):
                    raise
    if gone and not (want.optional or origin.tolerant):
        if place.scheme not in manual.ADDRESSES:
            raise Absent(f"nothing in {shown(place.folder)} is named '{shown(gone[0])}'", fix="Correct its path.")
        run.by_hand.extend((place, path) for path in gone)
    return files, gone


def _resolve(run: _Run, want: Want, place: Place, origin: Origin, pattern: str) -> list[str]:
    """The paths a pattern without braces names: itself, or those pinned, or else those listed."""
    if not has_star(pattern):
        return [pattern]
    if pinned := match_paths(pattern, list(want.checksums)):
        return pinned
    if origin is not SOURCES.get(place.scheme):  # a mirror's files, or those put there by hand, may become more
        return origin.find(place, pattern, run.session)
    paths = run.ledger.listing(place.folder, pattern)
    if paths is None:
        paths = origin.find(place, pattern, run.session)
        run.ledger.note_listing(place.folder, pattern, paths)
    return paths


def _fetch_file(run: _Run, want: Want, place: Place, origin: Origin, path: str) -> Fetched:
    """One file, from the raw folder if it is there, else from its origin."""
    local, pin = f"{place.folder}/{path}", parse_pin(want.checksums, path)
    line = _find(run, local, pin, origin)
    if line is None:
        with hold(run.raw, local) as part:
            line = _find(run, local, pin, origin)  # another process may have fetched it while we waited for the lock
            if line is None:
                file = origin.bring(place, path, part, pin, run.session)
                part.keep(run.raw / local)
                line = run.ledger.note(local, file, pin, origin.name)
    run.ledger.save(pause=SAVE_PAUSE)
    verified = bool(pin) and pin.holds(line.received)
    return Fetched(want.name, want.source, path, local, line.bytes, line.sha256, verified)


def _find(run: _Run, local: str, pin: Pin, origin: Origin) -> Line | None:
    """The file in the raw folder, if it will do: pinned and right, or not pinned, or as wrong as this same mirror's."""
    line = run.ledger.find(local, pin)
    if line is None or pin.holds(line.received) or (origin.tolerant and line.origin == origin.name):
        return line
    return None


def _pick(run: _Run, place: Place) -> Origin:
    """Where the place's files come from: the mirror if there is one; but what is in the package is always at hand."""
    if place.scheme in SOURCES and (run.mirror is None or place.scheme == "package"):
        return SOURCES[place.scheme]
    if run.mirror is not None and place.scheme in {*SOURCES, *manual.ADDRESSES}:
        return run.mirror
    if place.scheme in manual.ADDRESSES:
        return Origin("hand", partial(manual.find_in_raw, run.raw), partial(manual.refuse_file, run.raw))
    known = ", ".join(f"{scheme}:" for scheme in sorted({*SOURCES, *manual.ADDRESSES}))
    raise CareError(f"nothing is known of sources '{shown(place.scheme)}:'", fix=f"Known are {known}.")


def _open_mirror(mirror: str) -> Origin:
    """The mirror's origin. Raises CareError if it is neither a folder that exists nor an http address."""
    if mirrors.is_url(mirror):
        find, bring = mirrors.find_at_address, mirrors.download_from_address
        base = mirror.rstrip("/")
        return Origin(f"mirror:{address(base)}", partial(find, base), partial(bring, base), tolerant=True)
    root = Path(mirror).expanduser().resolve()
    if not root.is_dir():
        raise CareError(f"the mirror {shown(mirror)} is not a folder", fix="Look at the path given to --mirror.")
    copy = partial(mirrors.copy_from_folder, root)
    return Origin(f"mirror:{root}", partial(mirrors.find_in_folder, root), copy, tolerant=True)


def _found_nothing(run: _Run, result: FetchResult) -> CareError:
    """The error for an entry none of whose files is to be had."""
    looked, fix = "upstream", "Correct the entry."
    if run.mirror is not None:
        looked = f"in the {run.mirror.name.replace(':', ' ', 1)}"
        fix = "It is laid out as <scheme>/<place>[@<pin>]/<upstream path>; behind an address, stars need [checksums]."
    return CareError(f"none of its files is {looked} ({shown('; '.join(result.missing))})", fix=fix)


SOURCES: dict[str, Origin] = {
    "github": Origin("network", github.find_paths, github.bring_file),
    "hub": Origin("network", hub.find_paths, hub.bring_file),
    "package": Origin("package", package.find_paths, package.bring_file),
}
