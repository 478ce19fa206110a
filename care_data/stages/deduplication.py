"""The dedupe stage: records against records, within and across the corpora of a run.

Only training outputs are compared, each format for itself. What two records are compared by is their question (with
history and input) and their answers, each on its own, or the fields that an output names in `compare`.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data import __version__, records, registry
from care_data.duplicates import dedupe
from care_data.entries import Entry, Output
from care_data.parts import Part, PartWriter, open_part, read_frames
from care_data.stages import Settings, StageResult, finish, inputs_of, leave, renamed, require_stage, sum_counts
from care_data.store import Manifest, code_digest, sha256_json, writing

if TYPE_CHECKING:
    import polars as pl

PROMPT = ["history", "instruction", "input"]
COMPARED = {"pt": [["text"]], "sft": [PROMPT, ["output"]], "rw": [PROMPT, ["chosen"], ["rejected"]]}
"""Format to the groups of fields each of which must be alike."""


def dedupe_corpora(entries: list[Entry], settings: Settings) -> dict[str, StageResult]:
    """Keep one record of those alike; what goes is kept aside with the id of the record that stays.

    The work of a corpus depends on all corpora of the run, so its key does too.
    """
    before = {entry.name: require_stage("clean", entry, settings) for entry in entries}
    parameters = {
        **registry.defaults()["dedupe"],
        "against": {e.name: rank(e) for e in sorted(entries, key=lambda e: e.name)},
    }
    everything = sorted(
        ({"corpus": name, "key": manifest.key} for name, manifest in before.items()), key=lambda item: item["corpus"]
    )
    keys = {
        e.name: sha256_json(["dedupe", e.name, everything, parameters, _compared(e), code_digest()]) for e in entries
    }
    done = {name: settings.store.done("dedupe", name, key) for name, key in keys.items()}
    if all(done.values()):
        return {
            name: leave(manifest, settings.store.folder("dedupe", name)) for name, manifest in done.items() if manifest
        }
    parts: dict[str, list[tuple[str, Part]]] = {entry.name: [] for entry in entries}
    for number, record_format in enumerate(COMPARED):
        settings.progress("dedupe", "all corpora", number, len(COMPARED))
        for corpus, output, part in _dedupe_format(record_format, entries, before, keys, settings):
            parts[corpus].append((output, part))
    settings.progress("dedupe", "all corpora", len(COMPARED), len(COMPARED))
    results = {}
    for entry in entries:
        folder = settings.store.folder("dedupe", entry.name)
        manifest = Manifest(
            stage="dedupe",
            corpus=entry.name,
            key=keys[entry.name],
            version=__version__,
            code=code_digest(),
            inputs=inputs_of(before[entry.name]),
            parameters=parameters,
            counts=sum_counts(parts[entry.name]),
            files=[f for output, part in parts[entry.name] for f in part.describe(folder, output)],
            verified=before[entry.name].verified,
        )
        results[entry.name] = finish(manifest, folder)
    return results


def rank(entry: Entry) -> int:
    """The entry's priority; a corpus that republishes another stands just below where it would."""
    return entry.priority - (1 if entry.mirror_of else 0)


def _compared(entry: Entry) -> dict[str, list[str] | None]:
    return {name: output.compare for name, output in entry.outputs.items()}


def _dedupe_format(
    record_format: str, entries: list[Entry], before: dict[str, Manifest], keys: dict[str, str], settings: Settings
) -> Iterator[tuple[str, str, Part]]:
    """(corpus, output, part) of every part of this format, deduplicated against all the others."""
    import polars as pl

    found = [
        (entry, entry.outputs[f["output"]], settings.store.folder("clean", entry.name) / f["path"])
        for entry in sorted(entries, key=lambda entry: entry.name)
        for f in before[entry.name].files
        if f["kind"] == "records"
        and entry.outputs[f["output"]].format == record_format
        and entry.outputs[f["output"]].role == "train"
    ]
    if not found:
        return
    defaults = registry.defaults()["dedupe"]
    groups = [[f"group{number}"] for number in range(len(COMPARED[record_format]))]
    result = dedupe(
        [_keys(output, path) for _, output, path in found],
        threshold=defaults["threshold"],
        fields=groups,
        priorities=[rank(entry) for entry, _, _ in found],
        miss=defaults["miss"],
        workers=settings.workers,
    )
    for number, (entry, output, path) in enumerate(found):
        gone = result.removed.filter(pl.col("frame") == number).select("id", "reason", "keeper", "jaccard")
        part = settings.store.folder("dedupe", entry.name) / renamed(path.name, keys[entry.name])
        yield entry.name, output.name, _write_part(path, gone, part, output)


def _keys(output: Output, path: Path) -> "pl.DataFrame":
    """id and one text column for each group of fields the output is compared by."""
    import polars as pl

    groups = COMPARED[output.format]
    if output.compare:
        # A constant question says nothing: the named fields stand in for it, the last of them for the answer.
        named = output.compare
        groups = [named[:-1] or named, named[-1:], *groups[2:]][: len(groups)]
    frame = pl.read_parquet(path, columns=["id", *{name for group in groups for name in group}])
    return frame.select("id", *(_joined(frame, group).alias(f"group{number}") for number, group in enumerate(groups)))


def _joined(frame: "pl.DataFrame", columns: list[str]) -> "pl.Expr":
    import polars as pl

    texts = [
        pl.col(name).list.eval(pl.element().list.join("\n")).list.join("\n")
        if frame.schema[name] != pl.String
        else pl.col(name)
        for name in columns
    ]
    return pl.concat_str(texts, separator="\n")


def _write_part(source: Path, gone: "pl.DataFrame", path: Path, output: Output) -> Part:
    """The records of a clean part that stay; those that go are kept aside whole, with reason, keeper and Jaccard."""
    if done := open_part(path):
        return done
    writer = PartWriter(path, records.arrow_schema(output.format, output.extra))
    read = 0
    with writing(path) as temporary:
        for frame in read_frames(source):
            read += frame.height
            writer.write(frame.join(gone, on="id", how="anti", maintain_order="left"), temporary)
            writer.set_aside(frame.join(gone, on="id", how="inner", maintain_order="left"))
        dropped = Counter(dict(gone.get_column("reason").value_counts().iter_rows()))
        counts: dict[str, Any] = {"read": read, "kept": writer.rows, "dropped": dict(dropped)}
        writer.close(counts, temporary)
    part = open_part(path)
    assert part is not None, "a part is there once it was written"  # noqa: S101
    return part
