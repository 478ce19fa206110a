"""The records of a shard as it lies on disk: an Arrow stream in a release, Parquet where it is published."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from care_data.errors import CareError, Exit

SUFFIXES = (".arrow", ".parquet")
FRAME_ROWS = 32_000
"""Rows read at once, but for what a batch holds more."""


@dataclass(frozen=True)
class Shard:
    """A shard by its line in a manifest. name: its path there."""

    path: Path
    name: str
    rows: int
    sha256: str


def read_schema(shard: Shard) -> pl.Schema:
    """Its columns, as polars types."""
    with _open(shard, None) as (schema, _):
        return schema


def count_rows(shard: Shard) -> int:
    """The records that it holds, every one of them looked at. CareError (4) where it is cut or damaged."""
    with _open(shard, None) as (_, batches):
        return sum(batch.num_rows for batch in batches)


def read_frames(shard: Shard, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """Its records in order, all columns by default. CareError (4) where it is cut or damaged."""
    with _open(shard, columns) as (_, batches):
        waiting: list[pa.RecordBatch] = []
        held = 0
        for batch in batches:
            waiting.append(batch)
            held += batch.num_rows
            if held >= FRAME_ROWS:
                yield _join(waiting)
                waiting, held = [], 0
        if waiting:
            yield _join(waiting)


def _join(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches)))


@contextmanager
def _open(shard: Shard, columns: Sequence[str] | None) -> Iterator[tuple[pl.Schema, Iterator[Any]]]:
    """Schema and batches, of some columns or all.

    Every batch is checked before anything looks into it: Arrow itself trusts offsets, and would read outside of them.
    """
    try:
        if shard.path.suffix == ".parquet":
            with pq.ParquetFile(shard.path, page_checksum_verification=True) as source:
                yield _schema(source.schema_arrow), map(_check, source.iter_batches(FRAME_ROWS, columns=columns))
            return
        with pa.OSFile(str(shard.path), "rb") as source:
            with pa.ipc.open_stream(source) as stream:
                schema = stream.schema
            source.seek(0)
            chosen = sorted(schema.get_field_index(name) for name in columns) if columns else None
            options = pa.ipc.IpcReadOptions(included_fields=chosen)
            with pa.ipc.open_stream(source, options=options) as stream:
                yield _schema(schema), map(_check, stream)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, MemoryError) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        fix = "See what else is with care-data verify."
        raise CareError(f"cannot be read ({reason})", where=shard.name, fix=fix, code=Exit.INTEGRITY) from error


def _check(batch: pa.RecordBatch) -> pa.RecordBatch:
    batch.validate(full=True)
    return batch


def _schema(schema: pa.Schema) -> pl.Schema:
    return pl.DataFrame(pl.from_arrow(schema.empty_table())).schema
