"""The shape `choice`: a question, its options, and the letters of those that are right."""

from collections import Counter

import polars as pl

from care_data.converters.patterns import Blank, fill, parse_pattern, value_of
from care_data.converters.shaped import Shaped
from care_data.entries import Output
from care_data.rows import OPTIONS

LETTERS = r"^\s*[A-Za-z](?:[\s,，、;；/|]*[A-Za-z])*[\s.．。]*$"
"""An answer of letters alone. Those in a sentence are no answer: upstream's first key of CMB held some."""


def shape_choice(rows: pl.DataFrame, output: Output, blank: Blank) -> Shaped:
    """choice: an EVAL record, or for sft the question with its options as input and the right ones as output.

    Blank options go. Letters of the answer count as a set, in any order, with blank space or commas between. A row
    without question or options, or with an answer that is no letters or not among them, is set aside
    (`blank_question`, `no_options`, `answer_outside_options`).
    """
    fields = {name: fill(rows, parse_pattern(source), blank) for name, source in output.fields.items()}
    place = parse_pattern("{" + str(output.options) + "}").holes[0].places[0]
    held = rows.select(value_of(rows.columns, place).cast(OPTIONS).alias("options"))
    filled = pl.element().struct.field("text").str.contains(r"\S").fill_null(False)
    options = held.select(pl.col("options").list.eval(pl.element().filter(filled))).to_series()
    given = pl.col("answer").str.contains(LETTERS)
    letters = pl.col("answer").str.to_uppercase().str.extract_all("[A-Z]").list.unique().list.sort()
    frame = pl.DataFrame(fields).with_columns(options, pl.when(given).then(letters).alias("letters"))
    frame = frame.with_row_index("_index")
    right = (
        frame.explode("options")
        .filter(pl.col("options").struct.field("label").is_in(pl.col("letters")).fill_null(False))
        .group_by("_index", maintain_order=True)
        .agg(_written(pl.col("options")).alias("right"), pl.len().alias("found"))
    )
    frame = frame.join(right, on="_index", how="left", maintain_order="left")
    outside = pl.col("found").fill_null(0) != pl.col("letters").list.len().fill_null(-1)
    reason = (
        pl.when(pl.col("question").is_null())
        .then(pl.lit("blank_question"))
        .when(pl.col("options").list.len().fill_null(0) == 0)
        .then(pl.lit("no_options"))
        .when(pl.col("answer").is_not_null() & outside)  # a blank one is the schema's to name
        .then(pl.lit("answer_outside_options"))
    )
    frame = frame.with_columns(reason.otherwise(None).alias("_reason"))
    answer = pl.col("letters").list.join("")
    if output.format == "eval":
        made = frame.select(pl.col("options"), *(name for name in fields if name != "answer"), "_reason", answer=answer)
        return Shaped(made, Counter())
    listed = (
        frame.explode("options")
        .group_by("_index", maintain_order=True)
        .agg(_written(pl.col("options")).alias("listed"))
    )
    frame = frame.join(listed, on="_index", how="left", maintain_order="left")
    asked = pl.concat_str("question", "listed", separator="\n", ignore_nulls=True)
    kept = [name for name in ("instruction", "system") if name in fields]
    return Shaped(frame.select(*kept, "_reason", input=asked, output=pl.col("right")), Counter())


def _written(options: pl.Expr) -> pl.Expr:
    """Options of a group as lines: `A. text`."""
    return pl.format("{}. {}", options.struct.field("label"), options.struct.field("text")).str.join("\n")
