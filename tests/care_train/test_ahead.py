"""Work on several items at once: results in order, never far ahead, errors in their place."""

import gc
import threading
from collections.abc import Iterator

import pytest

from care_train.ahead import WORKERS, work_ahead


def test_results_come_in_the_order_of_their_items() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(10)
        elif item == 1:
            later.set()  # done before the first is
        return item * item

    assert list(work_ahead(work, range(20))) == [item * item for item in range(20)]


def test_no_more_than_an_item_a_thread_is_ahead() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            read.append(number)
            yield number

    for number, result in enumerate(work_ahead(lambda item: item, items())):
        assert result == number
        assert len(read) <= number + 1 + WORKERS
    assert len(read) == 50


def test_an_error_comes_in_the_place_of_its_result() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    results = work_ahead(work, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^three$"):
        next(results)


def test_what_is_left_undone_leaves_nothing_behind() -> None:
    frozen, threads = gc.get_freeze_count(), threading.active_count()
    results = work_ahead(lambda item: item, range(9))
    assert next(results) == 0
    assert gc.get_freeze_count() > frozen
    results.close()  # type: ignore[attr-defined]
    assert (gc.get_freeze_count(), threading.active_count()) == (0, threads)


def test_nothing_of_nothing() -> None:
    assert list(work_ahead(lambda item: item, [])) == []
