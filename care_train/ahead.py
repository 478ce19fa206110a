"""Work on several items at once, the results in order."""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

WORKERS = 2
"""Threads: while one is in a library that needs no Python, the other prepares what comes next."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """work(item) of each item, in their order; one item a thread is worked on or done before it is asked for.

    What `work` raises is raised in the place of its result. Meanwhile the garbage collection passes over what was there
    before: beside torch's and transformers' modules it takes longer than such work itself.
    """
    left = iter(items)
    gc.freeze()
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[Result]] = deque(pool.submit(work, item) for item in islice(left, WORKERS))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(left, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
            gc.unfreeze()
