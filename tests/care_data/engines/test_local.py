"""Worker processes: their errors reach us, their death is told, and none outlives the run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from care_data.engines.local import run_local
from care_data.errors import CareError, Exit
from care_data.store import safe_join

ROOT = Path(__file__).resolve().parents[3]


def test_one_worker_runs_in_this_process():
    assert run_local(os.getenv, ["NO_SUCH_NAME"], 1, None) == [None]
    assert run_local(lambda _: os.getpid(), [1, 2], 1, None) == [os.getpid()] * 2  # a lambda reaches no other process


def test_several_workers_are_processes_of_their_own():
    assert os.getpid() not in run_local(os.getpgid, [0, 0], 2, None) or os.getpgrp() == os.getpid()
    pids = run_local(eval, ["__import__('os').getpid()"] * 2, 2, None)
    assert os.getpid() not in pids


def test_an_error_of_a_worker_keeps_what_it_says():
    with pytest.raises(CareError) as caught:
        run_local(_join_badly, ["a", "b"], 1, None)
    with pytest.raises(CareError) as from_worker:
        run_local(eval, ["__import__('care_data.store').store.safe_join(None, '../x')"] * 2, 2, None)
    assert str(from_worker.value) == str(caught.value)
    assert from_worker.value.code == Exit.INTEGRITY


def _join_badly(_):
    return safe_join(Path(), "../x")


def test_a_worker_that_dies_ends_the_run_with_a_line():
    with pytest.raises(CareError) as caught:
        run_local(os._exit, [1, 1], 2, None)
    assert caught.value.code == Exit.LIMIT
    assert "a worker process died" in str(caught.value)


PROGRAM = """
import os, sys
from care_data.engines.local import run_local
if __name__ == "__main__":
    print(os.getpid(), flush=True)
    try:
        told = "__import__('os').write(1, b'%d\\\\n' % __import__('os').getpid()) and __import__('time').sleep"
        run_local(eval, [told + "(60)", told + "(60)", told + "(0)"], 3, None)
    except KeyboardInterrupt:
        sys.exit(130)
"""
"""Two workers at work and one that waits for more."""


def is_running(pid):
    try:
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.M)
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_run(ending, tmp_path):
    """SIGINT goes to the whole group, as from a terminal: the workers leave it to their parent."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, script], **pipes, env=environment, start_new_session=True) as run:
        pids = [int(run.stdout.readline()) for _ in range(4)]
        assert pids[0] == run.pid
        time.sleep(0.3)  # the third worker is idle by now
        started = time.monotonic()
        if ending == signal.SIGINT:
            os.killpg(run.pid, ending)
        else:
            run.kill()
        assert run.wait(timeout=10) == (130 if ending == signal.SIGINT else -signal.SIGKILL)
        assert run.stderr.read() == b"" or ending == signal.SIGKILL
        while any(map(is_running, pids)) and time.monotonic() < started + 5:
            time.sleep(0.05)
        assert [pid for pid in pids if is_running(pid)] == []
