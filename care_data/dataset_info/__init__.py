"""Anyone's dataset_info.json checked: its keys, and its files against what they are said to hold.

Nothing that the file names is run, downloaded or opened outside its folder.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from care_data.dataset_info.columns import block, check_columns, suggest
from care_data.dataset_info.keys import HUBS, SOURCES, check_keys, newer_keys
from care_data.dataset_info.places import Folder, check_sha1, check_sums, find_data
from care_data.dataset_info.syntax import parse
from care_data.dataset_info.wording import listed, place, quoted, without_secrets
from care_data.errors import CareError, Exit
from care_data.store import MANIFEST

INFO = "dataset_info.json"
MAX_PROBLEMS = 1_000
"""Problems after which no further dataset is looked at."""

_REPOSITORY = re.compile(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*(?P<revision>@[\w./-]+)?", re.ASCII)
_CLOUD = re.compile(r"(?:s3|s3a|gs|gcs)://[^@?\s]+\.jsonl?")
_GRAVEST = (Exit.INTEGRITY, Exit.POLICY, Exit.DATA)


@dataclass
class InfoReport:
    """What is found in a dataset_info.json.

    problems: each with its place in the file (`name.columns.prompt`), what is wrong, what to do, and its exit code.
    notes: what is no fault, but good to know. blocks: by dataset an entry that fits its files, to paste in its place.
    """

    path: Path
    datasets: int = 0
    problems: list[CareError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blocks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def code(self) -> Exit:
        """The command's exit code, the gravest of its problems: 4 where bytes differ, then 7 refused, then 1."""
        codes = {problem.code for problem in self.problems}
        return next((code for code in _GRAVEST if code in codes), Exit.DATA if codes else Exit.DONE)

    def to_json(self) -> dict[str, Any]:
        """The report as data."""
        problems = [
            {"where": found.where, "what": found.what, "fix": found.fix, "code": int(found.code)}
            for found in self.problems
        ]
        return {
            "file": str(self.path),
            "datasets": self.datasets,
            "code": int(self.code),
            "problems": problems,
            "notes": self.notes,
            "blocks": self.blocks,
        }


def check_info(path: Path) -> InfoReport:
    """All that is wrong with a dataset_info.json, or with the one in a folder.

    CareError (2) where there is none; a file that is no JSON is a problem of the report.
    """
    path = path / INFO if path.is_dir() else path
    if not path.is_file():
        fix = f"Name a {INFO}, or the folder that it lies in."
        raise CareError("no such file there", where=str(path), fix=fix, code=Exit.USAGE)
    report = InfoReport(path)
    try:
        parsed = parse(path)
        _require_object(parsed.tree)
    except CareError as error:
        report.problems.append(error)
        return report
    report.datasets, report.problems, report.notes = len(parsed.tree), parsed.problems, parsed.notes
    folder = Folder(path.parent)
    _check_manifest(report, folder, parsed.tree)
    for name, entry in parsed.tree.items():
        if len(report.problems) >= MAX_PROBLEMS:
            report.notes.append(f"Only the datasets before {quoted(name)} were looked at: there are too many problems.")
            break
        _check_dataset(report, folder, name, entry)
    report.notes += _note(parsed.tree)
    return report


def report_lines(report: InfoReport) -> list[str]:
    """The report for people: problems, what to paste, notes, and a line that sums them up."""
    lines = [str(problem) for problem in report.problems]
    for name, entry in report.blocks.items():
        lines += ["", f"{place(name)} with columns that its files have, by their names; to paste in its place:"]
        lines += block(name, entry).split("\n")
    lines += ["", *report.notes] if report.notes else []
    counted = f"{len(report.problems) or 'no'} problem{'s' * (len(report.problems) != 1)}"
    datasets = f"{report.datasets:,} dataset{'s' * (report.datasets != 1)}"
    return [*lines, *([""] if lines else []), f"{report.path}: {datasets}, {counted}."]


def _require_object(tree: Any) -> None:
    if not isinstance(tree, dict):
        what = "it is not an object of datasets by name"
        raise CareError(what, where="line 1, column 1", fix='Write {"name": {"file_name": …}}.')


def _check_dataset(report: InfoReport, folder: Folder, name: str, entry: Any) -> None:
    """Add to the report what is wrong with one dataset."""
    about_keys = check_keys(name, entry)
    report.problems += about_keys
    if not isinstance(entry, dict):
        return
    report.problems += _check_remote(name, entry)
    file_name = entry.get("file_name")
    if not isinstance(file_name, str) or not file_name.strip():
        return
    files, problems = find_data(folder, name, file_name)
    report.problems += problems
    try:
        if isinstance(sha1 := entry.get("file_sha1"), str) and len(sha1) == 40 and files:
            report.problems += check_sha1(folder, name, sha1, files)
        report.problems += check_sums(folder, name, file_name, files)
    except CareError as error:  # the disk fails
        fix = f"See to {error.where}, then check again."
        report.problems.append(CareError(error.what, where=place(name, "file_name"), fix=fix))
        return
    about_columns, names = check_columns(name, entry, files)
    report.problems += about_columns
    if names and (about_columns or about_keys) and (better := suggest(entry, names)):
        report.blocks[name] = better


def _check_remote(name: str, entry: dict[str, Any]) -> list[CareError]:
    """Scripts, and sources elsewhere that are not what their keys are for; none of them is asked."""
    found = []
    if "script_url" in entry:
        what = "loading scripts are not supported, and dangerous: they run whatever they hold; it was not opened"
        fix = "Convert the data to Parquet or JSON lines, and name that as file_name."
        found.append(CareError(what, where=place(name, "script_url"), fix=fix, code=Exit.POLICY))
    for key in (*HUBS, "cloud_file_name"):
        told = entry.get(key)
        form = _CLOUD if key == "cloud_file_name" else _REPOSITORY
        if isinstance(told, str) and told.strip() and not (form.fullmatch(told) and told == without_secrets(told)):
            kind = "the name of a repository" if key in HUBS else "an s3:// or gs:// address of .json or .jsonl"
            what = f"{quoted(without_secrets(told))} is not {kind}"
            fix = "Write OWNER/NAME alone: no address, no token." if key in HUBS else "Download it; give file_name."
            found.append(CareError(what, where=place(name, key), fix=fix, code=Exit.POLICY))
    return found


def _check_manifest(report: InfoReport, folder: Folder, tree: dict[str, Any]) -> None:
    """Whether the file itself is the one of the release's manifest, and that one is whole."""
    if not (folder.path / MANIFEST).is_file():
        return
    ours = any(isinstance(entry, dict) and "care" in entry for entry in tree.values())
    if folder.sums is None and ours:
        fix = "It was changed or damaged: get the release again, or write it again."
        report.problems.append(CareError("not a manifest of a release", where=MANIFEST, fix=fix, code=Exit.INTEGRITY))
    elif folder.sums is None:
        report.notes.append(f"{MANIFEST} beside it is not one of ours: no sha256 was compared.")
    elif (stated := folder.sums.get(report.path.name)) and folder.digest(report.path, "sha256") != stated:
        what = f"it has another sha256 than {MANIFEST} tells"
        fix = "It was edited after the release was written: get it again, or keep your own beside the release."
        report.problems.append(CareError(what, where=report.path.name, fix=fix, code=Exit.INTEGRITY))


def _note(tree: dict[str, Any]) -> list[str]:
    """What is good to know of all datasets, a line each."""
    entries = {name: entry for name, entry in tree.items() if isinstance(entry, dict)}
    remote = [name for name, entry in entries.items() if any(entry.get(key) for key in SOURCES if key != "file_name")]
    both = [name for name in remote if entries[name].get("file_name")]
    pinned = [
        name
        for name in remote
        for key in HUBS
        if (found := _REPOSITORY.fullmatch(str(entries[name].get(key)))) and found["revision"]
    ]
    idle = [name for name, e in entries.items() if name not in remote and (e.get("subset") or e.get("folder"))]
    newer = sorted(set().union(*(newer_keys(entry) for entry in entries.values())))
    notes = {
        "Not local, so their files were not checked here": [name for name in remote if name not in both],
        "Loaders take the remote source and pass over file_name": both,
        "They name a revision, which LLaMA-Factory does not read there": pinned,
        "Without effect on files: subset and folder": idle,
        "A comma parts names on the command line, so they cannot be asked for": [name for name in tree if "," in name],
    }
    lines = [f"{told}: {listed(names)} ({len(names):,} of {len(tree):,})." for told, names in notes.items() if names]
    if newer:
        lines.append(f"Loaders of 2023 do not know these keys and pass over them: {', '.join(newer)}.")
    return lines
