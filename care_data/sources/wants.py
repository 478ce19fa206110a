"""What a fetch is asked for and what it brings: plain data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from care_data.sources.checksums import Pin, Received
from care_data.sources.partials import Partial
from care_data.sources.places import Place
from care_data.sources.session import Session


@dataclass(frozen=True)
class Want:
    """One file of an entry, as its registry entry asks for it.

    name: the file's name in [files]. source: `github:OWNER/REPO@PIN` and the like. path: upstream path, may hold `*`,
    `**/` and `{a,b}`. checksums: upstream path to {"sha256": hex} or {"git": blob id}, with "bytes" if known.
    mirrors: further sources of the same paths, in the order they are tried.
    """

    name: str
    source: str
    path: str
    optional: bool
    checksums: dict[str, dict[str, Any]]
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """A file that lies in the raw folder, at `local` below it.

    verified: the checksum that the entry pins held; nothing else counts. stated: the checksum held that the place which
    served the bytes states beside them, so they came as they were sent. served_by: empty where the source itself did,
    "mirror" for the one that stands in for all sources, else the mirror's source or "proxy <host>".
    """

    name: str
    source: str
    path: str
    local: str
    bytes: int
    sha256: str
    verified: bool
    stated: bool = False
    served_by: str = ""


@dataclass(frozen=True)
class FetchResult:
    """What a fetch brought, sorted by the order of the wants, then by path, and what it did not.

    missing: "<name>: <path>" of wants that found nothing. mismatched: local paths whose pinned checksum did not hold,
    which only the mirror that stands in for all sources may do. partial: "<name>: <path>" of paths a mirror lacks,
    where the want found others. notes: one line for each file that a mirror of the entry had to serve, and why, and
    for each optional want that is closed to us.
    """

    files: list[Fetched]
    missing: list[str]
    mismatched: list[str]
    partial: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """How files come from one kind of place. name: as fetched.json notes it.

    find: the paths that a pattern with a star names. bring: one file, whole and checked, into a partial one.
    tolerant: its files are taken even if they are not what is pinned.
    """

    name: str
    find: Callable[[Place, str, Session], list[str]]
    bring: Callable[[Place, str, Partial, Pin, Session], Received]
    tolerant: bool = False
