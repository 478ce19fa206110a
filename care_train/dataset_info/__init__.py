"""Entries of a dataset_info.json to records: found, chosen, checked, read, mixed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from care_train.config import DataSettings
from care_train.dataset_info.entries import Entry, find_dataset_dir, read_entries, select_entries
from care_train.dataset_info.files import hash_file, read_sums
from care_train.dataset_info.mixing import Mix, check_mix, draw_rows, interleave, mix_tables, read_mix, shuffle
from care_train.dataset_info.sources import Opened, iterate_entry, load_entry, open_entry
from care_train.errors import CareError
from care_train.shards import BLOCK, TYPES

__all__ = ["Dataset", "Stream", "find_dataset_dir", "load_datasets", "load_evaluation", "open_stream"]


@dataclass(frozen=True)
class Dataset:
    """Records of the entries asked for: columns of `shards.TYPES`, and what they came from.

    rows: records of each in the mix. sources: what came from elsewhere than files here, with its revision or checksum.
    notes: what a person should know of how they were read.
    """

    table: pa.Table
    rows: dict[str, int]
    folder: Path
    manifest_sha256: str | None
    sources: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_datasets(folder: Path, stage: str, data: DataSettings, *, seed: int = 42) -> Dataset:
    """The records of every entry of `dataset`, mixed as asked for; at most `max_samples` of each.

    `num_samples` of an entry are drawn by the seed. Raises CareError: exit 4 for a checksum that does not hold, 7 for
    a benchmark, a path outside the folder or a script.
    """
    return _load(folder, stage, data, data.dataset, seed=seed, mix=read_mix(data.mix_strategy, data.interleave_probs))


def load_evaluation(folder: Path, stage: str, data: DataSettings, *, seed: int = 42) -> Dataset | None:
    """The records of `eval_dataset`, one after the other; None where none is named."""
    if not data.eval_dataset:
        return None
    return _load(folder, stage, data, data.eval_dataset, seed=seed, mix=Mix(), measuring=True)


def _load(
    folder: Path, stage: str, data: DataSettings, wanted: str, *, seed: int, mix: Mix, measuring: bool = False
) -> Dataset:
    tables: dict[str, pa.Table] = {}
    sources: dict[str, str] = {}
    notes: list[str] = []
    entries, opened = _open(folder, stage, data, wanted, mix, measuring=measuring)
    for entry, one in zip(entries, opened, strict=True):
        table = load_entry(one)
        if not table.num_rows:
            raise CareError("holds no records", where=entry.name, fix="Check its files, or leave it out.")
        if entry.keys.get("num_samples"):
            table = draw_rows(table, entry.keys["num_samples"], entry.name, seed)
        tables[entry.name] = table.slice(0, data.max_samples)
        sources |= {entry.name: one.source} if one.source else {}
        notes += one.notes
    whole, rows = mix_tables(tables, mix, seed)
    return Dataset(whole, rows, folder, _hash_manifest(folder), sources, tuple(notes))


def _open(
    folder: Path, stage: str, data: DataSettings, wanted: str, mix: Mix, *, measuring: bool
) -> tuple[list[Entry], list[Opened]]:
    """The entries asked for and each of them opened."""
    entries = select_entries(read_entries(folder), wanted, stage, measuring=measuring)
    check_mix(mix, [entry.name for entry in entries])
    if measuring:
        _keep_apart(folder, stage, data, entries)
    sums = read_sums(folder / "manifest.json")
    streaming = data.streaming and not measuring
    trusted = data.trust_dataset_scripts
    return entries, [open_entry(entry, stage, sums, trusted=trusted, streaming=streaming) for entry in entries]


def _keep_apart(folder: Path, stage: str, data: DataSettings, measuring: list[Entry]) -> None:
    learned = {entry.name for entry in select_entries(read_entries(folder), data.dataset, stage)}
    both = [entry.name for entry in measuring if entry.name in learned]
    if both:
        fix = "Its loss would measure memory: set a part of it aside with --val_size, or name another."
        raise CareError("is in --dataset and in --eval_dataset", where=", ".join(both), fix=fix)


def _hash_manifest(folder: Path) -> str | None:
    manifest = folder / "manifest.json"
    return hash_file(manifest, "sha256") if manifest.exists() else None


@dataclass(frozen=True)
class Stream:
    """Records read while training, never all at once. head: the first ones as a Dataset, with their counts."""

    head: Dataset
    entries: tuple[Entry, ...]
    opened: tuple[Opened, ...]
    mix: Mix
    data: DataSettings
    seed: int

    def read(self, epoch: int = 0) -> Iterator[pa.Table]:
        """Blocks of records of one pass, in an order of its own for each epoch; the same order for the same seed."""
        rows = shuffle((row for _, row in self.mixed()), self.data.buffer_size, self.seed + epoch)
        schema = pa.schema(list(TYPES.items()))
        while block := list(islice(rows, BLOCK)):
            yield pa.Table.from_pylist(block, schema=schema)

    def mixed(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number of the entry, record) in the order of the mix."""
        sources = [partial(self._read_entry, number) for number in range(len(self.entries))]
        if self.mix.strategy == "concat":
            return ((number, row) for number, source in enumerate(sources) for row in source())
        return interleave(sources, self.mix, self.seed)

    def _read_entry(self, number: int) -> Iterator[dict[str, Any]]:
        """One entry's records: the first `num_samples` and `max_samples`, as nobody knows how many there are."""
        limits = [most for most in (self.entries[number].keys.get("num_samples"), self.data.max_samples) if most]
        rows = (row for block in iterate_entry(self.opened[number]) for row in block.to_pylist())
        empty = True
        for row in islice(rows, min(limits) if limits else None):
            empty = False
            yield row
        if empty:
            raise CareError(
                "holds no records", where=self.entries[number].name, fix="Check its files, or leave it out."
            )


def open_stream(folder: Path, stage: str, data: DataSettings, *, seed: int = 42) -> Stream:
    """The records of every entry of `dataset`, to be read again and again; the first block is read at once."""
    mix = read_mix(data.mix_strategy, data.interleave_probs)
    entries, opened = _open(folder, stage, data, data.dataset, mix, measuring=False)
    sources = {entry.name: one.source for entry, one in zip(entries, opened, strict=True) if one.source}
    notes = tuple(note for one in opened for note in one.notes)
    schema = pa.schema(list(TYPES.items()))
    head = Dataset(schema.empty_table(), {}, folder, _hash_manifest(folder), sources, notes)
    stream = Stream(head, tuple(entries), tuple(opened), mix, data, seed)
    first = list(islice(stream.mixed(), BLOCK))
    counts = Counter(number for number, _ in first)
    rows = {entry.name: counts[number] for number, entry in enumerate(entries)}
    table = pa.Table.from_pylist([row for _, row in first], schema=schema)
    return replace(stream, head=replace(head, table=table, rows=rows))
