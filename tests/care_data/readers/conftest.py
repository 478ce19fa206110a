"""Reading bytes as an entry's file would be read, with everything a reader gives in one place."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from care_data.entries import File
from care_data.readers import READERS
from care_data.rows import Bad, Wanted


@dataclass
class Read:
    """All rows of a file by column (without `_row`), their numbers, the bad rows and the columns seen."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(bad.row, bad.reason) for bad in self.bad]


Reader = Callable[..., Read]


@pytest.fixture
def read_bytes() -> Reader:
    """read_bytes(data, format, "a", "b", encoding=…, at=…): rows with these columns as text, or as `wanted` says."""

    def read(
        data: bytes, form: str, *names: str, wanted: Wanted | None = None, stream: Any = None, **spec: Any
    ) -> Read:
        kinds = wanted or dict.fromkeys(names, pl.String())
        found = Read()
        for batch in READERS[form](stream or io.BytesIO(data), File("rows", "package:x", "x", form, **spec), kinds):
            found.numbers += batch.frame.get_column("_row").to_list()
            found.rows += batch.frame.drop("_row").to_dicts()
            found.bad += batch.bad
            found.names |= batch.names
        return found

    return read
