"""Arrow's own format, as a file (also named Feather) or as a stream: read and copied batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from care_data.datafiles.cuts import Flags, choose_rows, refuse_changed
from care_data.datafiles.texts import refuse_missing, text_column, top_field
from care_data.errors import CareError, Exit
from care_data.store import disk_error, writing
from care_data.threads import work_ahead

_FILE, _FEATHER_1 = b"ARROW1", b"FEA1"
_CODECS = {"lz4": b"\x04\x22\x4d\x18", "zstd": b"\x28\xb5\x2f\xfd"}
"""The first bytes of what a codec packs."""

_HEAD = 1 << 20

_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


def name_fields(path: Path) -> list[str]:
    """Its columns."""
    with _open(path) as source:
        return list(source.schema.names)


def read_arrow(path: Path, fields: list[str]) -> Iterator[pl.DataFrame]:
    """A frame a batch, with the texts of each field."""
    names = name_fields(path)
    tops = {field: top_field(field, names) for field in fields}
    if missing := [field for field, top in tops.items() if top is None]:
        raise refuse_missing(missing, names)

    def decode(batch: pa.RecordBatch) -> pl.DataFrame:
        if not fields:
            return pl.DataFrame(height=batch.num_rows)
        frame = pl.DataFrame(pl.from_arrow(batch))
        return pl.DataFrame([text_column(frame, field) for field in fields])

    wanted = sorted({names.index(top) for top in tops.values() if top})
    with _open(path, wanted) as source:
        yield from work_ahead(decode, source.batches)


def copy_arrow(path: Path, stays: Flags, to: Path) -> None:
    """The rows that stay, in the batches they were in, compressed as these were."""
    with _open(path) as source, writing(to) as temporary:
        options = pa.ipc.IpcWriteOptions(compression=_find_codec(path), emit_dictionary_deltas=True)
        new = pa.ipc.new_file if source.is_file else pa.ipc.new_stream
        with new(str(temporary), source.schema, options=options) as writer:
            for batch in work_ahead(_choose, _deal(source.batches, stays)):
                if batch.num_rows:
                    writer.write_batch(batch)


def _deal(batches: Iterator[pa.RecordBatch], stays: Flags) -> Iterator[tuple[pa.RecordBatch, Flags]]:
    """Each batch with what stays of it."""
    at = 0
    for batch in batches:
        mine = stays[at : at + batch.num_rows]
        at += batch.num_rows
        if at > len(stays):
            break
        yield batch, mine
    refuse_changed(at, len(stays))


def _choose(dealt: tuple[pa.RecordBatch, Flags]) -> pa.RecordBatch:
    """The rows that stay. Texts in views are laid out anew for it, which also leaves those of the other rows behind."""
    batch, stays = dealt
    if stays.all():
        return batch
    plain = pa.schema([field.with_type(_without_views(field.type)) for field in batch.schema])
    return choose_rows(batch.cast(plain), stays).cast(batch.schema)


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with views of texts and bytes, which Arrow cannot filter, as texts and bytes."""
    if kind in _VIEWS:
        return _VIEWS[kind]
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_views(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_without_views(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_views(field.type)) for field in kind])
    return kind


@dataclass(frozen=True)
class _Source:
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    is_file: bool


@contextmanager
def _open(path: Path, columns: list[int] | None = None) -> Iterator[_Source]:
    """The file or stream, some or all of its columns; CareError (4) where it is neither, or not whole."""
    options = pa.ipc.IpcReadOptions(included_fields=columns or None)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_FILE))
        if head.startswith(_FEATHER_1):
            fix = "Write it anew with a library of today."
            raise CareError("Feather of the first version", fix=fix, code=Exit.USAGE)
        with pa.memory_map(str(path)) as mapped:
            if head == _FILE:
                reader = pa.ipc.open_file(mapped, options=options)
                batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
                yield _Source(reader.schema, batches, True)
            else:
                stream_reader = pa.ipc.open_stream(mapped, options=options)
                yield _Source(stream_reader.schema, iter(stream_reader), False)
    except pa.ArrowNotImplementedError as error:
        fix = "Write the column as text, or the file as Parquet."
        raise CareError(f"a column is of a type that is not known here ({error})", fix=fix) from error
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise disk_error(error, path) from error
        fix = "It is cut or damaged: get it again."
        raise CareError(f"no whole Arrow file ({error})", fix=fix, code=Exit.INTEGRITY) from error


def _find_codec(path: Path) -> str | None:
    """The codec of its buffers, the first of which lie at the head: each begins with its length, then the mark."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    for codec, mark in _CODECS.items():
        at = head.find(mark)
        while at >= 0:
            if at % 8 == 0:  # where buffers begin
                return codec
            at = head.find(mark, at + 1)
    return None
