"""Tasks on a Ray cluster of three nodes: their results, their errors, and what a lost node changes: nothing."""

import importlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from care_data import engines, registry
from care_data.engines import ray as ray_engine
from care_data.engines import run_tasks
from care_data.errors import CareError, Exit
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store, safe_join

ROOT = Path(__file__).resolve().parents[3]


def test_results_come_in_the_order_of_the_tasks(nodes):
    done = []
    found = run_tasks(math.factorial, [5, 0, 7, 3, 1], None, done.append, engine="ray", address=nodes.address)
    assert found == [120, 1, 5040, 6, 1]
    assert done == [1, 2, 3, 4, 5]
    assert run_tasks(math.factorial, [], engine="ray", address="nowhere:1") == []


def test_an_error_of_a_task_is_the_error_it_raised(nodes):
    with pytest.raises(CareError) as here:
        safe_join(Path(), "../x")
    with pytest.raises(CareError) as there:
        run_tasks(lambda name: safe_join(Path(), name), ["a", "../x"], engine="ray", address=nodes.address)
    assert type(there.value) is CareError
    assert there.value.__reduce__() == here.value.__reduce__()
    assert there.value.code == Exit.INTEGRITY
    with pytest.raises(ZeroDivisionError, match=r"^integer division or modulo by zero$"):
        run_tasks(lambda _: 1 // 0, [1, 2], engine="ray", address=nodes.address)


def test_tasks_of_a_lost_node_run_again(nodes, tmp_path):
    """Every task leaves a mark when it starts: the one that ran where the node was lost leaves two."""

    def work(number):
        node = importlib.import_module("ray").get_runtime_context().get_node_id()
        (tmp_path / f"{node}-{number}-{uuid.uuid4().hex}").touch()
        time.sleep(1)
        return number * number

    def lose():
        doomed = nodes.workers[0].node_id
        while not list(tmp_path.glob(f"{doomed}-*")):
            time.sleep(0.02)
        nodes.lose()

    killer = threading.Thread(target=lose, daemon=True)
    killer.start()
    assert run_tasks(work, list(range(4)), engine="ray", address=nodes.address) == [0, 1, 4, 9]
    killer.join(timeout=5)
    assert not killer.is_alive()
    assert len(nodes.workers) == 1
    assert len(list(tmp_path.iterdir())) == 5


def test_convert_and_clean_write_the_same_parts(nodes, shelf, distinct, monkeypatch):
    shelf.add("one", *(distinct(f"file {number}", 40) for number in range(5)))
    local = make_clean(shelf)
    for path in [*shelf.data.glob("records/*/*"), *shelf.data.glob("clean/*/*")]:
        path.unlink()
    ran, run = [], engines.run_tasks

    def run_and_lose(function, tasks, _workers, on_done, *_engine, **_more):
        def lose(done):
            if done == 1 and not ran:
                nodes.lose()
            on_done(done)

        found = run(function, tasks, None, lose, engine="ray", address=nodes.address)
        ran.append(len(tasks))
        return found

    monkeypatch.setattr(engines, "run_tasks", run_and_lose)
    assert make_clean(shelf) == local
    assert ran == [5, 5]
    assert len(nodes.workers) == 1
    assert sum(each["rows"] for each in local["clean"]) == 200


def make_clean(shelf):
    """The files of both stages, with their checksums."""
    settings = Settings(Store(shelf.data), mirror=str(shelf.mirror))
    result = run_stages(registry.select(shelf.names), settings, "clean", lambda *_: None)
    assert result.failures == {}
    return {stage: result.manifests[stage]["one"].files for stage in ("convert", "clean")}


def test_a_task_that_ends_its_process_ends_the_run_with_a_line(nodes, monkeypatch, capfd):
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    with pytest.raises(CareError) as caught:
        run_tasks(os._exit, [1], engine="ray", address=nodes.address)
    assert str(caught.value) == (
        "a task was lost 2 times (WorkerCrashedError), most often for want of memory."
        " Give the nodes more memory, or cut the work into smaller files."
    )
    assert caught.value.code == Exit.LIMIT
    time.sleep(1)  # what Ray has to say of it comes later
    assert capfd.readouterr().out == ""


def test_another_version_of_the_code_is_refused(nodes, monkeypatch):
    monkeypatch.setattr(ray_engine, "code_digest", lambda: "another")
    with pytest.raises(CareError, match="a node of the cluster has another version of care_data"):
        run_tasks(math.factorial, [1], engine="ray", address=nodes.address)


def test_no_ray_no_cluster_and_no_such_engine_are_told(monkeypatch):
    with pytest.raises(CareError) as unknown:
        run_tasks(math.factorial, [1], engine="spark")
    assert str(unknown.value) == "no engine is called 'spark'. Engines: local, ray."
    ray = pytest.importorskip("ray")
    with monkeypatch.context() as patch:
        patch.setattr(ray, "is_initialized", lambda: False)
        started = time.monotonic()
        with pytest.raises(CareError) as refused:
            run_tasks(math.factorial, [1], engine="ray", address="127.0.0.1:1")
        assert time.monotonic() < started + 5
        assert str(refused.value).startswith("127.0.0.1:1: no Ray cluster could be joined: ")
        assert refused.value.code == Exit.NETWORK
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CareError) as missing:
        run_tasks(math.factorial, [1], engine="ray")
    assert str(missing.value) == "ray is not installed. Install it: pip install 'care-llm[ray]'."
    assert missing.value.code == Exit.USAGE


PROGRAM = """
import os, sys, time
from care_data.engines import run_tasks
if __name__ == "__main__":
    folder = sys.argv[1]
    def run(number):
        with open(os.path.join(folder, str(os.getpid())), "w"):
            time.sleep(60)
    try:
        run_tasks(run, [1, 2, 3], 2, engine="ray")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
def test_an_interrupt_ends_the_tasks_and_nothing_is_printed(tmp_path):
    """On a cluster of its own: all its processes are gone soon after."""
    pytest.importorskip("ray")
    (tmp_path / "program.py").write_text(PROGRAM)
    marks = tmp_path / "marks"
    marks.mkdir()
    command, environment = [sys.executable, tmp_path / "program.py", marks], {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, env=environment, start_new_session=True) as run:
        last = time.monotonic() + 60
        while len(list(marks.iterdir())) < 2 and time.monotonic() < last:
            time.sleep(0.1)
        tasks = [path.name for path in marks.iterdir()]
        assert len(tasks) == 2
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert (run.returncode, out, err) == (130, b"", b"")
    while any(Path(f"/proc/{task}").exists() for task in tasks) and time.monotonic() < last:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{task}").exists() for task in tasks)
