"""The fetch stage: an entry's files under raw/, complete and checked."""

from dataclasses import asdict
from pathlib import Path

from care_data import __version__
from care_data.entries import Entry, File
from care_data.sources import FetchResult, Want, fetch
from care_data.sources.checksums import Pin
from care_data.sources.ledger import Ledger
from care_data.stages import Settings, StageResult, manifest_key
from care_data.store import Manifest, sha256_json


def fetch_corpus(entry: Entry, settings: Settings, *, again: bool = True) -> StageResult:
    """The entry's files under raw/, complete and checked.

    With `again` false and no mirror named, files that were fetched before are taken as they are. One that somebody
    changed since is fetched anew, and refused where it cannot be.
    """
    folder = settings.store.folder("fetch", entry.name)
    wants = [_want(entry, file) for file in entry.files.values()]
    asked = [asdict(want) for want in wants]
    before = settings.store.done("fetch", entry.name, manifest_key(folder))
    intact = before is not None and _is_untouched(before, folder)
    if before and intact and not again and not settings.mirror and before.parameters.get("wants") == asked:
        return StageResult(before, fresh=False)
    result = fetch(
        wants,
        folder,
        mirror=settings.mirror,
        progress=lambda path, done, total: settings.progress("fetch", entry.name, done, total),
    )
    files = [{"path": found.local, **asdict(found)} for found in result.files]
    for found in files:
        found["upstream"], found["path"] = found["path"], found.pop("local")
    parameters = {"wants": asked, "mirror": settings.mirror is not None}
    key = sha256_json(["fetch", files, parameters])
    if before and before.key == key:
        return StageResult(before, fresh=not intact)
    manifest = Manifest(
        stage="fetch",
        corpus=entry.name,
        key=key,
        version=__version__,
        inputs=[],
        parameters=parameters,
        counts={},
        files=files,
        verified=all(found["verified"] for found in files),
        missing=result.missing,
        warnings=_fetch_warnings(result),
    )
    manifest.write(folder)
    return StageResult(manifest, fresh=True)


def _is_untouched(manifest: Manifest, folder: Path) -> bool:
    """Whether the files are as fetched; a file is read only where its size or time of change is another."""
    ledger = Ledger(folder)
    lines = [(ledger.find(f["path"], Pin()), f["sha256"]) for f in manifest.files]
    untouched = all(line is not None and line.sha256 == sha256 for line, sha256 in lines)
    if untouched:
        ledger.save()
    return untouched


def _want(entry: Entry, file: File) -> Want:
    return Want(file.name, file.source, file.path, file.optional, entry.checksums.get(file.name, {}))


def _fetch_warnings(result: FetchResult) -> list[str]:
    found = [f"not found: {what}" for what in [*result.missing, *result.partial]]
    if result.mismatched:
        names = ", ".join(path.rsplit("/", 1)[-1] for path in result.mismatched[:3])
        more = f" and {len(result.mismatched) - 3} more" if len(result.mismatched) > 3 else ""
        found.append(f"not the file that is pinned, so all that follows is unverified: {names}{more}")
    return found
