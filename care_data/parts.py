"""Parts: Parquet files of records between the stages, each with its counts in its own metadata.

A part's name holds the key of what made it (inputs, parameters, code). So a part that exists is whole and right, and a
killed run goes on with the parts that are missing. One that was damaged afterwards counts as missing.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from care_data.rows import BATCH_BYTES, BATCH_ROWS
from care_data.store import disk_error, sha256_file, writing

_COUNTS, _REJECTS = b"care", b"care_rejects"


@dataclass(frozen=True)
class Part:
    """One part on disk. counts: what its stage counted; rejects: the file of what was set aside, if any."""

    path: Path
    rows: int
    counts: dict[str, Any]
    rejects: Path | None

    def describe(self, folder: Path, output: str) -> list[dict[str, Any]]:
        """Its files for the manifest, paths below the folder."""
        listed = [{"path": self.path, "output": output, "kind": "records", "rows": self.rows}]
        if self.rejects:
            listed.append({"path": self.rejects, "output": output, "kind": "rejects"})
        return [
            {
                **entry,
                "path": path.relative_to(folder).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": sha256_file(path),
            }
            for entry in listed
            for path in [Path(str(entry["path"]))]
        ]


class PartWriter:
    """Writes batches of records and of rejects, then both files under their final names.

    Compressing takes as long as all that comes before it, so a thread writes one batch while the next one is made.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self.rejects = path.with_suffix(".rejects.parquet")
        self._kept: pq.ParquetWriter | None = None
        self._aside: pq.ParquetWriter | None = None
        self._waiting: list[pl.DataFrame] = []
        self._rejected = 0
        self._thread = ThreadPoolExecutor(1)
        self._busy: Future[None] | None = None

    def write(self, frame: pl.DataFrame, temporary: Path) -> None:
        """Add a batch of records."""
        self._wait()
        kept = self._open(temporary)
        self._busy = self._thread.submit(lambda: kept.write_table(_to_arrow(frame, self.schema)))
        self.rows += frame.height

    def set_aside(self, frame: pl.DataFrame) -> None:
        """Add a batch of rejects."""
        if frame.height:
            self._waiting.append(frame)
            rows = sum(waiting.height for waiting in self._waiting)
            if rows >= BATCH_ROWS or sum(waiting.estimated_size() for waiting in self._waiting) >= BATCH_BYTES:
                self._spill()

    def close(self, counts: dict[str, Any], temporary: Path) -> None:
        """Write the rejects, then the counts into the records' metadata."""
        self._wait()
        self._thread.shutdown()
        if self._waiting:
            self._spill()
        if self._aside is not None:
            self._name_rejects(self._aside)
        told = json.dumps(counts, sort_keys=True).encode()
        kept = self._open(temporary)
        kept.add_key_value_metadata({_COUNTS: told, _REJECTS: b"%d" % self._rejected})
        kept.close()

    def _open(self, temporary: Path) -> pq.ParquetWriter:
        if self._kept is None:
            # A dictionary serves columns that repeat themselves; texts do not.
            repeated = [name for name in ("corpus", "license") if name in self.schema.names]
            # Nobody asks for the smallest and largest text, and Parquet knows one kind of text where Arrow has several.
            self._kept = pq.ParquetWriter(
                temporary,
                _large(self.schema),
                compression="lz4",  # these files are read once or twice, so time counts
                use_dictionary=repeated,
                write_statistics=False,
                store_schema=False,
            )
        return self._kept

    def _wait(self) -> None:
        """Until the batch before is written; its error is raised here."""
        if self._busy is not None:
            busy, self._busy = self._busy, None
            busy.result()

    def _spill(self) -> None:
        """Write the rejects that wait, as one row group, to a file without a name: work that fails leaves none."""
        # Arrow says which error of the disk it met, polars does not.
        table = pl.concat(self._waiting).to_arrow()
        try:
            if self._aside is None:
                self._spilled = TemporaryFile(dir=self.path.parent)  # noqa: SIM115 - closed when it has its name
                self._aside = pq.ParquetWriter(self._spilled, table.schema, compression="zstd")
            self._aside.write_table(table)
        except OSError as error:
            raise disk_error(error, self.rejects) from error
        self._rejected += table.num_rows
        self._waiting = []

    def _name_rejects(self, aside: pq.ParquetWriter) -> None:
        """Give the rejects, now that they are whole, their name."""
        with writing(self.rejects) as path, path.open("wb") as named, self._spilled as spilled:
            aside.close()
            spilled.seek(0)
            shutil.copyfileobj(spilled, named)


def _to_arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """The frame as an Arrow table of this schema, texts and lists being large ones, as polars has them."""
    return frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_large(schema))


def _large(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_large_type(field.type)) for field in schema])


def _large_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string(kind):
        return pa.large_string()
    if pa.types.is_list(kind):
        return pa.large_list(_large_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_large_type(field.type)) for field in kind])
    return kind


def open_part(path: Path) -> Part | None:
    """The part at a path; None where it is not there yet, or no longer whole, or what it set aside is not."""
    rejects = path.with_suffix(".rejects.parquet")
    try:
        metadata = pq.read_metadata(path)
        told = metadata.metadata or {}
        counts, aside = json.loads(told[_COUNTS]), int(told[_REJECTS])
        whole = not aside or pq.read_metadata(rejects).num_rows == aside
    except (FileNotFoundError, KeyError, pa.ArrowInvalid):
        return None
    return Part(path, metadata.num_rows, counts, rejects if aside else None) if whole else None


def read_frames(path: Path, rows: int = 20_000, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """The part's records in frames of at most so many rows, in order; all columns by default."""
    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(batch_size=rows, columns=columns):
            yield pl.DataFrame(pl.from_arrow(batch))
