"""Which fields make two records alike, and the text of each group of fields."""

from collections.abc import Sequence

import polars as pl
from polars.datatypes import DataTypeClass

from care_data.errors import CareError, Exit

Groups = Sequence[Sequence[str]]
_HISTORY = pl.List(pl.List(pl.String))
PROMPT = ["history", "instruction", "input"]
# Columns that tell a format, and what is compared there; the first that fits every frame counts.
FORMATS: list[tuple[set[str], Groups]] = [
    ({"instruction", "chosen", "rejected"}, [PROMPT, ["chosen"], ["rejected"]]),
    ({"instruction", "output"}, [PROMPT, ["output"]]),
    ({"messages"}, [["messages"]]),
    ({"conversations"}, [["conversations"]]),
    ({"text"}, [["text"]]),
]


def choose_groups(frames: list[pl.DataFrame], fields: Groups | None) -> list[list[str]]:
    """The groups of columns to compare, as asked or as the format has it.

    CareError where the format is none of those known, a column is in no frame, or a frame has none of a group's.
    """
    if fields is None:
        return suit_groups([frame.columns for frame in frames])
    if not fields or not all(fields) or any(isinstance(group, str) for group in fields):
        raise CareError("fields is not a list of lists of columns", code=Exit.USAGE, fix='Write [["text"]].')
    for column in (column for group in fields for column in group):
        if not any(column in frame.columns for frame in frames):
            raise CareError(f"no frame has the column {column}", code=Exit.USAGE, fix="Name a column that is there.")
    for number, frame in enumerate(frames):
        for group in fields:
            if not set(group) & set(frame.columns):
                raise CareError(f"none of the columns {', '.join(group)}", where=f"frame {number}")
    return [list(group) for group in fields]


def suit_groups(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """What is compared in the format that has the columns of every frame or file; CareError where none has."""
    fitting = [groups for needed, groups in FORMATS if all(needed <= set(names) for names in columns)]
    if not fitting:
        raise CareError(f"no format known has the columns {', '.join(columns[0])}", fix="Name the fields to compare.")
    present = {name for names in columns for name in names}
    return [[name for name in group if name in present] for group in fitting[0]]


def read_texts(frame: pl.DataFrame, groups: list[list[str]]) -> list[pl.Series]:
    """Per group its columns joined by line ends, named as the search wants them (`group0`, …).

    A column the frame lacks, and a null, is the empty text; lists are joined. A group of one text column is not copied.
    """
    return [frame.select(_join(frame, group).alias(f"group{at}"))[f"group{at}"] for at, group in enumerate(groups)]


def read_turns(frame: pl.DataFrame) -> pl.Series | None:
    """Per record question, answer, question, … of a dialogue, empty for one exchange; None where none has a history."""
    if not {"history", "instruction", "output"} <= set(frame.columns) or frame.schema["history"] != _HISTORY:
        return None
    past = pl.col("history")
    is_dialogue = (past.list.len() > 0) & past.list.eval(pl.element().list.len() == 2).list.all()
    said = past.list.eval(pl.element().explode().fill_null(""))
    question = _join(frame, [name for name in ("instruction", "input") if name in frame.columns])
    turns = pl.when(is_dialogue).then(pl.concat_list(said, question, pl.col("output").fill_null("")))
    found = frame.select(turns.otherwise(pl.lit([], pl.List(pl.String))).alias("turns"))["turns"]
    return found if (found.list.len() > 0).any() else None


def _join(frame: pl.DataFrame, group: list[str]) -> pl.Expr:
    columns = [_text(pl.col(column), frame.schema[column], column) for column in group if column in frame.columns]
    return columns[0] if len(columns) == 1 else pl.concat_str(columns, separator="\n")


def _text(value: pl.Expr, dtype: DataTypeClass | pl.DataType, column: str) -> pl.Expr:
    if isinstance(dtype, pl.List):
        inner = value.list.eval(_text(pl.element(), dtype.inner, column))
        return inner.cast(pl.List(pl.String)).list.join("\n").fill_null("")
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return value.cast(pl.String).fill_null("")
    raise CareError(f"{column} is of type {dtype}, not text", fix="Name columns of text, or lists of it.")
