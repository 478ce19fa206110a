"""What a file's bytes must be: pinned sha256, git blob id and size."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_data.errors import CareError
from care_data.sources.places import shown

CHUNK = 1 << 20


@dataclass(frozen=True)
class Received:
    """A file as it lies on disk: size, sha256, and its git blob id where somebody had to know it.

    stated: it is what the place that served it says it is, by a checksum of its own beside the bytes.
    """

    bytes: int
    sha256: str
    git: str = ""
    stated: bool = False


@dataclass(frozen=True)
class Pin:
    """The checksums that an entry, or the place itself, gives for one upstream path; all empty where it gives none.

    git: the id that git has for the path: of the file, or of the Git LFS pointer that stands for it. by: whose word it
    is, "pinned" or "stated".
    """

    sha256: str = ""
    git: str = ""
    bytes: int | None = None
    by: str = "pinned"

    def __bool__(self) -> bool:
        return bool(self.sha256 or self.git)

    def holds(self, file: Received) -> bool:
        """Whether every checksum given is the file's."""
        return self.sha256 in ("", file.sha256) and self.git in ("", file.git) and self.bytes in (None, file.bytes)

    def differs(self, file: Received) -> str:
        """Both sides of the first checksum that does not hold, worded for an error."""
        if self.sha256 not in ("", file.sha256):
            return f"sha256 is {file.sha256}, {self.by} is {self.sha256} ({file.bytes} bytes)"
        if self.git not in ("", file.git):
            return f"git blob id is {file.git}, {self.by} is {self.git} ({file.bytes} bytes)"
        return f"it has {file.bytes} bytes, {self.by} are {self.bytes} (sha256 is {file.sha256})"


def parse_pin(checksums: Mapping[str, Mapping[str, Any]], path: str) -> Pin:
    """The pin of an upstream path, empty where there is none. Raises CareError for one that is misspelt."""
    given = checksums.get(path, {})
    sha256, git, size = str(given.get("sha256", "")).lower(), str(given.get("git", "")).lower(), given.get("bytes")
    hashes = re.fullmatch(r"([0-9a-f]{64})?", sha256) and re.fullmatch(r"([0-9a-f]{40})?", git)
    known = size is None or (type(size) is int and size >= 0)
    if given and not ((sha256 or git) and hashes and known and set(given) <= {"sha256", "git", "bytes"}):
        raise CareError(
            f"the checksum of '{shown(path)}' is misspelt",
            fix='Give sha256 = "<64 hex digits>" or git = "<40 hex digits>", and bytes = N if known.',
        )
    return Pin(sha256, git, size)


def measure(path: Path, pin: Pin, sha256: str = "") -> Received:
    """Size and checksums of a file on disk. sha256: given where it is known already; git is read only when pinned."""
    size = path.stat().st_size
    if not sha256:
        sha256 = digest(path, hashlib.sha256())
    if not pin.git or pin.git == blob_id(write_pointer(sha256, size)):
        return Received(size, sha256, pin.git)
    # A git blob id begins with the size, which a stream knows only at its end: so it is a second look at the file.
    return Received(size, sha256, digest(path, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)))


def write_pointer(sha256: str, size: int) -> bytes:
    """The Git LFS pointer that stands for a file (git-lfs, docs/spec.md)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def blob_id(content: bytes) -> str:
    """The id that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def digest(path: Path, state: "hashlib._Hash") -> str:
    """Hex digest of a file's bytes, added to `state`."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()
