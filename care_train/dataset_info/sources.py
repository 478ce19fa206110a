"""Where the records of an entry come from: the Hub, a trusted script, or files in the dataset folder."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from care_train.dataset_info.entries import Entry
from care_train.dataset_info.files import check_sums, find_files
from care_train.dataset_info.hub import load_hub
from care_train.dataset_info.layouts import Layout, list_notes, read_layout
from care_train.dataset_info.scripts import run_script
from care_train.dataset_info.turns import read_turns
from care_train.errors import CareError
from care_train.shards import TYPES, Content, join_blocks, make_table, read_blocks

ORDER = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name", "file_name")
"""Keys that say where the data is, in the order in which loaders take them."""


class Part(NamedTuple):
    """One file, or what stands for one. where: how errors call it. read: its content from the start, in blocks."""

    where: str
    read: Callable[[], Iterator[Content]]


class Opened(NamedTuple):
    """An entry that is about to be read. source: what it came from, as far as it is not a file here."""

    layout: Layout
    parts: list[Part]
    source: str
    notes: list[str]


def open_entry(entry: Entry, stage: str, sums: dict[str, str], *, trusted: bool, streaming: bool = False) -> Opened:
    """The entry's parts, its keys checked, nothing read of files but their checksums.

    sums: those of the release's manifest. trusted: whether a dataset script may run. Of several sources the first of
    ORDER counts.
    """
    layout, notes = read_layout(entry, stage), list_notes(entry, stage)
    source = next((key for key in ORDER if entry.keys.get(key)), None)
    if source == "hf_hub_url":
        tables, origin, told = load_hub(entry, streaming=streaming)
        return Opened(layout, [Part(entry.name, tables)], origin, [*notes, *told])
    if source == "script_url":
        rows, origin, told = run_script(entry, trusted=trusted)
        return Opened(layout, [Part(entry.name, lambda: iter([rows]))], origin, [*notes, *told])
    if source is None:
        fix = "Add file_name: a file or folder beside dataset_info.json."
        raise CareError("does not say where its data is", where=entry.name, fix=fix)
    if source != "file_name":
        fix = "Download it and give file_name, or name its repository on the Hugging Face Hub with hf_hub_url."
        raise CareError(f"{source} is not read here", where=entry.name, fix=fix)
    files = find_files(entry)
    if entry.care and sums:
        check_sums(entry, files, sums)
    named = [(path, f"{entry.name}/{path.name}") for path in files]
    return Opened(layout, [Part(where, partial(read_blocks, path, where)) for path, where in named], "", notes)


def load_entry(opened: Opened) -> pa.Table:
    """All its records with every column of `shards.TYPES`; what it lacks is null."""
    contents = [(join_blocks(read()), where) for where, read in opened.parts]
    empty = pa.schema(list(TYPES.items())).empty_table()
    return pa.concat_tables([empty, *(_convert(one, opened.layout, where) for one, where in contents if len(one))])


def iterate_entry(opened: Opened) -> Iterator[pa.Table]:
    """The same block by block. A column that only later blocks of a file lack is null there."""
    for where, read in opened.parts:
        layout, before = opened.layout, 0
        for block in read():
            place = f"{where}: after {before:,} records" if before else where
            if len(block):
                yield _convert(block, layout, place)
                layout = layout.lenient()
            before += len(block)


def _convert(content: Content, layout: Layout, where: str) -> pa.Table:
    if layout.tags:
        return read_turns(content, layout, where)
    return make_table(content, layout.columns, where, optional=layout.optional, pairs=layout.pairs)
