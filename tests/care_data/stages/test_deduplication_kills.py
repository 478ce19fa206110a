"""The dedupe stage killed at any step and run again gives what a run in one go gives, and leaves nothing else.

Run as a program it does the killing: python test_deduplication_kills.py BEFORE DATA MIRROR POINTS CORPUS…
It prints one JSON object: how many steps the stage takes, and what went wrong. Every run is a fork of that program,
which has loaded all it needs and started no thread. A step is a flush, a rename, a removal, a folder made, or a block
of keys written to the scratch files.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STEPS = ("fsync", "replace", "unlink", "rmdir", "mkdir", "ftruncate")
RULES = ({}, {"threshold": 0.6})


@pytest.mark.parametrize("rules", range(len(RULES)))
def test_killed_anywhere_and_run_again_it_is_as_if_nothing_had_been(shelf, up_to, distinct, tmp_path, rules):
    """At 5 steps, evenly spread, and 3 of the search; CARE_KILLS=1000 tries them all.

    The second rules run over what the first made.
    """
    rows = distinct("rows", 60)
    longer = [(question, answer + "祝您早日康复") for question, answer in rows]
    shelf.add("one", rows[:40], rows[30:])
    shelf.add("two", longer[20:50], priority=60)
    shelf.add("three", [("别的问题" + question, answer) for question, answer in rows[:10]])
    up_to("clean")
    if rules:
        up_to("dedupe")
    points = os.environ.get("CARE_KILLS", "5")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, __file__, str(rules), shelf.data, tmp_path / "killed", shelf.mirror, points, *shelf.names],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120 + 10 * int(points),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["steps"] > 30
    assert told["points"] > 5
    assert told["scratch"] >= 3


def run(
    data: Path, mirror: str, corpora: list[str], last_step: int | None, rules: dict[str, Any]
) -> tuple[int, list[int]]:
    """Dedupe in a process of its own, killed before step `last_step`.

    Its steps, below 0 if it failed; those of them at which keys were written.
    """
    from care_data import registry
    from care_data.duplicates import keys
    from care_data.pipeline import run_stages
    from care_data.stages import Settings
    from care_data.store import Store

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        steps, of_keys = 0, []

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*values: Any, **named: Any) -> Any:
                nonlocal steps
                steps += 1
                if steps == last_step:
                    os.kill(os.getpid(), signal.SIGKILL)
                if function is append:
                    of_keys.append(steps)
                return function(*values, **named)

            return call

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        append = keys.KeyWriter.append
        keys.KeyWriter.append = counted(append)  # type: ignore[method-assign]
        code = 1
        try:
            store = Store(data)
            with store.lock():
                settings = Settings(store, mirror, dedupe=rules, workers=2)
                result = run_stages(registry.select(corpora), settings, "dedupe", lambda *_: None)
            code = 1 if result.failures else 0
            os.write(writing, json.dumps([steps, of_keys]).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = stream.read()
    _, status = os.waitpid(child, 0)
    return tuple(json.loads(told)) if status == 0 else (-abs(os.waitstatus_to_exitcode(status)), [])


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import numba  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    from kills import find_lies, snapshot

    from care_data.duplicates import fields, search  # noqa: F401
    from care_data.store import code_digest

    code_digest()  # once for all runs
    rules, before, data, mirror = RULES[int(sys.argv[1])], *map(Path, sys.argv[2:5])
    points, corpora = int(sys.argv[5]), sys.argv[6:]

    def start() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(before, data)

    start()
    steps, of_keys = run(data, str(mirror), corpora, None, rules)
    assert steps > 0, steps
    expected, wrong, scratch = snapshot(data), find_lies(data), 0
    wrong += [f"{path} is left" for path in data.rglob("*") if ".tmp" in path.name]
    spread = {1 + at * (steps - 1) // max(points - 1, 1) for at in range(points)}
    chosen = sorted(spread | {of_keys[at] for at in (0, len(of_keys) // 2, -1)})
    for point in chosen:
        start()
        if run(data, str(mirror), corpora, point, rules)[0] != -signal.SIGKILL:
            wrong.append(f"step {point}: not killed")
        scratch += any(data.glob("unique/.scratch.tmp-*"))
        wrong += [f"step {point}: {lie}" for lie in find_lies(data)]
        if run(data, str(mirror), corpora, None, rules)[0] < 0:
            wrong.append(f"step {point}: the second run failed")
        wrong += [f"step {point}: {path} is left" for path in data.rglob("*") if ".tmp" in path.name]
        wrong += [
            f"step {point}: {path} differs" for path, _ in sorted({*expected.items()} ^ {*snapshot(data).items()})
        ]
    print(json.dumps({"steps": steps, "points": len(chosen), "scratch": scratch, "wrong": wrong}))


if __name__ == "__main__":
    main()
