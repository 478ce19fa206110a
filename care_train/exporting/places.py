"""Where an export goes: a folder that stands under its name only once it is whole."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from care_train.checkpoints import read_note
from care_train.config import usage
from care_train.errors import CareError, Exit

MARK = "export"
"""The key of care_train.json that an exported folder has and a run's has not."""


@contextmanager
def claim(output: Path, sources: list[Path], *, overwrite: bool) -> Iterator[Path]:
    """A folder to write into, which becomes `output` when the block ends without an error, and is gone otherwise.

    What an export that was killed left beside it is cleared away. Raises where `output` holds anything but an earlier
    export that may be replaced, lies in, above or at one of the sources, or is being written by another process.
    """
    output = output.resolve()
    keep_apart(output, sources)
    part, old = (output.with_name(f".{output.name}.{end}") for end in ("part", "old"))
    output.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(part)
    try:
        if old.exists():  # killed between taking the earlier export away and putting the new one there
            shutil.rmtree(old) if output.exists() else old.rename(output)
        _refuse_others(output, overwrite)
        for left in part.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield part
        _put(part, output, old)
    finally:
        if part.exists():
            shutil.rmtree(part)
        os.close(lock)


def keep_apart(output: Path, sources: list[Path]) -> None:
    """Raise where writing to `output` would touch what is read."""
    for source in map(Path.resolve, sources):
        if output == source or source in output.parents or output in source.parents:
            what = f"--output_dir {output} would write into {source}, which is read"
            raise usage(what, "Choose a folder beside it.")


def need_room(folder: Path, size: int) -> None:
    """Raise where the disk below `folder` has fewer than `size` bytes."""
    free = shutil.disk_usage(folder).free
    if free < size:
        what = f"the model takes {size / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB"
        raise CareError(what, where=str(folder.parent), fix="Make room, or choose another disk.", code=Exit.LIMIT)


def _lock(part: Path) -> int:
    """A descriptor of the folder, made if need be, that no other process holds locked; a killed one lets go."""
    while True:
        part.mkdir(exist_ok=True)
        lock = os.open(part, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            fix = "Wait for it, or choose another --output_dir."
            raise CareError("another export is writing there", where=str(part), fix=fix) from error
        if part.exists() and os.stat(part).st_ino == os.fstat(lock).st_ino:
            return lock
        os.close(lock)


def _refuse_others(output: Path, overwrite: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not output.is_dir() or MARK not in read_note(output):
        raise CareError("is not empty and no earlier export", where=str(output), fix="Choose another --output_dir.")
    if not overwrite:
        fix = "Add --overwrite_output_dir, or choose another."
        raise CareError("holds an earlier export", where=str(output), fix=fix)


def _put(part: Path, output: Path, old: Path) -> None:
    """Give the finished folder its name; its bytes are on the disk by then."""
    for path in sorted(part.rglob("*")):
        _sync(path)
    _sync(part)
    if output.exists() and any(output.iterdir()):
        output.rename(old)
    part.rename(output)
    _sync(output.parent)
    if old.exists():
        shutil.rmtree(old)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
