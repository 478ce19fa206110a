"""A release as it is published: its shards as Parquet, its card and its manifest, in a folder of its own.

A shard's bytes follow from its records alone, so of two versions of a release the shards that hold the same records are
the same files, and go to the Hub once.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from care_data import __version__, cards, engines
from care_data.errors import CareError, Exit
from care_data.folders import clear_up, replacing
from care_data.release import INFO, read_release
from care_data.store import (
    MANIFEST,
    Manifest,
    code_digest,
    describe_file,
    read_done,
    read_manifest,
    sha256_file,
    sha256_json,
    write_json,
    writing,
)

GROUP_BYTES = 32 << 20
"""A row group holds about this much, uncompressed: what a viewer reads to show a page of rows."""

WRITING = {
    "compression": "zstd",
    "write_page_checksum": True,
    "write_page_index": True,
    "use_content_defined_chunking": True,  # shards that share most records share most bytes
}

Advance = Callable[[int, int], None]
"""(shards done, shards in all)."""


@dataclass(frozen=True)
class ShardTask:
    """One shard to write again. described: its line in the release's manifest."""

    source: Path
    path: Path
    described: dict[str, Any]


def name_withheld(manifest: Manifest) -> dict[str, str]:
    """The corpora of a release that may not be passed on, and why."""
    told = {"unclear": "nobody who may say so allows it"}
    return {
        corpus: f"{source['license']['id']}: {told.get(source['license']['use'], 'its terms forbid it')}"
        for corpus, source in sorted(manifest.sources.items())
        if not source["license"]["redistribute"]
    }


def write_tree(
    release: Path,
    to: Path,
    without: dict[str, str] | None = None,
    workers: int | None = None,
    advance: Advance = lambda done, total: None,
) -> Manifest:
    """The tree of a release in the folder `to`, whole or not at all; what is there already is left.

    without: corpora to leave out, and why. CareError (4) where a shard is not what the release's manifest says, (1)
    where nothing is left.
    """
    whole = read_release(release)
    info = json.loads((release / INFO).read_text(encoding="utf-8"))
    info = {name: entry for name, entry in info.items() if entry["care"]["corpus"] not in (without or {})}
    manifest = _thin(whole, list(info), without or {})
    if not info:
        raise CareError("no corpus is left to publish", where=release.name, fix="Look at the licences of its corpora.")
    clear_up(to)
    if done := read_done(to, manifest.key):
        return done
    _refuse_foreign(to)
    kept = [line for line in whole.files if line.get("dataset") in info]
    with replacing(to) as folder:
        tasks = [
            ShardTask(release / line["path"], (folder / line["path"]).with_suffix(".parquet"), line) for line in kept
        ]
        small = sum(line["bytes"] for line in kept) < engines.SMALL
        shards = engines.run_tasks(
            write_shard, tasks, 1 if small else workers, on_done=lambda done: advance(done, len(tasks))
        )
        private = sum((Counter(shard.pop("private")) for shard in shards), Counter[str]())
        write_json(folder / INFO, info)
        files = [*shards, describe_file(folder, INFO)]
        manifest = replace(manifest, private=dict(sorted(private.items())), files=files)
        files += [describe_file(folder, name) for name in cards.write_card(folder, manifest, suffix=".parquet")]
        manifest = replace(manifest, files=sorted(files, key=lambda line: str(line["path"])))
        manifest.write(folder)
    return manifest


def _thin(whole: Manifest, names: list[str], without: dict[str, str]) -> Manifest:
    """The release's manifest of these datasets, without some corpora, its files still to come."""
    parameters = {**whole.parameters, "release": {"name": whole.name, "key": whole.key}}
    parameters["corpora"] = {name: of for name, of in whole.parameters["corpora"].items() if name not in without}
    return replace(
        whole,
        stage="publish",
        key=sha256_json(["publish", whole.key, sorted(without.items()), code_digest()]),
        version=__version__,
        code=code_digest(),
        inputs=[line for line in whole.inputs if str(line["path"]).partition("/")[0] not in without],
        parameters=parameters,
        counts={name: whole.counts[name] for name in names},
        funnel={name: whole.funnel[name] for name in names},
        sources={name: source for name, source in whole.sources.items() if name not in without},
        missing=[line for line in whole.missing if line.partition(":")[0] not in without],
        warnings=[
            *(line for line in whole.warnings if line.partition(":")[0] not in without),
            *(f"{corpus}: left out, and with it what other corpora lost to it as duplicates" for corpus in without),
        ],
        skipped={**whole.skipped, **without},
        files=[],
    )


def _refuse_foreign(to: Path) -> None:
    """CareError (2) where the folder holds what no publishing made."""
    before = read_manifest(to)
    known = {MANIFEST, *(line["path"] for line in before.files)} if before and before.stage == "publish" else set()
    found = to.rglob("*") if to.is_dir() else [to] if to.exists() else []
    others = sorted(path for path in found if not path.is_dir() and path.relative_to(to).as_posix() not in known)
    if others:
        reason = f"it holds other things, such as {others[0].name}"
        raise CareError(reason, where=str(to), fix="Choose a folder that is empty or not there.", code=Exit.USAGE)


def write_shard(task: ShardTask) -> dict[str, Any]:
    """Write one shard as Parquet, read it back with its checksums, and describe it; private: values it holds by type.

    CareError (4) where the release's shard is not what its manifest says.
    """
    listed = task.described
    if not task.source.is_file() or sha256_file(task.source) != listed["sha256"]:
        fix = "See what else is with care-data verify, then write the release again."
        what = "not the file of the release's manifest"
        raise CareError(what, where=str(listed["path"]), fix=fix, code=Exit.INTEGRITY)
    private: Counter[str] = Counter()
    with writing(task.path) as temporary:
        with (
            pa.memory_map(str(task.source)) as source,
            pa.ipc.open_stream(source) as stream,
            pq.ParquetWriter(temporary, stream.schema, **WRITING) as writer,
        ):
            for table in _groups(stream):
                writer.write_table(table, row_group_size=max(1, table.num_rows))
                private.update(_count_private(table))
        with pq.ParquetFile(temporary, page_checksum_verification=True) as written:
            rows = sum(batch.num_rows for batch in written.iter_batches())
        if rows != listed["rows"]:
            fix = "See what else is with care-data verify, then write the release again."
            what = f"it holds {rows} rows, and the release's manifest says {listed['rows']}"
            raise CareError(what, where=str(listed["path"]), fix=fix, code=Exit.INTEGRITY)
    return {
        "path": str(Path(listed["path"]).with_suffix(".parquet")),
        "dataset": listed["dataset"],
        "rows": rows,
        "bytes": task.path.stat().st_size,
        "sha256": sha256_file(task.path),
        "private": dict(private),
    }


def _groups(stream: Any) -> Iterator[pa.Table]:
    """The batches of a shard, as many together as make a row group."""
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in stream:
        waiting.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _count_private(table: pa.Table) -> dict[str, int]:
    """Values of personal data in these records, by type: what was not masked."""
    import polars as pl

    from care_data.cleaners import clean
    from care_data.records import IDENTITY

    frame = pl.DataFrame(pl.from_arrow(table))
    words = [name for name in frame.columns if name not in IDENTITY]
    _, counts = clean(frame, ["privacy"], words)
    return {name.removeprefix("masked_"): n for name, n in counts.items() if name.startswith("masked_") and n}
