"""Patterns: text with holes, `"{title}\\n{ask}"`, and the columns they need.

A hole names a column and steps into it: `{questions.0.0}`, `{dialogue[].speaker}`, `{ask|question}` (the first that is
not blank). A line whose holes are all blank is left out; the line with `[]` repeats, once for each element.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from care_data.errors import CareError

EACH = "[]"
"""The step into every element of a list."""

Steps = tuple[str | int, ...]
Blank = Callable[[pl.Expr], pl.Expr]
"""Turns a text expression's blank values to null."""

_HOLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Hole:
    """Places to look, the first that is not blank counts. `optional` says that all of them may be absent."""

    places: tuple[Steps, ...]
    optional: bool


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern: lines of text and holes."""

    source: str
    lines: tuple[tuple[str | Hole, ...], ...]

    @property
    def holes(self) -> list[Hole]:
        """All holes in order."""
        return [part for line in self.lines for part in line if isinstance(part, Hole)]


@cache
def parse_pattern(source: str) -> Pattern:
    """The pattern a string stands for; CareError where a hole is empty or a brace alone."""
    lines = []
    for line in source.split("\n"):
        parts: list[str | Hole] = []
        at = 0
        for match in _HOLE.finditer(line):
            parts.extend(filter(None, [line[at : match.start()]]))
            parts.append(_hole(match.group(1), source))
            at = match.end()
        parts.extend(filter(None, [line[at:]]))
        if any("{" in part or "}" in part for part in parts if isinstance(part, str)):
            raise CareError(f"a brace stands alone in the pattern {source!r}", fix="Close it: {column}.")
        lines.append(tuple(parts))
    return Pattern(source, tuple(lines))


def _hole(inside: str, source: str) -> Hole:
    places = inside.split("|")
    named = tuple(_steps(place) for place in places if place)
    if not named:
        raise CareError(f"an empty hole in the pattern {source!r}", fix="Name a column: {column}.")
    return Hole(named, optional="" in places)


def _steps(place: str) -> Steps:
    steps: list[str | int] = []
    for part in place.split("."):
        name, each, rest = part.partition(EACH)
        if rest or (each and EACH in steps):
            raise CareError(f"{place!r} goes on after []", fix="Write {list[].field}.")
        if not name:
            raise CareError(f"a step without a name in {place!r}", fix="Write {column.field}.")
        steps.append(int(name) if re.fullmatch(r"-?\d+", name) else name)
        steps.extend([EACH] if each else [])
    return tuple(steps)


# Which columns, of which type


def kind_of(steps: Steps) -> Any:
    """The polars type of a value from which the steps lead to text: (0, 0) wants a list of lists of text."""
    kind: Any = pl.String()
    for step in reversed(steps):
        kind = pl.List(kind) if step == EACH or isinstance(step, int) else pl.Struct({step: kind})
    return kind


def merge_kinds(one: Any, other: Any, name: str) -> Any:
    """One type that holds both; CareError where two patterns disagree about the nesting."""
    if one == other:
        return one
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        return pl.List(merge_kinds(one.inner, other.inner, name))
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields: dict[str, Any] = {field.name: field.dtype for field in one.fields}
        for field in other.fields:
            fields[field.name] = (
                merge_kinds(fields[field.name], field.dtype, name) if field.name in fields else field.dtype
            )
        return pl.Struct(fields)
    raise CareError(f"patterns disagree whether {name!r} is text, a list or an object", fix="Let them step alike.")


def add_kind(wanted: dict[str, Any], steps: Steps) -> None:
    """Note in `wanted` (column to type) what a path needs."""
    name = str(steps[0])
    kind = kind_of(steps[1:])
    wanted[name] = merge_kinds(wanted[name], kind, name) if name in wanted else kind


# From rows to text


def value_of(columns: list[str], place: Steps) -> pl.Expr:
    """The value at a place: down from a column, or from a joined one, named `join.column`."""
    if place == ("_row",):
        return pl.col("_row").cast(pl.String)
    joined = ".".join(str(step) for step in place[:2])
    if len(place) > 1 and joined in columns:
        return value_at(pl.col(joined), place[2:])
    return value_at(pl.col(str(place[0])), place[1:])


def value_at(column: pl.Expr, steps: Iterable[str | int]) -> pl.Expr:
    """The value down the steps; null where a list is too short."""
    for step in steps:
        column = column.list.get(step, null_on_oob=True) if isinstance(step, int) else column.struct.field(step)
    return column


def fill(frame: pl.DataFrame, pattern: Pattern, blank: Blank) -> pl.Series:
    """The pattern filled in for every row of the frame; null where all of it is blank."""
    lines = pl.DataFrame([_fill_line(frame, line, blank).alias(f"{at}") for at, line in enumerate(pattern.lines)])
    if lines.width == 1:
        return lines.to_series().alias("text")
    text = pl.concat_str(pl.all(), separator="\n", ignore_nulls=True)
    kept = pl.any_horizontal(pl.all().is_not_null())
    return lines.select(pl.when(kept).then(text).otherwise(None).alias("text")).to_series()


def _fill_line(frame: pl.DataFrame, line: tuple[str | Hole, ...], blank: Blank) -> pl.Series:
    holes = [part for part in line if isinstance(part, Hole)]
    if not holes:
        constant = "".join(str(part) for part in line)
        return pl.repeat(constant, frame.height, dtype=pl.String, eager=True)
    if any(EACH in place for hole in holes for place in hole.places):
        return _fill_repeated(frame, line, blank)
    return frame.select(_line_text(line, lambda place: value_of(frame.columns, place), blank)).to_series()


def _line_text(line: tuple[str | Hole, ...], value: Callable[[Steps], pl.Expr], blank: Blank) -> pl.Expr:
    """One line as an expression: null where all its holes are blank, a blank hole empty otherwise."""
    parts: list[pl.Expr] = []
    filled: list[pl.Expr] = []
    for part in line:
        if isinstance(part, str):
            parts.append(pl.lit(part))
        else:
            text = pl.coalesce([blank(value(place)) for place in part.places])
            filled.append(text.is_not_null())
            parts.append(text.fill_null(""))
    if len(line) == 1:
        return text.alias("line")  # as it is: texts are long, and most patterns one hole
    return pl.when(pl.any_horizontal(filled)).then(pl.concat_str(parts)).otherwise(None).alias("line")


def _fill_repeated(frame: pl.DataFrame, line: tuple[str | Hole, ...], blank: Blank) -> pl.Series:
    """The line once for each element of its lists, which run in step, joined by line breaks."""
    lists: dict[Steps, str] = {}
    for part in line:
        if isinstance(part, Hole):
            for place in part.places:
                if EACH in place:
                    lists.setdefault(place[: place.index(EACH)], f"_list{len(lists)}")
    columns = [value_of(frame.columns, path).alias(name) for path, name in lists.items()]
    rows = frame.with_columns(*columns).with_row_index("_line")
    longest = pl.max_horizontal([pl.col(name).list.len() for name in lists.values()])
    positions = rows.with_columns(_position=pl.int_ranges(longest.fill_null(0).cast(pl.Int64))).explode("_position")

    def value(place: Steps) -> pl.Expr:
        if EACH not in place:
            return value_of(frame.columns, place)
        cut = place.index(EACH)
        element = pl.col(lists[place[:cut]]).list.get(pl.col("_position"), null_on_oob=True)
        return value_at(element, place[cut + 1 :])

    each = positions.filter(pl.col("_position").is_not_null()).select("_line", _line_text(line, value, blank))
    joined = each.group_by("_line", maintain_order=True).agg(
        pl.col("line").drop_nulls().str.join("\n"), pl.col("line").count().alias("n")
    )
    text = rows.select("_line").join(joined, on="_line", how="left", maintain_order="left")
    return text.select(pl.when(pl.col("n") > 0).then(pl.col("line")).otherwise(None)).to_series()


def read_back(source: str) -> str:
    """A regular expression that reads a pattern backwards: `"问：{ask}\\n答："` finds `ask`.

    CareError where it has no hole or one name twice.
    """
    pattern = parse_pattern(source)
    names = [hole.places[0][0] for hole in pattern.holes]
    if not names or len(set(names)) < len(names):
        raise CareError(f"the pattern {source!r} cannot be read backwards", fix="Name each hole once: {ask}.")
    text = []
    for number, line in enumerate(pattern.lines):
        text.append("\n" if number else "")
        for part in line:
            text.append(re.escape(part) if isinstance(part, str) else f"(?P<{part.places[0][0]}>.*?)")
    return f"^(?s:{''.join(text)})$"
