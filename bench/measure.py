"""What a command takes: seconds from start to end, and memory, its own processes' and all of them together."""

import os
import platform
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PAGE = resource.getpagesize()
PAUSE = 0.1
"""Seconds between two looks at the memory of all processes."""


@dataclass(frozen=True)
class Spent:
    """What one run of a command took. peak: bytes of its largest process; total: of all its processes at one time."""

    seconds: float
    peak: int
    total: int
    out: str


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Spent:
    """Run a command to its end; `folder` takes what it prints. RuntimeError with its words where it fails.

    The peak is the kernel's (ru_maxrss of the process and of those it waited for). Where processes run side by side
    their sum is sampled, shared pages counted once. A process counts the memory of the one that started it, so this
    one has to stay small.
    """
    said, told = folder / "stdout", folder / "stderr"
    with said.open("wb") as out, told.open("wb") as err:
        started = time.perf_counter()
        # Modules are compiled once and kept, as where a package was installed.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**inherited, **(environment or {})})
        sampler = Sampler(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        sampler.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {told.read_text()[-2000:]}")
    peak = usage.ru_maxrss * 1024
    return Spent(seconds, peak, max(peak, sampler.most), said.read_text())


class Sampler:
    """The most memory that a process and those below it held at one time, by looking again and again."""

    def __init__(self, root: int) -> None:
        self.most, self._root, self._ended = 0, root, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE):
            pages = [_pages(pid) for pid in _family(self._root)]
            own, shared = sum(resident - common for resident, common in pages), [common for _, common in pages]
            self.most = max(self.most, (own + max(shared, default=0)) * PAGE)


def _family(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:
            continue  # it has ended
    return found


def _pages(pid: int) -> tuple[int, int]:
    try:
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    except OSError:
        return 0, 0
    return resident, shared


def describe_machine() -> str:
    """Cores, memory, load and versions in a line."""
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB memory, load {os.getloadavg()[0]:.1f}, "
        f"{platform.system()}, Python {platform.python_version()}, "
        f"polars {version('polars')}, pyarrow {version('pyarrow')}, orjson {version('orjson')}"
    )
