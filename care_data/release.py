"""A release: Arrow shards, dataset_info.json, a card and a manifest, in a folder that appears whole or not at all.

The same inputs and settings give the same bytes: shards are cut by rows and size alone, batches have a fixed number of
rows, and nothing in the folder knows the time, the machine or the number of workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from care_data import records, threads
from care_data.cards import write_card
from care_data.errors import CareError, Exit
from care_data.folders import replacing
from care_data.store import MANIFEST, Manifest, describe_file, read_manifest, sha256_file, write_json, writing

INFO = "dataset_info.json"
SHARD_BYTES = 256 << 20
"""A shard holds about this much text, uncompressed."""
BATCH_ROWS = 1_000

COLUMNS = {
    "pt": {"prompt": "text"},
    "sft": {"prompt": "instruction", "query": "input", "response": "output", "history": "history"},
    "rw": {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
        "history": "history",
        "chosen": "chosen",
        "rejected": "rejected",
    },
    "eval": {"prompt": "question", "response": "answer"},
}
"""Format to the columns mapping that the trainer, the 2023 seed and LLaMA-Factory read alike."""


@dataclass(frozen=True)
class Dataset:
    """One output of one corpus, or what of it is held out, as it goes into a release.

    parts: Parquet files of records, in order. asked: the fields that say what a training record is asked. chosen: for
    each part which of its records go in; all by default. split: what they are held out for.
    """

    corpus: str
    output: str
    format: str
    role: str
    license: str
    language: str
    extra: tuple[str, ...]
    parts: list[Path]
    asked: tuple[str, ...] = ()
    chosen: tuple[np.ndarray, ...] | None = None
    split: str = ""

    @property
    def name(self) -> str:
        """Its name in dataset_info.json and its folder."""
        return "_".join([self.corpus, self.output, *([self.split] if self.split else [])])

    @property
    def rows(self) -> int:
        """Its records."""
        if self.chosen is not None:
            return sum(int(part.sum()) for part in self.chosen)
        return sum(pq.read_metadata(path).num_rows for path in self.parts)


@dataclass(frozen=True)
class ShardTask:
    """One shard to write: records `start` to `stop` of the dataset."""

    dataset: Dataset
    start: int
    stop: int
    path: Path


def write(folder: Path, datasets: list[Dataset], manifest: Manifest, workers: int | None = None) -> Manifest:
    """Write the release beside `folder`, check it, and rename it; the manifest comes back with its files.

    Datasets without a record are left out. Raises CareError where two would share a name, and where a written shard
    does not read back as counted.
    """
    filled = [dataset for dataset in sorted(datasets, key=lambda d: (d.name, d.corpus)) if dataset.rows]
    for one, two in pairwise(filled):
        if one.name == two.name:
            problem = f"{one.corpus}.{one.output} and {two.corpus}.{two.output} would both be {one.name}"
            raise CareError(problem, where=folder.name, fix="Write a release of each, or rename an output.")
    if not filled:
        raise CareError(
            "no record is left to release", where=folder.name, fix="Look at the manifests for what dropped them."
        )
    with replacing(folder) as temporary:
        tasks = [task for dataset in filled for task in _cut(dataset, temporary)]
        files = threads.spread(lambda first, _: write_shard(tasks[first]), len(tasks), 1, workers)
        write_json(temporary / INFO, {dataset.name: describe(dataset) for dataset in filled})
        written = [INFO, *write_card(temporary, replace(manifest, files=files))]
        files += [describe_file(temporary, name) for name in written]
        whole = replace(manifest, files=sorted(files, key=lambda f: str(f["path"])))
        whole.write(temporary)
    return whole


def read_release(folder: Path, stages: tuple[str, ...] = ("release",)) -> Manifest:
    """The manifest of a release, or with the stage `publish` of a published one.

    CareError: 2 where the folder holds none, 4 where it is damaged, 1 where an earlier version wrote it.
    """
    if not folder.is_dir():
        fix = "Name the folder of a release: data/releases/NAME."
        raise CareError("no such release", where=str(folder), fix=fix, code=Exit.USAGE)
    manifest = read_manifest(folder)
    if manifest is None and (folder / MANIFEST).exists():
        fix = "See with care-data verify what is wrong with it, and write it again."
        raise CareError(f"its {MANIFEST} is damaged", where=str(folder), fix=fix, code=Exit.INTEGRITY)
    if manifest is None or manifest.stage not in stages:
        raise CareError("not a release", where=str(folder), fix="Name a folder of data/releases.", code=Exit.USAGE)
    if not manifest.sources:
        fix = "Write it again with care-data write."
        raise CareError("written by an earlier version, without what its corpora are", where=str(folder), fix=fix)
    return manifest


def describe(dataset: Dataset) -> dict[str, Any]:
    """The dataset's entry in dataset_info.json: keys everyone knows, and ours under `care`."""
    columns = dict(COLUMNS[dataset.format])
    if "system" in dataset.extra:
        columns["system"] = "system"
    care = {
        "format": dataset.format,
        "role": dataset.split or dataset.role,
        "corpus": dataset.corpus,
        "license": dataset.license,
        "language": dataset.language,
        "rows": dataset.rows,
    }
    ranking = {"ranking": True} if dataset.format == "rw" else {}
    return {"file_name": dataset.name, **ranking, "columns": columns, "care": care}


def _cut(dataset: Dataset, root: Path) -> list[ShardTask]:
    """Shards of nearly equal numbers of rows, as many as the text's size asks for."""
    size = sum(
        metadata.row_group(group).total_byte_size
        for path in dataset.parts
        for metadata in [pq.read_metadata(path)]
        for group in range(metadata.num_row_groups)
    )
    rows = dataset.rows
    shards = min(rows, max(1, -(-size // SHARD_BYTES)))
    split = dataset.split or ("test" if dataset.role == "benchmark" else "train")
    return [
        ShardTask(
            dataset,
            rows * number // shards,
            rows * (number + 1) // shards,
            root / dataset.name / f"{split}-{number:05d}-of-{shards:05d}.arrow",
        )
        for number in range(shards)
    ]


def write_shard(task: ShardTask) -> dict[str, Any]:
    """Write one shard as an Arrow IPC stream, read it back, and describe it for the manifest."""
    schema = records.arrow_schema(task.dataset.format, task.dataset.extra)
    with writing(task.path) as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
            for table in _rows(task):
                stream.write_table(table.cast(schema).combine_chunks(), max_chunksize=BATCH_ROWS)
        with pa.memory_map(str(temporary)) as source, pa.ipc.open_stream(source) as stream:
            counted = 0
            for batch in stream:
                batch.validate(full=True)
                counted += batch.num_rows
        if counted != task.stop - task.start:
            raise CareError(
                f"{counted} rows were written, not {task.stop - task.start}", where=task.path.name, code=Exit.BUG
            )
    path = f"{task.dataset.name}/{task.path.name}"
    return {
        "path": path,
        "dataset": task.dataset.name,
        "rows": counted,
        "bytes": task.path.stat().st_size,
        "sha256": sha256_file(task.path),
    }


def _rows(task: ShardTask) -> Iterator[pa.Table]:
    """The shard's rows in tables of BATCH_ROWS, whatever the batches and row groups they come in."""
    waiting: list[pa.Table] = []
    held = 0
    for batch in _batches(task):
        waiting.append(pa.Table.from_batches([batch]))
        held += batch.num_rows
        while held >= BATCH_ROWS:
            table = pa.concat_tables(waiting)
            yield table.slice(0, BATCH_ROWS)
            waiting, held = [table.slice(BATCH_ROWS)], held - BATCH_ROWS
    if held:
        yield pa.concat_tables(waiting)


def _batches(task: ShardTask) -> Iterator[pa.RecordBatch]:
    """The shard's rows as they come; row groups without any of them are not read."""
    position = 0
    for number, path in enumerate(task.dataset.parts):
        chosen = None if task.dataset.chosen is None else task.dataset.chosen[number]
        with pq.ParquetFile(path, pre_buffer=False) as source:  # or all that was read is kept to the end
            groups = [source.metadata.row_group(group).num_rows for group in range(source.num_row_groups)]
            ends = np.cumsum([0, *groups])
            kept = ends if chosen is None else np.concatenate([[0], np.cumsum(chosen)])[ends]
            first, last = task.start - position, task.stop - position
            wanted = [group for group in range(len(groups)) if kept[group] < last and kept[group + 1] > first]
            if wanted:
                seen, at = ends[wanted[0]], position + kept[wanted[0]]
                for batch in source.iter_batches(batch_size=BATCH_ROWS, row_groups=wanted):
                    if chosen is not None:
                        mask, seen = chosen[seen : seen + batch.num_rows], seen + batch.num_rows
                        batch = batch.filter(pa.array(mask))
                    first, last = max(task.start - at, 0), min(task.stop - at, batch.num_rows)
                    at += batch.num_rows
                    if first < last:
                        yield batch.slice(first, last - first)
            position += int(kept[-1])
