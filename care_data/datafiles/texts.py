"""One text of any value: all texts in it, in order, parted by JOINT."""

from typing import Any

import polars as pl

from care_data.errors import CareError, Exit

SPEAKERS = frozenset({"role", "from"})
"""Keys that say who speaks: the same word in every dialogue, which would make unlike dialogues alike."""

JOINT = "\x1e"
"""Parts the texts of one value: the record separator of old, which hardly any text holds."""

SHOWN = 30


def refuse_missing(missing: list[str], names: list[str]) -> CareError:
    """The error for fields that a file has not, which names those that it has."""
    told = ", ".join(repr(field) for field in missing)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    there = ", ".join(names[:SHOWN]) + more if names else "none"
    return CareError(f"no field {told}", fix=f"Fields there: {there}.", code=Exit.USAGE)


def find_values(value: Any, field: str) -> list[Any]:
    """The values of a field: its own name first, then `a.b` as b in the object a, or in each object of the list a."""
    if isinstance(value, list):
        return [found for part in value for found in find_values(part, field)]
    if not isinstance(value, dict):
        return []
    if field in value:
        return [value[field]]
    head, dot, rest = field.partition(".")
    return find_values(value[head], rest) if dot and head in value else []


def text_of(value: Any) -> str:
    """The texts of a JSON value; numbers and true and false as they are written, null and empty texts left out."""
    if isinstance(value, str):
        return value
    texts: list[str] = []
    _gather(value, texts)
    return JOINT.join(texts)


def _gather(value: Any, texts: list[str]) -> None:
    if isinstance(value, str):
        if value:
            texts.append(value)
    elif isinstance(value, list):
        for part in value:
            _gather(part, texts)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in SPEAKERS:
                _gather(part, texts)
    elif isinstance(value, bool):
        texts.append("true" if value else "false")
    elif value is not None:
        texts.append(str(value))


def top_field(field: str, names: list[str]) -> str | None:
    """The column that holds a field: of its name, or for `a.b` the column a; None where there is none."""
    if field in names:
        return field
    head = field.partition(".")[0]
    return head if head in names else None


def text_column(frame: pl.DataFrame, field: str) -> pl.Series:
    """The texts of a column, or of the field `a.b` in the column a, under the field's name; null is empty text.

    CareError (2) where there is no such field, or it holds bytes.
    """
    top = top_field(field, frame.columns)
    if top is None:
        raise refuse_missing([field], frame.columns)
    column = frame.get_column(top)
    if column.dtype == pl.String and top == field:
        return column.alias(field).fill_null("")
    texts = _texts_in(pl.col(top), column.dtype, "" if top == field else field[len(top) + 1 :], field)
    return frame.select(texts.fill_null("").alias(field)).to_series()


def _texts_in(values: pl.Expr, kind: Any, path: str, field: str) -> pl.Expr:
    """The texts of values of a type, null where there are none."""
    if isinstance(kind, pl.Array):
        values, kind = values.arr.to_list(), pl.List(kind.inner)
    if isinstance(kind, pl.List):
        return _filled(
            values.list.eval(_texts_in(pl.element(), kind.inner, path, field)).list.drop_nulls().list.join(JOINT)
        )
    if isinstance(kind, pl.Struct):
        parts = {part.name: part.dtype for part in kind.fields}
        if path:
            top = top_field(path, list(parts))
            if top is None:
                raise refuse_missing([field], list(parts))
            rest = "" if top == path else path[len(top) + 1 :]
            return _texts_in(values.struct.field(top), parts[top], rest, field)
        texts = [
            _texts_in(values.struct.field(name), inner, "", field)
            for name, inner in parts.items()
            if name not in SPEAKERS
        ]
        return _filled(pl.concat_str(texts, separator=JOINT, ignore_nulls=True)) if texts else pl.lit(None, pl.String)
    if path:
        raise refuse_missing([field], [])
    if kind in (pl.Binary, pl.Object):
        fix = "Name a field of text."
        raise CareError(f"the field {field!r} holds bytes, not text", fix=fix, code=Exit.USAGE)
    return _filled(values if kind == pl.String else values.cast(pl.String))


def _filled(text: pl.Expr) -> pl.Expr:
    """The text, null where it is empty."""
    return pl.when(text != "").then(text)
