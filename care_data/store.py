"""Paths inside the data folder, atomic writes, and manifests.

A file under its final name is whole: it was written beside it, flushed to disk and renamed. A folder with a manifest is
done: the manifest is written last. The manifest's key is a hash of all that made the folder, so an equal key means
nothing to do.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from care_data.errors import CareError, Exit
from care_data.records import explain

STAGES = {
    "fetch": "raw",
    "convert": "records",
    "clean": "clean",
    "dedupe": "unique",
    "decontaminate": "pure",
    "release": "releases",
}
"""Stage to the folder that holds what it makes, one folder a corpus (a release: one a name)."""

MANIFEST = "manifest.json"

_NAME = re.compile(r"\w[\w.-]*")
_NAME_BYTES = 200


def safe_join(root: Path, name: str) -> Path:
    """`root/name`, refused where the name would leave the root (`..`, absolute, backslash, drive, NUL)."""
    parts = name.split("/")
    if not name or "\\" in name or "\0" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise CareError(
            f"unsafe path {name!r}", fix="It would leave its folder; nothing was written.", code=Exit.INTEGRITY
        )
    return root.joinpath(*parts)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to it, flushed to disk, when the block ends well, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def disk_error(error: OSError, path: Path) -> CareError:
    """The system's error as a person reads it. path: what was to be written, where the error names no file itself."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        fix = "Free some space and run again; it resumes."
        return CareError("the disk is full", where=str(path), fix=fix, code=Exit.LIMIT, fatal=True)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        where = str(error.filename or path)
        return CareError("no permission to read or write", where=where, fix="Choose another folder with --to.")
    what = os.strerror(error.errno) if error.errno else str(error)
    return CareError(what[:1].lower() + what[1:], where=str(error.filename or path), fix="See to it, then run again.")


def flush(path: Path) -> None:
    """fsync a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """The value as sorted, indented JSON, whole or not at all."""
    with writing(path) as temporary:
        temporary.write_bytes(encode_json(value))


def encode_json(value: Any) -> bytes:
    """The bytes of a JSON file of ours: there is one way to write a value."""
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode("utf-8")


def sweep(folder: Path, keep: set[str]) -> None:
    """Remove what a killed run or an earlier key left in the folder: all files but `keep` (paths below it)."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in keep:
            path.unlink()


def sha256_file(path: Path) -> str:
    """The file's sha256 in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """The sha256 of the value as canonical JSON."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@cache
def code_digest() -> str:
    """A digest of this package's code, so that changed code does its work again (12 hex characters)."""
    package = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Manifest:
    """What made a folder. counts: {output: {read, kept, dropped}}; files and inputs: {path, bytes, sha256, …}.

    overlaps: how many of the corpus's records are in each other corpus of the run. Of a release: sources, what each
    corpus is and may be used for; funnel, by dataset what every stage read, kept and dropped. Of a published one:
    private, values of personal data that its texts hold, by type. digest: of all the rest, made when it is written.
    """

    stage: str
    key: str
    inputs: list[dict[str, Any]]
    parameters: dict[str, Any]
    counts: dict[str, dict[str, Any]]
    files: list[dict[str, Any]]
    verified: bool
    corpus: str = ""
    name: str = ""
    missing: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    overlaps: dict[str, int] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    funnel: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    private: dict[str, int] = field(default_factory=dict)
    version: str = ""
    code: str = ""
    digest: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """The manifest as it is written: empty optional parts left out, with the digest of all that is left in."""
        optional = ("corpus", "name", "missing", "skipped", "warnings", "overlaps", "sources", "funnel", "private")
        told = {name: value for name, value in vars(self).items() if value or name not in optional}
        del told["digest"]  # that of the file it was read from, if any
        return {**told, "digest": sha256_json(told)}

    def write(self, folder: Path) -> None:
        """Check the counts, then write manifest.json into the folder: from here on the folder is done."""
        for output, counts in self.counts.items():
            check_counts(counts, f"{self.corpus or self.name}/{output}")
        write_json(folder / MANIFEST, self.to_json())


def check_counts(counts: dict[str, Any], where: str) -> None:
    """Assert the identity of every stage: read = kept + Σ dropped."""
    total = counts["kept"] + sum(counts["dropped"].values())
    if counts["read"] != total:
        raise CareError(
            f"{counts['read']} read, but {total} kept and dropped",
            where=where,
            fix="Please report this.",
            code=Exit.BUG,
        )


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest; None where the folder is not done or the manifest is damaged, as if it were not there."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        told = manifest.to_json()
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, RecursionError):
        return None
    if manifest.digest not in ("", told["digest"]):  # those written before manifests had one have none
        return None
    return None if explain("manifest", told) else manifest


def read_done(folder: Path, key: str) -> Manifest | None:
    """The manifest of a finished folder that was made by this key, where its files are all there in full size."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.key != key:
        return None
    for entry in manifest.files:
        path = folder / entry["path"]
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            return None
    return manifest


def describe_file(folder: Path, path: str) -> dict[str, Any]:
    """A file's line in the manifest of its folder."""
    return {"path": path, "bytes": (folder / path).stat().st_size, "sha256": sha256_file(folder / path)}


class Store:
    """A data folder: raw, records, clean, unique and releases, each split by corpus."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, name: str) -> Path:
        """Where the stage puts the corpus or release of that name; CareError for a name that is none of a folder."""
        if not _NAME.fullmatch(name) or len(name.encode()) > _NAME_BYTES:
            fix = "Begin with a letter or digit, go on with these and _ . -, and stay below 200 bytes."
            raise CareError(f"{name!r} cannot name a folder", fix=fix, code=Exit.USAGE)
        return self.root / STAGES[stage] / name

    def done(self, stage: str, name: str, key: str) -> Manifest | None:
        """The manifest of a finished folder with this key whose files are all there in full size; else None."""
        return read_done(self.folder(stage, name), key)

    @contextmanager
    def scratch(self, stage: str) -> Iterator[Path]:
        """A folder for what is needed while a stage works; gone when it ends, or with the next command."""
        folder = self.root / STAGES[stage]
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".scratch.tmp-") as scratch:
            yield Path(scratch)

    @contextmanager
    def lock(self, wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the data folder against a second writer, and clear away what a killed one left half-written.

        CareError names the process that has it. wait: called with its name instead; then we wait for it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise disk_error(error, self.root) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
                if wait is None:
                    raise CareError(
                        f"the data folder is in use by {holder}",
                        where=str(self.root),
                        fix="Wait for it, or choose another with --to.",
                    ) from error
                wait(holder)
                fcntl.flock(handle, fcntl.LOCK_EX)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            self._clear()
            yield
        finally:
            os.close(handle)

    def _clear(self) -> None:
        """Remove temporary files and folders: nobody can be at work on them, for the lock is ours.

        Upstream's own files lie deeper than two folders down, whatever their names.
        """
        for path in [*self.root.glob("*/.*.tmp-*"), *self.root.glob("*/*/.*.tmp-*")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)  # its folder may have gone a moment ago
