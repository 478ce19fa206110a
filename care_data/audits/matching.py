"""Records of two datasets by their ids: added, gone, altered. Of every record two numbers of 64 bits are held."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from care_data.audits.shards import Shard, read_frames, read_schema
from care_data.errors import CareError, Exit

SHOWN = 3
"""Records named of each kind."""

SHOWN_CHARS = 80
"""Characters shown of a value that differs."""

Places = NDArray[np.intp]
"""Numbers of rows, over all shards of a dataset."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
"""Sets the hashes of copies far apart: the golden ratio in 64 bits."""


@dataclass(frozen=True)
class Example:
    """A record that differs. fields: of one that was altered (name, before, after), cut to where these part."""

    id: str
    fields: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """How many records of a dataset are in both releases and equal, in one of them only, and not the same in both."""

    before: int
    after: int
    same: int
    added: int = 0
    gone: int = 0
    altered: int = 0
    examples: dict[str, list[Example]] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether any record does."""
        return bool(self.added or self.gone or self.altered)


@dataclass(frozen=True)
class Match:
    """What changed, and the hashed ids of the records that were added and of those that are gone."""

    change: Change
    added: NDArray[np.uint64]
    gone: NDArray[np.uint64]


def match_records(before: Sequence[Shard], after: Sequence[Shard]) -> Match:
    """What became of the records of one dataset. Shards that are in both byte for byte are not read.

    Two ids or contents are taken for one where 64 bits of their hashes agree: with ten million records on either side,
    some pair of ids does by chance once in ninety thousand runs.
    """
    common = Counter(shard.sha256 for shard in before) & Counter(shard.sha256 for shard in after)
    left, right = _without(before, common), _without(after, common)
    fields = sorted({name for shard in [*left[:1], *right[:1]] for name in read_schema(shard)} - {"id"})
    both = bool(left and right)
    old, new = (_digest(shards, fields if both else []) for shards in (left, right))
    altered, gone, added = _join(old, new)
    change = Change(
        before=_count(before),
        after=_count(after),
        same=_count(before) - len(gone) - len(altered),
        added=len(added),
        gone=len(gone),
        altered=len(altered),
        examples={
            "added": [Example(row["id"]) for row in _pick(right, added[:SHOWN], ["id"])],
            "gone": [Example(row["id"]) for row in _pick(left, gone[:SHOWN], ["id"])],
            "altered": _show_altered(left, right, altered[:SHOWN]),
        },
    )
    return Match(change, new.ids[added], old.ids[gone])


def cut_apart(before: str, after: str, most: int = SHOWN_CHARS) -> tuple[str, str]:
    """Both texts, of each at most so many characters around the place where they part."""
    alike = len(os.path.commonprefix([before, after]))  # noqa: RUF071  # characters are meant
    start = max(0, min(alike - most // 4, max(len(before), len(after)) - most))

    def cut(text: str) -> str:
        return "…" * (start > 0) + text[start : start + most] + "…" * (len(text) > start + most)

    return cut(before), cut(after)


def _count(shards: Sequence[Shard]) -> int:
    return sum(shard.rows for shard in shards)


def _without(shards: Sequence[Shard], common: Counter[str]) -> list[Shard]:
    """The shards but for so many of each sha256."""
    left, kept = Counter(common), []
    for shard in shards:
        if left[shard.sha256]:
            left[shard.sha256] -= 1
        else:
            kept.append(shard)
    return kept


@dataclass(frozen=True)
class _Digest:
    """Ids and contents of records in their order, both hashed."""

    ids: NDArray[np.uint64]
    contents: NDArray[np.uint64]


def _digest(shards: Sequence[Shard], fields: list[str]) -> _Digest:
    """Of every record of the shards; without fields all contents are alike."""
    rows = _count(shards)
    ids, contents, at = np.empty(rows, np.uint64), np.empty(rows, np.uint64), 0
    for shard in shards:
        expected = at + shard.rows
        for frame in read_frames(shard, None if fields else ["id"]):
            stop = at + frame.height
            if stop <= expected:
                hashed = frame.select(pl.col("id").hash(), content=_content(frame, fields).hash())
                ids[at:stop], contents[at:stop] = hashed["id"].to_numpy(), hashed["content"].to_numpy()
            at = stop
        if at != expected:
            fix = "See what else is with care-data verify."
            raise CareError("not the rows that are listed", where=shard.name, fix=fix, code=Exit.INTEGRITY)
    return _Digest(ids, contents)


def _content(frame: pl.DataFrame, fields: list[str]) -> pl.Expr:
    """All of a record in one text. A column that only one release has is as one without a word in it."""
    if not fields:
        return pl.lit("")
    values = [pl.col(name) if name in frame.columns else pl.lit("").alias(name) for name in fields]
    return pl.struct(values).struct.json_encode()


def _join(old: _Digest, new: _Digest) -> tuple[Places, Places, Places]:
    """Rows that were altered (one in either, n × 2), those that are gone and those that were added, in their order."""
    (old_order, wanted), (new_order, there) = _sort(old), _sort(new)
    places = np.searchsorted(there, wanted)
    met = np.zeros(len(wanted), np.bool_)
    inside = places < len(there)
    met[inside] = there[places[inside]] == wanted[inside]
    was, now = old_order[met], new_order[places[met]]
    differs = old.contents[was] != new.contents[now]
    altered = np.stack([was[differs], now[differs]], axis=1)
    is_new = np.ones(len(there), np.bool_)
    is_new[now] = False
    return altered[np.argsort(altered[:, 0])], np.sort(old_order[~met]), np.flatnonzero(is_new)


def _sort(digest: _Digest) -> tuple[Places, NDArray[np.uint64]]:
    """The rows in the order of their ids, and these, all different.

    Those that several records share are numbered, so that records of one id and content meet.
    """
    order = np.argsort(digest.ids)
    ids = digest.ids[order]
    if not (ids[1:] == ids[:-1]).any():
        return order, ids
    order = np.lexsort((digest.contents, digest.ids))
    ids = digest.ids[order]
    rows = np.arange(len(ids))
    first = np.concatenate([[True], ids[1:] != ids[:-1]])
    copies = rows - np.maximum.accumulate(np.where(first, rows, 0))
    ids += copies.astype(np.uint64) * _ODD
    again = np.argsort(ids)
    return order[again], ids[again]


def _show_altered(left: Sequence[Shard], right: Sequence[Shard], altered: Places) -> list[Example]:
    old, new = _pick(left, altered[:, 0]), _pick(right, altered[:, 1])
    shown = []
    for before, after in zip(old, new, strict=True):
        names = [name for name in {**before, **after} if before.get(name, "") != after.get(name, "")]
        told = [(name, *cut_apart(as_text(before.get(name, "")), as_text(after.get(name, "")))) for name in names]
        shown.append(Example(before["id"], told))
    return shown


def as_text(value: Any) -> str:
    """A value as it is shown: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pick(shards: Sequence[Shard], places: Places, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The records of these row numbers, in their order; no more is read than up to the last of them."""
    wanted, found, start = places.tolist(), {}, 0
    for shard in shards:
        inside = sorted(at for at in wanted if start <= at < start + shard.rows)
        at = start
        for frame in read_frames(shard, columns) if inside else ():
            found.update(
                {place: frame.row(place - at, named=True) for place in inside if at <= place < at + frame.height}
            )
            at += frame.height
            if at > inside[-1]:
                break
        start += shard.rows
    return [found[at] for at in wanted]
