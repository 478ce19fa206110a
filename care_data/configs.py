"""The configs of a release: what `load_dataset` is asked for by name, each with splits, shards, schema and sizes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SPLITS = ("train", "validation", "test")
"""In the order they are told."""


@dataclass(frozen=True)
class Split:
    """One split of a config: the dataset it is, whose folder holds nothing but its shards.

    files: its lines in the manifest. memory: bytes of its records as Arrow, which `datasets` writes as num_bytes.
    """

    name: str
    dataset: str
    files: tuple[dict[str, Any], ...]
    rows: int
    memory: int

    @property
    def bytes(self) -> int:
        """Its shards on disk."""
        return sum(int(file["bytes"]) for file in self.files)


@dataclass(frozen=True)
class Config:
    """The records of one output of one corpus: `<corpus>_<output>`, with what is held out of it. care: what
    dataset_info.json says of it under that key."""

    name: str
    care: dict[str, Any]
    schema: pa.Schema
    splits: tuple[Split, ...]

    @property
    def rows(self) -> int:
        """Its records, those held out included."""
        return sum(split.rows for split in self.splits)

    def rows_of(self, split: str) -> int:
        """The records of one split, 0 where it has none."""
        return sum(each.rows for each in self.splits if each.name == split)


def gather_configs(folder: Path, files: Sequence[dict[str, Any]], info: Mapping[str, Any]) -> list[Config]:
    """The configs of a release, by name. files: the manifest's lines; info: dataset_info.json.

    Shards are Arrow streams or Parquet, and of these the sizes are read, and the schema of the first of each config.
    """
    shards: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in files:
        if "dataset" in file:
            shards[file["dataset"]].append(file)
    datasets: dict[str, list[str]] = defaultdict(list)
    for dataset in sorted(shards):
        datasets[_name_config(dataset, info[dataset]["care"]["role"])].append(dataset)
    configs = []
    for name, members in sorted(datasets.items()):
        splits = [_gather_split(folder, dataset, shards[dataset]) for dataset in members]
        splits.sort(key=lambda split: SPLITS.index(split.name))
        schema = read_schema(folder / splits[0].files[0]["path"])
        configs.append(Config(name, info[splits[0].dataset]["care"], schema, tuple(splits)))
    return configs


def _name_config(dataset: str, role: str) -> str:
    """The config a dataset belongs to: records held out belong to that of the others."""
    return dataset.removesuffix(f"_{role}") if role in SPLITS[1:] else dataset


def _gather_split(folder: Path, dataset: str, files: list[dict[str, Any]]) -> Split:
    files = sorted(files, key=lambda file: str(file["path"]))
    split = Path(files[0]["path"]).name.partition("-")[0]
    memory = sum(measure(folder / file["path"]) for file in files)
    return Split(split, dataset, tuple(files), sum(file["rows"] for file in files), memory)


def pick_default(configs: Sequence[Config]) -> Config:
    """The config that is loaded where none is named: that of the most training records, else of the most records."""
    return max(configs, key=lambda config: (config.rows_of("train"), config.rows))


def read_schema(path: Path) -> pa.Schema:
    """The schema of a shard."""
    if path.suffix == ".parquet":
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
        return stream.schema


def measure(path: Path) -> int:
    """Bytes of a shard's records as Arrow; in which batches they are read does not matter."""
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as source:
            return sum(batch.nbytes for batch in source.iter_batches())
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
        return sum(batch.nbytes for batch in stream)
