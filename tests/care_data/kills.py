"""Not a test: kills runs of the pipeline at their Nth step on the disk, runs them again, and compares.

python kills.py DATA MIRROR POINTS CORPUS…   prints one JSON object: how many steps a run takes, and what went wrong.

Half of the points are in a first run, half in one with other settings over the data of an earlier run.
Every run is a fork of this process, which has loaded all it needs and started no thread, so that a hundred of them
take seconds. A step is a flush, a rename, a removal or a truncation.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import numba  # noqa: F401
import polars  # noqa: F401
import pyarrow.parquet  # noqa: F401

from care_data import registry
from care_data.duplicates import search  # noqa: F401
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store, read_manifest

STEPS = ("fsync", "replace", "unlink", "rmdir", "ftruncate")
HALF_WRITTEN = re.compile(r"\.tmp|\.part$")


def run(data: Path, mirror: str, corpora: list[str], last_step: int | None, max_bad: float = 0.01) -> int:
    """Run the pipeline in a process of its own, killed before step `last_step`; its steps, below 0 if it failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        steps = 0

        def counted(function):
            def call(*values, **named):
                nonlocal steps
                steps += 1
                if steps == last_step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*values, **named)

            return call

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        code = 1
        try:
            store = Store(data)
            with store.lock():
                settings = Settings(store, mirror, max_bad=max_bad)
                result = run_stages(registry.select(corpora), settings, "write", lambda *_: None, "r")
            code = 1 if result.failures else 0
            os.write(writing, str(steps).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        steps = stream.read()
    _, status = os.waitpid(child, 0)
    return int(steps) if status == 0 else -abs(os.waitstatus_to_exitcode(status))


def snapshot(folder: Path) -> dict[str, str]:
    """Every file but the lock and the ledger of fetched files, which holds times."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "fetched.json")
    }


def find_lies(data: Path) -> list[str]:
    """Files that a manifest tells otherwise than they are: what stands under its final name must be whole."""
    wrong = []
    for told in data.rglob("manifest.json"):
        if ".tmp" in told.parent.name:
            continue
        manifest = read_manifest(told.parent)
        if manifest is None:
            wrong.append(f"{told} is no manifest")
            continue
        for file in manifest.files:
            path = told.parent / file["path"]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                wrong.append(f"{path} is not what its manifest tells")
    return wrong


def kill_all(data: Path, mirror: str, points: int, corpora: list[str], before: Path | None) -> tuple[int, list[str]]:
    """Kill at so many points, each run over a copy of `before`; the steps of a whole run, what went wrong."""

    def start() -> None:
        shutil.rmtree(data, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, data)

    start()
    steps = run(data, mirror, corpora, None)
    assert steps > 0, steps
    expected, wrong = snapshot(data), find_lies(data)
    wrong += [f"{path} is half-written" for path in expected if HALF_WRITTEN.search(path)]
    for point in sorted({1 + at * (steps - 1) // max(points - 1, 1) for at in range(points)}):
        start()
        if run(data, mirror, corpora, point) != -signal.SIGKILL:
            wrong.append(f"step {point}: not killed")
        wrong += [f"step {point}: {lie}" for lie in find_lies(data)]
        if run(data, mirror, corpora, None) < 0:
            wrong.append(f"step {point}: the second run failed")
        found = snapshot(data)
        wrong += [f"step {point}: {path} differs" for path, _ in sorted({*expected.items()} ^ {*found.items()})]
    return steps, wrong


def main() -> None:
    data, mirror, points, corpora = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    earlier = data.with_name("earlier")
    assert run(earlier, mirror, corpora, None, max_bad=0.5) > 0
    first, wrong = kill_all(data, mirror, points // 2, corpora, None)
    second, more = kill_all(data, mirror, points // 2, corpora, earlier)
    print(json.dumps({"steps": [first, second], "wrong": wrong + [f"over earlier data, {what}" for what in more]}))


if __name__ == "__main__":
    main()
