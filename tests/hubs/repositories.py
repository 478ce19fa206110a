"""Repositories as the stand-in keeps them: commits like git's, branches, tags, and who may do what with them."""

import hashlib
import json
import time
from dataclasses import dataclass, field

from hubs.calls import Refused

LARGE = (".parquet", ".arrow", ".bin", ".gz", ".zip", ".safetensors", ".xz", ".zst", ".7z", ".tar", ".npy", ".pt")
"""What the Hub's .gitattributes keeps in Git LFS whatever its size."""
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in sorted(LARGE)).encode()
BEGAN = 1_767_225_600  # 2026-01-01; commit number n is n seconds later


@dataclass(frozen=True)
class Account:
    """Who a token is. role: read or write. groups: organisations it may write to."""

    name: str
    role: str = "write"
    groups: tuple[str, ...] = ()
    expired: bool = False

    def owns(self, repository: str) -> bool:
        return repository.partition("/")[0] in (self.name, *self.groups)


@dataclass(frozen=True)
class File:
    """One file of a commit. oid: of the git blob, of the pointer where it is large. xet: its hash in Xet, if there."""

    oid: str
    sha256: str
    size: int
    large: bool = False
    xet: str = ""

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.oid


@dataclass(frozen=True)
class Commit:
    id: str
    parent: str
    title: str
    message: str
    number: int
    files: dict[str, File]

    @property
    def date(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(BEGAN + self.number))


@dataclass
class Repository:
    """kind: datasets, models or spaces. branches and tags: name to commit id."""

    kind: str
    name: str
    private: bool = False
    gated: bool | str = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit:
        """The commit of a branch, a tag, or an id or its beginning. Raises Refused (404)."""
        found = self.branches.get(revision) or self.tags.get(revision)
        starts = [each for each in self.commits if len(revision) >= 5 and each.startswith(revision)]
        if not found and not starts:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[found or starts[0]]

    def commit(self, branch: str, title: str, message: str, files: dict[str, File], parent: str = "") -> Commit:
        """Put a commit of these files on the branch. parent: what its head must be. Raises Refused (412)."""
        head = self.branches.get(branch, "")
        if parent and not head.startswith(parent):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        parts = [head, title, len(self.commits), sorted((path, file.oid) for path, file in files.items())]
        made = Commit(
            hashlib.sha1(json.dumps(parts).encode(), usedforsecurity=False).hexdigest(),
            head,
            title,
            message,
            len(self.commits),
            files,
        )
        self.commits[made.id] = made
        self.branches[branch] = made.id
        return made

    def history(self, revision: str) -> list[Commit]:
        """The commits that lead to a revision, the latest first."""
        commits = [self.find(revision)]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits


def git_oid(body: bytes) -> str:
    """The id git gives a blob."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def small_file(body: bytes) -> File:
    return File(git_oid(body), hashlib.sha256(body).hexdigest(), len(body))


def large_file(body: bytes, xet: str = "") -> File:
    sha256 = hashlib.sha256(body).hexdigest()
    return File(git_oid(pointer(sha256, len(body))), sha256, len(body), True, xet)


def pointer(sha256: str, size: int) -> bytes:
    """What git holds of a file in LFS."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
