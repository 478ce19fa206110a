"""What a fetch would bring, told without asking anybody: files, sizes where known, what needs a person."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from care_data.entries import Entry, File
from care_data.errors import CareError, Exit
from care_data.sources import SOURCES, manual, mirror
from care_data.sources.checksums import Pin, parse_pin
from care_data.sources.ledger import Ledger, Line
from care_data.sources.partials import partial_path
from care_data.sources.places import Place, check_path, expand_braces, has_star, match_paths, parse_source
from care_data.sources.session import Session
from care_data.stages import Settings

ASKS = {"web"}  # schemes whose hosts are crawled, which wants the user's word
BY_HAND = "by hand"


@dataclass(frozen=True)
class PlannedFile:
    """A file of an entry, at `local` below its raw folder, or a pattern whose files nobody knows yet.

    partial: bytes there of a file that is not whole. needs: what only a person can do; empty where nothing is.
    """

    name: str
    path: str
    local: str
    address: str
    bytes: int | None
    there: bool
    partial: int
    optional: bool
    needs: str

    @property
    def is_pattern(self) -> bool:
        """Whether its name is still a pattern."""
        return self.bytes is None and has_star(self.path)

    @property
    def missing(self) -> int:
        """Bytes still to be fetched, 0 where their number is not known or a person has to bring them."""
        by_us = not self.there and self.needs != BY_HAND
        return max(0, (self.bytes or 0) - self.partial) if by_us else 0


@dataclass(frozen=True)
class Plan:
    """What a fetch of one corpus would bring. sources: kinds of places, `mirror` where one stands for them."""

    corpus: str
    sources: list[str]
    files: list[PlannedFile]

    @property
    def named(self) -> list[PlannedFile]:
        """The files that are known by name."""
        return [file for file in self.files if not file.is_pattern]

    @property
    def patterns(self) -> list[str]:
        """The patterns whose files nobody knows yet."""
        return [file.path for file in self.files if file.is_pattern]

    @property
    def complete(self) -> bool:
        """Whether every file and its size is known."""
        return all(file.bytes is not None for file in self.files)

    @property
    def known(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(file.bytes or 0 for file in self.files)

    @property
    def there(self) -> int:
        """Bytes there already."""
        return sum((file.bytes or 0) if file.there else file.partial for file in self.files)

    @property
    def missing(self) -> int:
        """Known bytes still to be fetched."""
        return sum(file.missing for file in self.files)

    @property
    def needs(self) -> list[str]:
        """What a person has to do, in words; optional where the corpus has other files and can do without these."""
        asked = [file for file in self.files if file.needs and not file.there]
        others = len(asked) < len(self.files)
        return [
            f"{need} (optional)" if others and all(file.optional for file in asked if file.needs == need) else need
            for need in dict.fromkeys(file.needs for file in asked)
        ]


def plan_corpora(entries: list[Entry], settings: Settings) -> tuple[list[Plan], dict[str, CareError]]:
    """A plan for each corpus, in that order, and why some have none. CareError for a mirror that is not there."""
    root, plans, failures = _mirror_folder(settings), [], {}
    for entry in entries:
        try:
            plans.append(_plan(entry, settings, root))
        except CareError as error:
            failures[entry.name] = error
    return plans, failures


def plan_corpus(entry: Entry, settings: Settings) -> Plan:
    """The plan of one corpus."""
    return _plan(entry, settings, _mirror_folder(settings))


def refuse_full_disk(entries: list[Entry], settings: Settings) -> None:
    """CareError (8) where the bytes known to be missing do not fit on the data folder's disk."""
    plans, _ = plan_corpora(entries, settings)  # what is wrong with a corpus its own fetch tells
    many = plans[0].corpus if len(plans) == 1 else f"{len(plans)} corpora"
    least = "" if all(plan.complete for plan in plans) else "at least "
    refuse_small(sum(plan.missing for plan in plans), settings.store.root, many, least)


def refuse_small(needed: int, folder: Path, what: str, least: str = "") -> None:
    """CareError (8) where so many bytes do not fit on the folder's disk."""
    free = free_space(folder)
    if needed > free:
        raise CareError(
            f"the disk is too small for {what}: {least}{decimal(needed)} are still needed, {decimal(free)} are free at"
            f" {folder.absolute()}",
            fix="Free some space, name fewer corpora, or choose another folder; nothing was begun.",
            code=Exit.LIMIT,
            fatal=True,
        )


def free_space(folder: Path) -> int:
    """Bytes free on the disk of a folder, which need not exist yet."""
    there = folder.absolute()
    while not there.is_dir():
        there = there.parent
    return shutil.disk_usage(there).free


def _mirror_folder(settings: Settings) -> Path | None:
    """The mirror, where it is a folder; CareError where it should be one and is not."""
    if settings.mirror is None or mirror.is_url(settings.mirror):
        return None
    return mirror.open_folder(settings.mirror)


def _plan(entry: Entry, settings: Settings, root: Path | None) -> Plan:
    raw = settings.store.folder("fetch", entry.name)
    ledger = Ledger(raw)
    files: dict[str, PlannedFile] = {}
    for file in entry.files.values():
        try:
            for planned in _plan_file(entry, file, settings, root, raw, ledger):
                before = files.setdefault(planned.local, planned)  # several files of an entry may be one upstream
                if before.optional and not planned.optional:
                    files[planned.local] = planned
        except CareError as error:
            raise error.within(file.name).within(entry.name) from error
    kinds = dict.fromkeys(
        scheme if settings.mirror is None or scheme == "package" else "mirror"
        for scheme in (file.source.partition(":")[0] for file in entry.files.values())
    )
    return Plan(entry.name, list(kinds), list(files.values()))


def _plan_file(
    entry: Entry, file: File, settings: Settings, root: Path | None, raw: Path, ledger: Ledger
) -> Iterator[PlannedFile]:
    place, pins = parse_source(file.source), entry.checksums.get(file.name, {})
    found: list[str] = []
    open_patterns: list[str] = []
    for pattern in expand_braces(file.path):
        paths = _resolve(place, check_path(pattern), list(pins), root, raw, ledger)
        found += paths
        open_patterns += [] if paths else [pattern]
    for path in dict.fromkeys([*found, *(open_patterns if found else [file.path])]):
        local = f"{place.folder}/{path}"
        pattern_only = path not in found
        pin, lying = parse_pin(pins, path), raw / local
        if settings.mirror is None and _is_other(ledger.record(local), pin):
            lying = Path()
        size = None if pattern_only else _size(place, path, pin, settings, root, lying)
        there = size is not None and _length(lying) == size
        yield PlannedFile(
            name=file.name,
            path=path,
            local=local,
            address=file.source,
            bytes=size,
            there=there,
            partial=0 if there or pattern_only else _length(partial_path(raw, local)) or 0,
            optional=file.optional,
            needs=_needs(place, settings, size),
        )


def _resolve(place: Place, pattern: str, pinned: list[str], root: Path | None, raw: Path, ledger: Ledger) -> list[str]:
    """The paths a pattern names as far as they are known here; none where somebody would have to be asked."""
    if not has_star(pattern):
        return [pattern]
    if paths := match_paths(pattern, pinned):
        return paths
    if root is not None and place.scheme != "package":
        return mirror.find_in_folder(root, place, pattern, Session())
    if place.scheme == "package":
        return SOURCES["package"].find(place, pattern, Session())
    return ledger.listing(place.folder, pattern) or manual.find_in_raw(raw, place, pattern, Session())


def _size(place: Place, path: str, pin: Pin, settings: Settings, root: Path | None, target: Path) -> int | None:
    """Bytes of a file: as it lies in the mirror, else as pinned, else as it was fetched; None where nobody said."""
    if root is not None and place.scheme != "package" and (source := mirror.locate(root, place, path)):
        return source.stat().st_size
    if pin.bytes is not None and (settings.mirror is None or place.scheme == "package"):
        return pin.bytes  # a mirror may hold a sample of it
    return _length(target)


def _is_other(line: Line | None, pin: Pin) -> bool:
    """Whether a file that is there is known not to be the one that is pinned."""
    return line is not None and bool(pin) and not pin.holds(line.received) and bool(line.git or not pin.git)


def _length(path: Path) -> int | None:
    """The file's size; None where it is not there."""
    return path.stat().st_size if path.is_file() else None


def _needs(place: Place, settings: Settings, size: int | None) -> str:
    if place.scheme == "package":
        return ""
    if settings.mirror is not None:
        return "not in the mirror" if size is None and not mirror.is_url(settings.mirror) else ""
    if place.scheme not in SOURCES:
        return BY_HAND
    return "permission" if place.scheme in ASKS and not settings.permitted else ""
