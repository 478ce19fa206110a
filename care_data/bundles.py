"""A bundle: fetched files in one folder, laid out by source, for machines with no network.

A folder is a bundle from the moment its bundle.json is there, which is written last and lists every file with its
sha256. While files are being added, bundle.part.json stands in its place. Packing more corpora adds to a bundle.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from care_data import __version__
from care_data.entries import Entry
from care_data.errors import CareError, Exit
from care_data.sources.checksums import CHUNK
from care_data.sources.mirror import BUNDLE, UNFINISHED
from care_data.sources.partials import FOLDER, hold, lock_folder
from care_data.stages import Progress, manifest_key, silent
from care_data.stages.plans import refuse_small
from care_data.store import Manifest, Store, flush, safe_join, sha256_file, write_json


@dataclass(frozen=True)
class Bundle:
    """A finished bundle. corpora: what is packed; files: all it holds; copied: those that were not there before.

    withheld: corpora whose licence does not let them be passed on.
    """

    folder: Path
    corpora: list[str]
    files: int
    bytes: int
    copied: int
    withheld: list[str]

    def to_json(self) -> dict[str, Any]:
        """The bundle for machines."""
        return {**asdict(self), "folder": str(self.folder)}


@dataclass(frozen=True)
class _File:
    """A file of a raw folder on its way into the bundle, at `local` in both."""

    corpus: str
    local: str
    source: Path
    bytes: int
    sha256: str


def pack(entries: list[Entry], store: Store, folder: Path, progress: Progress = silent) -> Bundle:
    """The fetched files of the entries in `folder`, copied and checked; a file that is there and right stays.

    Raises CareError: 1 a folder that holds something else, 4 a file that is not what was fetched, or two corpora that
    have different bytes of one file, 8 too little space.
    """
    manifests = {entry.name: _fetched(entry, store) for entry in entries}
    refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder):
        before = _open(folder)
        files = _gather(manifests, store)
        _refuse_other_bytes(files, before, set(manifests))
        index = _join(before, entries, manifests, files)
        waiting = [file for file in files if not _is_right(folder, file.local, file.bytes, file.sha256)]
        refuse_small(sum(file.bytes for file in waiting), folder, "the bundle")
        write_json(folder / UNFINISHED, index)
        (folder / BUNDLE).unlink(missing_ok=True)
        total, done = sum(file.bytes for file in waiting), 0
        for file in waiting:
            progress("bundle", "files", done, total)
            _copy(file, folder)
            done += file.bytes
        for path in before["files"].keys() - index["files"].keys():
            safe_join(folder, path).unlink(missing_ok=True)
        shutil.rmtree(folder / FOLDER, ignore_errors=True)  # what a killed run was at, and we were not asked for
        write_json(folder / BUNDLE, index)
        (folder / UNFINISHED).unlink()
        flush(folder)
    return Bundle(
        folder=folder,
        corpora=sorted(index["corpora"]),
        files=len(index["files"]),
        bytes=sum(each["bytes"] for each in index["files"].values()),
        copied=len(waiting),
        withheld=sorted(name for name, card in index["corpora"].items() if not card["license"]["redistribute"]),
    )


def _fetched(entry: Entry, store: Store) -> Manifest:
    """The manifest of the corpus's raw folder."""
    manifest = store.done("fetch", entry.name, manifest_key(store.folder("fetch", entry.name)))
    if manifest is None:
        raise CareError("it is not fetched whole", where=entry.name, fix=f"Run `care-data fetch {entry.name}` first.")
    return manifest


def refuse_foreign(folder: Path) -> None:
    """CareError where a folder holds something that is no bundle."""
    _open(folder)


def _open(folder: Path) -> dict[str, Any]:
    """What the folder holds so far; CareError where that is no bundle."""
    for name in (BUNDLE, UNFINISHED):
        try:
            index = json.loads((folder / name).read_bytes())
            files = {path: {"bytes": f["bytes"], "sha256": f["sha256"]} for path, f in index["files"].items()}
            corpora = {corpus: card for corpus, card in index["corpora"].items() if {*card["files"]} <= {*files}}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CareError(f"{folder / name} cannot be read", fix="Remove the folder, or name another.") from error
        if name == UNFINISHED:  # what a killed run meant to add may not be whole
            right = {path for path, f in files.items() if _is_right(folder, path, f["bytes"], f["sha256"])}
            corpora = {corpus: card for corpus, card in corpora.items() if {*card["files"]} <= right}
        return {"corpora": corpora, "files": files}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CareError(f"{folder} holds something that is no bundle", fix="Name an empty folder, or a new one.")
    return {"corpora": {}, "files": {}}


def _join(
    before: dict[str, Any], entries: list[Entry], manifests: dict[str, Manifest], files: list[_File]
) -> dict[str, Any]:
    """What the folder is to hold: the corpora of before, and the new ones."""
    corpora = {**before["corpora"], **{entry.name: _card(entry, manifests[entry.name]) for entry in entries}}
    known = before["files"] | {file.local: {"bytes": file.bytes, "sha256": file.sha256} for file in files}
    held = sorted({path for card in corpora.values() for path in card["files"]})
    return {"version": __version__, "corpora": corpora, "files": {path: known[path] for path in held}}


def _card(entry: Entry, manifest: Manifest) -> dict[str, Any]:
    """What a bundle says of one corpus."""
    return {
        "title": entry.title,
        "source": entry.source,
        "license": entry.license,
        "verified": manifest.verified,
        "missing": manifest.missing,
        "files": sorted({file["path"] for file in manifest.files}),
    }


def _gather(manifests: dict[str, Manifest], store: Store) -> list[_File]:
    """The files of all corpora, each once. CareError (4) where two corpora have different bytes of it."""
    found: dict[str, _File] = {}
    for corpus, manifest in manifests.items():
        for told in manifest.files:
            source = safe_join(store.folder("fetch", corpus), told["path"])
            file = _File(corpus, told["path"], source, told["bytes"], told["sha256"])
            before = found.setdefault(file.local, file)
            if before.sha256 != file.sha256:
                raise _other_bytes(file, before.corpus, before.sha256)
    return list(found.values())


def _refuse_other_bytes(files: list[_File], before: dict[str, Any], ours: set[str]) -> None:
    """CareError (4) where a corpus that the bundle holds already, and that is not packed now, has other bytes."""
    for file in files:
        held = before["files"].get(file.local)
        if held is not None and held["sha256"] != file.sha256:
            for corpus, card in before["corpora"].items():
                if corpus not in ours and file.local in card["files"]:
                    raise _other_bytes(file, corpus, held["sha256"])


def _other_bytes(file: _File, corpus: str, sha256: str) -> CareError:
    return CareError(
        f"{file.local} is another file in {file.corpus} ({file.sha256[:12]}) than in {corpus} ({sha256[:12]})",
        fix="They were fetched at different times or places: fetch both anew, or bundle them apart.",
        code=Exit.INTEGRITY,
    )


def _is_right(folder: Path, local: str, size: int, sha256: str) -> bool:
    """Whether the folder's file is there with these bytes."""
    target = safe_join(folder, local)
    return target.is_file() and target.stat().st_size == size and sha256_file(target) == sha256


def _copy(file: _File, folder: Path) -> None:
    """The file's bytes below the folder, hashed on the way. CareError (4) if they are not those that were fetched."""
    state = hashlib.sha256()
    with hold(folder, file.local) as part, file.source.open("rb") as stream:
        part.drop()
        while chunk := stream.read(CHUNK):
            part.write(chunk)
            state.update(chunk)
        if state.hexdigest() != file.sha256:
            part.drop()
            raise CareError(
                f"{file.source} is not what was fetched: sha256 is {state.hexdigest()}, was {file.sha256}",
                where=file.corpus,
                fix=f"Run `care-data fetch {file.corpus}` again, then bundle again.",
                code=Exit.INTEGRITY,
            )
        part.keep(folder / file.local)
