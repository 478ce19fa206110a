"""The files of an entry: inside the dataset folder, of one type, and those that they are said to be."""

import hashlib
import json
import os
from pathlib import Path

from care_train.dataset_info.entries import Entry
from care_train.errors import CareError, Exit


def find_files(entry: Entry) -> list[Path]:
    """The entry's files: one, or all of a folder by name; inside the dataset folder, of one type, sha1 as stated."""
    keys = entry.keys
    root = os.path.realpath(entry.folder)
    place = confine(os.path.join(root, str(keys["file_name"])), root, entry.name)
    if not place.exists():
        fix = "Check file_name in dataset_info.json."
        raise CareError(f"{keys['file_name']} does not exist in {entry.folder}", where=entry.name, fix=fix)
    if not place.is_dir():
        _check_sha1(place, keys.get("file_sha1"), entry.name)
        return [place]
    if keys.get("file_sha1"):
        fix = "It is of a single file: take it out, or name the file."
        raise CareError("file_sha1 of a folder cannot hold", where=entry.name, fix=fix)
    listed = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    files = [confine(path, root, entry.name) for path in listed if path.is_file()]
    kinds = {path.suffix.lower() for path in files}
    if len(kinds) != 1:
        what = f"files of {len(kinds)} types in {keys['file_name']}: {', '.join(sorted(kinds)) or 'none'}"
        raise CareError(what, where=entry.name, fix="Keep files of one type in a dataset's folder.")
    return files


def confine(path: str | Path, root: str, name: str, key: str = "file_name") -> Path:
    """The real path, which must lie inside the dataset folder, links followed."""
    real = os.path.realpath(path)
    if os.path.commonpath([real, root]) != root:
        fix = "Put the file inside the dataset folder."
        raise CareError(f"{key} leads outside the dataset folder", where=name, fix=fix, code=Exit.POLICY)
    return Path(real)


def _check_sha1(path: Path, stated: str | None, name: str) -> None:
    if stated and hash_file(path, "sha1") != stated.lower():
        fix = "Fetch the file again, or correct file_sha1 if the change is meant."
        raise CareError("file_sha1 does not hold", where=f"{name}/{path.name}", fix=fix, code=Exit.INTEGRITY)


def hash_file(path: Path, kind: str) -> str:
    """The hexadecimal digest of a file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, kind).hexdigest()


def check_sums(entry: Entry, files: list[Path], sums: dict[str, str]) -> None:
    """Raise (exit 4) unless the entry's files are those of the release's manifest, byte for byte."""
    root = os.path.realpath(entry.folder)
    present = {os.path.relpath(path, root): path for path in files}
    folder = f"{entry.keys['file_name']}/"
    for name in sorted(present.keys() | {name for name in sums if name.startswith(folder)}):
        if name not in present:
            problem = "is in the manifest but not there"
        elif name not in sums:
            problem = "is not in the manifest"
        elif hash_file(present[name], "sha256") != sums[name]:
            problem = "has another sha256 than the manifest says"
        else:
            continue
        fix = "The release was changed or damaged: write it again."
        raise CareError(problem, where=name, fix=fix, code=Exit.INTEGRITY)


def read_sums(manifest: Path) -> dict[str, str]:
    """Path in the release -> sha256, from `files` (or `shards`) of its manifest; empty where there is none."""
    if not manifest.exists():
        return {}
    try:
        note = json.loads(manifest.read_text(encoding="utf-8"))
        return {file["path"]: file["sha256"] for file in note.get("files") or note.get("shards") or []}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "Write the release again."
        raise CareError(f"not a manifest ({error!r})", where=str(manifest), fix=fix, code=Exit.INTEGRITY) from error
