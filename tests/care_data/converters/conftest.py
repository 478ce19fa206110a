"""Rows of one's own through a converter, as batches of a file would go."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from care_data.converters import Converter, Partner, wanted
from care_data.entries import Output
from care_data.rows import Bad, Batch

Convert = Callable[..., Any]


@pytest.fixture
def convert_rows() -> Convert:
    """convert_rows(rows, shape, format, …) -> Converted; keys of an output as keywords, `partners` and `bad` beside."""

    def convert(
        rows: list[dict[str, Any]],
        shape: str,
        form: str = "sft",
        partners: list[Partner] | None = None,
        bad: list[Bad] | None = None,
        **spec: Any,
    ) -> Any:
        output = Output(name=form, format=form, shape=shape, rows="rows", **spec)
        joins = [partner.join for partner in partners or []]
        kinds = wanted(Output(**{**vars(output), "joins": joins}))[0]
        columns = [pl.Series(name, [row.get(name) for row in rows], kind) for name, kind in kinds.items()]
        number = pl.Series("_row", range(1, len(rows) + 1), pl.UInt32)
        converter = Converter(Output(**{**vars(output), "joins": joins}), "mine", "MIT", partners or [])
        return converter.convert(Batch(pl.DataFrame([number, *columns]), bad or [], set(kinds)), "p")

    return convert
