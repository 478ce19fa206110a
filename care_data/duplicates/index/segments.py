"""A segment of an index: records in files that never change once an index names them.

Raw arrays, little-endian, row after row, their lengths known from the number of records:
digests (2 x uint64 a record), signatures (num_perm x uint32), lengths (int32, characters of the compared fields),
labels (uint32, a number in the index's list), id (UTF-8), keysN (UTF-8, the keys of a group of fields) and exchanges
(uint64), each with where every record's begins (id_starts, …; int64, records + 1); per band the upper 32 bits of its
keys in order (buckets) and the records in that order (members, uint32); and of dialogues their openings (uint64, in
order) with the records (holders, uint32), of equal openings first the record that comes first in a search.
The keys stand for the shingles: these are made of them, and are eight bytes a character where the keys are three.
"""

import mmap
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.index.openings import find_openings
from care_data.errors import CareError, Exit
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.normalisation import Texts, frozen, take, unpack
from care_data.kernels import kernel
from care_data.store import disk_error, flush, sha256_file
from care_data.threads import work_ahead

if TYPE_CHECKING:
    import polars as pl

BLOCK = 1 << 16
_TAKEN = 1 << 12
"""Records read together: those of an addition lie far apart, and for each the system maps sixteen pages of a file."""
_BASE, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
RESTORE = "Restore it from a copy, or delete the index and build it again."


@dataclass(frozen=True)
class Records:
    """Some records as an index holds them. counts: the exchanges of each; keys: a Texts a group."""

    digests: NDArray[np.uint64]
    signatures: NDArray[np.uint32]
    lengths: NDArray[np.int32]
    labels: NDArray[np.uint32]
    ids: Texts
    keys: list[Texts]
    exchanges: NDArray[np.uint64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.digests)


@dataclass(frozen=True)
class Shape:
    """What tells the files of a segment. mask: the bits of a signature's value that its sketch keeps."""

    num_perm: int
    bands: Plan
    mask: np.uint32
    groups: int

    def files(self) -> dict[str, tuple[str, int]]:
        """Name to the type and the values a record; 0 for those whose number is in other files."""
        texts = ["id", *(f"keys{group}" for group in range(self.groups))]
        return {
            "digests": ("<u8", 2),
            "signatures": ("<u4", self.num_perm),
            "lengths": ("<i4", 1),
            "labels": ("<u4", 1),
            "buckets": ("<u4", self.bands.bands),
            "members": ("<u4", self.bands.bands),
            "exchanges": ("<u8", 0),
            "openings": ("<u8", 0),
            "holders": ("<u4", 0),
            **{f"{name}": ("<u1", 0) for name in texts},
            **{f"{name}_starts": ("<i8", 1) for name in [*texts, "exchange"]},
        }


@dataclass(frozen=True)
class Segment:
    """A segment open for reading, its files mapped from the disk. first: the number of its first record."""

    folder: Path
    shape: Shape
    first: int
    records: int
    arrays: dict[str, NDArray]
    maps: list[mmap.mmap]

    def release(self) -> None:
        """Let go of what was read: it stays in the system's cache, and no longer counts as this process's memory."""
        for mapped in self.maps:
            mapped.madvise(mmap.MADV_DONTNEED)

    def take(self, records: NDArray[np.int64]) -> Records:
        """These of its records (numbers within it), in this order."""
        starts = self.arrays["exchange_starts"]
        counts = starts[records + 1] - starts[records]
        names = [f"keys{group}" for group in range(self.shape.groups)]
        self._check("exchanges", starts[records], counts)
        begins = np.repeat(starts[records] - np.cumsum(counts) + counts, counts)
        places = begins + np.arange(len(begins))
        return Records(
            digests=self.arrays["digests"][records],
            signatures=self.arrays["signatures"][records],
            lengths=self.arrays["lengths"][records],
            labels=self.arrays["labels"][records],
            ids=self._texts("id", records),
            keys=[self._texts(name, records) for name in names],
            exchanges=self.arrays["exchanges"][places],
            counts=counts,
        )

    def blocks(self, records: NDArray[np.int64] | None = None) -> Iterator[Records]:
        """These of its records (all by default), some at a time."""
        records = np.arange(self.records) if records is None else records
        for start in range(0, len(records), _TAKEN):
            yield self.take(records[start : start + _TAKEN])
            self.release()

    def name(self, records: NDArray[np.int64], listed: list[str]) -> "tuple[pl.Series, pl.Series]":
        """The ids and labels of these of its records. listed: the index's labels."""
        import polars as pl

        labels = self.arrays["labels"][records]
        if len(labels) and labels.max() >= len(listed):
            where = str(self.folder / "labels")
            raise CareError("points outside the list", where=where, fix=RESTORE, code=Exit.INTEGRITY)
        return unpack(self._texts("id", records)), pl.Series(listed, dtype=pl.String).gather(labels)

    def _texts(self, name: str, records: NDArray[np.int64]) -> Texts:
        starts = self.arrays[f"{name}_starts"]
        self._check(name, starts[records], starts[records + 1] - starts[records])
        return take(Texts(self.arrays[name], starts), records)

    def _check(self, name: str, begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        if len(begins) and (begins.min() < 0 or sizes.min() < 0 or (begins + sizes).max() > len(self.arrays[name])):
            raise CareError("points outside its file", where=str(self.folder / name), fix=RESTORE, code=Exit.INTEGRITY)


def write_segment(folder: Path, shape: Shape, blocks: Iterable[Records], workers: int | None) -> dict[str, Any]:
    """Write the records as a segment, flushed to disk; how an index names it: folder, records, files."""
    try:
        return _write(folder, shape, blocks, workers)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise disk_error(error, folder) from error


def _write(folder: Path, shape: Shape, blocks: Iterable[Records], workers: int | None) -> dict[str, Any]:
    folder.mkdir()
    records = _write_blocks(folder, shape, blocks)
    _write_bands(folder, shape, records, workers)
    _write_openings(folder, records)
    names = sorted(shape.files())
    for name in names:
        flush(folder / name)
    flush(folder)
    flush(folder.parent)
    digests = work_ahead(lambda name: sha256_file(folder / name), names, workers)
    files = [
        {"path": name, "bytes": (folder / name).stat().st_size, "sha256": digest}
        for name, digest in zip(names, digests, strict=True)
    ]
    return {"folder": folder.name, "records": records, "files": files}


def open_segment(index: Path, entry: dict[str, Any], shape: Shape, first: int) -> Segment:
    """A segment as its index names it; CareError (4) where a file is missing or of another size."""
    folder, records = index / entry["folder"], entry["records"]
    told = {file["path"]: file["bytes"] for file in entry["files"]}
    arrays: dict[str, NDArray] = {}
    maps: list[mmap.mmap] = []
    for name, (kind, width) in shape.files().items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else -1
        rows = records + 1 if name.endswith("_starts") else records
        if size != told.get(name) or (width and size != rows * width * np.dtype(kind).itemsize):
            what = "missing" if size < 0 else f"{size} bytes long instead of {told.get(name)}"
            raise CareError(f"is {what}", where=str(path), fix=RESTORE, code=Exit.INTEGRITY)
        shape_of = (width, records) if name in ("buckets", "members") else (-1, width) if width > 1 else (-1,)
        arrays[name] = _map(path, kind, maps).reshape(shape_of)
    return Segment(folder, shape, first, records, arrays, maps)


def sketch_keys(signatures: NDArray[np.uint32], shape: Shape, band: int) -> NDArray[np.uint32]:
    """Per record what stands for the values of one band in `buckets`."""
    keys = np.empty(len(signatures), np.uint32)
    _hash(signatures, band * shape.bands.rows, shape.bands.rows, shape.mask, keys)
    return keys


def _map(path: Path, kind: str, maps: list[mmap.mmap] | None = None) -> NDArray:
    if not path.stat().st_size:
        return frozen(np.zeros(0, kind))
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    if maps is not None:
        maps.append(mapped)
    return np.frombuffer(mapped, kind)


def _write_blocks(folder: Path, shape: Shape, blocks: Iterable[Records]) -> int:
    streams = {name: (folder / name).open("wb") for name in shape.files()}
    ends = dict.fromkeys((name for name in streams if name.endswith("_starts")), 0)
    for name in ends:
        streams[name].write(np.zeros(1, "<i8").data)
    records = 0
    for block in blocks:
        records += len(block)
        for name in ("digests", "signatures", "lengths", "labels", "exchanges"):
            _append(streams[name], getattr(block, name))
        texts = {"id": block.ids, **{f"keys{group}": keys for group, keys in enumerate(block.keys)}}
        sizes = {"exchange_starts": block.counts}
        for name, these in texts.items():
            _append(streams[name], these.data[these.offsets[0] : these.offsets[-1]])
            sizes[f"{name}_starts"] = np.diff(these.offsets)
        for name, counts in sizes.items():
            _append(streams[name], ends[name] + np.cumsum(counts))
            ends[name] += int(counts.sum())
    for stream in streams.values():
        stream.close()
    return records


def _append(stream: BinaryIO, values: NDArray) -> None:
    stream.write(np.ascontiguousarray(values).data)


def _write_bands(folder: Path, shape: Shape, records: int, workers: int | None) -> None:
    signatures = _map(folder / "signatures", "<u4").reshape(-1, shape.num_perm)

    def sort(band: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        # Key and record in one number: sorting values is many times faster than finding their order.
        both = sketch_keys(signatures, shape, band).astype(np.uint64) << _SHIFT | np.arange(records, dtype=np.uint64)
        both.sort()
        return (both >> _SHIFT).astype(np.uint32), both.astype(np.uint32)

    with (folder / "buckets").open("wb") as buckets, (folder / "members").open("wb") as members:
        for keys, order in work_ahead(sort, range(shape.bands.bands if records else 0), workers):
            _append(buckets, keys)
            _append(members, order)


def _write_openings(folder: Path, records: int) -> None:
    exchanges, starts = _map(folder / "exchanges", "<u8"), _map(folder / "exchange_starts", "<i8")
    openings, holders = find_openings(exchanges, starts)
    lengths = _map(folder / "lengths", "<i4")
    order = np.lexsort((holders, -lengths[holders], openings)) if len(holders) else np.zeros(0, np.int64)
    for name, values in (("openings", openings), ("holders", holders)):
        with (folder / name).open("wb") as stream:
            _append(stream, values[order])


@kernel
def _hash(signatures: NDArray, begin: int, rows: int, mask: np.uint32, keys: NDArray) -> None:
    for record in range(signatures.shape[0]):
        key = np.uint64(begin + 1)
        for at in range(begin, begin + rows):
            key = (key ^ np.uint64(signatures[record, at] & mask)) * _BASE
            key ^= key >> _SHIFT
        keys[record] = np.uint32(key >> _SHIFT)
