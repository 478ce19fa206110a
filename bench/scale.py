"""What dedupe on a cluster costs a record, step by step: the tasks run one after another in this process.

python bench/scale.py FILE [--pieces 8]: FILE is a Parquet file with a column of text. Times are the processor's; bytes
are those that a step hands on, which lie in the cluster's memory or travel. With --ray the whole search runs on a
cluster of this machine, and beside it the search without one; their verdicts are compared.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from printing import print_head, print_row

from care_data.duplicates import distributed
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import Verdicts, search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--pieces", type=int, default=8)
    parser.add_argument("--ray", action="store_true", help="run on a cluster of this machine too, and without one")
    asked = parser.parse_args()
    inputs, rows = cut(asked.file, asked.column, asked.pieces)
    if asked.ray:
        compare(inputs, rows, asked.pieces)
    else:
        measure(inputs, rows, asked.pieces)


def cut(path: Path, column: str, pieces: int) -> tuple[list[Input], int]:
    """The file as inputs of equal size."""
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    size = -(-rows // pieces)

    def read(start: int) -> Iterator[pl.DataFrame]:
        yield pl.scan_parquet(path).slice(start, size).select(group0=column).collect()

    return [Input(lambda start=start: read(start)) for start in range(0, rows, size)], rows


def measure(inputs: list[Input], rows: int, pieces: int) -> None:
    """Print seconds and bytes a record of every kind of task."""
    seconds: defaultdict[str, float] = defaultdict(float)
    sizes: defaultdict[str, int] = defaultdict(int)

    def run(function: Any, *arguments: Any) -> Any:
        started = time.process_time()
        result = function(*arguments)
        seconds[function.__name__] += time.process_time() - started
        sizes[function.__name__] += count_bytes(result)
        return result

    distributed.connect = lambda *_: 1
    distributed.submit = run
    distributed.scatter = lambda _count, function, *arguments: list(run(function, *arguments))
    distributed.share = lambda value: value
    distributed.collect = lambda results, _on_done=None: list(results)
    distributed.wait = lambda *_: None
    distributed.search_shards(inputs[:1], 1, Rules(), pieces=1)  # compiles
    seconds.clear()
    sizes.clear()
    started = time.process_time()
    found = distributed.search_shards(inputs, 1, Rules(), pieces=pieces)
    whole = time.process_time() - started
    print(f"{rows:,} records, {pieces} shards, {found.report}")
    print_head(["step", "core µs a record", "bytes a record handed on"])
    for name in seconds:
        print_row([name, f"{seconds[name] / rows * 1e6:.2f}", f"{sizes[name] / rows:,.0f}"])
    print_row(["the driver itself", f"{(whole - sum(seconds.values())) / rows * 1e6:.2f}", ""])
    print_row(["all", f"{whole / rows * 1e6:.2f}", ""])


def count_bytes(value: Any) -> int:
    """The bytes of all arrays in it."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, list | tuple):
        return sum(map(count_bytes, value))
    return sum(count_bytes(getattr(value, field.name)) for field in fields(value)) if is_dataclass(value) else 0


def compare(inputs: list[Input], rows: int, pieces: int) -> None:
    """Print the seconds of both ways, and whether they say the same."""
    found: list[Verdicts] = []
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        found.append(search(inputs, 1, Rules(), Path(scratch)))
        print(f"one process: {time.perf_counter() - started:.1f} s for {rows:,} records")
    distributed.connect()
    started = time.perf_counter()
    found.append(distributed.search_shards(inputs, 1, Rules(), pieces=pieces))
    print(f"ray: {time.perf_counter() - started:.1f} s, its start not counted")
    one, two = ((each.keepers, each.jaccards, each.reasons) for each in found)
    print("the same verdicts" if all(map(np.array_equal, one, two)) else "OTHER VERDICTS")


if __name__ == "__main__":
    main()
