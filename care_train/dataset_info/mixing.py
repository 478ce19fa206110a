"""Several datasets as one: one after the other, or each record drawn from one of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import TypeVar
from zlib import crc32

import numpy as np
import pyarrow as pa

from care_train.errors import CareError, Exit

T = TypeVar("T")
DRAWN = 1000  # draws made at once, as the `datasets` library makes them


@dataclass(frozen=True)
class Mix:
    """How datasets go together. probabilities: how often each is drawn from; empty for each in turn."""

    strategy: str = "concat"
    probabilities: tuple[float, ...] = ()

    @property
    def over(self) -> bool:
        """Whether the shorter begin anew until the longest has ended, not all end with the shortest."""
        return self.strategy == "interleave_over"


def read_mix(strategy: str, probabilities: str | None) -> Mix:
    """The mix of the settings; CareError (exit 2) for probabilities that are none."""
    if not probabilities:
        return Mix(strategy)
    try:
        values = tuple(float(part) for part in probabilities.split(","))
    except ValueError:
        values = ()
    if strategy == "concat" or not values or min(values) <= 0 or abs(sum(values) - 1) > 1e-6:
        what = f"--interleave_probs {probabilities} with --mix_strategy {strategy}"
        fix = (
            "Give a share above 0 for each dataset, 1 in all, with --mix_strategy interleave_under or interleave_over."
        )
        raise CareError(what, fix=fix, code=Exit.USAGE)
    return Mix(strategy, values)


def check_mix(mix: Mix, names: list[str]) -> None:
    """Raise (exit 2) where there are not as many probabilities as datasets."""
    if mix.probabilities and len(mix.probabilities) != len(names):
        what = f"{len(mix.probabilities)} shares in --interleave_probs for {len(names)} datasets ({', '.join(names)})"
        raise CareError(what, fix="Give one for each, in this order.", code=Exit.USAGE)


def interleave(sources: Sequence[Callable[[], Iterator[T]]], mix: Mix, seed: int) -> Iterator[tuple[int, T]]:
    """(number of the source, item), in the order in which `datasets.interleave_datasets` has them.

    Without probabilities whole rounds are made. No source may be empty.
    """
    opened = [source() for source in sources]
    heads = [next(items) for items in opened]
    ended = [False] * len(sources)
    enough = all if mix.over else any
    for pick in _draw(mix.probabilities, seed) if mix.probabilities else cycle(range(len(sources))):
        if (mix.probabilities or pick == 0) and enough(ended):
            return
        yield pick, heads[pick]
        try:
            heads[pick] = next(opened[pick])
        except StopIteration:
            ended[pick] = True
            if mix.over:
                opened[pick] = sources[pick]()
                heads[pick] = next(opened[pick])


def _draw(probabilities: tuple[float, ...], seed: int) -> Iterator[int]:
    random = np.random.default_rng(seed)
    while True:
        yield from (int(pick) for pick in random.choice(len(probabilities), size=DRAWN, p=probabilities))


def mix_tables(tables: dict[str, pa.Table], mix: Mix, seed: int) -> tuple[pa.Table, dict[str, int]]:
    """The records of all tables as one, and how many are of each."""
    whole, counts = pa.concat_tables(tables.values()), [table.num_rows for table in tables.values()]
    if mix.strategy == "concat":
        return whole, dict(zip(tables, counts, strict=True))
    starts = np.cumsum([0, *counts])
    sources = [partial(_number, int(start), count) for start, count in zip(starts, counts, strict=False)]
    order = np.fromiter((row for _, row in interleave(sources, mix, seed)), np.int64)
    taken = np.histogram(order, bins=starts)[0]
    return whole.take(order), dict(zip(tables, map(int, taken), strict=True))


def _number(start: int, count: int) -> Iterator[int]:
    return iter(range(start, start + count))


def draw_rows(table: pa.Table, count: int, name: str, seed: int) -> pa.Table:
    """`count` records drawn by the seed, in their order; all of them, and some again, where there are fewer."""
    whole, rest = divmod(count, table.num_rows)
    random = np.random.default_rng([seed, crc32(name.encode())])
    drawn = random.permutation(table.num_rows)[:rest]
    return table.take(np.sort(np.concatenate([np.tile(np.arange(table.num_rows), whole), drawn])))


def shuffle(rows: Iterator[T], size: int, seed: int) -> Iterator[T]:
    """The rows in another order, each drawn from the next `size` ones."""
    random = np.random.default_rng(seed)
    kept: list[T] = []
    for row in rows:
        if len(kept) < size:
            kept.append(row)
            continue
        place = int(random.integers(size))
        yield kept[place]
        kept[place] = row
    for place in random.permutation(len(kept)):
        yield kept[place]
