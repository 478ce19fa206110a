"""Blocks of a file cut into its rows, byte for byte, and a copy of the file made of some of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow._compute import call_function  # pyarrow.compute takes 25 ms to describe all that it could call

from care_data.datafiles.packing import open_packed, write_packed
from care_data.errors import CareError, Exit

BLOCK = 8 << 20
"""Bytes read at a time."""

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Cut:
    """A block and its rows. offset: of the block in the file. starts, stops: of its rows in the block.

    before, after: bytes at the beginning or end of the file that belong to no row and always stay.
    """

    offset: int
    data: bytes
    starts: Places
    stops: Places
    before: bytes = b""
    after: bytes = b""


class BadRow(Exception):
    """A row that cannot be read: its number in the block from 0, its byte in the file, and what is wrong."""

    def __init__(self, row: int, offset: int, problem: str) -> None:
        super().__init__(row, offset, problem)
        self.row, self.offset, self.problem = row, offset, problem

    def tell(self, path: Path, rows: int) -> CareError:
        """The error for a person. rows: of the blocks before."""
        where = f"{path}, row {rows + self.row + 1}, byte {self.offset}"
        return CareError(self.problem, where=where, fix="Mend the row or take it out; nothing was left out.")


def copy_rows(path: Path, cuts: Iterator[Cut], stays: Flags, to: Path, joiner: bytes = b"") -> None:
    """Write the rows that stay, each as it stands, with the joiner between; packed as the file is."""
    write_packed(to, path, _deal(cuts, stays), lambda dealt: _choose(dealt, joiner))


def _deal(cuts: Iterator[Cut], stays: Flags) -> Iterator[tuple[Cut, Flags, bool]]:
    """Each block with what stays of it, and whether a row of an earlier block stays."""
    at, begun = 0, False
    for cut in cuts:
        mine = stays[at : at + len(cut.starts)]
        at += len(cut.starts)
        if at > len(stays):
            break
        yield cut, mine, begun
        begun = begun or bool(mine.any())
    refuse_changed(at, len(stays))


def choose_rows(rows: Any, stays: Flags) -> Any:
    """The rows of a table or batch that stay.

    pa.array of the flags would import pandas, where that is there, to see whether they are its own.
    """
    bits = np.packbits(np.ascontiguousarray(stays), bitorder="little")
    return call_function("filter", [rows, pa.Array.from_buffers(pa.bool_(), len(stays), [None, pa.py_buffer(bits)])])


def refuse_changed(rows: int, expected: int) -> None:
    """CareError (4) where the file's rows are not as many as when it was read."""
    if rows != expected:
        told = "more" if rows > expected else "fewer"
        fix = "It was changed in the meantime: run again."
        raise CareError(f"it has {told} rows than the {expected} read before", fix=fix, code=Exit.INTEGRITY)


def _choose(dealt: tuple[Cut, Flags, bool], joiner: bytes) -> bytes:
    """The bytes of the rows that stay; those that stand one behind another are taken at once."""
    cut, stays, begun = dealt
    chosen = np.flatnonzero(stays)
    starts, stops = cut.starts[chosen], cut.stops[chosen]
    parted = np.flatnonzero(starts[1:] != stops[:-1] + len(joiner))
    first, last = np.append(0, parted + 1)[: len(starts)], np.append(parted, len(starts) - 1)[: len(starts)]
    view = memoryview(cut.data)
    runs = [view[start:stop] for start, stop in zip(starts[first].tolist(), stops[last].tolist(), strict=True)]
    lead = joiner if begun and runs else b""
    return b"".join([cut.before, lead, joiner.join(runs), cut.after])


def head_of(path: Path, size: int = BLOCK) -> bytes:
    """The first bytes of the file, unpacked."""
    parts: list[bytes] = []
    with open_packed(path) as stream:
        while size > 0 and (part := stream.read(size)):
            parts.append(part)
            size -= len(part)
    return b"".join(parts)
