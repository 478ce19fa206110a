"""Record against record: what is the same, who of it stays, and why the others go.

Two records are exact duplicates where every group of fields has the same key (fingerprints/normalisation.py), and near
duplicates where in every group the Jaccard of the keys' 5-gram sets is at least the threshold: the same question with
another answer is neither. A dialogue that stands whole in a longer one is contained in it (dialogues.py).

Near duplicates are sought by MinHash over the union of a record's shingles, each tagged with its group. That misses
none by design: sets of different groups are disjoint, so for records with group sets A_g and B_g, each of Jaccard >= t,
|A ∩ B| = Σ|A_g ∩ B_g| >= Σ t |A_g ∪ B_g| = t |A ∪ B|: the union's Jaccard is >= t too. The converse fails, so every
candidate is verified group by group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DedupeResult", "dedupe"]


@dataclass(frozen=True)
class DedupeResult:
    """What stays, what goes and which records are one.

    kept: per frame its kept rows, unchanged and in order. removed, in the order of the input: id, frame (its number),
    reason (exact_duplicate, near_duplicate, contained), keeper and keeper_frame (a kept record), jaccard (of the keys,
    the smallest of the groups; null for contained). clusters: keeper, size, members (ids, the keeper first). report:
    settings, the chance to miss a pair, and counts.
    """

    kept: "list[pl.DataFrame]"
    removed: "pl.DataFrame"
    clusters: "pl.DataFrame"
    report: dict[str, Any]


def dedupe(
    frames: "Sequence[pl.DataFrame | pl.LazyFrame]",
    threshold: float = 0.8,
    fields: Sequence[Sequence[str]] | None = None,
    priorities: Sequence[int] | None = None,
    miss: float = 1e-3,
    exhaustive: bool = False,
    workers: int | None = None,
) -> DedupeResult:
    """The frames' records without exact and near duplicates, within and across frames.

    Of records alike the one kept is that of higher priority: `priorities` (one integer a frame, the higher wins; by
    default earlier frames win), then the longer text in the compared fields, then the smaller id, then the earlier row.
    fields: groups of columns; by default [history, instruction, input] and [output] (or [chosen] and [rejected]) or
    [text], as the columns tell. miss: the chance allowed to miss a pair exactly at the threshold; exhaustive: none is
    missed, in several times the time and memory. Every removed record has a kept one at least `threshold` alike, or
    that contains it. The result does not depend on `workers`. CareError for frames without an id column or the fields,
    and for settings out of range.
    """
    from care_data.duplicates.frames import dedupe_frames
    from care_data.duplicates.inputs import Rules
    from care_data.errors import CareError, Exit

    if not isinstance(frames, list | tuple):
        raise CareError(
            f"a {type(frames).__name__} is no list of frames", fix="Write dedupe([frame]).", code=Exit.USAGE
        )
    rules = Rules(threshold=threshold, miss=miss, exhaustive=exhaustive)
    return dedupe_frames(list(frames), fields, priorities, rules, workers)
