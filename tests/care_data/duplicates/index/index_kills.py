"""Not a test: kills additions to an index and its compaction at their Nth step on the disk, and looks at what is left.

python index_kills.py FOLDER POINTS   prints one JSON object: at how many steps each was killed, where that left the
index, and what went wrong. POINTS steps are spread over the run; those around the renaming of index.json come besides.

Every run is a fork of this process, which has loaded all it needs and started no thread. A step is a flush, a rename, a
removal, a new folder or a truncation.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numba  # noqa: F401
import polars as pl
import pyarrow  # noqa: F401

from care_data.duplicates.index import INDEX, compact_index, hold_index
from care_data.duplicates.index.additions import commit, search_index
from care_data.duplicates.inputs import Input, Rules

STEPS = ("fsync", "replace", "unlink", "rmdir", "mkdir", "ftruncate")
TEXTS = [
    f"病人第{number}次复诊时说症状有所减轻，编号{number * 7919}，继续观察{number % 9}天。" for number in range(120)
]


def add(folder: Path, run: int) -> None:
    """Add forty texts of their own and ten of the run before."""
    texts = TEXTS[max(run * 40 - 10, 0) : run * 40 + 40]
    scratch = folder.with_name(f"scratch-{os.getpid()}")
    scratch.mkdir()
    rules = Rules()
    with hold_index(folder, rules, [["text"]]) as index:
        source = Input(lambda: iter([pl.DataFrame({"group0": texts})]), label="made")
        addition = search_index(index, [source], rules, scratch, f"run {run}", workers=1)
        commit(addition, pl.Series([f"{run}/{row}" for row in range(len(texts))]), workers=1)
    shutil.rmtree(scratch)


def compact(folder: Path) -> None:
    compact_index(folder, workers=1)


def find_lies(folder: Path) -> list[str]:
    """Files that index.json tells otherwise than they are."""
    told = json.loads((folder / INDEX).read_bytes())
    named = {f"{each['folder']}/{file['path']}": file["sha256"] for each in told["segments"] for file in each["files"]}
    found = snapshot(folder)
    return [f"{path} is not what the index tells" for path, digest in named.items() if found.get(path) != digest]


def fork(task: Callable[[], None], last_step: int | None = None) -> tuple[int, int]:
    """Do it in a process of its own, killed before step `last_step`; its steps (below 0: failed), its last rename."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        steps = renamed = 0

        def counted(function):
            def call(*values, **named):
                nonlocal steps, renamed
                steps += 1
                renamed = steps if function is rename else renamed
                if steps == last_step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*values, **named)

            return call

        rename = os.replace
        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        code = 1
        try:
            task()
            os.write(writing, f"{steps} {renamed}".encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        return -abs(os.waitstatus_to_exitcode(status)), 0
    steps, renamed = told.split()
    return int(steps), int(renamed)


def snapshot(folder: Path) -> dict[str, str]:
    """Every file but the lock."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def kill_all(start: Path | None, task: Callable[[Path], None], at: Path, points: int) -> dict[str, object]:
    """Kill it at so many steps, each time over a copy of `start`; how often that left the index as before, as after."""
    wrong: list[str] = []

    def begin() -> Path:
        shutil.rmtree(at, ignore_errors=True)
        (at / "index").mkdir(parents=True)
        if start is not None:
            shutil.copytree(start, at / "index", dirs_exist_ok=True)
        return at / "index"

    folder = begin()
    before = snapshot(folder)
    steps, renamed = fork(lambda: task(folder))
    after = snapshot(folder)
    untouched = whole = 0
    tried = sorted({*range(1, steps, max(1, steps // points)), *range(renamed - 1, min(renamed + 3, steps + 1))})
    for step in tried:
        begin()
        if fork(lambda: task(folder), step)[0] != -signal.SIGKILL:
            wrong.append(f"step {step}: not killed")
        left = snapshot(folder)
        untouched += left.get(INDEX) == before.get(INDEX)
        whole += left.get(INDEX) == after[INDEX]
        wrong += [f"step {step}: {lie}" for lie in (find_lies(folder) if INDEX in left else [])]
        if fork(lambda: task(folder))[0] < 0:
            wrong.append(f"step {step}: the second run failed")
        if snapshot(folder) != after:
            wrong.append(f"step {step}: the second run left something else")
    return {"tried": len(tried), "untouched": untouched, "whole": whole, "wrong": wrong}


def main() -> None:
    work, points = Path(sys.argv[1]), int(sys.argv[2])
    built = work / "index"
    told = {"first": kill_all(None, lambda folder: add(folder, 0), work / "killed", points)}
    assert fork(lambda: add(built, 0))[0] > 0
    assert fork(lambda: add(built, 1))[0] > 0
    told["added"] = kill_all(built, lambda folder: add(folder, 2), work / "killed", points)
    told["compacted"] = kill_all(built, compact, work / "killed", points)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
