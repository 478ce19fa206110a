"""Members of zip, tar and gzip files, streamed: nothing is unpacked to disk, and a bomb is refused."""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from care_data.errors import CareError, Exit

MAX_RATIO = 200
"""A member may grow to this many times the archive's bytes, and by 64 MiB beyond."""
MAX_MEMBERS = 100_000

Member = tuple[str | None, Callable[[], BinaryIO]]
"""(name inside the archive, or None for the file itself; what opens it)."""

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


@contextmanager
def open_members(path: Path, pattern: str | None) -> Iterator[list[Member]]:
    """What a file holds: the file itself, or the members of an archive that match the pattern, sorted by name.

    The kind is told by the first bytes, since suffixes lie. Without a pattern an archive must hold one data member.
    Damage found here or while a member is read ends in one CareError.
    """
    kind = _kind(path)
    try:
        if kind == "zip":
            with zipfile.ZipFile(path) as archive:
                yield _zip_members(archive, path, pattern)
        elif kind == "tar":
            with tarfile.open(path) as archive:
                yield _tar_members(archive, path, pattern)
        elif kind == "gzip":
            yield [(None, lambda: _bounded(gzip.GzipFile(path), path))]
        else:
            yield [(None, lambda: path.open("rb"))]
    except _DAMAGE as error:
        raise CareError(
            f"{path.name} is damaged or cut short ({error})", fix="Fetch it again.", code=Exit.INTEGRITY
        ) from error


def _kind(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or path.suffix == ".zip":
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "tar" if path.name.endswith((".tar.gz", ".tgz")) else "gzip"
    return "tar" if head[257:262] == b"ustar" else ""


def _zip_members(archive: zipfile.ZipFile, path: Path, pattern: str | None) -> list[Member]:
    members = {}
    for info in archive.infolist()[: MAX_MEMBERS + 1]:
        if not info.is_dir():
            members[_zip_name(info)] = info
    chosen = _choose(list(members), path, pattern)
    locked = next((name for name in chosen if members[name].flag_bits & 0x1), None)
    if locked:
        raise CareError(f"{locked} in {path.name} needs a password", fix="Unpack it by hand.", code=Exit.MANUAL)
    return [(name, _opener(archive.open, members[name], path)) for name in chosen]


def _tar_members(archive: tarfile.TarFile, path: Path, pattern: str | None) -> list[Member]:
    members = {info.name: info for info in archive if info.isfile()}
    return [(name, _opener(archive.extractfile, members[name], path)) for name in _choose(list(members), path, pattern)]


def _opener(open_member: Callable[[Any], IO[bytes] | None], info: Any, path: Path) -> Callable[[], BinaryIO]:
    def open_it() -> BinaryIO:
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

    def __init__(self, stream: IO[bytes], limit: int, name: str) -> None:
        self._stream, self._left, self._name = stream, limit, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise CareError(
                f"{self._name} grows beyond {MAX_RATIO} times its size", fix="It is refused.", code=Exit.LIMIT
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _bounded(stream: Any, path: Path) -> BinaryIO:
    limit = path.stat().st_size * MAX_RATIO + (64 << 20)
    return io.BufferedReader(_Bounded(stream, limit, path.name), buffer_size=1 << 20)
