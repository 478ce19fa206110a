"""Shapes: how rows become the fields of a record, a function each.

A shape gets a frame of rows with `_row` and gives, row for row, the fields of the record and `_reason`, null where the
row is a record. Dialogues also count their turns: every turn read is in a row's `_turns` or dropped with a reason.
"""

import re
from collections import Counter

import polars as pl

from care_data.converters.choices import shape_choice
from care_data.converters.patterns import Blank, Steps, fill, parse_pattern, value_of
from care_data.converters.shaped import Shaped
from care_data.entries import Output

USER, ASSISTANT, SYSTEM, IGNORE = "user", "assistant", "system", "ignore"
_SPOKEN = ("user", "assistant", "speaker", "text")  # keys of `turns` whose patterns start at an element
_HISTORY = pl.List(pl.List(pl.String))


def shape_fields(rows: pl.DataFrame, output: Output, blank: Blank) -> Shaped:
    """document and pair: every field is its pattern filled in."""
    frame = rows.select(fill(rows, parse_pattern(source), blank).alias(name) for name, source in output.fields.items())
    return Shaped(frame.with_columns(_reason=pl.lit(None, pl.String)), Counter())


def shape_dialogue(rows: pl.DataFrame, output: Output, blank: Blank) -> Shaped:
    """dialogue: opening, turns, instruction and output in order; the last exchange is the record, the rest its history.

    Blank turns go, neighbours of one speaker join with a line break, a leading answer and a trailing question go. A
    dialogue without an exchange is `one_sided`, one with an unknown speaker or mark is set aside as such.
    """
    turns, counts = _turns(rows, output, blank)
    return _exchanges(rows.height, turns, counts)


def shape_preference(rows: pl.DataFrame, output: Output, blank: Blank) -> Shaped:
    """preference: chosen and rejected beside the question; with `turns`, the last user turn is the question."""
    fields = shape_fields(rows, output, blank).frame
    counts: Counter[str] = Counter()
    if output.turns:
        turns, counts = _turns(rows, output, blank, answer=False)
        asked = _exchanges(rows.height, turns, counts, question_last=True).frame
        fields = fields.with_columns(asked.get_columns())
    either = (pl.col("chosen"), pl.col("rejected"))
    both = pl.concat_list([text.fill_null("") for text in either])
    return Shaped(fields.with_columns(both.alias("output"), *(text.fill_null("") for text in either)), counts)


SHAPES = {
    "document": shape_fields,
    "pair": shape_fields,
    "dialogue": shape_dialogue,
    "preference": shape_preference,
    "choice": shape_choice,
}


# Turns: a long frame with `_index` (which row), `role`, `text`


def _turns(rows: pl.DataFrame, output: Output, blank: Blank, answer: bool = True) -> tuple[pl.DataFrame, Counter[str]]:
    """All turns of all rows in order, with the role of each; unknown speakers keep a null role."""
    parts = []
    if output.opening:
        parts.append(_constant_role(fill(rows, parse_pattern(output.opening), blank), USER, 0))
    if output.turns:
        parts.append(_listed_turns(rows, output, blank).with_columns(_part=pl.lit(1, pl.UInt8)))
    for name, role, part in (("instruction", USER, 2), ("output", ASSISTANT, 3)):
        if name in output.fields and (answer or name != "output"):
            parts.append(_constant_role(fill(rows, parse_pattern(output.fields[name]), blank), role, part))
    if "system" in output.fields:
        parts.append(_constant_role(fill(rows, parse_pattern(output.fields["system"]), blank), SYSTEM, 0))
    turns = pl.concat(parts, how="diagonal").sort("_index", "_part", maintain_order=True)
    # A pattern that fills to nothing was never a turn upstream; an empty element of a list was one.
    turns = turns.filter((pl.col("_part") == 1) | pl.col("text").is_not_null())
    ignored = (pl.col("role") == IGNORE).fill_null(False)
    empty = pl.col("text").is_null() & ~ignored
    counts = Counter(
        {"read": turns.height, "ignored": turns.filter(ignored).height, "blank": turns.filter(empty).height}
    )
    return turns.filter(~ignored & ~empty), counts


def _constant_role(texts: pl.Series, role: str, part: int) -> pl.DataFrame:
    return (
        pl.DataFrame({"text": texts})
        .with_row_index("_index")
        .with_columns(role=pl.lit(role), speaker=pl.lit(role), _part=pl.lit(part, pl.UInt8))
    )


def _listed_turns(rows: pl.DataFrame, output: Output, blank: Blank) -> pl.DataFrame:
    """The turns that stand in a column of lists, or between marks in a text."""
    spec = output.turns or {}
    place = parse_pattern("{" + spec["in"] + "}").holes[0].places[0]
    held = rows.select(value_of(rows.columns, place).alias("_held")).with_row_index("_index")
    if "marks" in spec:
        return _marked_turns(held, spec["marks"], output.roles, blank)
    element = held.explode("_held").filter(pl.col("_held").is_not_null())
    inner = _unpack(element, spec)
    if "user" in spec:
        texts = [fill(inner, parse_pattern(spec[role]), blank).alias(role) for role in (USER, ASSISTANT)]
        both = (
            element.select("_index")
            .with_columns(texts)
            .unpivot([USER, ASSISTANT], index="_index", variable_name="role", value_name="text")
        )
        order = pl.int_range(pl.len()).over("role").alias("_turn")
        return (
            both.with_columns(order, speaker=pl.col("role"))
            .sort("_turn", pl.col("role") != USER, maintain_order=True)
            .drop("_turn")
        )
    turns = element.select("_index").with_columns(
        fill(inner, parse_pattern(spec["speaker"]), blank).alias("speaker"),
        fill(inner, parse_pattern(spec["text"]), blank).alias("text"),
    )
    return turns.with_columns(role=pl.col("speaker").replace_strict(output.roles, default=None, return_dtype=pl.String))


def _unpack(element: pl.DataFrame, spec: dict[str, str]) -> pl.DataFrame:
    """Elements as columns their patterns can name: the fields of an object, `_value` for the element itself.

    Elements of a list of lists are named by their number, as `{0}` and `{-1}` name them.
    """
    kind = element.schema["_held"]
    if isinstance(kind, pl.Struct):
        return element.unnest("_held")
    if isinstance(kind, pl.List):
        holes = [hole for name in _SPOKEN if name in spec for hole in parse_pattern(spec[name]).holes]
        numbers = {place[0] for hole in holes for place in hole.places if isinstance(place[0], int)}
        return element.select(
            pl.col("_held").list.get(number, null_on_oob=True).alias(str(number)) for number in sorted(numbers)
        )
    return element.rename({"_held": "_value"})


def _marked_turns(held: pl.DataFrame, where: str, roles: dict[str, str], blank: Blank) -> pl.DataFrame:
    """Turns cut at their marks: at the start of a list element, of a line, or after any blank space.

    The mark is taken off. Text before the first mark is no turn: it is ignored and counted.
    """
    marks = "|".join(_mark_regex(mark) for mark in sorted(roles, key=len, reverse=True))
    if where == "element":
        pieces = held.explode("_held").filter(pl.col("_held").is_not_null())
    else:
        before = r"(^|\n)" if where == "line" else r"(^|\s)"
        cut = pl.col("_held").str.replace_all("\x1e", "", literal=True)
        for _ in range(2):  # a mark that ends in space has taken the space before the next one: that is cut second
            cut = cut.str.replace_all(f"{before}({marks})", "${1}\x1e${2}")
        pieces = held.with_columns(cut.str.split("\x1e")).explode("_held").filter(pl.col("_held").is_not_null())
        pieces = pieces.filter(pl.col("_held").str.contains(r"\S"))
    turns = pieces.with_columns(speaker=pl.col("_held").str.extract(f"^({marks})")).select(
        "_index", "speaker", text=pl.col("_held").str.strip_prefix(pl.col("speaker").fill_null(""))
    )
    known = {mark.rstrip(): role for mark, role in roles.items()}
    role = pl.col("speaker").str.strip_chars_end().replace_strict(known, default=None, return_dtype=pl.String)
    if where != "element":
        role = pl.when(pl.col("speaker").is_null()).then(pl.lit(IGNORE)).otherwise(role)
    return turns.with_columns(blank(pl.col("text")).str.strip_chars().alias("text"), role=role)


def _mark_regex(mark: str) -> str:
    """What finds a mark. One that ends in a line break stands alone on its line: space may follow, or the text end."""
    return rf"{re.escape(mark[:-1])}[ \t\r]*(?:\n|$)" if mark.endswith("\n") else re.escape(mark)


def _exchanges(height: int, turns: pl.DataFrame, counts: Counter[str], question_last: bool = False) -> Shaped:
    """Turns to (instruction, output, history, system, _reason), one row for each of the `height` rows.

    With `question_last` the last user turn is the instruction and has no answer of its own.
    """
    rows = pl.DataFrame({"_index": pl.int_range(height, dtype=pl.UInt32, eager=True)})
    stranger = turns.filter(pl.col("role").is_null()).group_by("_index").agg(pl.len().alias("_strangers"))
    known = turns.join(stranger, on="_index", how="anti", maintain_order="left")
    counts["unknown_speaker"] += turns.height - known.height
    system = (
        known.filter(pl.col("role") == SYSTEM)
        .group_by("_index", maintain_order=True)
        .agg(pl.col("text").str.join("\n").alias("system"))
    )
    said = known.filter(pl.col("role") != SYSTEM)
    runs = _runs(said)
    leading = pl.col("_first") & (pl.col("role") == ASSISTANT)
    trailing = pl.col("_last") & (pl.col("role") == (ASSISTANT if question_last else USER))
    counts["leading_answer"] += int(runs.filter(leading).get_column("_turns").sum())
    counts["trailing_question" if not question_last else "trailing_answer"] += int(
        runs.filter(trailing & ~leading).get_column("_turns").sum()
    )
    runs = runs.filter(~leading & ~trailing)
    per_row = pl.concat(
        [
            runs.select("_index", "_turns"),
            known.filter(pl.col("role") == SYSTEM).select("_index", _turns=pl.lit(1, pl.get_index_type())),
        ]
    )
    per_row = per_row.group_by("_index").agg(pl.col("_turns").sum())
    pairs = _pairs(runs, question_last)
    whole = rows
    for part in (pairs, system, stranger, per_row):
        whole = whole.join(part, on="_index", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("_strangers").is_not_null())
        .then(pl.lit("unknown_speaker"))
        .when(pl.col("instruction").is_null())
        .then(pl.lit("one_sided"))
    )
    names = ["instruction", *([] if question_last else ["output"]), "history", "system"]
    frame = whole.select(*names, pl.col("_turns").fill_null(0), reason.otherwise(None).alias("_reason"))
    return Shaped(frame, +counts)


def _runs(said: pl.DataFrame) -> pl.DataFrame:
    """Neighbours of one speaker joined: `_index`, `role`, `text`, `_turns` (their number), `_first`, `_last`."""
    told = said.with_columns(_run=pl.struct("_index", "role").rle_id())
    opens = pl.col("_run") != pl.col("_run").shift(1, fill_value=-1)
    runs = told.filter(told.select(opens).to_series())
    if runs.height < told.height:
        turns = pl.col("_run").rle().struct.field("len")
        runs = runs.with_columns(told.select(turns.alias("_turns")))
        several = told.filter(pl.col("_run").is_in(runs.filter(pl.col("_turns") > 1).get_column("_run").implode()))
        joined = several.group_by("_run").agg(pl.col("text").str.join("\n").alias("_joined"))
        runs = runs.join(joined, on="_run", how="left", maintain_order="left")
        runs = runs.with_columns(text=pl.coalesce("_joined", "text"))
    else:
        runs = runs.with_columns(_turns=pl.lit(1, pl.UInt32))
    before, after = pl.col("_index").shift(1), pl.col("_index").shift(-1)
    return runs.with_columns(
        _first=(before != pl.col("_index")).fill_null(True), _last=(after != pl.col("_index")).fill_null(True)
    )


def _pairs(runs: pl.DataFrame, question_last: bool) -> pl.DataFrame:
    """Alternating runs, a user first, to the last exchange and the history before it."""
    asked = (
        runs.filter(pl.col("role") == USER).group_by("_index", maintain_order=True).agg(pl.col("text").alias("asked"))
    )
    told = (
        runs.filter(pl.col("role") == ASSISTANT)
        .group_by("_index", maintain_order=True)
        .agg(pl.col("text").alias("told"))
    )
    both = asked.join(told, on="_index", how="left" if question_last else "inner", maintain_order="left")
    both = both.with_columns(pl.col("told").fill_null(pl.lit([], pl.List(pl.String))))
    exchanges = both.select("_index", pl.col("asked").list.head(pl.col("told").list.len()), "told").explode(
        "asked", "told"
    )
    history = (
        exchanges.filter(pl.col("asked").is_not_null())
        .with_columns(pair=pl.concat_list("asked", "told"))
        .group_by("_index", maintain_order=True)
        .agg(pl.col("pair") if question_last else pl.col("pair").head(pl.len() - 1))
    )
    whole = both.join(history, on="_index", how="left", maintain_order="left")
    return whole.select(
        "_index",
        pl.col("asked").list.last().alias("instruction"),
        pl.col("told").list.last().alias("output"),
        pl.col("pair").fill_null(pl.lit([], _HISTORY)).alias("history"),
    )


def turn_steps(output: Output) -> list[Steps]:
    """The paths, from a row's column down, that the turns of an output need."""
    spec = output.turns
    if not spec:
        return []
    held = parse_pattern("{" + spec["in"] + "}").holes[0].places[0]
    if "marks" in spec:
        return [(*held, "[]") if spec["marks"] == "element" else held]
    places = [
        place for name in _SPOKEN if name in spec for hole in parse_pattern(spec[name]).holes for place in hole.places
    ]
    return [(*held, "[]", *(() if place == ("_value",) else place)) for place in places]
