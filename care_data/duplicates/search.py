"""The search for duplicates: distinct keys, candidates, their true Jaccard, and who stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.distinct import Advance, Distinct, distinguish
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.keepers import Alike, Decisions, decide
from care_data.duplicates.overlaps import Overlaps, count_overlaps
from care_data.duplicates.ranking import Bests, choose_rows, order_classes, stand
from care_data.fingerprints.bands import Candidates, Plan, pair
from care_data.fingerprints.prefixes import arrange
from care_data.fingerprints.verification import verify

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
    alike, candidates = find_alike(distinct, rules, bands, workers, advance)
    bests = choose_rows(inputs, stand(inputs), distinct.classes, distinct.lengths, distinct.starts, len(distinct))
    order = order_classes(bests, distinct.dialogues)
    crowded = order.classes[candidates.crowded[order.classes]]
    sets = arrange(crowded, distinct.read, len(distinct.keys), workers) if len(crowded) else None
    advance("keep", 0, 1)
    screen = None if rules.exhaustive else (distinct.sketches, bands)
    decisions = decide(order.classes, order.settled, alike, order.contained, rules.threshold, crowded, sets, screen)
    advance("keep", 1, 1)
    report = tell_work(
        rules,
        bands,
        unique=len(distinct),
        candidates=candidates.compared,
        verified=len(candidates.first),
        alike=len(alike.first),
        crowded=len(crowded),
        largest_bucket=candidates.largest,
    )
    overlaps = count_overlaps([each.label for each in inputs], distinct, alike, decisions)
    return _tell(distinct, bests, decisions, overlaps, report)


def find_alike(
    distinct: Distinct, rules: Rules, bands: Plan, workers: int | None, advance: Advance
) -> tuple[Alike, Candidates]:
    """The pairs of classes at or above the threshold, but for those of crowded ones; and the candidates they are of."""
    candidates = _pair(distinct, rules, bands, workers, advance)
    first, second, total = candidates.first, candidates.second, len(candidates.first)
    jaccards = verify(
        first, second, distinct.read, len(distinct.keys), rules.threshold, workers,
        lambda done: advance("verify", done, total),
    )  # fmt: skip
    near = jaccards >= rules.threshold
    return Alike(first[near].astype(np.int64), second[near].astype(np.int64), jaccards[near]), candidates


def _pair(distinct: Distinct, rules: Rules, bands: Plan, workers: int | None, advance: Advance) -> Candidates:
    if rules.exhaustive:  # all are crowded: compared by prefixes, which miss none
        none = np.zeros(0, np.int32)
        return Candidates(none, none, np.ones(len(distinct), np.bool_), 0, len(distinct))
    return pair(distinct.sketches, bands, workers, rules.crowd, lambda done: advance("bands", done, bands.bands))


def tell_work(rules: Rules, bands: Plan, **counts: int) -> dict[str, Any]:
    """The report of a search: its rules, the chance to miss a pair, and the counts."""
    return {
        "threshold": rules.threshold,
        "num_perm": rules.num_perm,
        "scheme": rules.scheme,
        "bands": None if rules.exhaustive else bands.bands,
        "rows_per_band": None if rules.exhaustive else bands.rows,
        "agreements": None if rules.exhaustive else bands.agreements,
        "miss": 0.0 if rules.exhaustive else bands.miss,
        **counts,
    }


def _tell(
    distinct: Distinct, bests: Bests, decisions: Decisions, overlaps: Overlaps, report: dict[str, Any]
) -> Verdicts:
    gone = np.flatnonzero(decisions.keepers >= 0)
    keepers = np.full(len(distinct), -1, np.int64)
    keepers[gone] = bests.rows[decisions.keepers[gone]]
    told = tell_rows(distinct.classes, bests.rows, keepers, decisions.jaccards, decisions.contained)
    return Verdicts(*told, distinct.starts, overlaps, report)


def tell_rows(
    classes: NDArray[np.int32],
    best: NDArray[np.int64],
    keepers: NDArray[np.int64],
    jaccards: NDArray[np.float64],
    contained: NDArray[np.bool_],
    before: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """From verdicts on classes to keeper, Jaccard and reason of every row.

    Copies of a removed record go for its keeper, as it does. classes: per row; the rest per class: the row that stands
    for it, and where it goes the row it goes for (else -1), their Jaccard and whether it is contained. before: rows of
    other inputs before these.
    """
    gone = keepers >= 0
    rows = np.where(gone, keepers, best)[classes]
    stays = ~gone[classes] & (rows == np.arange(before, before + len(rows)))
    rows[stays] = -1
    reasons = np.where(gone, np.where(contained, CONTAINED, NEAR), EXACT)[classes].astype(np.uint8)
    reasons[stays] = KEPT
    return rows, jaccards[classes], reasons
