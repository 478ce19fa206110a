"""Processes of this machine."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from care_data.errors import CareError, Exit
from care_data.threads import stay_interruptible


def run_local(
    function: Callable[[Any], Any], tasks: Sequence[Any], workers: int, on_done: Callable[[int], None] | None
) -> list[Any]:
    """Results in the order of the tasks. One worker or one task runs in this process.

    Workers are started fresh (spawn): a forked polars or Arrow may hold a lock for ever. A worker that dies ends the
    run with CareError, exit code 8, since running out of memory is what kills workers. An interrupted run ends its
    workers at once, and workers end when this process does.
    """
    if workers == 1 or len(tasks) < 2:
        results = []
        for number, task in enumerate(tasks, start=1):
            results.append(function(task))
            if on_done:
                on_done(number)
        return results
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    stay_interruptible()
    context, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=_follow_parent) as pool:
        futures = [pool.submit(function, task) for task in tasks]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                future.result()
                if on_done:
                    on_done(number)
        except BrokenProcessPool as error:
            raise CareError(
                "a worker process died, most often for want of memory", fix="Run with fewer --workers.", code=Exit.LIMIT
            ) from error
        except Exception:
            pool.shutdown(cancel_futures=True)
            raise
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        return [future.result() for future in futures]


def _follow_parent() -> None:
    """Leave an interrupt to the parent process, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
