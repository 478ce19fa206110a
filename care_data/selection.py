"""Work on some rows only: one cheap look at each spares most of them the passes that follow.

`pl.when(…).then(text)` does not: what is called on it runs over the texts it hides, too.
"""

from collections.abc import Callable, Sequence

import polars as pl

Step = Callable[[pl.Expr], pl.Expr]


def clean_where(text: pl.Expr, hot: Step, cleaner: Step) -> pl.Expr:
    """The text cleaned where `hot` is true, as it was elsewhere; where it nowhere is, the cleaner is not even made.

    That matters for tables of replacements, which are compiled anew for every batch.
    """

    def run(texts: pl.Series) -> pl.Series:
        frame = pl.DataFrame({"text": texts})
        at = frame.select(hot(pl.col("text")).fill_null(False).arg_true()).to_series()
        if at.is_empty():
            return texts
        done = frame.select(pl.col("text").gather(at)).select(cleaner(pl.col("text"))).to_series()
        return texts.clone().scatter(at, done)

    return text.map_batches(run, return_dtype=pl.String, is_elementwise=True)


def find_where(hot: pl.Expr, columns: Sequence[str], test: pl.Expr) -> pl.Expr:
    """Whether a test of these columns is true, asked only where `hot` is; false for what is neither true nor false."""

    def run(series: Sequence[pl.Series]) -> pl.Series:
        at = series[0].fill_null(False).arg_true()
        found = pl.repeat(False, len(series[0]), dtype=pl.Boolean, eager=True)
        if at.is_empty():
            return found
        frame = pl.DataFrame([column.gather(at) for column in series[1:]])
        return found.scatter(at, frame.select(test.fill_null(False).alias("found")).to_series())

    return pl.map_batches([hot, *columns], run, return_dtype=pl.Boolean)
