"""Registry entries: one TOML file per corpus, loaded, checked against its schema, found by name.

The grammar is docs/registry.md and schemas/corpus.schema.json. Beside the entries that come with the package, every
folder named in the environment variable CARE_REGISTRY (separated by colons) is looked in first.
"""

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from care_data.errors import CareError, Exit
from care_data.records import require, text_columns
from care_data.resources import resource_folder

DEFAULTS = "_defaults"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


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
    literals: list[str] = field(default_factory=list)
    optional: bool = False


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

    @property
    def extra(self) -> tuple[str, ...]:
        """Record columns beyond the format's own that this output makes."""
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
        return f"{self.path.parent.name}/{self.path.name}"


def folders() -> list[Path]:
    """Folders that hold entries, the first to have a name wins."""
    own = [Path(part) for part in os.environ.get("CARE_REGISTRY", "").split(":") if part]
    return [*own, resource_folder("registry")]


def names() -> list[str]:
    """Names of all entries, sorted."""
    found = {path for folder in folders() for path in folder.glob("*.toml") if not path.name.startswith("_")}
    for path in sorted(found):
        check_name(path)
    return sorted({path.stem for path in found})


def load(name: str) -> Entry:
    """The entry of that name; CareError with the nearest name where there is none, or where it breaks its schema."""
    for folder in folders() if _NAME.fullmatch(name) else ():
        path = folder / f"{name}.toml"
        if path.is_file():
            return load_file(path)
    known = sorted({*names(), *groups()})
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]}? " if nearest else ""
    raise CareError(f"no corpus named {name!r}", fix=f"{hint}`care-data list` shows all.", code=Exit.USAGE)


def check_name(path: Path) -> None:
    """Raise CareError where an entry's file is named as no corpus can be: its name is a folder's and part of ids."""
    if not _NAME.fullmatch(path.stem):
        fix = "Begin with a letter or digit, go on with these, _ and -, up to 60 in all."
        raise CareError(f"{path.stem!r} cannot name a corpus", where=repr(path.parent.name)[1:-1], fix=fix)


def load_file(path: Path) -> Entry:
    """The entry a TOML file holds, checked against schemas/corpus.schema.json and for names that do not exist."""
    where = f"{path.parent.name}/{path.name}"
    check_name(path)
    data = _read_toml(path, where)
    require("corpus", data, where)
    language = data.get("language", "zh")
    files = {name: _file(name, spec, data["from"]) for name, spec in data["files"].items()}
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


def select(wanted: list[str]) -> list[Entry]:
    """Entries by name, group or `all`, each once, in the order asked for."""
    chosen: list[str] = []
    members = groups()
    for name in wanted:
        chosen.extend(names() if name == "all" else members.get(name, [name]))
    return [load(name) for name in dict.fromkeys(chosen)]


@cache
def groups() -> dict[str, list[str]]:
    """Group name to the names of its members."""
    found: dict[str, list[str]] = {}
    for name in names():
        path = next(folder / f"{name}.toml" for folder in folders() if (folder / f"{name}.toml").is_file())
        group = _read_toml(path, f"{path.parent.name}/{path.name}").get("group")
        if group:
            found.setdefault(group, []).append(name)
    return found


@cache
def defaults() -> dict[str, Any]:
    """What _defaults.toml says for every corpus: cleaning steps, filter limits, dedupe settings."""
    path = resource_folder("registry") / f"{DEFAULTS}.toml"
    return _read_toml(path, f"registry/{path.name}")


def _read_toml(path: Path, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CareError(f"not TOML: {error}", where=where, fix="Mend the line named.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CareError(f"cannot be read: {error}", where=where) from error


def _file(name: str, spec: dict[str, Any], source: str) -> File:
    rest = {key: value for key, value in spec.items() if key != "from"}
    return File(name=name, source=spec.get("from", source), **rest)


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
    _check_fields(place, spec, record_format, where)
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


def _check_fields(place: str, spec: dict[str, Any], record_format: str, where: str) -> None:
    """CareError for a field the records would not hold, and for turns whose speakers no role is given."""
    made = {"history", "options", "output" if record_format == "rw" else "", "input" if _is_dialogue(spec) else ""}
    known = [name for name in text_columns(record_format, ("system",)) if name not in made]
    if spec["shape"] == "choice":
        known = ["question", "answer", *(["explanation"] if record_format == "eval" else ["instruction", "system"])]
        if "options" not in spec or not {"question", "answer"} <= set(spec.get("fields", {})):
            problem = f"{place} is a choice without options, question or answer"
            raise CareError(problem, where=where, fix="Name the column of options; fill question and answer.")
    for name in spec.get("fields", {}):
        if name not in known:
            problem = f"{place}.fields.{name} has no place in a {spec['shape']} of the format {record_format}"
            raise CareError(problem, where=where, fix=f"Fields are: {', '.join(known)}.")
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
