"""The convert stage: fetched files to records."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from care_data import __version__, converters, readers, records
from care_data.entries import Entry, File, Join, Output
from care_data.errors import CareError
from care_data.parts import Part, PartWriter, open_part
from care_data.stages import Settings, StageResult, chosen_outputs, finish, leave, require_stage, run_parts, sum_counts
from care_data.store import Manifest, code_digest, sha256_json, writing


@dataclass(frozen=True)
class ConvertTask:
    """One part to convert: the upstream files of one output (one file, unless `unique` needs them together)."""

    corpus: str
    license_id: str
    output: Output
    file: File
    paths: list[tuple[str, Path]]
    """(upstream path, file on disk)."""
    joined: dict[str, tuple[File, list[Path]]]
    part: Path
    max_bad: float


def convert_corpus(entry: Entry, settings: Settings) -> StageResult:
    """Records of every chosen output, from the fetched files."""
    raw = require_stage("fetch", entry, settings)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for found in raw.files:
        by_name.setdefault(found["name"], []).append(found)
    lacking = _drop_lacking(entry, by_name, settings.store.folder("fetch", entry.name), raw.verified)
    outputs = chosen_outputs(entry, settings)
    if not outputs:
        asked = " ".join(f"--output {entry.name}.{name}" for name in entry.outputs)
        raise CareError("none of its outputs is made by default", where=entry.name, fix=f"Ask for one: {asked}.")
    skipped = {name: why for name, output in outputs.items() if (why := _why_skipped(output, by_name, entry, lacking))}
    made = {name: output for name, output in outputs.items() if name not in skipped}
    if not made:
        missing = "; ".join([*raw.missing, *lacking.values()])
        raise CareError("no output can be made", where=entry.name, fix=f"Missing: {missing}.")
    inputs = [{"path": f["path"], "bytes": f["bytes"], "sha256": f["sha256"]} for f in raw.files]
    parameters = {
        "files": {name: asdict(file) for name, file in entry.files.items()},
        "outputs": {name: asdict(output) for name, output in made.items()},
        "license": entry.license["id"],
        "max_bad": settings.max_bad,
    }
    known = [raw.verified, raw.missing, raw.warnings]  # the release tells them too, though no byte of a part changes
    key = sha256_json(["convert", inputs, parameters, known, code_digest()])
    if done := settings.store.done("convert", entry.name, key):
        return leave(done, settings.store.folder("convert", entry.name))
    folder, source = settings.store.folder("convert", entry.name), settings.store.folder("fetch", entry.name)
    tasks = [
        task
        for output in made.values()
        for task in _convert_tasks(entry, output, by_name, source, folder, key, settings)
    ]
    sources = [path for task in tasks for _, path in task.paths]
    try:
        parts = run_parts(convert_part, tasks, sources, "convert", entry.name, settings)
    except CareError as error:
        if raw.parameters.get("mirror"):  # a damaged file would only come from there again
            error.fix = error.fix.replace("Fetch it again.", "Mend it in the mirror, then fetch it again.")
        raise
    counts = sum_counts([(task.output.name, part) for task, part in zip(tasks, parts, strict=True)])
    manifest = Manifest(
        stage="convert",
        corpus=entry.name,
        key=key,
        version=__version__,
        code=code_digest(),
        inputs=inputs,
        parameters=parameters,
        counts=counts,
        files=[f for task, part in zip(tasks, parts, strict=True) for f in part.describe(folder, task.output.name)],
        verified=raw.verified,
        missing=raw.missing,
        skipped=skipped,
        warnings=[*(f"not found: {why}" for why in lacking.values()), *_expectations(made, counts, raw)],
    )
    return finish(manifest, folder)


def _drop_lacking(
    entry: Entry, by_name: dict[str, list[dict[str, Any]]], folder: Path, verified: bool
) -> dict[str, str]:
    """Take out archives in which no member fits; for each such file what its archive holds instead.

    Where the files are upstream's own only optional ones may go so: there it is the entry that is wrong.
    """
    lacking: dict[str, str] = {}
    for name in list(by_name):
        if not entry.files[name].member or (verified and not entry.files[name].optional):
            continue
        whys = [readers.lacks_member(folder / found["path"], entry.files[name]) for found in by_name[name]]
        fitting = [found for found, why in zip(by_name[name], whys, strict=True) if not why]
        if fitting:
            by_name[name] = fitting
        else:
            del by_name[name]
            lacking[name] = f"{name}: {'; '.join(whys)}"
    return lacking


def _why_skipped(
    output: Output, by_name: dict[str, list[dict[str, Any]]], entry: Entry, lacking: dict[str, str]
) -> str:
    """Why an output cannot be made: a file it needs was not found; empty where it can."""
    absent = [name for name in (output.rows, *(join.file for join in output.joins)) if name not in by_name]
    whys = [lacking.get(name, f"{name} ({entry.files[name].path})") for name in dict.fromkeys(absent)]
    return f"no file {', '.join(whys)}" if whys else ""


def _convert_tasks(
    entry: Entry,
    output: Output,
    by_name: dict[str, list[dict[str, Any]]],
    source: Path,
    folder: Path,
    key: str,
    settings: Settings,
) -> list[ConvertTask]:
    found = [(f["upstream"], source / f["path"]) for f in by_name[output.rows]]
    groups = [found] if output.unique else [[one] for one in found]
    joined = {
        join.name: (entry.files[join.file], [source / f["path"] for f in by_name[join.file]]) for join in output.joins
    }
    return [
        ConvertTask(
            entry.name,
            entry.license["id"],
            output,
            entry.files[output.rows],
            paths,
            joined,
            folder / f"{output.name}-{number:05d}-{key[:12]}.parquet",
            settings.max_bad,
        )
        for number, paths in enumerate(groups)
    ]


def convert_part(task: ConvertTask) -> Part:
    """Convert one part and write it; a part that is there already is taken as it is."""
    if done := open_part(task.part):
        return done
    output, place = task.output, f"{task.corpus}/{task.file.name}"
    own, others = converters.wanted(output)
    partners = [_prepare_partner(task, join, others[join.name]) for join in output.joins]
    converter = converters.Converter(output, task.corpus, task.license_id, partners)
    try:
        total: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        turns: Counter[str] = Counter()
        writer = PartWriter(task.part, records.arrow_schema(output.format, output.extra))
        with writing(task.part) as temporary:
            for upstream, path in task.paths:
                for made in converter.convert_all(readers.read(path, task.file, own, task.max_bad), upstream):
                    writer.write(made.records, temporary)
                    writer.set_aside(made.rejects)
                    total.update(read=made.read, selected=made.selected)
                    dropped.update(made.dropped)
                    turns.update(made.turns)
            counts: dict[str, Any] = {
                "read": total["read"],
                "selected": total["selected"],
                "kept": writer.rows,
                "dropped": dict(dropped),
            }
            writer.close(counts | ({"turns": dict(turns)} if turns else {}), temporary)
    except CareError as error:
        raise error.within(place) from error
    part = open_part(task.part)
    assert part is not None, "a part is there once it was written"  # noqa: S101
    return part


def _prepare_partner(task: ConvertTask, join: Join, wanted: dict[str, Any]) -> converters.Partner:
    """A joined file ready to be joined; its rows stay in memory, so only the columns named are read."""
    file, paths = task.joined[join.name]
    try:
        batches = [batch for path in paths for batch in readers.read(path, file, wanted, task.max_bad)]
        converters.require_joined(task.output, join, batches[0].names)
        return converters.prepare(join, pl.concat([batch.frame for batch in batches]))
    except CareError as error:
        raise error.within(f"{task.corpus}/{file.name}") from error


def _expectations(outputs: dict[str, Output], counts: dict[str, dict[str, Any]], raw: Manifest) -> list[str]:
    """Warnings for outputs whose rows are not as many as the entry expects; only where the files are upstream's own."""
    if not raw.verified or raw.missing:
        return []
    return [
        f"{name}: {counts[name]['selected']} rows where {output.expect} are expected"
        for name, output in outputs.items()
        if output.expect is not None and counts[name]["selected"] != output.expect
    ]
