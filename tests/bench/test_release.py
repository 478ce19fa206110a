"""The benchmark of writing a release, small: both sides hold the same rows, and its limits are checked."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is in no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    import release

    return release


def write_stream(path: Path, texts: list[str], rows: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": texts})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=rows)


def test_a_small_run(tmp_path):
    words = ["--rows", "300,600", "--runs", "2", "--work", tmp_path / "work", "--json", tmp_path / "r.json"]
    command = [sys.executable, BENCH / "release.py", *words]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [(each["rows"], list(each["sides"])) for each in results] == [
        (rows, ["pyarrow", "pyarrow, flushed", "care"]) for rows in (300, 600)
    ]
    for each in results:
        assert each["bytes"] > each["rows"] * 300
        for side in each["sides"].values():
            assert 0 < side["least"] <= side["seconds"] <= side["most"]
            assert 2**24 < side["peak"] < 2**30
    assert "| 300 | pyarrow |" in done.stdout
    assert "| care / pyarrow at 600 |" in done.stdout
    assert "| memory at 600 / at 300 |" in done.stdout
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("shards", "same"),
    [
        ([["一", "二"], ["三"]], True),
        ([["一", "二", "三"]], True),
        ([["一", "二"]], False),
        ([["一", "三"], ["二"]], False),
        ([["一", "二"], ["三", "四"]], False),
    ],
)
def test_a_release_that_does_not_hold_the_table_is_found(bench, tmp_path, shards, same):
    write_stream(tmp_path / "plain.arrow", ["一", "二", "三"], 3)
    for number, texts in enumerate(shards):
        write_stream(tmp_path / f"release/one/{number}.arrow", texts, 1)
    if same:
        bench.require_equal(tmp_path / "plain.arrow", tmp_path / "release")
    else:
        with pytest.raises(RuntimeError, match="does not hold what pyarrow wrote"):
            bench.require_equal(tmp_path / "plain.arrow", tmp_path / "release")


def test_the_limits(bench):
    def result(rows, seconds, peak):
        sides = {"pyarrow": {"seconds": 2.0}, "pyarrow, flushed": {"seconds": 2.5}}
        return {"rows": rows, "sides": {**sides, "care": {"seconds": seconds, "peak": peak << 30}}}

    assert bench.check([result(1_000, 5.0, 1), result(4_000, 4.0, 2)]) == [
        ("care / pyarrow at 1,000", 2.5, "<= 2.0", False),
        ("care / pyarrow, flushed at 1,000", 2.0, "<= 2.0", True),
        ("GiB of care at 1,000", 1.0, "<= 1.5", True),
        ("care / pyarrow at 4,000", 2.0, "<= 2.0", True),
        ("care / pyarrow, flushed at 4,000", 1.6, "<= 2.0", True),
        ("GiB of care at 4,000", 2.0, "<= 1.5", False),
        ("memory at 4,000 / at 1,000", 2.0, "<= 1.25", False),
    ]
