"""The clean stage: text made clean, records not worth training on dropped by name."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data import __version__, cleaners, filters, records
from care_data.entries import Entry, Output
from care_data.errors import CareError, Exit
from care_data.parts import Part, PartWriter, open_part, read_frames
from care_data.rows import BATCH_ROWS
from care_data.stages import (
    Settings,
    StageResult,
    finish,
    inputs_of,
    leave,
    renamed,
    require_stage,
    run_parts,
    sum_counts,
)
from care_data.stages.changes import cleaning_steps, filter_limits
from care_data.store import Manifest, code_digest, sha256_json, writing
from care_data.threads import count_workers, work_ahead

if TYPE_CHECKING:
    import polars as pl

PII = ("mask", "keep", "drop")
PRIVATE_STEPS = ("privacy", "names")
ROWS, BYTES = 60_000, 24 << 20
"""Records cleaned at a time, by number or size: for each lot of them a hundred patterns are compiled anew."""
THREADS = 4
"""The most lots of one part that are worked on at a time: each more takes a quarter of a gibibyte."""

TWICE = {"rw": {"chosen": 0, "rejected": 1}}
"""By format the columns that say an answer of `output` again: cleaned there alone, so what is masked counts once."""


@dataclass(frozen=True)
class CleanTask:
    """One part to clean and filter. threads: frames of it that are worked on at a time."""

    source: Path
    part: Path
    output: Output
    steps: list[str]
    limits: dict[str, Any]
    pii: str = "mask"
    names: bool = False
    threads: int = 1


def clean_corpus(entry: Entry, settings: Settings) -> StageResult:
    """Clean text and drop what is not worth training on; every drop has its filter's name as the reason."""
    before = require_stage("convert", entry, settings)
    outputs = {f["output"]: entry.outputs[f["output"]] for f in before.files if f["kind"] == "records"}
    parameters = {name: _choose(output, settings) for name, output in outputs.items()}
    inputs = inputs_of(before)
    key = sha256_json(["clean", inputs, parameters, code_digest()])
    if done := settings.store.done("clean", entry.name, key):
        return leave(done, settings.store.folder("clean", entry.name))
    source, folder = settings.store.folder("convert", entry.name), settings.store.folder("clean", entry.name)
    parts = [f for f in before.files if f["kind"] == "records"]
    # Where there are fewer parts than cores, or one, each takes what the others leave.
    threads = max(1, min(THREADS, count_workers(settings.workers) // max(1, len(parts))))
    tasks = [
        CleanTask(
            source=source / f["path"],
            part=folder / renamed(f["path"], key),
            output=outputs[f["output"]],
            threads=1 if settings.engine == "ray" else threads,
            **parameters[f["output"]],
        )
        for f in parts
    ]
    made = run_parts(clean_part, tasks, [task.source for task in tasks], "clean", entry.name, settings)
    manifest = Manifest(
        stage="clean",
        corpus=entry.name,
        key=key,
        version=__version__,
        code=code_digest(),
        inputs=inputs,
        parameters=parameters,
        counts=sum_counts([(task.output.name, part) for task, part in zip(tasks, made, strict=True)]),
        files=[f for task, part in zip(tasks, made, strict=True) for f in part.describe(folder, task.output.name)],
        verified=before.verified,
    )
    return finish(manifest, folder)


def check_pii(pii: str) -> None:
    """CareError (2) for what cannot be done to private values."""
    if pii not in PII:
        raise CareError(f"--pii {pii} is not known", fix=f"Write one of: {', '.join(PII)}.", code=Exit.USAGE)


def _choose(output: Output, settings: Settings) -> dict[str, Any]:
    """What is done to an output. Private values are masked by steps, kept by leaving these out, or end a record."""
    steps = cleaning_steps(output, settings.changes)
    chosen: dict[str, Any] = {"steps": steps, "limits": filter_limits(output, settings.changes)}
    if settings.pii != "mask":
        chosen |= {"steps": [step for step in steps if step not in PRIVATE_STEPS], "pii": settings.pii}
        chosen |= {"names": "names" in steps} if settings.pii == "drop" else {}
    return chosen


def clean_part(task: CleanTask) -> Part:
    """Clean one part and write it; a part that is there already is taken as it is."""
    if done := open_part(task.part):
        return done
    read, dropped, changed = 0, Counter[str](), Counter[str]()
    writer = PartWriter(task.part, records.arrow_schema(task.output.format, task.output.extra))
    with writing(task.part) as temporary:
        for kept, aside, counts in work_ahead(partial(_clean, task), _gather(task.source), task.threads):
            for start in range(0, max(1, kept.height), BATCH_ROWS):  # later stages read a batch at a time
                writer.write(kept.slice(start, BATCH_ROWS), temporary)
            writer.set_aside(aside)
            read += kept.height + aside.height
            dropped.update(dict(aside.get_column("reason").value_counts().iter_rows()))
            changed.update(counts)
        writer.close(
            {"read": read, "kept": writer.rows, "dropped": dict(dropped), "changed": dict(+changed)}, temporary
        )
    part = open_part(task.part)
    assert part is not None, "a part is there once it was written"  # noqa: S101
    return part


def _gather(source: Path) -> "Iterator[pl.DataFrame]":
    """The part's frames, several at a time while they are small."""
    import polars as pl

    waiting: list[pl.DataFrame] = []
    for frame in read_frames(source):
        waiting.append(frame)
        if sum(each.height for each in waiting) >= ROWS or sum(each.estimated_size() for each in waiting) >= BYTES:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


def _clean(task: CleanTask, frame: "pl.DataFrame") -> "tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]":
    """The records that stay, those set aside with the reason and their texts, and how many each step changed."""
    import polars as pl

    output, words = task.output, cleaned_columns(task.output)
    cleaned, counts = cleaners.clean(frame, task.steps, words)
    cleaned = cleaned.with_columns(
        pl.col("output").list.get(at).alias(name) for name, at in TWICE.get(output.format, {}).items()
    )
    rule = pl.coalesce(
        _private(task, cleaned, words),
        filters.reason(output.format, task.limits, output.language),
        records.violation(output.format, cleaned.columns),
    )
    reason = cleaned.select(rule.alias("reason")).to_series()
    detail = pl.struct(records.text_columns(output.format, output.extra)).struct.json_encode()
    aside = cleaned.with_columns(reason).filter(reason.is_not_null()).select("id", "reason", detail=detail)
    return cleaned.filter(reason.is_null()), aside, counts


def cleaned_columns(output: Output) -> list[str]:
    """The columns whose text is cleaned."""
    twice = TWICE.get(output.format, {})
    return [name for name in records.text_columns(output.format, output.extra) if name not in ("options", *twice)]


def _private(task: CleanTask, frame: "pl.DataFrame", words: list[str]) -> "pl.Expr":
    """The reason of records that go for a private value in them, where that is asked for."""
    import polars as pl

    from care_data.cleaners import privacy

    if task.pii != "drop":
        return pl.lit(None, pl.String)
    depths = {name: cleaners.text_depth(frame.schema[name]) or 0 for name in words if name in frame.columns}
    return pl.when(privacy.private(depths, task.names)).then(pl.lit("private"))
