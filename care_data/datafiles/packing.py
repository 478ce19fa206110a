"""Files of bytes, packed by gzip or zstd or not at all, as streams; and what is left of their rows, packed again."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from care_data.errors import CareError, Exit
from care_data.store import disk_error, writing
from care_data.threads import work_ahead

PACKINGS = ("gz", "zst")
"""Suffixes of packed files."""


def packing_of(path: Path) -> str:
    """The suffix by which a file is packed; empty where it is not."""
    suffix = path.suffix.lower().removeprefix(".")
    return suffix if suffix in PACKINGS else ""


@contextmanager
def open_packed(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked; CareError (4) where it is damaged or cut."""
    try:
        with _open(path) as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise (disk_error(error, path) if error.errno else _damaged(path, error)) from error


def _open(path: Path) -> BinaryIO:
    packing = packing_of(path)
    if packing == "gz":
        return cast(BinaryIO, gzip.open(path))
    if packing == "zst":
        import pyarrow as pa

        return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb", buffering=0)


def _damaged(path: Path, error: Exception) -> CareError:
    fix = "It is cut or damaged: fetch or pack it again."
    return CareError(f"cannot be unpacked ({error})", fix=fix, code=Exit.INTEGRITY)


def write_packed(path: Path, like: Path, blocks: Iterable[Any], choose: Callable[[Any], bytes]) -> None:
    """Write choose(block) of each block, on all cores, packed as the file `like` is; whole or not at all.

    Each block is a member (gzip) or frame (zstd) of its own, which every reader takes for one stream.
    """
    pack = _PACKERS[packing_of(like)]
    with writing(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(work_ahead(lambda block: pack(choose(block)), blocks))


def _pack_gzip(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def _pack_zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return cast(bytes, pa.Codec("zstd").compress(data, asbytes=True))


_PACKERS: dict[str, Callable[[bytes], bytes]] = {"": lambda data: data, "gz": _pack_gzip, "zst": _pack_zstd}
