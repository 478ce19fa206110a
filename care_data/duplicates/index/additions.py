"""New records against an index: those of its records that matter come before them, and stay.

An index's record can only matter where it shares a band with a new one and agrees with it in enough values, or is a
dialogue that holds it. Those are found by the sorted bands and openings of the segments, so little else is touched, and
the search over them and the new ones gives what it would give over the whole index and the new ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.distinct import Advance, Distinct, distinguish, extend
from care_data.duplicates.index import Index, add_segment
from care_data.duplicates.index.lookup import find_meetings, find_neighbours
from care_data.duplicates.index.segments import BLOCK, Records
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import KEPT, Verdicts, settle, silent
from care_data.errors import CareError, Exit
from care_data.fingerprints.normalisation import Texts, pack, unpack
from care_data.fingerprints.verification import verify

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Addition:
    """A run against an index. inputs: the index's records that took part as one settled input, then the new ones.

    verdicts: on the rows of all these inputs. ids, labels: of the index's records, by their rows. distinct, index, run:
    what commit() takes.
    """

    index: Index
    run: str
    inputs: list[Input]
    verdicts: Verdicts
    ids: "pl.Series"
    labels: "pl.Series"
    distinct: Distinct


def search_index(
    index: Index,
    inputs: Sequence[Input],
    rules: Rules,
    scratch: Path,
    run: str,
    workers: int | None = None,
    advance: Advance = silent,
) -> Addition:
    """What becomes of every record of the inputs, the index's records before them and never taken back.

    The same as a search over the index's records, settled, and these inputs. run: the key of what is done here; records
    that a run of this key, or a later one, put into the index are left out, so a run that is done again gives the same.
    CareError (2) where the rules are not those of the index.
    """
    index.refuse(rules)
    bands = rules.plan()
    groups = index.shape().groups
    distinct = distinguish(inputs, groups, rules, bands, scratch, workers, advance, full=True)
    done = index.find_run(run)
    limit = done["first"] if done else len(index)
    if rules.exhaustive:
        numbers = [np.arange(min(limit - each.first, each.records)) for each in index.segments if each.first < limit]
    else:
        numbers = find_neighbours(index.segments, distinct, bands, limit, workers, advance)
    known = _Known(index, numbers)
    everything = [Input(known.read, label="index", settled=True), *inputs]
    distinct = extend(distinct, known.blocks(), scratch)
    verdicts = settle(everything, distinct, rules, bands, workers, advance)
    return Addition(index, run, everything, verdicts, *known.name(), distinct)


def commit(addition: Addition, ids: "pl.Series", workers: int | None = None) -> Index:
    """The index with the run's kept records, on disk when this returns. ids: of all new rows, in the inputs' order.

    Call it under hold_index, once the run's own output is written. Does nothing where the index has the run already;
    CareError (4) where it has other records of it.
    """
    import polars as pl

    index, distinct, verdicts = addition.index, addition.distinct, addition.verdicts
    before = verdicts.starts[1]
    if len(ids) != verdicts.starts[-1] - before:
        raise CareError(f"{len(ids)} ids for {verdicts.starts[-1] - before} records", code=Exit.BUG)
    kept = before + np.flatnonzero(verdicts.reasons[before:] == KEPT)
    if done := index.find_run(addition.run):
        _refuse_change(index, done, distinct.digests[distinct.classes[kept]])
        return index
    names = list(dict.fromkeys([*index.labels, *(each.label for each in addition.inputs[1:])]))
    numbers = np.array([names.index(each.label) for each in addition.inputs[1:]], np.uint32)
    owners = np.searchsorted(np.array(verdicts.starts[1:]), kept, "right") - 1

    def take_blocks() -> Iterator[Records]:
        for start in range(0, len(kept), BLOCK):
            rows = kept[start : start + BLOCK]
            told = ids.gather(rows - before).cast(pl.String)
            yield _take(distinct, rows, numbers[owners[start : start + BLOCK]], pack(told.rechunk()))

    run = {"key": addition.run, "first": len(index), "records": len(kept)}
    return add_segment(index, take_blocks(), names, run, workers)


def query_index(
    index: Index, source: Input, rules: Rules, scratch: Path, workers: int | None = None, advance: Advance = silent
) -> "pl.DataFrame":
    """The index's records that each record of the source is alike: row, id, label, jaccard; the most alike first.

    Rows that are like none have no line. CareError (2) where the rules are not those of the index.
    """
    import polars as pl

    index.refuse(rules)
    bands = rules.plan()
    distinct = distinguish([source], index.shape().groups, rules, bands, scratch, workers, advance, full=True)
    new, numbers = find_meetings(index.segments, distinct, bands, workers, advance)
    marked = [np.unique(local) for local in numbers]
    known = _Known(index, marked)
    extended = extend(distinct, known.blocks(), scratch)
    firsts = np.cumsum([0, *map(len, marked)])
    places = [first + np.searchsorted(of, local) for first, of, local in zip(firsts[:-1], marked, numbers, strict=True)]
    old = np.concatenate([np.zeros(0, np.int64), *places])
    sought = np.concatenate([np.zeros(0, np.int64), *new])
    classes = extended.classes[old]
    jaccards = verify(
        sought.astype(np.int32), classes, extended.read, len(extended.keys), rules.threshold, workers,
        lambda done: advance("verify", done, len(sought)),
    )  # fmt: skip
    ids, labels = known.name()
    alike = np.flatnonzero(jaccards >= rules.threshold)
    found = pl.DataFrame(
        {
            "class": sought[alike].astype(np.int32),
            "id": ids.gather(old[alike]),
            "label": labels.gather(old[alike]),
            "jaccard": jaccards[alike],
            "number": old[alike],
        }
    )
    rows = pl.DataFrame({"class": distinct.classes}).with_row_index("row")
    told = rows.join(found, on="class").sort(["row", "jaccard", "number"], descending=[False, True, False])
    return told.select("row", "id", "label", "jaccard")


class _Known:
    """Some records of an index, segment by segment. numbers: per segment those within it."""

    def __init__(self, index: Index, numbers: list[NDArray[np.int64]]) -> None:
        self.index, self.numbers = index, numbers

    def blocks(self) -> Iterator[Records]:
        """The records, some at a time."""
        for segment, numbers in zip(self.index.segments, self.numbers, strict=False):
            yield from segment.blocks(numbers)

    def read(self) -> "Iterator[pl.DataFrame]":
        """Their keys, as an input's texts: of the texts themselves an index keeps nothing."""
        import polars as pl

        for block in self.blocks():
            yield pl.DataFrame({f"group{at}": unpack(keys) for at, keys in enumerate(block.keys)})

    def name(self) -> "tuple[pl.Series, pl.Series]":
        """Their ids and labels."""
        import polars as pl

        parts = [(pl.Series([], dtype=pl.String), pl.Series([], dtype=pl.String))]
        for segment, numbers in zip(self.index.segments, self.numbers, strict=False):
            parts.append(segment.name(numbers, self.index.labels))
        return pl.concat(ids for ids, _ in parts), pl.concat(labels for _, labels in parts)


def _take(distinct: Distinct, rows: NDArray[np.int64], labels: NDArray[np.uint32], ids: Texts) -> Records:
    classes = distinct.classes[rows]
    starts = distinct.dialogues.starts
    counts = starts[classes + 1] - starts[classes]
    places = np.repeat(starts[classes] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    assert distinct.signatures is not None  # noqa: S101
    return Records(
        digests=distinct.digests[classes],
        signatures=distinct.signatures[classes],
        lengths=distinct.lengths[rows],
        labels=labels,
        ids=ids,
        keys=[distinct.read(classes, group) for group in range(len(distinct.keys))],
        exchanges=distinct.dialogues.exchanges[places],
        counts=counts,
    )


def _refuse_change(index: Index, done: dict[str, object], digests: NDArray[np.uint64]) -> None:
    """CareError where the index holds a run of this key that kept other records."""
    first, count = int(str(done["first"])), int(str(done["records"]))
    held = [
        each.arrays["digests"][max(first - each.first, 0) : max(first + count - each.first, 0)]
        for each in index.segments
    ]
    if not np.array_equal(np.concatenate([np.zeros((0, 2), np.uint64), *held]), digests):
        what = "the index holds other records of this very run"
        raise CareError(what, where=str(index.folder), fix="Build the index again.", code=Exit.INTEGRITY)
