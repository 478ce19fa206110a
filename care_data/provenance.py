"""Where a record came from and what became of it: its file and row, every change of it, and where it ended."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from care_data import registry
from care_data.entries import Output
from care_data.errors import CareError, Exit
from care_data.stages import inputs_of, manifest_key
from care_data.stages.cleaning import cleaned_columns
from care_data.stages.splits import SPLITS
from care_data.store import STAGES as FOLDERS
from care_data.store import Manifest, Store, read_manifest

STAGES = ("convert", "clean", "dedupe", "decontaminate")
SHOWN = ("reason", "detail", "keeper", "jaccard", "item", "share")
"""What is told of a record that went, where it is known."""


@dataclass
class Story:
    """The chain of one record.

    file: of upstream (path, source, sha256, …), row: its number there. record: as converted, or as far as is known of a
    row that became none. changes: (step, field, before, after) of cleaning, in order. fates: stage to what came of it
    there: nothing where it was kept or passed by, else why it went, with all that is known of it; None where the stage
    was not run since the one before it. copies: records that went for this one, as (id, reason, Jaccard). releases: the
    names of those that hold it, a split of one after its name.
    """

    id: str
    corpus: str
    license: dict[str, Any]
    row: int
    file: dict[str, Any]
    record: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    fates: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    copies: list[tuple[str, str, float | None]] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)


def explain(name: str, store: Store) -> Story:
    """The story of the record of this id; CareError where there is none in the data folder."""
    corpus, _, rest = name.partition("/")
    output, _, place = rest.partition("/")
    path, _, row = place.rpartition("#")
    if not (output and path and row.isdigit()):
        fix = "An id is corpus/output/path#row, as in a release's column id."
        raise CareError(f"{name!r} is no id of a record", fix=fix, code=Exit.USAGE)
    entry = registry.load(corpus)
    if output not in entry.outputs:
        raise CareError(f"no output named {output!r}", where=corpus, fix=f"Outputs are: {', '.join(entry.outputs)}.")
    story = Story(name, corpus, entry.license, int(row), _find_file(path.partition("!")[0], corpus, store))
    before = None
    for stage in STAGES:
        manifest = _read_done(stage, corpus, before, store)
        if stage == "convert":
            _require_output(manifest, entry.outputs[output], corpus, store)
        if manifest is None:
            story.fates[stage] = None
            break
        before = manifest
        if output not in manifest.counts:  # a benchmark is not compared with others
            continue
        record, reject = _find(name, output, manifest, store)
        story.fates[stage] = reject
        if stage == "convert":
            story.record = record
        if stage == "clean":
            columns = cleaned_columns(entry.outputs[output])
            story.changes = _trace(story.record, manifest.parameters[output]["steps"], columns)
        if reject:
            break
    story.copies = _find_copies(name, store)
    story.releases = _find_releases(name, f"{corpus}_{output}", store)
    return story


def _find_file(path: str, corpus: str, store: Store) -> dict[str, Any]:
    manifest = read_manifest(store.folder("fetch", corpus))
    files = manifest.files if manifest else []
    return next((file for file in files if path in (file.get("upstream"), file["path"])), {"path": path})


def _read_done(stage: str, corpus: str, before: Manifest | None, store: Store) -> Manifest | None:
    """The manifest of a stage that is done, on what the stage before it has made; else None."""
    manifest = store.done(stage, corpus, manifest_key(store.folder(stage, corpus)))
    return None if manifest and before and manifest.inputs != inputs_of(before) else manifest


def _require_output(manifest: Manifest | None, output: Output, corpus: str, store: Store) -> None:
    """CareError where nothing of the output was converted."""
    asked = f"{corpus}{'' if output.default else f' --output {corpus}.{output.name}'}"
    if manifest is None or output.name not in manifest.counts:
        what = f"nothing of {corpus if manifest is None else f'{corpus}/{output.name}'} is converted"
        raise CareError(what, where=str(store.root), fix=f"Run `care-data convert {asked}` first.")


def _find(name: str, output: str, manifest: Manifest, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record as the stage left it, or why it went; the other is empty."""
    import polars as pl

    folder = store.folder(manifest.stage, manifest.corpus)
    for kind in ("records", "rejects"):
        for path in (folder / f["path"] for f in manifest.files if f["output"] == output and f["kind"] == kind):
            if rows := pl.scan_parquet(path).filter(id=name).collect().to_dicts():
                if kind == "records":
                    return rows[0], {}
                return {}, {key: rows[0][key] for key in SHOWN if key in rows[0]}
    if manifest.stage != "convert":
        fix = "Run the stage again."
        raise CareError(f"{name!r} is neither kept nor dropped", where=str(folder), fix=fix, code=Exit.INTEGRITY)
    raise CareError(f"no record {name!r}", where=str(folder), fix="See that path and row are as in the record's id.")


def _trace(record: dict[str, Any], steps: list[str], columns: list[str]) -> list[tuple[str, str, Any, Any]]:
    """Every change that cleaning makes to the record: the step, the field, its value before and after."""
    import polars as pl

    from care_data import cleaners

    frame = pl.DataFrame([{name: record[name] for name in columns}])
    changes: list[tuple[str, str, Any, Any]] = []
    for _ in range(cleaners.ROUNDS):
        told = len(changes)
        for step in (step for step in cleaners.STEPS if step in steps):
            for column in columns:
                depth = cleaners.text_depth(frame.schema[column])
                if depth is None:
                    continue
                after = frame.select(cleaners.lift(cleaners.STEPS[step], depth)(pl.col(column)).alias(column))
                before, now = frame[column].to_list()[0], after[column].to_list()[0]
                if before != now:
                    changes.append((step, column, before, now))
                    frame = frame.with_columns(after)
        if len(changes) == told:
            break
    return changes


def _find_copies(name: str, store: Store) -> list[tuple[str, str, float | None]]:
    """The records of any corpus that went for this one."""
    import polars as pl

    found: list[tuple[str, str, float | None]] = []
    for folder in sorted((store.root / FOLDERS["dedupe"]).glob("[!.]*")):
        manifest = read_manifest(folder)
        for path in [folder / f["path"] for f in manifest.files if f["kind"] == "rejects"] if manifest else []:
            found += pl.scan_parquet(path).filter(keeper=name).select("id", "reason", "jaccard").collect().rows()
    return sorted(found)


def _find_releases(name: str, dataset: str, store: Store) -> list[str]:
    """The releases that hold the record, as it is or held out."""
    wanted = {dataset: "", **{f"{dataset}_{split}": f" ({split})" for split in SPLITS}}
    found = []
    for folder in sorted((store.root / FOLDERS["release"]).glob("[!.]*")):  # dotted: not finished
        manifest = read_manifest(folder)
        for file in manifest.files if manifest else []:
            held = file.get("dataset")
            if held in wanted and _holds(folder / file["path"], name):
                found.append(folder.name + wanted[held])
    return found


def _holds(path: Path, name: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
        return any(pc.any(pc.equal(batch["id"], name)).as_py() for batch in stream)
