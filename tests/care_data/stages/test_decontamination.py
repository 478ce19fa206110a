"""Training records that hold an item of a test set go, and it is told which, of which set, and what was not at hand."""

import json
import os
import signal
import subprocess
import sys

import polars as pl
import pytest

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store

BENCHMARK = """
[outputs.test]
format = "{format}"
role   = "benchmark"
shape  = "pair"
rows   = "tests"
fields = {{ {asked} = "{{q}}", {answered} = "{{a}}" }}
"""
EXAMPLE = """files.tests = '{{"q": "丙？", "a": "丁。"}}'
records.test = [{{ {asked} = "丙？", {answered} = "丁。" }}]"""


@pytest.fixture
def add_benchmark(shelf):
    """add_benchmark(name, pairs, tests): a corpus with a benchmark output, whose items are `tests`."""

    def add(name, pairs, tests, form="eval"):
        asked, answered = ("question", "answer") if form == "eval" else ("instruction", "output")
        shelf.add(
            name,
            pairs,
            more=BENCHMARK.format(format=form, asked=asked, answered=answered),
            extra_files='tests = { path = "*.test", format = "json" }',
            examples=EXAMPLE.format(asked=asked, answered=answered),
        )
        lines = [json.dumps({"q": q, "a": a}, ensure_ascii=False) + "\n" for q, a in tests]
        (shelf.upstream(name) / "0.test").write_text("".join(lines), encoding="utf-8")

    return add


@pytest.fixture(autouse=True)
def only_the_shelf(shelf, monkeypatch):
    """The shelf's entries are all there are."""
    monkeypatch.setattr(registry, "names", lambda: sorted(path.stem for path in shelf.registry.glob("*.toml")))


def kept(shelf, corpus):
    paths = [p for p in sorted((shelf.data / "pure" / corpus).glob("sft*.parquet")) if "rejects" not in p.name]
    return [row for path in paths for row in pl.read_parquet(path)["instruction"].to_list()]


def aside(shelf, corpus):
    """(id, item, reason, share) of every record set aside."""
    paths = sorted((shelf.data / "pure" / corpus).glob("*.rejects.parquet"))
    return [row for path in paths for row in pl.read_parquet(path).select("id", "item", "reason", "share").iter_rows()]


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_records_of_a_benchmark_are_taken_out_of_training_and_named(shelf, up_to, distinct, add_benchmark):
    own, tests = distinct("own", 6), distinct("tests", 3)
    long = distinct("long", 2)
    embedded = ("医生您好，想请教一下，" + tests[2][0] + "谢谢您", "好的。好的。")
    shelf.add("train", [*own[:3], (tests[1][0].replace("？", " ?"), long[0][1]), *own[3:]], [embedded, *long])
    add_benchmark("bench", distinct("bench", 2), tests)
    manifest = up_to("decontaminate")["train"]
    assert manifest.counts == {
        "sft": {"read": 10, "kept": 8, "dropped": {"exact_benchmark": 1, "overlaps_benchmark": 1}}
    }
    assert aside(shelf, "train") == [
        ("train/sft/0.jsonl#4", "bench/test/0.test#2", "exact_benchmark", 1.0),
        ("train/sft/1.jsonl#1", "bench/test/0.test#3", "overlaps_benchmark", 1.0),
    ]
    assert kept(shelf, "train") == [q for q, _ in (*own, *long)]


@pytest.mark.parametrize("form", ["eval", "sft"])
def test_benchmarks_of_an_earlier_run_hold_for_a_corpus_alone(shelf, up_to, distinct, add_benchmark, form):
    """Only the benchmark outputs are test sets: a training record of that corpus stays in another one."""
    own, tests = distinct("own", 4), distinct("tests", 2)
    shelf.add("train", [*own, tests[0]])
    add_benchmark("bench", own[:1], tests, form)
    assert up_to("decontaminate", "train")["train"].counts["sft"]["kept"] == 5
    assert set(up_to("clean", "bench", outputs=frozenset({"bench.sft", "bench.test"}))["bench"].counts) == {
        "sft",
        "test",
    }
    manifest = up_to("decontaminate", "train")["train"]
    assert manifest.counts["sft"] == {"read": 5, "kept": 4, "dropped": {"exact_benchmark": 1}}
    assert not (shelf.data / "pure/bench").exists()


def test_what_was_checked_and_what_was_missing_is_in_the_manifest(shelf, up_to, distinct, add_benchmark, tmp_path):
    shelf.add("train", distinct("own", 3))
    add_benchmark("here", distinct("here", 1), distinct("tests", 1))
    add_benchmark("there", distinct("there", 1), distinct("others", 1))
    (tmp_path / "mine.jsonl").write_text('{"query": "甲乙丙？"}\n', encoding="utf-8")
    told = up_to("decontaminate", "train", "here", against=(str(tmp_path / "mine.jsonl"),))["train"].parameters
    assert told["missing"] == ["there"]
    assert sorted(told["benchmarks"]) == sorted(["here", f"{tmp_path / 'mine.jsonl'}:query"])


def test_a_file_of_the_users_is_a_test_set(shelf, up_to, distinct, tmp_path):
    own = distinct("own", 6)
    shelf.add("train", own)
    rows = [{"编号": 1, "题目": "别的题目"}, {"编号": 2, "题目": own[4][0] + "！"}]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "exam.jsonl").write_text(lines, encoding="utf-8")
    manifest = up_to("decontaminate", against=(f"{tmp_path / 'exam.jsonl'}:题目",))["train"]
    assert manifest.counts["sft"] == {"read": 6, "kept": 5, "dropped": {"exact_benchmark": 1}}
    assert aside(shelf, "train") == [("train/sft/0.jsonl#5", "exam.jsonl#2", "exact_benchmark", 1.0)]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (":题", "{path}: no field '题'. Name one of its fields, {path}:FIELD: 编号, 题目."),
        ("", "{path}: no field of a question's name. Name one of its fields, {path}:FIELD: 编号, 题目."),
    ],
)
def test_a_field_that_is_not_there_is_told_with_those_that_are(shelf, up_to, distinct, tmp_path, field, told):
    shelf.add("train", distinct("own", 2))
    path = tmp_path / "exam.jsonl"
    path.write_text('{"编号": 1, "题目": "别的题目"}\n', encoding="utf-8")
    with pytest.raises(CareError) as caught:
        up_to("decontaminate", against=(f"{path}{field}",))
    assert caught.value.code == Exit.USAGE
    assert str(caught.value) == told.format(path=path)


def test_an_equal_run_does_nothing_and_another_test_set_does_all_again(shelf, distinct, tmp_path):
    own = distinct("own", 4)
    shelf.add("train", own)

    def run(*against):
        registry.groups.cache_clear()
        settings = Settings(Store(shelf.data), mirror=str(shelf.mirror), against=against)
        report = {}
        result = run_stages(registry.select(["train"]), settings, "decontaminate", report.__setitem__)
        assert not result.failures
        return report["train"].fresh, snapshot(shelf.data / "pure/train")

    assert run()[0] is True
    before = run()
    assert before[0] is False
    (tmp_path / "exam.jsonl").write_text(json.dumps({"question": own[1][0]}), encoding="utf-8")
    ran, files = run(str(tmp_path / "exam.jsonl"))
    assert ran
    assert files != before[1]
    assert kept(shelf, "train") == [q for n, (q, _) in enumerate(own) if n != 1]
    assert run() == (True, before[1])


def test_workers_do_not_change_a_byte(shelf, up_to, distinct, add_benchmark):
    own, tests = distinct("own", 40), distinct("tests", 10)
    shelf.add("train", own + tests[:5], own[:1] + tests[5:8])
    add_benchmark("bench", distinct("bench", 1), tests)
    up_to("decontaminate", workers=1)
    first = snapshot(shelf.data / "pure/train")
    for path in sorted((shelf.data / "pure/train").iterdir()):
        path.unlink()
    up_to("decontaminate", workers=3)
    assert snapshot(shelf.data / "pure/train") == first


KILL = """
import os, signal, sys
from pathlib import Path
from care_data import registry
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store
data, mirror, entries, last = sys.argv[1:]
registry.names = lambda: sorted(path.stem for path in Path(entries).glob("*.toml"))
steps, replace = 0, os.replace
def count(*values, **named):
    global steps
    steps += 1
    if steps == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*values, **named)
os.replace = count
result = run_stages(registry.select(["train"]), Settings(Store(Path(data)), mirror), "decontaminate", lambda *_: None)
sys.exit(1 if result.failures else 0)
"""


def test_killed_and_run_again_it_is_as_if_nothing_had_been(shelf, up_to, distinct, add_benchmark):
    own, tests = distinct("own", 12), distinct("tests", 4)
    shelf.add("train", [*own[:6], tests[0]], [*own[6:], tests[1]], [tests[2], tests[3]])
    add_benchmark("bench", distinct("bench", 1), tests)
    up_to("decontaminate")
    expected = snapshot(shelf.data / "pure/train")
    for step in (1, 3, 5):
        for path in sorted((shelf.data / "pure/train").iterdir()):
            path.unlink()
        words = [sys.executable, "-c", KILL, shelf.data, shelf.mirror, shelf.registry, str(step)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        ended = subprocess.run(words, env=environment, timeout=120, capture_output=True, text=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert not (shelf.data / "pure/train/manifest.json").exists()
        up_to("decontaminate")
        assert snapshot(shelf.data / "pure/train") == expected, step
