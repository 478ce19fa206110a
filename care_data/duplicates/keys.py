"""The keys of distinct records, in a scratch file: written once in order, read back by number."""

import mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts, frozen, take

_RESIDENT = 256 << 20


class KeyWriter:
    """Takes the keys of one group, block after block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: BinaryIO = path.open("wb")
        self._lengths: list[NDArray[np.int64]] = []

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
