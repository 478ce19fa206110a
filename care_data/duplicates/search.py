"""The search for duplicates: distinct keys, candidates, their true Jaccard, and who stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Containments, find_contained, put_behind
from care_data.duplicates.distinct import Advance, Distinct, distinguish
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.keepers import Alike, Decisions, decide
from care_data.duplicates.overlaps import Overlaps, count_overlaps
from care_data.fingerprints.bands import Candidates, Plan, pair
from care_data.fingerprints.prefixes import arrange
from care_data.fingerprints.verification import verify
from care_data.kernels import kernel

KEPT, EXACT, NEAR, CONTAINED = range(4)
REASONS = ("kept", "exact_duplicate", "near_duplicate", "contained")


@dataclass(frozen=True)
class Verdicts:
    """Per row of all inputs, one after the other: the row of its keeper (-1 where it stays), their Jaccard, the reason.

    reasons: indices into REASONS. starts: the first row of each input, and the number of all rows. overlaps: between
    inputs of different labels. report: settings, the chance to miss a pair, and what it took.
    """

    keepers: NDArray[np.int64]
    jaccards: NDArray[np.float64]
    reasons: NDArray[np.uint8]
    starts: list[int]
    overlaps: Overlaps
    report: dict[str, Any]


def silent(step: str, done: int, total: int | None) -> None:
    """No progress shown."""


def search(
    inputs: Sequence[Input],
    groups: int,
    rules: Rules,
    scratch: Path,
    workers: int | None = None,
    advance: Advance = silent,
) -> Verdicts:
    """What becomes of every record of the inputs. groups: fields in each of which alike records are alike.

    Scratch files, about half the size of the texts, are left in the folder `scratch`. The result does not depend on
    `workers`.
    """
    bands = rules.plan()
    distinct = distinguish(inputs, groups, rules, bands, scratch, workers, advance)
    return settle(inputs, distinct, rules, bands, workers, advance)


def settle(
    inputs: Sequence[Input], distinct: Distinct, rules: Rules, bands: Plan, workers: int | None, advance: Advance
) -> Verdicts:
    """The verdicts on records that were read."""
    candidates = _pair(distinct, rules, bands, workers, advance)
    verified = len(candidates.first)
    jaccards = verify(
        candidates.first, candidates.second, distinct.read, len(distinct.keys), rules.threshold, workers,
        lambda done: advance("verify", done, verified),
    )  # fmt: skip
    edges = jaccards >= rules.threshold
    alike = Alike(candidates.first[edges].astype(np.int64), candidates.second[edges].astype(np.int64), jaccards[edges])
    ranking = _rank(inputs, distinct)
    crowded = ranking.order[candidates.crowded[ranking.order]]
    sets = arrange(crowded, distinct.read, len(distinct.keys), workers) if len(crowded) else None
    advance("keep", 0, 1)
    screen = None if rules.exhaustive else (distinct.sketches, bands)
    decisions = decide(ranking.order, ranking.settled, alike, ranking.contained, rules.threshold, crowded, sets, screen)
    advance("keep", 1, 1)
    report = {
        "threshold": rules.threshold,
        "num_perm": rules.num_perm,
        "scheme": rules.scheme,
        "bands": None if rules.exhaustive else bands.bands,
        "rows_per_band": None if rules.exhaustive else bands.rows,
        "agreements": None if rules.exhaustive else bands.agreements,
        "miss": 0.0 if rules.exhaustive else bands.miss,
        "unique": len(distinct),
        "candidates": candidates.compared,
        "verified": verified,
        "alike": int(edges.sum()),
        "crowded": len(crowded),
        "largest_bucket": candidates.largest,
    }
    overlaps = count_overlaps([each.label for each in inputs], distinct, alike, decisions)
    return _tell(distinct, ranking, decisions, overlaps, report)


def _pair(distinct: Distinct, rules: Rules, bands: Plan, workers: int | None, advance: Advance) -> Candidates:
    if rules.exhaustive:  # all are crowded: compared by prefixes, which miss none
        none = np.zeros(0, np.int32)
        return Candidates(none, none, np.ones(len(distinct), np.bool_), 0, len(distinct))
    return pair(distinct.sketches, bands, workers, rules.crowd, lambda done: advance("bands", done, bands.bands))


@dataclass(frozen=True)
class _Ranking:
    """Classes by their right to stay. best: the row that stands for each; settled: so many of the first always stay."""

    order: NDArray[np.int64]
    best: NDArray[np.int64]
    settled: int
    contained: Containments


def _rank(inputs: Sequence[Input], distinct: Distinct) -> _Ranking:
    """By the best row of each class: settled, priority, length, tie; a contained dialogue after those that hold it."""
    total = len(distinct)
    priorities = np.array([each.priority for each in inputs], np.int64)
    standing = np.unique(-priorities, return_inverse=True)[1] + 1
    best, seats = np.full(total, -1, np.int64), np.zeros(total, np.int64)
    ranks, ties = np.full(total, np.iinfo(np.int64).max), np.zeros(total, np.int64)
    for number, each in enumerate(inputs):
        start, stop = distinct.starts[number], distinct.starts[number + 1]
        own = np.arange(start, stop) if each.ties is None else each.ties
        standing_here = 0 if each.settled else int(standing[number])
        _best(distinct.classes[start:stop], distinct.lengths[start:stop], own, start, standing_here, best, ranks, ties)
    order = np.lexsort((ties, ranks))
    seats[order] = np.arange(total)
    settled = int(np.searchsorted(ranks[order], 1 << _LENGTH_BITS))
    contained = find_contained(distinct.dialogues)
    if len(contained.held):
        loose = seats[contained.held] >= settled
        contained = Containments(contained.holders[loose], contained.held[loose])
        order = put_behind(seats, contained, distinct.dialogues)
    return _Ranking(order, best, settled, contained)


_LENGTH_BITS = 32


@kernel
def _best(
    classes: NDArray,
    lengths: NDArray,
    own: NDArray,
    start: int,
    standing: int,
    best: NDArray,
    ranks: NDArray,
    ties: NDArray,
) -> None:
    """For each class the row of the least rank (standing, then the longer text), then of the least tie."""
    for at in range(classes.shape[0]):
        which = classes[at]
        rank = np.int64(standing + 1) << _LENGTH_BITS
        rank -= np.int64(lengths[at]) + 1
        if rank < ranks[which] or (rank == ranks[which] and own[at] < ties[which]):
            best[which], ranks[which], ties[which] = start + at, rank, own[at]


def _tell(
    distinct: Distinct, ranking: _Ranking, decisions: Decisions, overlaps: Overlaps, report: dict[str, Any]
) -> Verdicts:
    """From decisions on classes to the verdict on every row; copies of a removed record go for its keeper too."""
    keeper = decisions.keepers[distinct.classes]
    kept = keeper < 0
    rows = np.where(kept, ranking.best[distinct.classes], ranking.best[keeper])
    stays = kept & (rows == np.arange(len(rows)))
    rows[stays] = -1
    reasons = np.where(kept, EXACT, np.where(decisions.contained, CONTAINED, NEAR)[distinct.classes]).astype(np.uint8)
    reasons[stays] = KEPT
    return Verdicts(rows, decisions.jaccards[distinct.classes], reasons, distinct.starts, overlaps, report)
