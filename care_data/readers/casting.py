"""Values to columns: text, lists and objects as the patterns of an output declare them, and nothing by guess."""

import ast
import json
from collections.abc import Callable
from typing import Any

import orjson
import polars as pl

from care_data.errors import CareError
from care_data.rows import OPTIONS, Wanted

Taker = Callable[[Any, Any, bytes | None], list[Any]]
"""From a value, its key, and its JSON text where it has one, to the wanted columns in order."""

LITERAL_CHARS = 1_000_000


class NestingError(Exception):
    """A value is nested otherwise than its pattern says."""


class _NumberError(Exception):
    """A number stands where text is wanted: the value must be parsed again with numbers as they are written."""


def make_taker(wanted: Wanted, literals: list[str]) -> Taker:
    """What takes the wanted columns out of parsed values; columns named in `literals` hold JSON or Python as text."""
    columns = [(name, make_caster(kind, name, name in literals)) for name, kind in wanted.items()]

    def columns_of(value: Any, key: Any) -> list[Any]:
        members = value if isinstance(value, dict) else {}
        special = {"_value": value, "_key": key}
        return [cast(special[name] if name in special else members.get(name)) for name, cast in columns]

    def take(value: Any, key: Any, raw: bytes | None) -> list[Any]:
        if not isinstance(value, dict) and any(name not in ("_value", "_key") for name in wanted):
            raise NestingError("not an object")
        try:
            return columns_of(value, key)
        except _NumberError:
            try:
                return columns_of(_as_written(value) if raw is None else _written_numbers(raw), key)
            except RecursionError:
                raise NestingError("nested too deeply") from None

    return take


def _written_numbers(raw: bytes) -> Any:
    """The JSON text parsed with its numbers as they are written."""
    return json.loads(raw, parse_float=str, parse_int=str)


def _as_written(value: Any) -> Any:
    """A value that never was JSON text, its numbers as Python writes them."""
    if isinstance(value, dict):
        return {key: _as_written(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_written(part) for part in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def make_caster(kind: Any, name: str, literal: bool = False) -> Callable[[Any], Any]:
    """What makes a value fit a polars type; it raises NestingError where the value is nested otherwise."""
    if literal:
        cast = make_caster(kind, name)
        rows = kind != OPTIONS and isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)

        def cast_literal(value: Any) -> Any:
            if isinstance(value, str):
                if not value.strip():
                    return None
                value = _as_written(read_literal(value, name))
                value = [value] if rows and isinstance(value, dict) else value  # an object a line, and but one line
            return cast(value)

        return cast_literal
    if kind == OPTIONS:
        return lambda value: _options(value, name)
    if kind == pl.String:
        return lambda value: _text(value, name)
    if isinstance(kind, pl.List):
        inner = make_caster(kind.inner, name)

        def cast_list(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, list | tuple):
                raise NestingError(f"{name!r} is no list")
            return [inner(part) for part in value]

        return cast_list
    parts = [(field.name, make_caster(field.dtype, field.name)) for field in kind.fields]

    def cast_struct(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise NestingError(f"{name!r} is no object")
        return {part: cast(value.get(part)) for part, cast in parts}

    return cast_struct


def _text(value: Any, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        raise _NumberError
    raise NestingError(f"{name!r} is no text")


def make_cell_caster(
    wanted: Wanted, literals: list[str], present: set[str]
) -> Callable[[list[str | None]], list[Any]] | None:
    """What turns the text of a row's wanted cells into the types wanted; None where all of them are to be text.

    CareError where a pattern looks inside a column that is there and not among the `literals`.
    """
    for name, kind in wanted.items():
        if kind != pl.String and name in present and name not in literals:
            fix = "A cell has no parts; mend the pattern, or name the column in `literals`."
            raise CareError(f"column {name!r} is text, but a pattern looks inside it", fix=fix)
    if not any(name in literals for name in wanted):
        return None
    casts = [make_caster(kind, name, literal=True) if name in literals else None for name, kind in wanted.items()]
    return lambda cells: [cast(cell) if cast and cell else cell for cast, cell in zip(casts, cells, strict=True)]


def _options(value: Any, name: str) -> list[dict[str, str | None]] | None:
    """Choices as {label, text}, from {letter: text} or a list of texts; blank ones are left to the shape."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        value = {chr(ord("A") + at): text for at, text in enumerate(value)}
    if not isinstance(value, dict):
        raise NestingError(f"{name!r} is neither {{letter: text}} nor a list")
    return [{"label": str(label).strip().upper(), "text": _text(text, name)} for label, text in value.items()]


def read_literal(text: str, name: str) -> Any:
    """The value a text of JSON or of Python literals stands for; of several lines, the list of what each stands for."""
    for lines in ([text], [line for line in text.split("\n") if line.strip()]):
        try:
            values = [_parse_literal(line.strip()) for line in lines]
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return values[0] if lines == [text] else values
    raise NestingError(f"{name!r} is neither JSON nor a Python literal")


def _parse_literal(text: str) -> Any:
    if len(text) > LITERAL_CHARS:
        raise ValueError("too long")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return ast.literal_eval(text)  # literals only: names, calls and operators are refused
