"""Files on their way: written aside under a lock, made durable, then renamed to where they belong."""

import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from care_data.errors import CareError, Exit
from care_data.store import flush, write_json

FOLDER = ".partial"  # below the raw folder: one file system, so the rename is atomic; never part of a mirror
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
MARGIN = 16 << 20  # bytes of the disk that are left to others
BAD = re.compile(r"\.bad-[0-9a-f]{8}$")  # how the name of a file ends that is not what it should be
LONGEST = 255 - len(".bad-01234567")  # bytes of the name before it


class Partial:
    """One file on its way to `target`. `path` is its .part, `state` (a .part.json) says whose its first bytes are."""

    def __init__(self, path: Path, target: Path, descriptor: int) -> None:
        self.path, self.target, self.state = path, target, path.with_name(path.name + ".json")
        self._descriptor = descriptor

    @property
    def held(self) -> int:
        """Bytes there so far."""
        return os.fstat(self._descriptor).st_size

    def drop(self) -> None:
        """Start again from nothing."""
        self.state.unlink(missing_ok=True)
        os.ftruncate(self._descriptor, 0)

    def write(self, chunk: bytes) -> None:
        """Append. A full disk raises CareError (8), with nothing of the file left on it."""
        try:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            if error.errno not in FULL:
                raise
            held = self.held
            self.drop()
            raise CareError(
                f"the disk is full ({os.strerror(error.errno or 0)}) after {held} bytes",
                fix="Free some space, or choose another folder with --to, then run again.",
                code=Exit.LIMIT,
                fatal=True,
            ) from error

    def read_state(self) -> dict[str, Any]:
        """What was noted about the bytes there; empty where nothing was, or where it cannot be read."""
        try:
            state = json.loads(self.state.read_bytes())
        except (OSError, ValueError):
            return {}  # then the file starts again from byte 0, which costs traffic, never content
        return state if isinstance(state, dict) else {}

    def write_state(self, state: dict[str, Any]) -> None:
        """Note what the bytes to come belong to: before the first of them, or a kill leaves bytes of unknown origin."""
        write_json(self.state, state)

    def require(self, size: int) -> None:
        """Raise CareError (8) if the disk has no room for a file of `size` bytes, whose first are there."""
        disk, wanted = os.fstatvfs(self._descriptor), max(0, size - self.held)
        free = disk.f_bavail * disk.f_frsize
        if free < wanted + MARGIN:
            raise CareError(
                f"the disk has {free} bytes free, and {self.target.name} needs {wanted} and {MARGIN} to spare",
                fix="Free some space, or choose another folder with --to, then run again.",
                code=Exit.LIMIT,
                fatal=True,
            )

    def quarantine(self, sha256: str) -> str:
        """Put bytes that are not what they should be beside the target, under a name that no data has; that name."""
        name = self.target.name
        while len(name.encode()) > LONGEST:
            name = name[:-1]
        aside = self.target.with_name(f"{name}.bad-{sha256[:8]}")
        aside.parent.mkdir(parents=True, exist_ok=True)
        self.state.unlink(missing_ok=True)
        os.replace(self.path, aside)
        before, self._descriptor = self._descriptor, _lock(self.path)  # what comes next is a new file
        os.close(before)
        return aside.name

    def release(self) -> None:
        """Let others have it. A partial without bytes is removed."""
        if _is_at(self.path, self._descriptor) and not self.held:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def keep(self, target: Path) -> None:
        """Make the bytes durable and give them their final name."""
        os.fsync(self._descriptor)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.state.unlink(missing_ok=True)
        os.replace(self.path, target)
        flush(target.parent)


def partial_path(raw: Path, local: str) -> Path:
    """Where the bytes of `<raw>/<local>` are until it is whole."""
    # Upstream names may be as long as a file name can be, so the partial is named by their hash.
    return raw / FOLDER / (hashlib.sha256(local.encode()).hexdigest()[:32] + ".part")


@contextmanager
def hold(raw: Path, local: str) -> Iterator[Partial]:
    """The partial file of `<raw>/<local>`, ours alone: a second process that wants it waits here until we are done."""
    path = partial_path(raw, local)
    part = Partial(path, raw / local, _lock(path))
    try:
        yield part
    finally:
        part.release()


def sweep(raw: Path) -> None:
    """Remove the folder of partial files if nothing is on its way."""
    with suppress(OSError):
        (raw / FOLDER).rmdir()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """The folder, locked against others who lock it; waits for them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """A descriptor of the file at `path`, opened to append and locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            continue  # another process swept the empty folder between the two calls
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # the one before us renamed or removed it while we waited


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        there, ours = os.stat(path, follow_symlinks=False), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
