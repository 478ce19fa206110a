"""Where a record came from and what became of it: its file and row, every change of it, and where it ended."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.store import Manifest, Store, read_manifest

STAGES = ("convert", "clean", "dedupe", "decontaminate")
IDENTITY = ("id", "corpus", "license")


@dataclass
class Story:
    """The chain of one record.

    file: of upstream (path, source, sha256, …), row: its number there. record: as converted, or as far as is known of a
    row that became none. changes: (step, field, before, after) of cleaning. fates: stage to what came of it there:
    "kept", or why it went, with all that is known of it; None where the stage was not run. copies: records that went
    for this one, as (id, reason, Jaccard). releases: the names of those that hold it.
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
    for stage in STAGES:
        manifest = read_manifest(store.folder(stage, corpus))
        story.fates[stage] = None if manifest is None else _find_fate(name, output, manifest, store)
        found = story.fates[stage]
        if stage == "convert" and found is None:
            fix = f"Run `care-data convert {corpus}` first."
            raise CareError(f"nothing of {corpus} is converted", where=str(store.root), fix=fix)
        if stage == "convert" and not found:
            fix = "See that path and row are as in the record's id."
            raise CareError(f"no record {name!r}", where=str(store.folder(stage, corpus)), fix=fix)
        if found is None or manifest is None:
            break
        story.record = found.pop("record", {}) if stage == "convert" else story.record
        if stage == "clean":
            story.changes = _trace(story.record, manifest.parameters[output]["steps"])
        if "reason" in found:
            break
    story.copies = _find_copies(name, store)
    story.releases = _find_releases(name, output, corpus, store) if story.fates.get("decontaminate") else []
    return story


def _find_file(path: str, corpus: str, store: Store) -> dict[str, Any]:
    manifest = read_manifest(store.folder("fetch", corpus))
    files = manifest.files if manifest else []
    return next((file for file in files if path in (file.get("upstream"), file["path"])), {"path": path})


def _find_fate(name: str, output: str, manifest: Manifest, store: Store) -> dict[str, Any]:
    """What came of the record in a stage; a stage that passed it by (a benchmark is not deduplicated) kept it."""
    import polars as pl

    folder = store.folder(manifest.stage, manifest.corpus)
    for kind in ("records", "rejects"):
        for path in (folder / f["path"] for f in manifest.files if f["output"] == output and f["kind"] == kind):
            if rows := pl.scan_parquet(path).filter(id=name).collect().to_dicts():
                if kind == "records":
                    return {"record": rows[0]}
                shown = ("reason", "detail", "keeper", "jaccard", "item", "share")
                return {key: rows[0][key] for key in shown if key in rows[0]}
    return {}


def _trace(record: dict[str, Any], steps: list[str]) -> list[tuple[str, str, Any, Any]]:
    """Every change that cleaning makes to the record: the step, the field, its value before and after."""
    import polars as pl

    from care_data import cleaners

    frame = pl.DataFrame([{name: value for name, value in record.items() if name not in IDENTITY}])
    changes = []
    for _ in range(cleaners.ROUNDS):
        moved = False
        for step in (step for step in cleaners.STEPS if step in steps):
            for column in frame.columns:
                depth = cleaners.text_depth(frame.schema[column])
                if depth is None:
                    continue
                after = frame.select(cleaners.lift(cleaners.STEPS[step], depth)(pl.col(column)).alias(column))
                before, now = frame[column].to_list()[0], after[column].to_list()[0]
                if before != now:
                    moved = True
                    changes.append((step, column, before, now))
                    frame = frame.with_columns(after)
        if not moved:
            break
    return changes


def _find_copies(name: str, store: Store) -> list[tuple[str, str, float | None]]:
    """The records of any corpus that went for this one."""
    import polars as pl

    found: list[tuple[str, str, float | None]] = []
    for path in sorted((store.root / "unique").glob("*/*.rejects.parquet")):
        frame = pl.scan_parquet(path).filter(keeper=name).select("id", "reason", "jaccard").collect()
        found += frame.rows()
    return sorted(found)


def _find_releases(name: str, output: str, corpus: str, store: Store) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for folder in sorted(path for path in (store.root / "releases").glob("*") if path.is_dir()):
        manifest = read_manifest(folder)
        shards = _shards(folder, manifest, f"{corpus}_{output}") if manifest else []
        for path in shards:
            with pa.memory_map(str(path)) as mapped:
                if any(pc.any(pc.equal(batch["id"], name)).as_py() for batch in pa.ipc.open_stream(mapped)):
                    found.append(folder.name)
                    break
    return found


def _shards(folder: Path, manifest: Manifest, dataset: str) -> list[Path]:
    paths = [f["path"] for f in manifest.files if f["path"].endswith(".arrow")]
    return [folder / path for path in paths if path.split("/")[0] == dataset]
