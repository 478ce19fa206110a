"""Entries of a dataset_info.json to tables of records, each file checked before it is read."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa

from care_train.errors import CareError, Exit
from care_train.shards import read_shard

DEFAULT_COLUMNS = {"prompt": "instruction", "query": "input", "response": "output"}
FORMATS = {"pt": "pt", "sft": "sft", "rm": "rw", "dpo": "rw"}
"""Stage to the format of the records it reads."""
DEFAULTS = {"pt": {"prompt": "text"}, "sft": DEFAULT_COLUMNS, "rw": DEFAULT_COLUMNS}
READABLE = {
    "pt": ("prompt",),
    "sft": ("prompt", "query", "response", "history", "system"),
    "rw": ("prompt", "query", "response", "chosen", "rejected", "history", "system"),
}
REQUIRED = {"pt": ("prompt",), "sft": ("prompt", "response"), "rw": ("prompt",)}
MEASURES = {"benchmark": "is a benchmark", "test": "is held out for testing"}
"""Roles of what measures a model and must not be in it, and how that is said."""
FOREIGN_COLUMNS = ("images", "videos", "audios", "tools", "messages", "kto_tag")


@dataclass(frozen=True)
class Entry:
    """One dataset of a dataset_info.json. keys: as written; care: our own, under `care`."""

    name: str
    folder: Path
    keys: dict[str, Any]
    care: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Records of the entries asked for: columns of `shards.TYPES`, and what they came from."""

    table: pa.Table
    rows: dict[str, int]
    folder: Path
    manifest_sha256: str | None


def find_dataset_dir(given: str | None) -> Path:
    """`given` (./data) where it holds a dataset_info.json, else the release under it whose manifest is newest."""
    folder = Path(given or "data")
    if (folder / "dataset_info.json").exists():
        return folder
    found = [path.parent for path in folder.glob("releases/[!.]*/dataset_info.json")]  # dotted: not finished
    if not found:
        fix = "Name the folder that holds dataset_info.json with --dataset_dir, or make a release with care-data run."
        raise CareError("no dataset_info.json there, nor in a release under it", where=str(folder), fix=fix)
    return max(found, key=lambda path: (_mtime(path / "manifest.json"), path.name))


def _mtime(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def read_entries(folder: Path) -> dict[str, Entry]:
    """Every entry of the folder's dataset_info.json by name."""
    path = folder / "dataset_info.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CareError(f"not readable as JSON ({error})", where=str(path), fix="Mend the file.") from error
    if not isinstance(tree, dict) or not all(isinstance(keys, dict) for keys in tree.values()):
        raise CareError("not an object of objects", where=str(path), fix='Write {"name": {"file_name": …}, …}.')
    return {name: Entry(name, folder, keys, keys.get("care") or {}) for name, keys in tree.items()}


def select_entries(entries: dict[str, Entry], wanted: str, stage: str) -> list[Entry]:
    """Entries for "a,b" or patterns like "demo_*", each once, in the order asked for.

    A pattern skips what is held out, benchmarks and other formats; named outright these raise (exit 7 for a benchmark
    or a test split), but for a validation split: who has measured with it may train on it in the end.
    """
    chosen: dict[str, Entry] = {}
    for word in filter(None, (part.strip() for part in wanted.split(","))):
        if any(mark in word for mark in "*?["):
            fitting = [entry for name, entry in entries.items() if fnmatchcase(name, word)]
            suited = [e for e in fitting if not _unsuited(e, stage) and e.care.get("role") != "validation"]
            if not suited:
                what = f"no dataset like {word} is for {stage}" if fitting else f"no dataset is like {word}"
                raise CareError(what, fix=f"There are: {', '.join(entries)}.")
            chosen.update({entry.name: entry for entry in suited})
        elif word in entries:
            reason = _unsuited(entries[word], stage)
            if reason:
                raise reason
            chosen[word] = entries[word]
        else:
            near = get_close_matches(word, entries, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise CareError(f"no dataset {word}", fix=f"{hint}There are: {', '.join(entries)}.")
    if not chosen:
        raise CareError("no dataset named", fix=f"There are: {', '.join(entries)}.", code=Exit.USAGE)
    return list(chosen.values())


def _unsuited(entry: Entry, stage: str) -> CareError | None:
    """Why this entry must not feed this stage, None where it may."""
    role = entry.care.get("role")
    if role in MEASURES:
        fix = "Training on it would spoil every score; use its training part."
        return CareError(MEASURES[role], where=entry.name, fix=fix, code=Exit.POLICY)
    wanted = FORMATS[stage]
    kind = entry.care.get("format", "rw" if entry.keys.get("ranking") else wanted)
    if kind != wanted:
        return CareError(f"holds {kind} records, not {wanted}", where=entry.name, fix=f"Name a dataset for {stage}.")
    return None


def load_datasets(folder: Path, wanted: str, stage: str, *, max_samples: int | None = None) -> Dataset:
    """The records of every entry asked for, one after the other; at most `max_samples` of each.

    Raises CareError: exit 4 for a checksum that does not hold, 7 for a benchmark or a path outside the folder.
    """
    entries = select_entries(read_entries(folder), wanted, stage)
    manifest = folder / "manifest.json"
    sums = _read_sums(manifest)
    tables = {}
    for entry in entries:
        table = load_entry(entry, stage, sums)
        tables[entry.name] = table.slice(0, max_samples)
    whole = pa.concat_tables(tables.values())
    rows = {name: table.num_rows for name, table in tables.items()}
    return Dataset(whole, rows, folder, hash_file(manifest, "sha256") if manifest.exists() else None)


def load_entry(entry: Entry, stage: str, sums: dict[str, str]) -> pa.Table:
    """All records of one entry with every column of `shards.TYPES`; what it lacks is null."""
    columns = {**read_columns(entry, FORMATS[stage]), "id": "id"}
    optional = {"id"} if "columns" in entry.keys else {"id", "query"}
    files = _find_files(entry)
    if entry.care and sums:
        check_sums(entry, files, sums)
    as_pairs = FORMATS[stage] == "rw" and "response" in columns
    tables = [
        read_shard(path, columns, f"{entry.name}/{path.name}", optional=optional, pairs=as_pairs) for path in files
    ]
    return pa.concat_tables(tables).slice(0, entry.keys.get("num_samples"))


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


def read_columns(entry: Entry, format: str) -> dict[str, str]:
    """Our name -> the file's. Absent `columns` means instruction, input, output; present, only what it lists."""
    keys = entry.keys
    for key, value in (("formatting", keys.get("formatting", "alpaca")), *(keys.get("columns") or {}).items()):
        if (key == "formatting" and value != "alpaca") or (key in FOREIGN_COLUMNS and value):
            fix = "Convert it to columns prompt, query, response, history."
            raise CareError(f"{key} {value} is not read here", where=entry.name, fix=fix)
    given = keys.get("columns")
    mapped = DEFAULTS[format] if given is None else {name: column for name, column in given.items() if column}
    columns = {name: column for name, column in mapped.items() if name in READABLE[format]}
    for name in REQUIRED[format]:
        if name not in columns:
            fix = f"Add it under `columns`; {format} needs {' and '.join(REQUIRED[format])}."
            raise CareError(f"no {name} column is named", where=entry.name, fix=fix)
    if format == "pt":
        return {"text": columns["prompt"]}
    if format == "rw" and "chosen" in columns:  # beside them response holds both again
        columns.pop("response", None)
    return columns


def _find_files(entry: Entry) -> list[Path]:
    """The entry's files: one, or all of a folder by name; inside the dataset folder, of one type, sha1 as stated."""
    keys = entry.keys
    if keys.get("script_url"):
        fix = "Scripts are not run: convert the data with care-data, or give file_name."
        raise CareError("script_url is refused", where=entry.name, fix=fix, code=Exit.POLICY)
    if not keys.get("file_name"):
        source = next((key for key in keys if key.endswith(("_url", "cloud_file_name"))), "no file_name")
        fix = "Download it and give file_name."
        raise CareError(f"{source} is not read here", where=entry.name, fix=fix)
    root = os.path.realpath(entry.folder)
    place = _confine(os.path.join(root, str(keys["file_name"])), root, entry.name)
    if not place.exists():
        fix = "Check file_name in dataset_info.json."
        raise CareError(f"{keys['file_name']} does not exist in {entry.folder}", where=entry.name, fix=fix)
    if not place.is_dir():
        _check_sha1(place, keys.get("file_sha1"), entry.name)
        return [place]
    listed = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    files = [_confine(path, root, entry.name) for path in listed if path.is_file()]
    kinds = {path.suffix.lower() for path in files}
    if len(kinds) != 1:
        what = f"files of {len(kinds)} types in {keys['file_name']}: {', '.join(sorted(kinds)) or 'none'}"
        raise CareError(what, where=entry.name, fix="Keep files of one type in a dataset's folder.")
    return files


def _confine(path: str | Path, root: str, name: str) -> Path:
    """The real path, which must lie inside the dataset folder, links followed."""
    real = os.path.realpath(path)
    if os.path.commonpath([real, root]) != root:
        fix = "Put the file inside the dataset folder."
        raise CareError("file_name leads outside the dataset folder", where=name, fix=fix, code=Exit.POLICY)
    return Path(real)


def _check_sha1(path: Path, stated: str | None, name: str) -> None:
    if stated and hash_file(path, "sha1") != stated.lower():
        fix = "Fetch the file again, or correct file_sha1 if the change is meant."
        raise CareError("file_sha1 does not hold", where=f"{name}/{path.name}", fix=fix, code=Exit.INTEGRITY)


def hash_file(path: Path, kind: str) -> str:
    """The hexadecimal digest of a file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, kind).hexdigest()


def _read_sums(manifest: Path) -> dict[str, str]:
    """Path in the release -> sha256, from `files` (or `shards`) of its manifest; empty where there is none."""
    if not manifest.exists():
        return {}
    try:
        note = json.loads(manifest.read_text(encoding="utf-8"))
        return {file["path"]: file["sha256"] for file in note.get("files") or note.get("shards") or []}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "Write the release again."
        raise CareError(f"not a manifest ({error!r})", where=str(manifest), fix=fix, code=Exit.INTEGRITY) from error
