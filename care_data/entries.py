"""Entries of the registry as data: files, outputs, joins; built from a TOML file's tables and checked.

The grammar is docs/registry.md and schemas/corpus.schema.json; what a schema cannot say is checked here: names that
exist, patterns that parse, fields with a place, benchmarks kept out of training.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from care_data.errors import CareError
from care_data.records import require, text_columns


@dataclass(frozen=True)
class File:
    """One download of an entry and how its bytes become rows."""

    name: str
    source: str
    path: str
    format: str
    encoding: str = "utf-8"
    member: str | None = None
    columns: list[str] | None = None
    at: str | None = None
    start: str | None = None
    sections: dict[str, str] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    renew: str | None = None
    literals: list[str] = field(default_factory=list)
    optional: bool = False
    mirrors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Join:
    """Rows of another file beside the rows of an output: `on` = (column here, column there)."""

    name: str
    file: str
    on: tuple[str, str]
    where: dict[str, str] = field(default_factory=dict)
    take: str = "one"


@dataclass(frozen=True)
class Output:
    """How rows become records of one format. Patterns are kept as text; converters read them."""

    name: str
    format: str
    shape: str
    rows: str
    role: str = "train"
    language: str = "zh"
    default: bool = True
    where: dict[str, str] = field(default_factory=dict)
    unless: dict[str, str] = field(default_factory=dict)
    unique: list[str] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    parse: dict[str, str] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    opening: str | None = None
    turns: dict[str, str] | None = None
    roles: dict[str, str] = field(default_factory=dict)
    options: str | None = None
    compare: list[str] | None = None
    expect: int | None = None
    clean: list[str] = field(default_factory=list)
    filters: dict[str, Any] = field(default_factory=dict)

    @property
    def extra(self) -> tuple[str, ...]:
        """Record columns beyond the format's own that this output makes."""
        if self.format == "eval":
            return ("subject",) if "subject" in self.fields else ()
        made = "system" in self.fields or "system" in self.roles.values()
        return ("system",) if made and self.format in ("sft", "rw") else ()


@dataclass(frozen=True)
class Entry:
    """A corpus as its registry file describes it; `data` is the file itself, `path` where it lies."""

    name: str
    path: Path
    title: str
    source: str
    license: dict[str, Any]
    citation: str
    language: str
    priority: int
    status: str
    group: str | None
    mirror_of: str | None
    files: dict[str, File]
    outputs: dict[str, Output]
    checksums: dict[str, dict[str, dict[str, Any]]]
    example: dict[str, Any]
    data: dict[str, Any]

    @property
    def place(self) -> str:
        """The entry's file as errors name it."""
        return place_of(self.path)


def place_of(path: Path) -> str:
    """An entry's file as errors name it: its folder and its name."""
    return "/".join(path.absolute().parts[-2:])


def build_entry(path: Path, data: dict[str, Any]) -> Entry:
    """The entry that a TOML file's data stands for, checked against schemas/corpus.schema.json and against itself."""
    where = place_of(path)
    require("corpus", data, where)
    _check_license(data["license"], where)
    language = data.get("language", "zh")
    files = {name: _file(name, spec, data, where) for name, spec in data["files"].items()}
    specs = {name: _resolve_like(name, data["outputs"], where) for name in data["outputs"]}
    outputs = {name: _output(name, spec, files, language, where) for name, spec in specs.items()}
    _refuse_leaks(outputs, where)
    return Entry(
        name=path.stem,
        path=path,
        title=data["title"],
        source=data["from"],
        license=data["license"],
        citation=data["citation"],
        language=language,
        priority=data.get("priority", 50),
        status=data.get("status", "verified"),
        group=data.get("group"),
        mirror_of=data.get("mirror_of"),
        files=files,
        outputs=outputs,
        checksums=data.get("checksums", {}),
        example=data["example"],
        data=data,
    )


def _check_license(license: dict[str, Any], where: str) -> None:
    """CareError for a corpus that may be passed on although nobody who may says what it may be used for."""
    if license["redistribute"] and license["use"] == "unclear":
        raise CareError(
            "license.redistribute is true where license.use is unclear",
            where=where,
            fix='Write redistribute = false, or use = "research" or "commercial" where upstream gives leave.',
        )


def _file(name: str, spec: dict[str, Any], data: dict[str, Any], where: str) -> File:
    rest = {key: value for key, value in spec.items() if key not in ("from", "mirrors")}
    mirrors = spec.get("mirrors", [] if "from" in spec else data.get("mirrors", []))  # they mirror the entry's source
    file = File(name=name, source=spec.get("from", data["from"]), mirrors=mirrors, **rest)
    place = f"files.{name}"
    tables = [file.sections, *file.parts.values()]
    for regex in [file.start or "", *(regex for table in tables for regex in table.values())]:
        try:
            re.compile(regex)
        except re.error as error:
            problem = f"{place}: {regex!r} is no regular expression: {error}"
            raise CareError(problem, where=where, fix="Python's re is used for blocks.") from error
    for used in [*file.parts, *([file.renew] if file.renew else [])]:
        if used not in file.sections:
            problem = f"{place} names the section {used!r}"
            raise CareError(problem, where=where, fix=f"Sections are: {', '.join(file.sections) or 'none'}.")
    return file


def _resolve_like(name: str, specs: dict[str, Any], where: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """The output's table over the one it starts from; each key given replaces that key whole."""
    spec = specs.get(name)
    if spec is None or name in seen:
        problem = f"outputs.{seen[-1]}.like names {name!r}, which is no other output"
        raise CareError(problem, where=where, fix=f"Outputs are: {', '.join(specs)}.")
    if "like" not in spec:
        return dict(spec)
    base = _resolve_like(spec["like"], specs, where, (*seen, name))
    # What an output is held to is its own: role, expect and default are not passed on.
    inherited = {key: value for key, value in base.items() if key not in ("role", "expect", "default", "like")}
    return {"format": spec["like"], **inherited, **{key: value for key, value in spec.items() if key != "like"}}


def _output(name: str, spec: dict[str, Any], files: dict[str, File], language: str, where: str) -> Output:
    place = f"outputs.{name}"
    record_format = spec.get("format", name)
    if record_format not in ("pt", "sft", "rw", "eval"):
        raise CareError(f"{place} has no format", where=where, fix=f'Add format = "sft" (or pt, rw, eval) to {place}.')
    if "shape" not in spec:
        shapes = "document, pair, dialogue, preference, choice"
        raise CareError(f"{place} has no shape", where=where, fix=f"Shapes are: {shapes}.")
    _check_patterns(place, spec, where)
    check_fields(place, spec, record_format, where)
    joins = [_join(key, table) for key, table in spec.get("join", {}).items()]
    rows = spec.get("rows") or (next(iter(files)) if len(files) == 1 else None)
    for used, key in [(rows, "rows"), *((join.file, f"join.{join.name}.file") for join in joins)]:
        if used not in files:
            problem = (
                f"{place}.{key} names the file {used!r}" if used else f"{place} does not say which file's rows it takes"
            )
            raise CareError(problem, where=where, fix=f"Files are: {', '.join(files)}.")
    rest = {key: value for key, value in spec.items() if key not in ("format", "join", "rows", "language", "like")}
    language = spec.get("language", language)
    return Output(name=name, format=record_format, rows=str(rows), language=language, joins=joins, **rest)


def _refuse_leaks(outputs: dict[str, Output], where: str) -> None:
    """CareError where a training output takes the same rows as a benchmark one, with nothing to part them."""
    held = {output.rows: name for name, output in outputs.items() if output.role == "benchmark"}
    for name, output in outputs.items():
        parted = output.where or output.unless or any(join.take == "none" for join in output.joins)
        if output.role == "train" and output.rows in held and not parted:
            raise CareError(
                f"outputs.{name} trains on the rows of the benchmark {held[output.rows]!r}",
                where=where,
                fix='Part them with where, unless or a join with take = "none".',
            )


def _check_patterns(place: str, spec: dict[str, Any], where: str) -> None:
    """CareError for a condition or blank that is no regular expression."""
    tables = [
        spec.get("where", {}),
        spec.get("unless", {}),
        *(j.get("where", {}) for j in spec.get("join", {}).values()),
    ]
    for regex in [*spec.get("blank", []), *(regex for table in tables for regex in table.values())]:
        try:
            pl.select(pl.lit("").str.contains(f"^(?s:{regex})$"))
        except pl.exceptions.ComputeError as error:
            reason = str(error).partition("\nerror: ")[2].partition("\n")[0]
            problem = f"{place}: {regex!r} is no regular expression: {reason}"
            raise CareError(problem, where=where, fix="Rust's regex is used: no look-around.") from error


def check_fields(place: str, spec: dict[str, Any], record_format: str, where: str) -> None:
    """CareError for a field the records would not hold, and for turns whose speakers no role is given."""
    made = {"history", "options", "output" if record_format == "rw" else "", "input" if _is_dialogue(spec) else ""}
    known = [name for name in text_columns(record_format, ("system", "subject")) if name not in made]
    if spec["shape"] == "choice":
        own = {"eval": ["explanation", "subject"]}.get(record_format, ["instruction", "system"])
        known = ["question", "answer", *own]
        if "options" not in spec or not {"question", "answer"} <= set(spec.get("fields", {})):
            problem = f"{place} is a choice without options, question or answer"
            raise CareError(problem, where=where, fix="Name the column of options; fill question and answer.")
    for name in spec.get("fields", {}):
        if name not in known:
            problem = f"{place}.fields.{name} has no place in a {spec['shape']} of the format {record_format}"
            raise CareError(problem, where=where, fix=f"Fields are: {', '.join(known)}.")
    texts = {"pt": ["text"], "sft": ["instruction", "input", "output", "history"], "eval": ["question", "answer"]}
    comparable = texts.get(record_format, ["instruction", "input", "chosen", "rejected", "history"])
    for name in spec.get("compare", []):
        if name not in comparable:
            problem = f"{place}.compare names {name!r}"
            raise CareError(problem, where=where, fix=f"Fields to compare are: {', '.join(comparable)}.")
    turns = spec.get("turns", {})
    if ("marks" in turns or "speaker" in turns) and "roles" not in spec:
        raise CareError(f"{place}.turns has no roles", where=where, fix='Add roles = { mark or speaker = "user", … }.')
    if _is_dialogue(spec) and not (turns or spec.get("fields")):
        raise CareError(f"{place} is a dialogue without turns", where=where, fix="Add turns, or fields.")


def _is_dialogue(spec: dict[str, Any]) -> bool:
    return bool(spec["shape"] == "dialogue")


def _join(name: str, table: dict[str, Any]) -> Join:
    here, _, there = table["on"].partition(" = ")
    return Join(name, table["file"], (here.strip(), there.strip()), table.get("where", {}), table.get("take", "one"))
