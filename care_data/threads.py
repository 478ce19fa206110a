"""Work on all cores in one process: compiled kernels, polars and Arrow release the interpreter's lock."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Item = TypeVar("Item")


def stay_interruptible() -> None:
    """Let an interrupt (Ctrl-C) end a wait for other threads or processes: polars, once imported, lets it go on."""
    signal.siginterrupt(signal.SIGINT, True)


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
    stay_interruptible()
    with ThreadPoolExecutor(count_workers(workers)) as pool:
        return list(pool.map(lambda start: task(start, min(start + block, total)), starts))


def work_ahead(task: Callable[[Item], Part], items: Iterable[Item], workers: int | None = None) -> Iterator[Part]:
    """task(item) of every item in order, begun for a few items before they are asked for, so memory holds a few."""
    ahead: deque[Future[Part]] = deque()
    stay_interruptible()
    threads = count_workers(workers)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(task, item))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
