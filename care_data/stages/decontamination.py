"""The decontaminate stage: training records that hold items of a test set go, with the item named.

The test sets are every benchmark output of the registry whose records are in the data folder, asked for in this run or
an earlier one, and the files the user names.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from care_data import __version__, records, registry
from care_data.entries import Entry, Output
from care_data.errors import CareError, Exit
from care_data.parts import Part, PartWriter, open_part, read_frames
from care_data.stages import (
    Settings,
    StageResult,
    finish,
    inputs_of,
    leave,
    manifest_key,
    renamed,
    require_stage,
    sum_counts,
)
from care_data.store import Manifest, code_digest, sha256_file, sha256_json, writing
from care_data.threads import work_ahead

if TYPE_CHECKING:
    import polars as pl

    from care_data.contamination import Detector
    from care_data.datafiles import DataFile


QUESTIONS = ("question", "instruction", "query", "prompt", "problem", "input", "text")
"""The fields that hold the question in a file of the user's; the first that is there."""


@dataclass(frozen=True)
class Benchmarks:
    """The test sets at hand. sources: a name each, with what made it; missing: known, but not in the data folder.

    parts: their records; files: the user's, each with the field that holds the question.
    """

    sources: dict[str, str]
    missing: list[str]
    parts: list[Path]
    files: "list[tuple[DataFile, str]]"


def decontaminate_corpora(entries: list[Entry], settings: Settings) -> dict[str, StageResult]:
    """Take out of each corpus the training records that hold an item of a benchmark."""
    from care_data.stages.deduplication import make_rules

    benchmarks = find_benchmarks(settings)
    rules = make_rules(settings.dedupe)
    parameters = {"benchmarks": benchmarks.sources, "missing": benchmarks.missing, "threshold": rules.threshold}
    results, detector = {}, None
    for entry in entries:
        before = require_stage("dedupe", entry, settings)
        folder = settings.store.folder("decontaminate", entry.name)
        key = sha256_json(["decontaminate", inputs_of(before), parameters, code_digest()])
        if done := settings.store.done("decontaminate", entry.name, key):
            results[entry.name] = leave(done, folder)
            continue
        detector = detector or _make_detector(benchmarks, rules.threshold)
        parts = list(_write_parts(entry, before, key, detector, settings))
        manifest = Manifest(
            stage="decontaminate",
            corpus=entry.name,
            key=key,
            version=__version__,
            code=code_digest(),
            inputs=inputs_of(before),
            parameters=parameters,
            counts=sum_counts(parts),
            files=[f for output, part in parts for f in part.describe(folder, output)],
            verified=before.verified,
        )
        results[entry.name] = finish(manifest, folder)
    return results


def find_benchmarks(settings: Settings) -> Benchmarks:
    """The benchmark records in the data folder, and the files the user names."""
    sources: dict[str, str] = {}
    parts, missing = [], []
    for entry in registry.select(registry.names(), {}):
        outputs = [name for name, output in entry.outputs.items() if output.role == "benchmark"]
        folder = settings.store.folder("clean", entry.name)
        manifest = settings.store.done("clean", entry.name, manifest_key(folder)) if outputs else None
        found = [f for f in manifest.files if f["kind"] == "records" and f["output"] in outputs] if manifest else []
        if manifest and found:
            sources[entry.name] = manifest.key
            parts += [folder / f["path"] for f in found]
        elif outputs:
            missing.append(entry.name)
    files = [file for named in settings.against for file in _find_questions(named)]
    for file, field in files:
        sources[f"{file.path}:{field}"] = sha256_file(file.path)
    return Benchmarks(sources, missing, parts, files)


def _find_questions(named: str) -> "list[tuple[DataFile, str]]":
    """The files of FILE, FOLDER or FILE:FIELD, each with the field that holds the question."""
    from care_data.datafiles import find_files

    path, field = named, ""
    if not Path(named).expanduser().exists() and ":" in named:
        path, _, field = named.rpartition(":")
    found = []
    for file in find_files([Path(path).expanduser()]):
        fields = file.fields()
        chosen = field or next((name for name in QUESTIONS if name in fields), "")
        if chosen not in fields:
            what = f"no field {field!r}" if field else "no field of a question's name"
            fix = f"Name one of its fields, {path}:FIELD: {', '.join(fields)}."
            raise CareError(what, where=str(file.path), fix=fix, code=Exit.USAGE)
        found.append((file, chosen))
    return found


def _make_detector(benchmarks: Benchmarks, threshold: float) -> "Detector":
    import polars as pl

    from care_data.contamination import Detector, gather_items
    from care_data.fingerprints.bands import plan

    frames = [pl.DataFrame(schema={"id": pl.String, "question": pl.String})]
    frames += [_ask(frame) for path in benchmarks.parts for frame in read_frames(path)]
    for file, field in benchmarks.files:
        at = 0
        options = "options" if "options" in file.fields() else field
        for frame in file.read(list(dict.fromkeys([field, options]))):
            lines = pl.col(options).str.split("\n") if options != field else pl.lit([], pl.List(pl.String))
            rows = pl.format("{}#{}", pl.lit(file.name), pl.int_range(at + 1, at + 1 + frame.height))
            frames.append(frame.select(id=rows, question=field, options=lines))
            at += frame.height
    return Detector(gather_items(frames), plan(threshold), threshold)


def _ask(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Benchmark records of any format as items: id, question, options where there are any.

    Of a dialogue the question is all that was said before: the last turn alone may be a mere thank you.
    """
    import polars as pl

    if "question" in frame.columns:
        return frame
    if "instruction" not in frame.columns:
        return frame.select("id", question="text")
    asked = pl.concat_str("instruction", "input", separator="\n").str.strip_chars()
    if "history" in frame.columns:
        said = pl.col("history").list.eval(pl.element().list.join("\n")).list.join("\n")
        asked = (said + "\n" + asked).str.strip_chars()
    return frame.select("id", question=asked)


def _write_parts(
    entry: Entry, before: Manifest, key: str, detector: "Detector", settings: Settings
) -> Iterator[tuple[str, Part]]:
    """Every part without what holds an item; that is set aside whole, with reason, item and share."""
    parts = [f for f in before.files if f["kind"] == "records"]
    source, folder = settings.store.folder("dedupe", entry.name), settings.store.folder("decontaminate", entry.name)
    for number, part in enumerate(parts):
        settings.progress("decontaminate", entry.name, number, len(parts))
        path = folder / renamed(part["path"], key)
        output = entry.outputs[part["output"]]
        done = open_part(path) or _write_part(source / part["path"], path, output, detector, settings)
        yield output.name, done
    settings.progress("decontaminate", entry.name, len(parts), len(parts))


def _write_part(source: Path, path: Path, output: Output, detector: "Detector", settings: Settings) -> Part:
    import polars as pl

    def look(frame: "pl.DataFrame") -> "tuple[pl.DataFrame, pl.DataFrame]":
        return frame, detector.find(turns_of(frame))

    writer = PartWriter(path, records.arrow_schema(output.format, output.extra))
    read, dropped = 0, Counter[str]()
    with writing(path) as temporary:
        for frame, found in work_ahead(look, read_frames(source), settings.workers):
            read += frame.height
            gone = frame.with_row_index("record").with_columns(pl.col("record").cast(pl.Int64))
            gone = gone.join(found, on="record", how="inner", maintain_order="left").drop("record")
            dropped.update(found["reason"].to_list())
            stays = ~pl.int_range(frame.height, eager=True).is_in(found["record"].implode())
            writer.write(frame.filter(stays), temporary)
            writer.set_aside(gone)
        writer.close({"read": read, "kept": writer.rows, "dropped": dict(dropped)}, temporary)
    part = open_part(path)
    assert part is not None, "a part is there once it was written"  # noqa: S101
    return part


def turns_of(frame: "pl.DataFrame") -> "pl.Series":
    """Per record all that is asked and answered in it: an instruction also with its input, and the input alone."""
    import polars as pl

    there = [name for name in ("text", "output", "chosen", "rejected") if frame.schema.get(name) == pl.String]
    turns: list[pl.Expr] = [pl.concat_list(name) for name in there]
    if "history" in frame.columns:
        turns.append(pl.col("history").list.eval(pl.element().explode()).list.drop_nulls())
    if "instruction" in frame.columns:
        asked = pl.concat_str("instruction", "input", separator="\n") if "input" in frame.columns else "instruction"
        turns.append(pl.concat_list(asked))
        if "input" in frame.columns:
            turns.append(
                pl.when(pl.col("input") != "").then(pl.concat_list("input")).otherwise(pl.lit([], pl.List(pl.String)))
            )
    return frame.select(pl.concat_list(turns).alias("turns"))["turns"]
