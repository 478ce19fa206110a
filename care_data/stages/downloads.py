"""The fetch stage: an entry's files under raw/, complete and checked; several entries side by side."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from care_data import __version__
from care_data.entries import Entry, File
from care_data.errors import CareError, Exit
from care_data.sources import FetchResult, Want, fetch
from care_data.sources.checksums import Pin
from care_data.sources.hosts import read_token
from care_data.sources.ledger import Ledger
from care_data.stages import Settings, StageResult, manifest_key
from care_data.stages.plans import BY_HAND, Plan, plan_corpus
from care_data.store import Manifest, sha256_json

AT_ONCE = 4  # corpora; how much of one host at once is the session's affair
TICK = 0.2  # seconds between two looks for an interrupt
GRACE = 2.0  # seconds that threads have to stop by themselves

Outcome = StageResult | BaseException


def fetch_corpora(
    entries: list[Entry], settings: Settings, told: Callable[[Entry, Outcome], None], *, again: bool = True
) -> None:
    """Fetch the entries, up to four at once; `told` hears of each as it ends, in this thread.

    When this thread is interrupted, or `told` raises, the others stop, and what they have is kept. One that does not
    stop in time is left behind: it ends with the process.
    """
    stop, todo = threading.Event(), queue.SimpleQueue[Entry]()
    done = queue.SimpleQueue[tuple[Entry, Outcome]]()

    def work() -> None:
        with suppress(queue.Empty):
            while not stop.is_set():
                entry = todo.get_nowait()
                try:
                    done.put((entry, fetch_corpus(entry, settings, again=again, stop=stop)))
                except BaseException as error:  # handed over, not swallowed
                    done.put((entry, error))

    for entry in entries:
        todo.put(entry)
    threads = [threading.Thread(target=work, daemon=True) for _ in entries[:AT_ONCE]]
    try:
        for thread in threads:
            thread.start()
        for _ in entries:
            told(*_wait(done))
    finally:
        stop.set()
        last = time.monotonic() + GRACE
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))


def _wait(done: "queue.SimpleQueue[tuple[Entry, Outcome]]") -> tuple[Entry, Outcome]:
    """The next one that ended. An interrupt may be given to any thread, and is raised in this one when it wakes."""
    while True:
        with suppress(queue.Empty):
            return done.get(timeout=TICK)


def fetch_corpus(
    entry: Entry, settings: Settings, *, again: bool = True, stop: threading.Event | None = None
) -> StageResult:
    """The entry's files under raw/, complete and checked. stop: ends it with CareError (130) once it is set.

    With `again` false and no mirror named, files that were fetched before are taken as they are. One that somebody
    changed since is fetched anew, and refused where it cannot be.
    """
    started = time.monotonic()
    folder = settings.store.folder("fetch", entry.name)
    wants = [_want(entry, file) for file in entry.files.values()]
    asked = [{**asdict(want), "mirrors": list(want.mirrors)} for want in wants]  # as JSON gives it back
    before = settings.store.done("fetch", entry.name, manifest_key(folder))
    intact = before is not None and _is_untouched(before, folder)
    if before and intact and not again and not settings.mirror and before.parameters.get("wants") == asked:
        return _tell(before, folder, StageResult(before, fresh=False))
    plan = plan_corpus(entry, settings)
    result = _bring(entry, wants, plan, settings, stop)
    files = [
        {
            "name": found.name,
            "source": found.source,
            "upstream": found.path,
            "path": found.local,
            "bytes": found.bytes,
            "sha256": found.sha256,
            "verified": found.verified,
        }
        for found in result.files
    ]
    parameters = {"wants": asked, "mirror": settings.mirror is not None}
    manifest = Manifest(
        stage="fetch",
        corpus=entry.name,
        key=sha256_json(["fetch", files, parameters]),
        version=__version__,
        inputs=[],
        parameters=parameters,
        counts={},
        files=files,
        verified=all(found["verified"] for found in files),
        missing=result.missing,
        warnings=_fetch_warnings(result),
    )
    same = before is not None and before.key == manifest.key
    if not same:
        manifest.write(folder)
    there = {file.local for file in plan.files if file.there}
    told = StageResult(
        before if before and same else manifest,
        fresh=not (same and intact),
        brought=len({found["path"] for found in files} - there),
        seconds=time.monotonic() - started,
        notes=tuple(result.notes),
    )
    return _tell(manifest, folder, told)


def _bring(
    entry: Entry, wants: list[Want], plan: Plan, settings: Settings, stop: threading.Event | None
) -> FetchResult:
    """Ask for the files; an error of files to be fetched by hand tells all there is to know of them."""
    folder = settings.store.folder("fetch", entry.name).absolute()
    try:
        return fetch(
            wants,
            folder,
            mirror=settings.mirror,
            progress=_Meter(plan, lambda done, total: settings.progress("fetch", entry.name, done, total)).add,
            token=read_token(),
            hosts=settings.hosts,
            accept_changed=settings.accept_changed,
            crawl=settings.permitted,
            stop=stop,
        )
    except CareError as error:
        if error.code == Exit.MANUAL:
            error.details = error.details or _checklist(entry, plan, folder)
        raise


def _tell(manifest: Manifest, folder: Path, result: StageResult) -> StageResult:
    """The result with where its files are from, as it is written down beside them."""
    ledger = Ledger(folder)
    lines = [(file, ledger.record(file["path"])) for file in manifest.files]
    served = [(line and line.served_by) or file["source"].partition(":")[0] for file, line in lines]
    stated = all(file["verified"] or (line is not None and line.stated) for file, line in lines)
    return replace(result, origins=tuple(dict.fromkeys(served)), stated=stated)


def _checklist(entry: Entry, plan: Plan, folder: Path) -> tuple[str, ...]:
    """What a person has to bring: whose terms to read, and each file's place and size; none where nothing is."""
    wanted = [file for file in plan.files if file.needs == BY_HAND and not file.there]
    if not wanted:
        return ()
    pages = dict.fromkeys(file.address.removeprefix("manual:") for file in wanted)
    terms = f" ({entry.license['terms']})" if "terms" in entry.license else ""
    lines = [f"licence  {entry.license['id']}{terms}, read it at {', '.join(pages)}"]
    for file in wanted:
        size = f"{file.bytes:,} bytes" if file.bytes is not None else "size not known"
        lines.append(f"file     {folder / file.local}  {size}{', optional' if file.optional else ''}")
    return tuple(lines)


class _Meter:
    """Bytes of a corpus's files together, as files that come side by side tell of their own."""

    def __init__(self, plan: Plan, report: Callable[[int, int | None], None]) -> None:
        self._report, self._lock = report, threading.Lock()
        self._held: dict[str, int] = {}
        self._sizes = {file.path: file.bytes for file in plan.files if not file.there}

    def add(self, path: str, done: int, total: int | None) -> None:
        """Note how far a file is. The sum of all sizes is known once each is."""
        with self._lock:
            self._held[path], self._sizes[path] = done, total
            sizes = [size for size in self._sizes.values() if size is not None]
            whole = sum(sizes) if len(sizes) == len(self._sizes) else None
            held = sum(self._held.values())
        self._report(held, whole)


def _is_untouched(manifest: Manifest, folder: Path) -> bool:
    """Whether the files are as fetched; a file is read only where its size or time of change is another."""
    ledger = Ledger(folder)
    lines = [(ledger.find(f["path"], Pin()), f["sha256"]) for f in manifest.files]
    untouched = all(line is not None and line.sha256 == sha256 for line, sha256 in lines)
    if untouched:
        ledger.save()
    return untouched


def _want(entry: Entry, file: File) -> Want:
    checksums = entry.checksums.get(file.name, {})
    return Want(file.name, file.source, file.path, file.optional, checksums, tuple(file.mirrors))


def _fetch_warnings(result: FetchResult) -> list[str]:
    found = [f"not found: {what}" for what in [*result.missing, *result.partial]]
    if result.mismatched:
        names = ", ".join(path.rsplit("/", 1)[-1] for path in result.mismatched[:3])
        more = f" and {len(result.mismatched) - 3} more" if len(result.mismatched) > 3 else ""
        found.append(f"not the file that is pinned, so all that follows is unverified: {names}{more}")
    return found
