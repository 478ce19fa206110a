"""Folders of results that are there whole or not at all, whatever ends the run that makes them."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from care_data.store import disk_error, flush


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, in its place when the block ends well, else removed, what was there being back."""
    made = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
    before = folder.with_name(f".{folder.name}.tmp-old-{os.getpid()}")
    try:
        made.mkdir(parents=True)
        yield made
        if folder.exists():  # set aside whole first: no kill may leave half of it under its name
            os.replace(folder, before)
        os.replace(made, folder)
        flush(folder.parent)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        if before.exists() and not folder.exists():
            os.replace(before, folder)
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def clear_up(folder: Path) -> None:
    """Remove what killed runs left beside the folder; what one had set aside and not yet replaced comes back."""
    try:
        found = folder.parent.glob(f".{glob.escape(folder.name)}.tmp-*")
        for left in sorted(found, reverse=True):  # what was set aside comes first
            if _is_alive(left.name.rpartition("-")[2]):
                continue
            if left.name.startswith(f".{folder.name}.tmp-old-") and not folder.exists():
                os.replace(left, folder)
            else:
                shutil.rmtree(left)
    except OSError as error:
        raise disk_error(error, folder) from error


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
