"""Records with equal keys are one: every input read once, and for each distinct key what the search needs.

What grows with the text (keys, sketches) goes to scratch files; memory holds some numbers for each record.
A sketch is the signature with each value cut to its lowest bits, as many as keep chance hits of a band rarer than one
in 2**40 pairs. Values that are equal stay so: a pair that shares a band of the signature shares that of the sketch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Dialogues, hash_exchanges, mark_cuts, replace_dialogues
from care_data.duplicates.inputs import TURNS, Input, Rules
from care_data.duplicates.keys import ArrayWriter, Keys, KeyWriter
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.normalisation import Texts, folding, take
from care_data.fingerprints.shingles import fold_written, shingle
from care_data.fingerprints.signatures import blank, sign
from care_data.kernels import kernel, load_kernels
from care_data.threads import work_ahead

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.index.segments import Records

_BLOCK = 4096
_SURE_BITS = 40

Advance = Callable[[str, int, int | None], None]
"""(step, done, total): how far the search is."""


@dataclass(frozen=True)
class Distinct:
    """What was read. classes: per row the number of its key, counted as they come; lengths: per row its characters.

    starts: the first row of each input, and the number of all rows. keys: per group the keys of the classes. sketches:
    classes x values; signatures: the same in full, where asked for. dialogues: who may hold whom.
    """

    classes: NDArray[np.int32]
    lengths: NDArray[np.int32]
    starts: list[int]
    keys: list[Keys]
    digests: NDArray[np.uint64]
    sketches: NDArray
    signatures: NDArray[np.uint32] | None
    dialogues: Dialogues

    def __len__(self) -> int:
        return len(self.digests)

    def read(self, records: NDArray, group: int) -> Texts:
        """The keys of these classes in one group."""
        return self.keys[group].take(records)


@dataclass
class _Block:
    """Some rows of an input on their way. keys: a Texts a group; new: the rows whose key was not met before."""

    number: int
    keys: list[Texts]
    digests: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    exchanges: tuple[NDArray[np.uint64], NDArray[np.int64]]
    classes: NDArray[np.int32]
    new: NDArray[np.int64]
    signatures: NDArray[np.uint32]


def distinguish(
    inputs: Sequence[Input],
    groups: int,
    rules: Rules,
    bands: Plan,
    scratch: Path,
    workers: int | None,
    advance: Advance,
    full: bool = False,
) -> Distinct:
    """Read all inputs, and write what belongs to their keys into the folder `scratch`.

    full: the whole signatures too. Numbers of classes do not depend on `workers`.
    """
    table = Table()
    writers = [KeyWriter(scratch / f"keys{group}") for group in range(groups)]
    sketches = ArrayWriter(scratch / "sketches", sketch_type(bands), rules.num_perm)
    signatures = ArrayWriter(scratch / "signatures", np.dtype(np.uint32), rules.num_perm) if full else None
    exchanges: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
    classes: list[NDArray[np.int32]] = []
    lengths: list[NDArray[np.int32]] = []
    rows = np.zeros(len(inputs), np.int64)

    def fold_block(item: "tuple[int, pl.DataFrame]") -> _Block:
        return _fold_block(*item, groups)

    def sign_block(block: _Block) -> _Block:
        return _sign_block(block, rules, full or not rules.exhaustive)

    folded = work_ahead(fold_block, _begin(_cut(inputs)), workers)
    for block in work_ahead(sign_block, (table.place_block(block) for block in folded), workers):
        classes.append(block.classes)
        lengths.append(block.lengths.astype(np.int32))
        rows[block.number] += len(block.classes)
        for writer, keys in zip(writers, block.keys, strict=True):
            writer.append(keys)
        sketches.append(block.signatures)
        if signatures is not None:
            signatures.append(block.signatures)
        exchanges.append(block.exchanges)
        advance("read", int(rows.sum()), None)
    return Distinct(
        classes=np.concatenate([np.zeros(0, np.int32), *classes]),
        lengths=np.concatenate([np.zeros(0, np.int32), *lengths]),
        starts=[0, *np.cumsum(rows).tolist()],
        keys=[writer.close() for writer in writers],
        digests=table.digests[: table.count],
        sketches=sketches.close(),
        signatures=signatures.close() if signatures is not None else None,
        dialogues=_join(exchanges),
    )


def extend(distinct: Distinct, blocks: "Iterable[Records]", scratch: Path) -> Distinct:
    """The same with records of an index as an input before the others; the numbers of its own classes stay."""
    table = Table()
    table.place(distinct.digests)
    writers = [KeyWriter(keys.path, keys) for keys in distinct.keys]
    sketches = ArrayWriter(scratch / "sketches", distinct.sketches.dtype, distinct.sketches.shape[1], distinct.sketches)
    classes, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    exchanges, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for block in blocks:
        numbers, new = table.place(block.digests)
        classes.append(numbers)
        lengths.append(block.lengths)
        for writer, keys in zip(writers, block.keys, strict=True):
            writer.append(take(keys, new))
        sketches.append(block.signatures[new])
        exchanges.append(block.exchanges)
        counts.append(block.counts)
    known = np.concatenate(classes)
    said, each = np.concatenate(exchanges), np.concatenate(counts)
    return Distinct(
        classes=np.concatenate([known, distinct.classes]),
        lengths=np.concatenate([*lengths, distinct.lengths]),
        starts=[0, *(len(known) + start for start in distinct.starts)],
        keys=[writer.close() for writer in writers],
        digests=table.digests[: table.count],
        sketches=sketches.close(),
        signatures=distinct.signatures,
        dialogues=replace_dialogues(distinct.dialogues, said, each, known, table.count),
    )


def sketch_type(bands: Plan) -> np.dtype:
    """The narrowest values of which those of one band hold _SURE_BITS."""
    bits = next((bits for bits in (8, 16) if bits * bands.rows >= _SURE_BITS), 32)
    return np.dtype(f"uint{bits}")


class Table:
    """The digests met so far, each with its number."""

    def __init__(self) -> None:
        self.count = 0
        self.digests = np.empty((1 << 12, 2), np.uint64)
        self._slots = np.full(1 << 13, -1, np.int32)

    def place(self, digests: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The number of each digest, and the rows of those not met before, which are numbered on in their order."""
        while self.count + len(digests) > len(self.digests):
            wider = np.empty((2 * len(self.digests), 2), np.uint64)
            wider[: self.count] = self.digests[: self.count]
            self.digests, self._slots = wider, np.full(2 * len(wider), -1, np.int32)
            _fill(self.digests, self.count, self._slots)
        numbers, new = np.empty(len(digests), np.int32), np.empty(len(digests), np.int64)
        found = _place(digests, self.digests, self._slots, self.count, numbers, new)
        self.count += found
        return numbers, new[:found]

    def place_block(self, block: _Block) -> _Block:
        """The block with the classes of its rows."""
        block.classes, block.new = self.place(block.digests)
        return block


def _cut(inputs: Sequence[Input]) -> "Iterator[tuple[int, pl.DataFrame]]":
    """(number of the input, up to _BLOCK rows) of all inputs in order."""
    for number, each in enumerate(inputs):
        for frame in each.read():
            for start in range(0, frame.height, _BLOCK):
                yield number, frame[start : start + _BLOCK]


def _begin(blocks: "Iterator[tuple[int, pl.DataFrame]]") -> "Iterator[tuple[int, pl.DataFrame]]":
    """The same, the first one read while the interpreter makes ready what all threads will use."""
    with ThreadPoolExecutor(2) as aside:
        first = aside.submit(next, blocks, None)
        loading = aside.submit(load_kernels)
        folding()
        loading.result()
    return blocks if (block := first.result()) is None else chain([block], blocks)


def _fold_block(number: int, frame: "pl.DataFrame", groups: int) -> _Block:
    digests, lengths = np.zeros((frame.height, 2), np.uint64), np.zeros(frame.height, np.int64)
    keys = []
    for group in range(groups):
        folded, digests, read = fold_written(frame[f"group{group}"], digests)
        keys.append(folded)
        lengths += read
    exchanges = digests[:, 0].copy(), np.ones(frame.height, np.int64)
    if TURNS in frame.columns:
        exchanges = hash_exchanges(frame[TURNS], digests)
        digests = mark_cuts(digests, *exchanges)
    nothing = np.zeros(0, np.int64)
    return _Block(number, keys, digests, lengths, exchanges, nothing.astype(np.int32), nothing, blank(0))


def _sign_block(block: _Block, rules: Rules, signing: bool) -> _Block:
    """The block with keys, exchanges and signatures of its new rows only."""
    if len(block.new) < len(block.classes):
        block.keys = [take(keys, block.new) for keys in block.keys]
        values, counts = block.exchanges
        is_new = np.zeros(len(counts), np.bool_)
        is_new[block.new] = True
        block.exchanges = values[np.repeat(is_new, counts)], counts[is_new]
    if signing:
        block.signatures = blank(len(block.new), rules.num_perm)
        for group, keys in enumerate(block.keys):
            hashes, starts = shingle(keys, group, bits=32)
            sign(hashes, starts, block.signatures, scheme=rules.scheme)
    return block


def _join(exchanges: list[tuple[NDArray[np.uint64], NDArray[np.int64]]]) -> Dialogues:
    counts = np.concatenate([np.zeros(1, np.int64), *(counts for _, counts in exchanges)])
    return Dialogues(np.concatenate([np.zeros(0, np.uint64), *(values for values, _ in exchanges)]), np.cumsum(counts))


@kernel
def _place(digests: NDArray, known: NDArray, slots: NDArray, count: int, numbers: NDArray, new: NDArray) -> int:
    found, mask = 0, np.int64(slots.shape[0] - 1)
    for row in range(digests.shape[0]):
        slot = np.int64(digests[row, 0]) & mask
        while slots[slot] >= 0 and (
            known[slots[slot], 0] != digests[row, 0] or known[slots[slot], 1] != digests[row, 1]
        ):
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            slots[slot] = count + found
            known[count + found, 0], known[count + found, 1] = digests[row, 0], digests[row, 1]
            new[found] = row
            found += 1
        numbers[row] = slots[slot]
    return found


@kernel
def _fill(known: NDArray, count: int, slots: NDArray) -> None:
    mask = np.int64(slots.shape[0] - 1)
    for number in range(count):
        slot = np.int64(known[number, 0]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = number
