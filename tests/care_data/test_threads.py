import signal
import subprocess
import sys
import threading
import time

import pytest

from care_data.threads import count_workers, spread, work_ahead


@pytest.mark.parametrize("workers", [1, 2, 7, None])
def test_spread_covers_all_rows_in_order(workers: int | None) -> None:
    assert spread(lambda start, stop: (start, stop), 10, 4, workers) == [(0, 4), (4, 8), (8, 10)]
    assert spread(lambda start, stop: start, 0, 4, workers) == []


def test_spread_uses_threads() -> None:
    meet = threading.Barrier(2, timeout=20)
    assert len(spread(lambda start, stop: meet.wait(), 2, 1, 2)) == 2


def test_spread_passes_errors_on() -> None:
    with pytest.raises(ZeroDivisionError):
        spread(lambda start, stop: 1 // (2 - start), 4, 1, 2)


def test_count_workers() -> None:
    assert count_workers(3) == 3
    assert count_workers(0) == 1
    assert count_workers() >= 1


@pytest.mark.parametrize("workers", [1, 3])
def test_work_ahead_keeps_the_order_and_holds_few_items(workers):
    begun: list[int] = []
    ahead = []

    def items():
        for number in range(50):
            begun.append(number)
            yield number

    for done in work_ahead(lambda number: number * number, items(), workers):
        ahead.append(len(begun) - len(ahead))
        assert done == (len(ahead) - 1) ** 2
    assert len(ahead) == 50
    assert max(ahead) <= 2 * workers + 1


def test_work_ahead_raises_what_an_item_raises_in_its_turn():
    results = work_ahead(lambda number: 1 // number, [1, 0, 1], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_interrupt_ends_a_wait_though_polars_is_there():
    program = (
        "import polars, threading\n"
        "from care_data.threads import stay_interruptible\n"
        "stay_interruptible()\n"
        "print(flush=True)\n"
        "threading.Event().wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.readline()
        time.sleep(0.3)
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=10) == -signal.SIGINT
