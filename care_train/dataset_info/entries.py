"""The entries of a dataset_info.json: where it lies, what it names, and which of them may feed a stage."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from care_train.errors import CareError, Exit

FORMATS = {"pt": "pt", "sft": "sft", "rm": "rw", "dpo": "rw"}
"""Stage to the format of the records it reads."""
MEASURES = {"benchmark": "is a benchmark", "test": "is held out for testing"}
"""Roles of what measures a finished model and must not be in it, and how that is said."""


@dataclass(frozen=True)
class Entry:
    """One dataset of a dataset_info.json. keys: as written; care: our own, under `care`."""

    name: str
    folder: Path
    keys: dict[str, Any]
    care: dict[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> str | None:
        """What a release keeps it for: train, validation, test or benchmark; None where nothing is said."""
        return self.care.get("role")


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


def select_entries(entries: dict[str, Entry], wanted: str, stage: str, *, measuring: bool = False) -> list[Entry]:
    """Entries for "a,b" or patterns like "demo_*", each once, in the order asked for.

    A pattern skips what is held out, benchmarks and other formats; named outright these raise (exit 7 for a benchmark
    or a test split), but for a validation split: who has measured with it may train on it in the end.
    measuring: for evaluation while training, where a pattern takes validation splits and skips what is for training.
    """
    skipped = "train" if measuring else "validation"
    return choose_entries(
        entries,
        wanted,
        lambda entry: _unsuited(entry, stage),
        f"for evaluating {stage}" if measuring else f"for {stage}",
        lambda entry: entry.role == skipped,
    )


def choose_entries(
    entries: dict[str, Entry],
    wanted: str,
    refuse: Callable[[Entry], CareError | None],
    purpose: str,
    skips: Callable[[Entry], bool] = lambda entry: False,
) -> list[Entry]:
    """Entries for "a,b" or patterns, each once, in the order asked for.

    refuse: why an entry is not to be taken, raised where it is named outright. skips: what a pattern passes over
    besides. purpose: what they are to be, for errors.
    """
    chosen: dict[str, Entry] = {}
    for word in filter(None, (part.strip() for part in wanted.split(","))):
        if any(mark in word for mark in "*?["):
            fitting = [entry for name, entry in entries.items() if fnmatchcase(name, word)]
            suited = [entry for entry in fitting if not refuse(entry) and not skips(entry)]
            if not suited:
                what = f"no dataset like {word} is {purpose}" if fitting else f"no dataset is like {word}"
                raise CareError(what, fix=f"There are: {', '.join(entries)}.")
            chosen.update({entry.name: entry for entry in suited})
        elif word in entries:
            reason = refuse(entries[word])
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
    if entry.role in MEASURES:
        fix = "Training on it would spoil every score; use its training part."
        return CareError(MEASURES[entry.role], where=entry.name, fix=fix, code=Exit.POLICY)
    wanted = FORMATS[stage]
    kind = entry.care.get("format", "rw" if entry.keys.get("ranking") else wanted)
    if kind != wanted:
        return CareError(f"holds {kind} records, not {wanted}", where=entry.name, fix=f"Name a dataset for {stage}.")
    return None
