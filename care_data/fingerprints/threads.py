"""One function over ranges of rows on all cores; the compiled kernels release the GIL."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")


def count_workers(workers: int | None = None) -> int:
    """The threads to use: as asked, else one for each core this process may run on."""
    if workers is not None:
        return max(1, workers)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(task: Callable[[int, int], Part], total: int, block: int, workers: int | None = None) -> list[Part]:
    """task(start, stop) of every block of `block` rows below `total`, in the order of the rows.

    Blocks do not depend on `workers`, so neither does any result made of them.
    """
    starts = range(0, total, block)
    if count_workers(workers) == 1 or len(starts) <= 1:
        return [task(start, min(start + block, total)) for start in starts]
    with ThreadPoolExecutor(count_workers(workers)) as pool:
        return list(pool.map(lambda start: task(start, min(start + block, total)), starts))
