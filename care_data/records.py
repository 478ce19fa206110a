"""The record formats: the JSON Schemas in schemas/, as Arrow schemas and as checks over columns.

The schema files are the one source. `arrow_schema` gives the columns on disk, `violations` the same rules as polars
expressions, named by the "reason" that stands beside each rule in the schema; `explain` words the error of one record.
"""

import json
import re
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa

from care_data.characters import lacks_letter, opens_with
from care_data.errors import CareError, Exit
from care_data.resources import resource_folder

FORMATS = ("pt", "sft", "rw", "eval")
IDENTITY = ("id", "corpus", "license")


@cache
def load_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of that name (pt, sft, rw, eval, corpus, dataset_info, manifest)."""
    path = resource_folder("schemas") / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def columns(record_format: str, extra: tuple[str, ...] = ()) -> list[str]:
    """Columns of a record in order: identity, required fields, fields with a default, and those named in `extra`.

    A field that is neither required nor has a default (system, subject) is a column only where an output makes it.
    """
    schema = load_schema(record_format)
    return [
        name
        for name, rule in schema["properties"].items()
        if name in IDENTITY or name in schema["required"] or "default" in rule or name in extra
    ]


def text_columns(record_format: str, extra: tuple[str, ...] = ()) -> list[str]:
    """Columns that hold people's words: all but the identity."""
    return [name for name in columns(record_format, extra) if name not in IDENTITY]


def arrow_schema(record_format: str, extra: tuple[str, ...] = ()) -> pa.Schema:
    """The Arrow schema of a format: plain string and list types, no column nullable but by default."""
    properties = load_schema(record_format)["properties"]
    return pa.schema([(name, _arrow_type(properties[name])) for name in columns(record_format, extra)])


def polars_schema(record_format: str, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """The same columns as polars types."""
    properties = load_schema(record_format)["properties"]
    return {name: _polars_type(properties[name]) for name in columns(record_format, extra)}


def _arrow_type(rule: dict[str, Any]) -> pa.DataType:
    if rule["type"] == "array":
        return pa.list_(_arrow_type(rule["items"]))
    if rule["type"] == "object":
        return pa.struct([(name, _arrow_type(part)) for name, part in rule["properties"].items()])
    return pa.string()


def _polars_type(rule: dict[str, Any]) -> Any:
    if rule["type"] == "array":
        return pl.List(_polars_type(rule["items"]))
    if rule["type"] == "object":
        return pl.Struct({name: _polars_type(part) for name, part in rule["properties"].items()})
    return pl.String()


def fill_defaults(frame: pl.DataFrame, record_format: str, extra: tuple[str, ...] = ()) -> pl.DataFrame:
    """The frame with exactly the format's columns in order; what is absent or null gets the schema's default.

    A required field stays null where nothing was found: `violations` names it.
    """
    properties = load_schema(record_format)["properties"]
    made = []
    for name, kind in polars_schema(record_format, extra).items():
        value = pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind)
        if "default" in properties[name]:
            value = value.fill_null(pl.lit(properties[name]["default"], kind))
        elif name not in load_schema(record_format)["required"] and name not in IDENTITY:
            value = value.fill_null(pl.lit("", kind))
        made.append(value.alias(name))
    return frame.select(made)


def violations(record_format: str, present: list[str]) -> list[tuple[str, pl.Expr]]:
    """(reason, expression true where the rule is broken) for every rule of the format, in the schema's order."""
    schema = load_schema(record_format)
    found: list[tuple[str, pl.Expr]] = []
    for name, rule in schema["properties"].items():
        if name not in present or name in IDENTITY:
            continue
        missing = next((r["reason"] for r in _reasoned(rule)), f"no_{name}")
        found.append((missing, pl.col(name).is_null()))
        found.extend((reason, broken.fill_null(False)) for reason, broken in _broken(pl.col(name), rule, f"bad_{name}"))
    return found


def violation(record_format: str, present: list[str]) -> pl.Expr:
    """One column of reasons: the first rule each record breaks, null where it breaks none."""
    broken = [pl.when(rule).then(pl.lit(reason)) for reason, rule in violations(record_format, present)]
    return pl.coalesce(*broken, pl.lit(None, pl.String))


def _reasoned(rule: dict[str, Any]) -> list[dict[str, Any]]:
    own = [part for part in rule.get("allOf", []) if "reason" in part]
    return own or (_reasoned(rule["items"]) if "items" in rule else [])


def _broken(value: pl.Expr, rule: dict[str, Any], reason: str) -> list[tuple[str, pl.Expr]]:
    """The rules of one value as (reason, expression); arrays look into their elements."""
    reason = rule.get("reason", reason)
    found: list[tuple[str, pl.Expr]] = []
    if "pattern" in rule:
        asked = _rust(rule["pattern"])
        found.append((reason, lacks_letter(value, asked) if rule["pattern"] == r"\S" else ~value.str.contains(asked)))
    if "not" in rule:
        refused = _rust(rule["not"]["pattern"])
        first = re.match(r"\^\\s\*([a-z])", rule["not"]["pattern"])
        found.append((reason, opens_with(value, first[1], refused) if first else value.str.contains(refused)))
    if "minItems" in rule:
        found.append((reason, value.list.len() < rule["minItems"]))
    if "maxItems" in rule:
        found.append((reason, value.list.len() > rule["maxItems"]))
    if rule.get("uniqueItems"):
        found.append((reason, value.list.n_unique() < value.list.len()))
    if "items" in rule:  # before allOf: two blank answers are blank, and equal only after that
        element = pl.element()
        inner = [(reason, element.is_null()), *_broken(element, rule["items"], reason)]
        found.extend((why, value.list.eval(broken.fill_null(False)).list.any()) for why, broken in inner)
    for part in rule.get("allOf", []):
        found.extend(_broken(value, part, reason))
    if rule.get("type") == "object":
        for name, part in rule["properties"].items():
            field = value.struct.field(name)
            found.extend([(reason, field.is_null()), *_broken(field, part, reason)])
    return found


def _rust(pattern: str) -> str:
    """A pattern of the schemas for polars: Python counts the separators U+001C to U+001F as space, Rust does not."""
    return pattern.replace(r"\S", r"[^\s\x1c-\x1f]").replace(r"\s*", r"[\s\x1c-\x1f]*")


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load_schema(name))


def explain(name: str, value: Any) -> str:
    """What is wrong with a value by the schema `name`, in one line with its place; empty where it is valid."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator(name).iter_errors(value))
    if error is None:
        return ""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    return f"{place}: {error.message}" if place else error.message


def require(name: str, value: Any, where: str) -> None:
    """Raise CareError where the value does not fit the schema `name`."""
    if problem := explain(name, value):
        raise CareError(problem, where=where, fix=f"See schemas/{name}.schema.json.", code=Exit.DATA)
