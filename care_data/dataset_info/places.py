"""Where a dataset's data is: files inside the folder of its dataset_info.json, and nothing outside it is opened."""

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from care_data.dataset_info.wording import listed, nearest, place, quoted, without_secrets
from care_data.errors import CareError, Exit
from care_data.store import MANIFEST, disk_error, read_manifest

TYPES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".txt": "txt", ".parquet": "parquet", ".arrow": "arrow"}
"""Endings of data files, and the type as which loaders read them; those of a folder must be of one."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_ENDINGS = ", ".join(TYPES)
_READABLE = "See to it that you can read it."


@dataclass
class Folder:
    """The folder that dataset_info.json lies in, what is known of its files, and what was worked out of them."""

    path: Path
    _digests: dict[tuple[Path, str], str] = field(default_factory=dict)

    @cached_property
    def real(self) -> Path:
        """The folder with links followed."""
        return Path(os.path.realpath(self.path))

    @cached_property
    def sums(self) -> dict[str, str] | None:
        """Path to sha256 as our manifest beside it lists them; None where there is no such manifest."""
        try:
            manifest = read_manifest(self.path)
        except OSError as error:
            raise disk_error(error, self.path / MANIFEST) from error
        return None if manifest is None else {file["path"]: file["sha256"] for file in manifest.files}

    def digest(self, path: Path, kind: str) -> str:
        """A file's digest in hex, worked out once; CareError where it cannot be read."""
        try:
            if (path, kind) not in self._digests:
                with path.open("rb") as stream:
                    self._digests[path, kind] = hashlib.file_digest(stream, kind).hexdigest()
        except OSError as error:
            raise disk_error(error, path) from error
        return self._digests[path, kind]


def find_data(folder: Folder, name: str, file_name: str) -> tuple[list[tuple[str, Path]], list[CareError]]:
    """The files of a dataset that may be opened, each with its path below the folder, and what is wrong with them."""
    where = place(name, "file_name")
    try:
        _refuse_foreign(file_name)
        path = _confine(folder, folder.path / file_name, quoted(file_name))
        if not path.exists():
            raise _not_there(folder, path, file_name)
        if path.is_dir():
            files, problems = _list(folder, path, file_name)
            return files, [error.within(where) for error in problems]
        if not path.is_file():
            raise CareError(f"{quoted(file_name)} is no file", fix="Name a file or a folder of files.")
        if path.suffix not in TYPES:
            what = f"{quoted(file_name)} is of no data type by its ending"
            raise CareError(what, fix=_advise_ending(path), code=_code_of([path.name]))
        _require_readable(path, quoted(file_name))
    except CareError as error:
        return [], [error.within(where)]
    except OSError as error:
        met = disk_error(error, folder.path / file_name)
        return [], [CareError(f"{quoted(file_name)}: {met.what}", where=where, fix=_READABLE)]
    return [(file_name, path)], []


def check_sha1(folder: Folder, name: str, stated: str, files: list[tuple[str, Path]]) -> list[CareError]:
    """Whether a dataset's file, which must be a single one, is that of which file_sha1 tells."""
    where = place(name, "file_sha1")
    if len(files) != 1:
        return [CareError(f"it is of a single file, and here are {len(files)}", where=where, fix="Take it out.")]
    found = folder.digest(files[0][1], "sha1")
    if found == stated.lower():
        return []
    fix = "Get the file again; where the change is meant, write its new SHA-1."
    what = f"{quoted(files[0][0])} has the SHA-1 {found}, not {stated.lower()}"
    return [CareError(what, where=where, fix=fix, code=Exit.INTEGRITY)]


def check_sums(folder: Folder, name: str, file_name: str, files: list[tuple[str, Path]]) -> list[CareError]:
    """Whether a dataset's files are those of the manifest beside, where there is one, and no others."""
    if folder.sums is None or not files:
        return []
    where, problems = place(name, "file_name"), []
    there = {os.path.relpath(path, folder.path): path for _, path in files}
    below = os.path.normpath(file_name) + os.sep
    for path in sorted(there.keys() | {path for path in folder.sums if path.startswith(below)}):
        if path not in there:
            what = "is in the manifest, but not there"
        elif path not in folder.sums:
            what = "is not in the manifest"
        elif folder.digest(there[path], "sha256") != folder.sums[path]:
            what = "has another sha256 than the manifest tells"
        else:
            continue
        fix = "It was changed or damaged: get the release again, or write it again."
        problems.append(CareError(f"{quoted(path)} {what}", where=where, fix=fix, code=Exit.INTEGRITY))
    return problems


def _refuse_foreign(file_name: str) -> None:
    """CareError (7) for what is no path below the folder, before anything looks for it."""
    fix = "Put the data beside this file, and write its path from here."
    if "\0" in file_name:
        what = f"{quoted(file_name)} holds a NUL character"
    elif _SCHEME.match(file_name):
        what = f"{quoted(without_secrets(file_name))} is an address, not a file, and was not asked"
        fix = "Download it beside this file, and name that."
    elif file_name.startswith("/") or _DRIVE.match(file_name):
        what = f"{quoted(file_name)} is an absolute path"
    elif file_name.startswith("~"):
        what = f"{quoted(file_name)} begins with ~, which leads to a home folder"
    else:
        return
    raise CareError(what, fix=fix, code=Exit.POLICY)


def _confine(folder: Folder, path: Path, shown: str) -> Path:
    """The path; CareError (7) where it lies outside the folder once links are followed."""
    try:
        real = Path(os.path.realpath(path))
    except ValueError:  # half of a surrogate pair is no file name
        raise CareError(f"{shown} cannot be a path", fix="Mend the name.") from None
    if real.is_relative_to(folder.real):
        return path
    within = Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder.path))
    what = f"{shown} is a link that leaves the folder" if within else f"{shown} leaves the folder"
    fix = "Put the data itself beside this file; what lies outside is not opened."
    raise CareError(what, fix=fix, code=Exit.POLICY)


def _require_readable(path: Path, shown: str) -> None:
    if not os.access(path, os.R_OK):
        raise CareError(f"{shown} may not be read", fix=_READABLE)


def _not_there(folder: Folder, path: Path, file_name: str) -> CareError:
    """The error for a path that is not there, with what may be meant."""
    here = folder.real
    for part in Path(os.path.realpath(path)).relative_to(folder.real).parts:
        if not (here / part).exists():
            break
        here /= part
    siblings = sorted(os.listdir(here)) if here.is_dir() else []
    alike = [name for name in siblings if _fold(name) == _fold(part)]
    if alike:
        fix = f"There is {listed(alike)}: letters differ in case or in how they are composed."
    elif near := nearest(part, siblings, cutoff=0.8):  # many names differ in their ends alone
        fix = f"Did you mean {listed(near)}?"
    elif "\\" in file_name:
        fix = "Write / in place of \\."
    else:
        data = [name for name in siblings if Path(name).suffix in TYPES and name != "dataset_info.json"]
        fix = f"There are: {listed(data)}." if data else "Put it beside this file."
    return CareError(f"{quoted(file_name)} does not exist", fix=fix)


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _list(folder: Folder, path: Path, file_name: str) -> tuple[list[tuple[str, Path]], list[CareError]]:
    """The data files of a folder by name, hidden ones too, since loaders take all; and what else is wrong there."""
    problems: list[CareError] = []
    types: dict[str, list[tuple[str, Path]]] = {}
    foreign: list[str] = []
    for entry in sorted(path.iterdir()):
        try:
            _confine(folder, entry, quoted(f"{file_name}/{entry.name}"))
            _require_readable(entry, quoted(f"{file_name}/{entry.name}"))
        except CareError as error:
            problems.append(error)
            continue
        kind = TYPES.get(entry.suffix)
        if kind and entry.is_file():
            types.setdefault(kind, []).append((f"{file_name.rstrip('/')}/{entry.name}", entry))
        else:
            foreign.append(entry.name + "/" * entry.is_dir())
    shown, fix = quoted(file_name), "Loaders take all that lies in the folder: keep only data files of one type there."
    if foreign:
        what = f"in {shown} lies what is of no data type: {listed(foreign)}"
        problems.append(CareError(what, fix=fix, code=_code_of(foreign)))
    if len(types) > 1:
        told = ", ".join(f"{kind} ({quoted(files[0][1].name)})" for kind, files in sorted(types.items()))
        problems.append(CareError(f"in {shown} lie files of {len(types)} types: {told}", fix=fix))
    if not types and not problems:
        problems.append(CareError(f"{shown} is an empty folder", fix=f"Put files there that end in {_ENDINGS}."))
    return [file for _, files in sorted(types.items()) for file in files], problems


def _code_of(names: list[str]) -> Exit:
    """Refused where there is a script among them, which some loaders of a folder run."""
    return Exit.POLICY if any(name.endswith(".py") for name in names) else Exit.DATA


def _advise_ending(path: Path) -> str:
    if path.suffix.lower() in TYPES:
        return f"Write its ending in small letters: {path.suffix.lower()}."
    if path.suffix.lower() in (".gz", ".zst", ".zip", ".bz2", ".xz"):
        return "Unpack it."
    return f"Loaders read {_ENDINGS}."
