"""An index: the records that earlier runs kept, on disk, so that a new run costs about what is new in it.

A folder with index.json, which tells what the records were made by and names the segments (segments.py), and the
segments' folders. index.json is written last and whole: what it does not name is no part of the index, and the next
writer removes it. So an index killed at any moment is whole, with the run or without it.
Records are numbered through all segments; each run has a row of them, so that it leaves out its own when done again.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from care_data.duplicates.index.segments import RESTORE, Records, Segment, Shape, open_segment, write_segment
from care_data.duplicates.index.settings import refuse_other_tables, refuse_others, settle_settings, shape_of
from care_data.duplicates.inputs import Rules
from care_data.errors import CareError, Exit
from care_data.records import explain
from care_data.store import Store, sha256_file, write_json
from care_data.threads import work_ahead

FORMAT = 1
INDEX = "index.json"
_SEGMENT = re.compile(r"segment-\d{4,9}")
_OWN = re.compile(rf"\.lock|segment-\d{{4,9}}|{INDEX}|\.{INDEX}\.tmp-.*")


@dataclass(frozen=True)
class Index:
    """An index as index.json tells it. settings: what its records were made by.

    made_with: threshold and chance to miss from which its bands follow. runs: key, first record and number of records
    of each run; labels: of records' inputs. segments: open for reading.
    """

    folder: Path
    settings: dict[str, Any]
    made_with: dict[str, Any]
    labels: list[str]
    runs: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    segments: list[Segment]

    def __len__(self) -> int:
        return sum(segment.records for segment in self.segments)

    def shape(self) -> Shape:
        """What tells the files of its segments."""
        return shape_of(self.settings)

    def refuse(self, rules: Rules) -> None:
        """CareError (2) where these rules are not those of its records."""
        wanted = settle_settings(rules, self.settings["fields"])
        refuse_others(self.settings, self.made_with, wanted, self.folder)

    def find_run(self, key: str) -> dict[str, Any] | None:
        """The run of this key, if the index holds its records."""
        return next((run for run in self.runs if run["key"] == key), None)


def read_index(folder: Path) -> Index:
    """The index in the folder; CareError where there is none (2) or it is damaged (4)."""
    if not (folder / INDEX).is_file():
        fix = "Make one: care-data dedupe … --index FOLDER."
        raise CareError("no index in this folder", where=str(folder), fix=fix, code=Exit.USAGE)
    told = _read_json(folder / INDEX)
    segments: list[Segment] = []
    for entry in told["segments"]:
        first = sum(segment.records for segment in segments)
        segments.append(open_segment(folder, entry, shape_of(told["settings"]), first))
    refuse_other_tables(told["settings"], folder)
    return Index(folder, told["settings"], told["made_with"], told["labels"], told["runs"], told["segments"], segments)


def find_indexes(folder: Path) -> list[Index]:
    """The index in the folder, or those in its folders, in the order of their names."""
    if (folder / INDEX).is_file() or not folder.is_dir():
        return [read_index(folder)]
    found = sorted(path.parent for path in folder.glob(f"*/{INDEX}"))
    return [read_index(path) for path in found] or [read_index(folder)]


@contextmanager
def hold_index(
    folder: Path, rules: Rules, fields: Sequence[Sequence[str]], wait: Callable[[str], None] | None = None
) -> Iterator[Index]:
    """The folder's index, or an empty one, held against other writers from the search to the commit.

    CareError (2) where the index was made by other settings, or the folder holds anything else. wait: as of Store.lock.
    """
    settings = settle_settings(rules, fields)
    with _lock(folder, wait):
        if (folder / INDEX).exists():
            index = read_index(folder)
            refuse_others(index.settings, index.made_with, settings, folder)
        else:
            index = Index(folder, settings, {"threshold": rules.threshold, "miss": rules.miss}, [], [], [], [])
        _sweep(index)
        yield index


def add_segment(
    index: Index, blocks: Iterable[Records], labels: list[str], run: dict[str, Any], workers: int | None
) -> Index:
    """The index with one more segment and run, on disk when this returns; the lock must be held."""
    entry = None
    if run["records"]:
        entry = write_segment(index.folder / _next_name(index.entries), index.shape(), blocks, workers)
    entries = [*index.entries, entry] if entry else index.entries
    return _write(index, entries, labels, [*index.runs, run])


def compact_index(folder: Path, workers: int | None = None, wait: Callable[[str], None] | None = None) -> Index:
    """The index with all its segments made into one: the same answers, sooner; its files are checked first."""
    with _lock(folder, wait):
        index = read_index(folder)
        check_index(index, workers)
        _sweep(index)
        if len(index.segments) < 2:
            return index
        blocks = (block for segment in index.segments for block in segment.blocks())
        entry = write_segment(folder / _next_name(index.entries), index.shape(), blocks, workers)
        compacted = _write(index, [entry], index.labels, index.runs)
        _sweep(compacted)
        return compacted


def check_index(index: Index, workers: int | None = None) -> None:
    """Read every file whole; CareError (4) where one is not what index.json tells."""
    named = [(entry["folder"], file) for entry in index.entries for file in entry["files"]]
    files = [(index.folder / folder / file["path"], file) for folder, file in named]
    found = work_ahead(lambda item: sha256_file(item[0]), files, workers)
    for (path, file), digest in zip(files, found, strict=True):
        if digest != file["sha256"]:
            raise CareError("is not as it was written", where=str(path), fix=RESTORE, code=Exit.INTEGRITY)


def describe_index(index: Index) -> dict[str, Any]:
    """Settings, records, bytes, segments, runs and records of each label, as JSON."""
    counts = np.zeros(len(index.labels) + 1, np.int64)
    for segment in index.segments:
        labels = np.minimum(segment.arrays["labels"], len(index.labels))
        counts += np.bincount(labels, minlength=len(counts))
    sizes = [sum(file["bytes"] for file in entry["files"]) for entry in index.entries]
    return {
        "folder": str(index.folder),
        "settings": index.settings,
        "made_with": index.made_with,
        "records": len(index),
        "bytes": sum(sizes),
        "segments": [
            {"folder": entry["folder"], "records": entry["records"], "bytes": size}
            for entry, size in zip(index.entries, sizes, strict=True)
        ],
        "runs": index.runs,
        "labels": {label: int(count) for label, count in zip(index.labels, counts[:-1], strict=True)},
    }


def _read_json(path: Path) -> dict[str, Any]:
    """What index.json tells; CareError (4) where it tells something else."""
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CareError("is not JSON", where=str(path), fix=RESTORE, code=Exit.INTEGRITY) from error
    version = told.get("format") if isinstance(told, dict) else None
    if isinstance(version, int) and version != FORMAT:
        what, fix = f"is of format {version}, not {FORMAT}", "Use the care-data that made it, or build the index again."
        raise CareError(what, where=str(path), fix=fix, code=Exit.INTEGRITY)
    problem = explain("index", told)
    if not problem and told["settings"]["bands"] * told["settings"]["rows"] > told["settings"]["num_perm"]:
        problem = "settings: more values in bands than permutations"
    if problem:
        what = f"does not describe an index ({problem[:200]})"
        raise CareError(what, where=str(path), fix=RESTORE, code=Exit.INTEGRITY)
    return dict(told)


@contextmanager
def _lock(folder: Path, wait: Callable[[str], None] | None) -> Iterator[None]:
    """Store.lock for an index; CareError (2) for a folder that holds anything else."""
    if folder.exists():
        others = [path.name for path in folder.iterdir() if not _OWN.fullmatch(path.name)] if folder.is_dir() else [""]
        if others:
            what = f"not an index: it holds {others[0]}" if others[0] else "not a folder"
            raise CareError(what, where=str(folder), fix="Name an empty or a new folder.", code=Exit.USAGE)
    with ExitStack() as stack:
        try:
            stack.enter_context(Store(folder).lock(wait))
        except CareError as error:
            what = error.what.replace("the data folder", "the index")
            fix = error.fix.replace("--to", "--index")
            raise CareError(what, where=error.where, fix=fix, code=error.code, fatal=error.fatal) from error
        yield


def _sweep(index: Index) -> None:
    """Remove what a killed run left: nobody is at work on it, for the lock is ours."""
    named = {entry["folder"] for entry in index.entries}
    for path in index.folder.iterdir():
        if path.name.startswith(f".{INDEX}.tmp-"):
            path.unlink()
        elif _SEGMENT.fullmatch(path.name) and path.name not in named:
            shutil.rmtree(path)


def _next_name(entries: list[dict[str, Any]]) -> str:
    """A segment's folder that no earlier segment has had, nor one that is still read."""
    return f"segment-{max((int(entry['folder'].removeprefix('segment-')) for entry in entries), default=0) + 1:04d}"


def _write(index: Index, entries: list[dict[str, Any]], labels: list[str], runs: list[dict[str, Any]]) -> Index:
    """index.json with these: from here on they are the index."""
    told = {
        "format": FORMAT,
        "settings": index.settings,
        "made_with": index.made_with,
        "labels": labels,
        "runs": runs,
        "segments": entries,
    }
    write_json(index.folder / INDEX, told)
    return read_index(index.folder)
