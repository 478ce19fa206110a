"""What a reader yields: batches of rows as columns, and the rows that could not be read."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

BATCH_ROWS = 20_000
BATCH_BYTES = 32 << 20

MAX_BAD = 0.01
"""Share of rows that may be unreadable before a file counts as not what its entry says."""

Wanted = dict[str, Any]
"""Column name to its polars type, as the patterns of an output declare it: text, a list of text, a struct …"""

OPTIONS = pl.List(pl.Struct({"label": pl.String, "text": pl.String}))
"""The type of a question's choices: upstream's {letter: text}, or its list of texts, lettered in order."""


@dataclass(frozen=True)
class Bad:
    """A row that could not be read: its number, the reason, what is wrong (with the byte), the head of its text."""

    row: int
    reason: str
    detail: str
    text: str


@dataclass
class Batch:
    """Rows of one file or member. frame: `_row` (from 1, bad rows count) and the wanted columns, null where absent."""

    frame: pl.DataFrame
    bad: list[Bad]
    names: set[str]
    """Columns seen in the file so far."""
    member: str | None = None


@dataclass
class Collector:
    """Gathers rows column by column until a batch is full."""

    wanted: Wanted
    names: set[str] = field(default_factory=set)
    row: int = 0
    size: int = 0
    _rows: list[int] = field(default_factory=list)
    _columns: dict[str, list[Any]] = field(default_factory=dict)
    _bad: list[Bad] = field(default_factory=list)
    _frames: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._columns = {name: [] for name in self.wanted}

    def add(self, values: list[Any], size: int) -> None:
        """One good row: a value for each wanted column in order; size in bytes or characters."""
        self.row += 1
        self.size += size
        self._rows.append(self.row)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def add_frame(self, frame: pl.DataFrame, size: int) -> None:
        """Many good rows at once: a frame of the wanted columns; size in bytes or characters."""
        self._gather()
        numbers = pl.int_range(self.row + 1, self.row + 1 + frame.height, dtype=pl.UInt32, eager=True).alias("_row")
        self._frames.append(pl.DataFrame([numbers, *(frame.get_column(name) for name in self.wanted)]))
        self.row += frame.height
        self.size += size

    def add_bad(self, reason: str, detail: str, text: str) -> None:
        """One row that could not be read."""
        self.row += 1
        self._bad.append(Bad(self.row, reason, detail, text[:500]))

    @property
    def full(self) -> bool:
        """Whether it is time to take a batch."""
        held = len(self._rows) + sum(frame.height for frame in self._frames)
        return held >= BATCH_ROWS or self.size >= BATCH_BYTES

    def take(self) -> Batch:
        """The batch so far; the collector starts anew, its row number goes on."""
        self._gather()
        batch = Batch(pl.concat(self._frames), self._bad, self.names)
        self._frames, self._bad, self.size = [], [], 0
        return batch

    def _gather(self) -> None:
        """The rows added one by one, as a frame behind those that are there."""
        if self._rows or not self._frames:
            series = [pl.Series("_row", self._rows, pl.UInt32)]
            series += [pl.Series(name, values, self.wanted[name]) for name, values in self._columns.items()]
            self._frames.append(pl.DataFrame(series))
            self._rows = []
            self._columns = {name: [] for name in self.wanted}
