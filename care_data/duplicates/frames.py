"""Duplicates among frames: their columns as inputs of the search, and its verdicts as frames."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from care_data.duplicates import DedupeResult
from care_data.duplicates.fields import choose_groups, read_texts, read_turns
from care_data.duplicates.inputs import TURNS, Input, Rules
from care_data.duplicates.search import KEPT, REASONS, Verdicts, search
from care_data.errors import CareError, Exit

_ROWS = 100_000


def dedupe_frames(
    frames: list[pl.DataFrame | pl.LazyFrame],
    fields: Sequence[Sequence[str]] | None,
    priorities: Sequence[int] | None,
    rules: Rules,
    workers: int | None,
) -> DedupeResult:
    """See dedupe()."""
    collected = [frame.collect() if isinstance(frame, pl.LazyFrame) else frame for frame in frames]
    ids = _read_ids(collected)
    groups = choose_groups(collected, fields)
    if priorities is not None and len(priorities) != len(collected):
        reason = f"{len(priorities)} priorities for {len(collected)} frames"
        raise CareError(reason, code=Exit.USAGE, fix="Give one a frame.")
    starts = np.cumsum([0, *(frame.height for frame in collected)])
    ties = np.empty(len(ids), np.int64)
    by_id = ids.to_frame().select(pl.arg_sort_by("id", maintain_order=True)).to_series().to_numpy()
    ties[by_id] = np.arange(len(ids))
    with_turns = fields is None
    inputs = [
        Input(
            partial(_batches, frame, groups, with_turns),
            priority=-number if priorities is None else priorities[number],
            ties=ties[starts[number] : starts[number + 1]],
        )
        for number, frame in enumerate(collected)
    ]
    with TemporaryDirectory(prefix="care-") as scratch:
        verdicts = search(inputs, len(groups), rules, Path(scratch), workers)
    return _gather(collected, ids, verdicts, {"fields": groups})


def _read_ids(frames: list[pl.DataFrame]) -> pl.Series:
    """The ids of all rows, of one type."""
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
    return pl.concat(columns)


def _batches(frame: pl.DataFrame, groups: list[list[str]], with_turns: bool) -> Iterator[pl.DataFrame]:
    for start in range(0, frame.height, _ROWS):
        batch = frame[start : start + _ROWS]
        columns = read_texts(batch, groups)
        if with_turns and (turns := read_turns(batch)) is not None:
            columns.append(turns.alias(TURNS))
        yield pl.DataFrame(columns)


def _gather(frames: list[pl.DataFrame], ids: pl.Series, verdicts: Verdicts, report: dict[str, Any]) -> DedupeResult:
    stays = verdicts.reasons == KEPT
    starts = verdicts.starts
    kept = [frame.filter(pl.Series(stays[starts[at] : starts[at + 1]])) for at, frame in enumerate(frames)]
    rows = np.flatnonzero(~stays)
    keepers = verdicts.keepers[rows]
    if not stays[keepers].all():
        raise CareError("a removed record has no kept keeper", code=Exit.BUG)
    owners = np.repeat(np.arange(len(frames), dtype=np.int32), np.diff(starts))
    reasons = pl.Series(np.array(REASONS, object)[verdicts.reasons[rows]], dtype=pl.String)
    removed = pl.DataFrame(
        {
            "id": ids.gather(rows),
            "frame": owners[rows],
            "reason": reasons,
            "keeper": ids.gather(keepers),
            "keeper_frame": owners[keepers],
            "jaccard": pl.Series(verdicts.jaccards[rows]).fill_nan(None),
        }
    )
    if len(ids) != sum(frame.height for frame in kept) + removed.height:
        raise CareError("kept and removed records do not add up to those read", code=Exit.BUG)
    counts = Counter(reasons.to_list())
    report = {
        **report,
        **verdicts.report,
        "read": len(ids),
        "kept": int(stays.sum()),
        **{reason: counts[reason] for reason in REASONS[1:]},
        "frames": [_count(frame, stay) for frame, stay in zip(frames, kept, strict=True)],
    }
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
