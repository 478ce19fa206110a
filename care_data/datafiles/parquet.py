"""Parquet: read column by column, and copied with the schema, its metadata, the row groups and their compression."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from care_data.datafiles.cuts import Flags, choose_rows, refuse_changed
from care_data.datafiles.texts import refuse_missing, text_column, top_field
from care_data.errors import CareError, Exit
from care_data.store import disk_error, writing
from care_data.threads import count_workers, work_ahead

_ROWS = 32_768
"""Rows read at once."""

_GROUP_BYTES = 128 << 20
"""A row group that holds more is read in batches, not whole."""

_CODECS = {"UNCOMPRESSED": "NONE"}
"""Names of codecs that a footer spells otherwise than the writer."""

_DICTIONARY_SHARE = 0.5
"""A dictionary that takes more of a column than this was given up by its writer."""


def count_rows(path: Path) -> int:
    """Its rows, by its footer."""
    with _open(path) as source:
        return int(source.metadata.num_rows)


def unpacked_size(path: Path) -> int:
    """The bytes of all its columns before compression, by its footer."""
    with _open(path) as source:
        metadata = source.metadata
        return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def name_fields(path: Path) -> list[str]:
    """Its columns."""
    with _open(path) as source:
        return list(source.schema_arrow.names)


def read_parquet(path: Path, fields: list[str]) -> Iterator[pl.DataFrame]:
    """Frames with the texts of each field; row groups are decoded on all cores."""
    with _open(path) as source:
        names = list(source.schema_arrow.names)
        tops = {field: top_field(field, names) for field in fields}
        if missing := [field for field, top in tops.items() if top is None]:
            raise refuse_missing(missing, names)
        wanted = list(dict.fromkeys(top for top in tops.values() if top))
        groups = range(source.metadata.num_row_groups)

        def decode(batch: pa.RecordBatch) -> pl.DataFrame:
            if not fields:
                return pl.DataFrame(height=batch.num_rows)
            frame = pl.DataFrame(pl.from_arrow(batch))
            return pl.DataFrame([text_column(frame, field) for field in fields])

        if _largest(source.metadata) > _GROUP_BYTES:
            yield from map(decode, source.iter_batches(_ROWS, columns=wanted))
            return

        def read(group: int) -> list[pl.DataFrame]:
            with _open(path, source.metadata) as own:  # what is open may be read by one thread at a time
                return [decode(batch) for batch in own.iter_batches(_ROWS, row_groups=[group], columns=wanted)]

        for frames in work_ahead(read, groups, _threads()):
            yield from frames


def copy_parquet(path: Path, stays: Flags, to: Path) -> None:
    """The rows that stay, in the row groups they were in; groups without a row are left out."""
    with _open(path) as source:
        metadata = source.metadata
        refuse_changed(metadata.num_rows, len(stays))
        with (
            writing(to) as temporary,
            pq.ParquetWriter(temporary, source.schema_arrow, **_settings(metadata)) as writer,
        ):
            for table in _kept(path, source, stays):
                if table.num_rows:
                    writer.write_table(table, row_group_size=table.num_rows)


def _kept(path: Path, source: pq.ParquetFile, stays: Flags) -> Iterator[pa.Table]:
    """What stays, a table a row group, or several of one that is large."""
    metadata, at = source.metadata, 0
    starts = []
    for group in range(metadata.num_row_groups):
        starts.append(at)
        at += metadata.row_group(group).num_rows
    if _largest(metadata) > _GROUP_BYTES:
        at = 0
        for batch in source.iter_batches(_ROWS):
            yield pa.Table.from_batches([choose_rows(batch, stays[at : at + batch.num_rows])])
            at += batch.num_rows
        return

    def read(group: int) -> pa.Table:
        with _open(path, metadata) as own:
            table = own.read_row_group(group, use_threads=False)
        mine = stays[starts[group] : starts[group] + table.num_rows]
        return table if mine.all() else choose_rows(table, mine)

    yield from work_ahead(read, range(metadata.num_row_groups), _threads())


def _threads() -> int:
    return min(count_workers(), 8)


def _largest(metadata: Any) -> int:
    return max((metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)), default=0)


def _settings(metadata: Any) -> dict[str, Any]:
    """How the file was written, as far as its footer tells."""
    told = metadata.metadata or {}
    settings: dict[str, Any] = {
        "version": metadata.format_version if metadata.format_version in ("1.0", "2.4", "2.6") else "2.6",
        "store_schema": b"ARROW:schema" in told,
    }
    if not metadata.num_row_groups:
        return settings
    group = metadata.row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    codecs = {column.path_in_schema: _CODECS.get(column.compression, column.compression) for column in columns}
    one = len(set(codecs.values())) == 1
    settings["compression"] = next(iter(codecs.values())) if one else codecs
    settings["use_dictionary"] = [column.path_in_schema for column in columns if _has_dictionary(column)]
    settings["write_statistics"] = [column.path_in_schema for column in columns if column.is_stats_set]
    if group.sorting_columns:
        settings["sorting_columns"] = group.sorting_columns
    return settings


def _has_dictionary(column: Any) -> bool:
    if not column.has_dictionary_page or not column.dictionary_page_offset:
        return False
    size = column.data_page_offset - column.dictionary_page_offset
    return bool(size <= _DICTIONARY_SHARE * column.total_compressed_size)


@contextmanager
def _open(path: Path, metadata: Any = None) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, metadata=metadata, memory_map=True, pre_buffer=True) as source:
            yield source
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise disk_error(error, path) from error
        fix = "It is cut or damaged: get it again."
        raise CareError(f"no whole Parquet file ({error})", fix=fix, code=Exit.INTEGRITY) from error
