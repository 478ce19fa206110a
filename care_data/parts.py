"""Parts: Parquet files of records between the stages, each with its counts in its own metadata.

A part's name holds the key of what made it (inputs, parameters, code). So a part that exists is whole and right, and a
killed run goes on with the parts that are missing. One that was damaged afterwards counts as missing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from care_data.store import sha256_file, writing

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
    """Writes batches of records and of rejects, then both files under their final names."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self.rejects = path.with_suffix(".rejects.parquet")
        self._kept: pq.ParquetWriter | None = None
        self._aside: list[pl.DataFrame] = []

    def write(self, frame: pl.DataFrame, temporary: Path) -> None:
        """Add a batch of records."""
        table = to_arrow(frame, self.schema)
        if self._kept is None:
            self._kept = pq.ParquetWriter(temporary, self.schema, compression="zstd")
        self._kept.write_table(table)
        self.rows += table.num_rows

    def set_aside(self, frame: pl.DataFrame) -> None:
        """Add a batch of rejects."""
        if frame.height:
            self._aside.append(frame)

    def close(self, counts: dict[str, Any], temporary: Path) -> None:
        """Write the rejects, then the counts into the records' metadata."""
        if self._aside:
            with writing(self.rejects) as path:
                # Arrow says which error of the disk it met, polars does not.
                pq.write_table(pl.concat(self._aside).to_arrow(), path, compression="zstd")
        if self._kept is None:
            self._kept = pq.ParquetWriter(temporary, self.schema, compression="zstd")
        told, aside = json.dumps(counts, sort_keys=True).encode(), sum(frame.height for frame in self._aside)
        self._kept.add_key_value_metadata({_COUNTS: told, _REJECTS: b"%d" % aside})
        self._kept.close()


def to_arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """The frame as an Arrow table with exactly this schema (plain string and list types)."""
    return frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)


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


def read_frames(path: Path, rows: int = 20_000) -> Iterator[pl.DataFrame]:
    """The part's records in frames of at most so many rows, in order."""
    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(batch_size=rows):
            yield pl.DataFrame(pl.from_arrow(batch))
