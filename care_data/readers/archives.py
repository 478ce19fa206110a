"""Members of zip, tar and gzip files, streamed: nothing is unpacked to disk, and a bomb is refused."""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from care_data.errors import CareError, Exit

MAX_RATIO = 200
"""A member may grow to this many times the archive's bytes, and by 64 MiB beyond."""
MAX_MEMBERS = 100_000

Member = tuple[str | None, Callable[[], BinaryIO]]
"""(name inside the archive, or None for the file itself; what opens it)."""

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    ValueError,
    EOFError,
)
"""What Python's archive modules raise at damaged bytes, by the place of the damage."""


@contextmanager
def open_members(path: Path, pattern: str | None, packed: bool = True) -> Iterator[list[Member]]:
    """What a file holds: the file itself, or the members of an archive that match the pattern, sorted by name.

    The kind is told by the first bytes, since suffixes lie. Without a pattern an archive must hold one data member.
    With `packed` false the file is taken as it is, for a format that is itself a zip. CareError for damage found here
    or while a member is read.
    """
    with ExitStack() as stack:
        with _damage_told(path):
            members = _OPENERS[_kind(path) if packed else ""](path, pattern, stack)
        yield members


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        what = f"{path.name} cannot be unpacked ({error})"
        raise CareError(what, fix="Unpack it by hand.", code=Exit.MANUAL) from error
    except _DAMAGE as error:
        what = f"{path.name} is damaged or cut short ({error})"
        raise CareError(what, fix="Fetch it again.", code=Exit.INTEGRITY) from error


def _kind(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or path.suffix == ".zip":
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "tar" if path.name.endswith((".tar.gz", ".tgz")) else "gzip"
    return "tar" if head[257:262] == b"ustar" else ""


def _plain(path: Path, pattern: str | None, stack: ExitStack) -> list[Member]:
    return [(None, lambda: path.open("rb"))]


def _gzip_members(path: Path, pattern: str | None, stack: ExitStack) -> list[Member]:
    return [(None, lambda: _bounded(gzip.GzipFile(path), path))]


def _zip_members(path: Path, pattern: str | None, stack: ExitStack) -> list[Member]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    named = [(_zip_name(info), info) for info in archive.infolist()[: MAX_MEMBERS + 1] if not info.is_dir()]
    members = _once(named, path)
    chosen = _choose(list(members), path, pattern)
    locked = next((name for name in chosen if members[name].flag_bits & 0x1), None)
    if locked:
        raise CareError(f"{locked} in {path.name} needs a password", fix="Unpack it by hand.", code=Exit.MANUAL)
    return [(name, _opener(archive.open, members[name], path)) for name in chosen]


def _tar_members(path: Path, pattern: str | None, stack: ExitStack) -> list[Member]:
    archive = stack.enter_context(tarfile.open(path))  # noqa: SIM115  the stack closes it
    members = _once([(info.name, info) for info in archive if info.isfile()], path)
    while archive.fileobj and archive.fileobj.read(1 << 20):
        pass  # the checksum of a packed tar stands behind its last member, where tarfile does not look
    return [(name, _opener(archive.extractfile, members[name], path)) for name in _choose(list(members), path, pattern)]


def _once(named: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    """Members by name; CareError where two have one name, since nothing tells which of them is meant."""
    members: dict[str, Any] = {}
    for name, info in named:
        if name in members:
            raise CareError(
                f"{path.name} holds {name!r} twice", fix="It is refused whole. Fetch it again.", code=Exit.INTEGRITY
            )
        members[name] = info
    return members


def _opener(open_member: Callable[[Any], IO[bytes] | None], info: Any, path: Path) -> Callable[[], BinaryIO]:
    def open_it() -> BinaryIO:
        with _damage_told(path):
            stream = open_member(info)
        assert stream is not None, "a regular member opens"  # noqa: S101
        return _bounded(stream, path)

    return open_it


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; zips made on Chinese Windows hold GBK without saying so, and zipfile reads it as cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    raw = info.filename.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _choose(names: list[str], path: Path, pattern: str | None) -> list[str]:
    """Names that hold data and match; `__MACOSX/` and dot files never count."""
    if len(names) > MAX_MEMBERS:
        raise CareError(f"{path.name} holds more than {MAX_MEMBERS} members", fix="It is refused.", code=Exit.LIMIT)
    for name in names:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise CareError(
                f"{path.name} holds the unsafe name {name!r}", fix="It is refused whole.", code=Exit.INTEGRITY
            )
    data = [name for name in names if not any(p.startswith((".", "__MACOSX")) for p in PurePosixPath(name).parts)]
    chosen = [name for name in data if pattern is None or matches(name, pattern)]
    shown = ", ".join(sorted(data)[:8]) or "nothing"
    if not chosen:
        raise CareError(f"no member of {path.name} fits {pattern!r}", fix=f"It holds {shown}.")
    if pattern is None and len(chosen) > 1:
        raise CareError(f"{path.name} holds several members", fix=f"Name one with member = …: {shown}.")
    return sorted(chosen)


def matches(name: str, pattern: str) -> bool:
    """Whether the name fits the glob; `**/` also stands for no folder at all."""
    return fnmatchcase(name, pattern) or ("**/" in pattern and fnmatchcase(name, pattern.replace("**/", "")))


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than the limit, so that a small archive cannot fill the machine."""

    def __init__(self, stream: IO[bytes], limit: int, path: Path) -> None:
        self._stream, self._left, self._path = stream, limit, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage_told(self._path):
            data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise CareError(
                f"{self._path.name} grows beyond {MAX_RATIO} times its size", fix="It is refused.", code=Exit.LIMIT
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _bounded(stream: Any, path: Path) -> BinaryIO:
    limit = path.stat().st_size * MAX_RATIO + (64 << 20)
    return io.BufferedReader(_Bounded(stream, limit, path), buffer_size=1 << 20)


_OPENERS = {"zip": _zip_members, "tar": _tar_members, "gzip": _gzip_members, "": _plain}
