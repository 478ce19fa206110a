"""Keys and arrays of distinct records, in scratch files: written in order, read back by number."""

import mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts, frozen, take

_RESIDENT = 256 << 20


class KeyWriter:
    """Takes the keys of one group, block after block; after those of `before`, which the file holds already."""

    def __init__(self, path: Path, before: "Keys | None" = None) -> None:
        self.path = path
        self._stream: BinaryIO = path.open("ab" if before else "wb")
        self._lengths: list[NDArray[np.int64]] = [np.diff(before.texts.offsets)] if before else []

    def append(self, keys: Texts) -> None:
        """Add the keys of further records."""
        self._stream.write(keys.data[keys.offsets[0] : keys.offsets[-1]].data)
        self._lengths.append(np.diff(keys.offsets))

    def close(self) -> "Keys":
        """The keys written, open for reading."""
        self._stream.close()
        return Keys(self.path, np.concatenate([np.zeros(0, np.int64), *self._lengths]))


class Keys:
    """Keys on disk. lengths: the bytes of each."""

    def __init__(self, path: Path, lengths: NDArray[np.int64]) -> None:
        offsets = frozen(np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))
        self.path = path
        self._mapped: mmap.mmap | None = None
        data = frozen(np.zeros(0, np.uint8))
        if offsets[-1]:
            with path.open("rb") as stream:
                self._mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            data = np.frombuffer(self._mapped, np.uint8)
        self.texts = Texts(data, offsets)
        self._touched = 0

    def take(self, records: NDArray) -> Texts:
        """The keys of these records, in this order."""
        taken = take(self.texts, records.astype(np.int64, copy=False))
        self._touched += len(taken.data)
        if self._mapped is not None and self._touched > _RESIDENT:
            # What was read stays in the system's cache, and no longer counts as this process's memory.
            self._touched = 0
            self._mapped.madvise(mmap.MADV_DONTNEED)
        return taken


class ArrayWriter:
    """Takes rows of an array, block after block; after those of `before`, which the file holds already."""

    def __init__(self, path: Path, dtype: np.dtype, width: int, before: NDArray | None = None) -> None:
        self.path, self.dtype, self.width, self.rows = path, dtype, width, 0 if before is None else len(before)
        self._stream: BinaryIO = path.open("wb" if before is None else "ab")

    def append(self, block: NDArray) -> None:
        """Add rows, each value cut to the width of the file's."""
        self._stream.write(np.ascontiguousarray(block).astype(self.dtype).data)
        self.rows += len(block)

    def close(self) -> NDArray:
        """The whole array, mapped from the disk."""
        self._stream.close()
        if not self.rows:
            return frozen(np.zeros((0, self.width), self.dtype))
        return np.asarray(np.memmap(self.path, self.dtype, "r", shape=(self.rows, self.width)))
