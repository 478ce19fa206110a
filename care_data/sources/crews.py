"""Several files at a time, fetched by threads that an interrupt leaves behind."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from care_data.errors import CareError, Exit
from care_data.sources.session import stopped

AT_ONCE = 4  # files of one entry
BREATH = 0.2  # seconds

Result = TypeVar("Result")


def work_through(jobs: Sequence[Callable[[], Result]], stop: threading.Event) -> list[Result]:
    """The results of all jobs, in their order.

    After a failure no more are begun, and those under way come to their end; then the error of the first job in order
    that failed is raised. An interrupt sets `stop` and is raised at once: the threads end by themselves.
    """
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}
    numbers, failed = iter(range(len(jobs))), threading.Event()

    def work() -> None:
        for number in numbers:
            if failed.is_set() or stop.is_set():
                break
            try:
                results[number] = jobs[number]()
            except BaseException as error:  # handed over, not swallowed
                errors[number] = error
                failed.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(jobs)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(BREATH)  # a wait without an end may sleep through an interrupt
    except BaseException:
        stop.set()
        raise
    if errors:
        raise min(errors.items(), key=lambda each: (_is_stop(each[1]), each[0]))[1]
    if len(results) < len(jobs):
        raise stopped()
    return [results[number] for number in range(len(jobs))]


def _is_stop(error: BaseException) -> bool:
    """Whether a job only ended because all did."""
    return isinstance(error, CareError) and error.code == Exit.INTERRUPTED
