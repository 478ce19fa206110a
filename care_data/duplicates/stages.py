"""The stages of dedupe: keys, order, exact duplicates, signatures, candidates, verification, keepers, result."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from care_data.duplicates import DedupeResult
from care_data.duplicates.fields import choose_groups, read_keys
from care_data.duplicates.keepers import Decisions, keep, match_equal
from care_data.errors import CareError, Exit
from care_data.fingerprints.bands import CROWD, Plan, pair, plan
from care_data.fingerprints.normalisation import Texts, folding, pack
from care_data.fingerprints.prefixes import arrange
from care_data.fingerprints.shingles import digest, shingle
from care_data.fingerprints.signatures import PERMUTATIONS, blank, sign
from care_data.fingerprints.verification import Reader, verify
from care_data.threads import spread

_BLOCK = 4096


@dataclass(frozen=True)
class Fates:
    """Per input row the row of its keeper (-1 where kept), their Jaccard, and whether their keys are equal."""

    keepers: NDArray[np.int64]
    jaccards: NDArray[np.float64]
    equal: NDArray[np.bool_]


def run(
    frames: list[pl.DataFrame | pl.LazyFrame],
    threshold: float,
    fields: Sequence[Sequence[str]] | None,
    priorities: Sequence[int] | None,
    miss: float,
    workers: int | None,
    crowd: int = CROWD,
) -> DedupeResult:
    """See dedupe(). crowd: buckets above this size are compared by prefixes, with the same result."""
    bands = plan(threshold, PERMUTATIONS, miss)
    collected = [frame.collect() if isinstance(frame, pl.LazyFrame) else frame for frame in frames]
    ids, owners = _read_ids(collected)
    groups = choose_groups(collected, fields)
    keys = read_keys(collected, groups)
    digests, lengths = _digest(keys, workers)
    order = _rank(_weigh(owners, len(collected), priorities), lengths, ids)
    firsts = match_equal(digests[order])
    unique = np.flatnonzero(firsts == np.arange(len(firsts)))
    decisions, counts = _decide(keys, order[unique], threshold, bands, workers, crowd)
    fates = _tell(order, firsts, unique, decisions)
    report = {
        "threshold": threshold,
        "fields": groups,
        "num_perm": PERMUTATIONS,
        "bands": bands.bands,
        "rows_per_band": bands.rows,
        "agreements": bands.agreements,
        "miss": bands.miss,
        **counts,
    }
    return _gather(collected, ids, owners, fates, report)


def _read_ids(frames: list[pl.DataFrame]) -> tuple[pl.Series, NDArray[np.int32]]:
    """The ids of all rows, of one type, and the number of each row's frame."""
    if not frames:
        raise CareError("no frame to dedupe", code=Exit.USAGE, fix="Give a list of at least one.")
    for number, frame in enumerate(frames):
        if "id" not in frame.columns:
            raise CareError("no column id", where=f"frame {number}", fix="Number the rows: frame.with_row_index('id').")
        if frame["id"].null_count():
            row = int(frame["id"].is_null().arg_max() or 0)
            raise CareError("an id is null", where=f"frame {number}/row {row}", fix="Give every record an id.")
    columns = [frame["id"].alias("id") for frame in frames]
    if len({column.dtype for column in columns}) > 1:
        columns = [column.cast(pl.String) for column in columns]
    owners = np.repeat(np.arange(len(frames), dtype=np.int32), [frame.height for frame in frames])
    return pl.concat(columns), owners


def _weigh(owners: NDArray[np.int32], frames: int, priorities: Sequence[int] | None) -> NDArray[np.int64]:
    """The priority of each row."""
    if priorities is not None and len(priorities) != frames:
        raise CareError(f"{len(priorities)} priorities for {frames} frames", code=Exit.USAGE, fix="Give one a frame.")
    return np.array(range(0, -frames, -1) if priorities is None else priorities, np.int64)[owners]


def _digest(keys: list[pl.Series], workers: int | None) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Per row a digest of all groups, and the characters in all of them."""

    def read(start: int, stop: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        digests, lengths = digest(pack(keys[0][start:stop]))
        for key in keys[1:]:
            digests, more = digest(pack(key[start:stop]), digests)
            lengths += more
        return digests, lengths

    folding()  # made once, before several threads ask for it
    parts = spread(read, len(keys[0]), _BLOCK, workers) or [read(0, 0)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _rank(priorities: NDArray[np.int64], lengths: NDArray[np.int64], ids: pl.Series) -> NDArray[np.int64]:
    """The rows in the order of their right to stay."""
    columns = pl.DataFrame({"priority": -priorities, "length": -lengths, "id": ids})
    order = columns.select(pl.arg_sort_by("priority", "length", "id", maintain_order=True))
    return order.to_series().to_numpy().astype(np.int64)


def _decide(
    keys: list[pl.Series], rows: NDArray[np.int64], threshold: float, bands: Plan, workers: int | None, crowd: int
) -> tuple[Decisions, dict[str, int]]:
    """Which of the records with keys of their own stay (record i is row rows[i]), and what it took."""
    indices = rows.astype(np.uint32)

    def read(records: NDArray, group: int) -> Texts:
        return pack(keys[group].gather(pl.Series(indices[records])))

    candidates = pair(_sign(len(rows), read, len(keys), workers), bands, workers, crowd)
    jaccards = verify(candidates.first, candidates.second, read, len(keys), threshold, workers)
    crowded = np.flatnonzero(candidates.crowded).astype(np.int32)
    sets = arrange(crowded, read, len(keys), workers) if len(crowded) else None
    decisions = keep(len(rows), candidates.first, candidates.second, jaccards, threshold, crowded, sets)
    counts = {
        "unique": len(rows),
        "candidates": candidates.compared,
        "verified": len(jaccards),
        "alike": int((jaccards >= threshold).sum()),
        "crowded": len(crowded),
        "largest_bucket": candidates.largest,
    }
    return decisions, counts


def _sign(total: int, read: Reader, groups: int, workers: int | None) -> NDArray[np.uint32]:
    """The signatures of all records, each over the shingles of all its groups."""
    signatures = blank(total)

    def fill(start: int, stop: int) -> None:
        for group in range(groups):
            hashes, starts = shingle(read(np.arange(start, stop), group), group, bits=32)
            sign(hashes, starts, signatures[start:stop])

    spread(fill, total, _BLOCK, workers)
    return signatures


def _tell(
    order: NDArray[np.int64], firsts: NDArray[np.int64], unique: NDArray[np.int64], decisions: Decisions
) -> Fates:
    """From decisions on records with keys of their own to the fate of every row.

    The copies of a removed record go for its keeper, to which they are as near as it is.
    """
    record = np.searchsorted(unique, firsts)
    kept = decisions.keepers[record] < 0
    keeper = np.where(kept, order[firsts], order[unique[decisions.keepers[record]]])
    keeper[kept & (firsts == np.arange(len(firsts)))] = -1
    fates = Fates(np.empty_like(keeper), np.empty(len(keeper)), np.empty(len(keeper), np.bool_))
    fates.keepers[order] = keeper
    fates.jaccards[order] = decisions.jaccards[record]
    fates.equal[order] = kept
    return fates


def _gather(
    frames: list[pl.DataFrame], ids: pl.Series, owners: NDArray[np.int32], fates: Fates, report: dict[str, Any]
) -> DedupeResult:
    stays = fates.keepers < 0
    ends = np.cumsum([0, *(frame.height for frame in frames)])
    kept = [frame.filter(pl.Series(stays[ends[at] : ends[at + 1]])) for at, frame in enumerate(frames)]
    rows = np.flatnonzero(~stays)
    keepers = fates.keepers[rows]
    if not stays[keepers].all():
        raise CareError("a removed record has no kept keeper", code=Exit.BUG)
    reasons = pl.Series(np.where(fates.equal[rows], "exact_duplicate", "near_duplicate"), dtype=pl.String)
    removed = pl.DataFrame(
        {
            "id": ids.gather(rows),
            "frame": owners[rows],
            "reason": reasons,
            "keeper": ids.gather(keepers),
            "keeper_frame": owners[keepers],
            "jaccard": fates.jaccards[rows],
        }
    )
    counts = Counter(reasons.to_list())
    total = {"read": len(ids), "kept": int(stays.sum()), "exact_duplicate": counts["exact_duplicate"]}
    total["near_duplicate"] = counts["near_duplicate"]
    if total["read"] != sum(frame.height for frame in kept) + removed.height:
        raise CareError("kept and removed records do not add up to those read", code=Exit.BUG)
    report = {**report, **total, "frames": [_count(frame, stay) for frame, stay in zip(frames, kept, strict=True)]}
    return DedupeResult(kept, removed, _cluster(ids, rows, keepers), report)


def _count(frame: pl.DataFrame, kept: pl.DataFrame) -> dict[str, int]:
    return {"read": frame.height, "kept": kept.height, "removed": frame.height - kept.height}


def _cluster(ids: pl.Series, rows: NDArray[np.int64], keepers: NDArray[np.int64]) -> pl.DataFrame:
    """One row a keeper that others went for, in the order of the input."""
    heads = np.unique(keepers)
    members = pl.DataFrame({"head": np.concatenate([heads, keepers]), "id": ids.gather(np.concatenate([heads, rows]))})
    grouped = members.group_by("head", maintain_order=True).agg(pl.col("id").alias("members"))
    return grouped.select(
        pl.col("members").list.first().alias("keeper"), pl.col("members").list.len().alias("size"), "members"
    )
