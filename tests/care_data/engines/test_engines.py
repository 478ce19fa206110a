"""Tasks and their results: in order, however many workers."""

import math

import pytest

from care_data.engines import run_tasks


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_the_order_of_the_tasks(workers):
    done = []
    assert run_tasks(math.factorial, [5, 0, 7, 3, 1], workers, done.append) == [120, 1, 5040, 6, 1]
    assert done == [1, 2, 3, 4, 5]


def test_no_task_is_no_result():
    assert run_tasks(math.factorial, [], 4) == []
