"""What a shape gives."""

from collections import Counter
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Shaped:
    """Record fields in the order of the rows, `_reason`, `_turns` of dialogues; turns read and dropped, by reason."""

    frame: pl.DataFrame
    turns: Counter[str]
