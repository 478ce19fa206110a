"""The benchmarks, small: both sides hold the same rows, and every reader counts what was planted."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from care_data import registry
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store

BENCH = Path(__file__).resolve().parents[2] / "bench"
PLANTED = [
    "bench_broken_csv",
    "bench_lines",
    "bench_parquet",
    "cmcqa",
    "cmedqa2",
    "healthcaremagic_100k",
    "huatuo_encyclopedia_qa",
    "huatuogpt_sft_v1",
    "llm_pretrain_finetune_pt",
    "meddg",
    "medical_dialog",
    "medical_dialogue_system",
    "medicalgpt_pt",
    "pubmedqa",
    "toyhom_dialogue",
    "webmedqa",
    "zysj",
]


def run_bench(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCH / "convert.py", *map(str, words)], capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that writes files of upstream's size; it lives beside the other scripts, in no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    import upstream

    return upstream


def convert(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What converting the corpus from the mirror below `root` counts, by output."""
    monkeypatch.setenv("CARE_REGISTRY", str(root / "registry"))
    registry.groups.cache_clear()
    settings = Settings(Store(root / "data"), str(root / "mirror"), workers=1)
    result = run_stages([registry.load(name)], settings, "convert", lambda _corpus, _done: None)
    assert result.failures == {}
    counts = result.manifests["convert"][name].counts
    return {output: {key: told[key] for key in ("read", "kept", "dropped")} for output, told in counts.items()}


def test_both_sides_are_measured_on_the_same_rows_and_found_equal(tmp_path):
    folder, told = tmp_path / "files", tmp_path / "results.json"
    done = run_bench("--rows", 300, "--runs", 1, "--folder", folder, "--json", told)
    assert done.returncode == 0, done.stderr
    results = json.loads(told.read_text(encoding="utf-8"))
    assert [(each["shape"], each["format"], each["rows"]) for each in results] == [
        ("pair", "jsonl", 1),
        ("pair", "jsonl", 300),
        ("pair", "csv", 300),
        ("marked", "jsonl", 300),
        ("messages", "jsonl", 300),
    ]
    for each in results:
        assert each["ratio"] == each["care"]["seconds"] / each["polars"]["seconds"] > 0
        assert 2**24 < each["polars"]["peak"] < 2**30
        assert 2**24 < each["care"]["peak"] < 2**30
    assert "| messages jsonl | 300 | 0 | polars |" in done.stdout
    assert list(folder.iterdir()) == []


def test_memory_is_measured_at_each_number_of_rows_and_files_can_be_kept(tmp_path):
    folder, told = tmp_path / "files", tmp_path / "results.json"
    done = run_bench("--memory", "--rows", 100, 200, "--folder", folder, "--keep", "--json", told)
    assert done.returncode == 0, done.stderr
    results = json.loads(told.read_text(encoding="utf-8"))
    assert [(each["shape"], each["rows"]) for each in results] == [("pair", 100), ("pair", 200)]
    assert all(2**24 < each["peak"] < 2**30 for each in results)
    kept = sorted(folder.iterdir())
    assert [path.name.rpartition("-")[0] for path in kept] == ["pair-100", "pair-200"]
    assert [len(path.read_bytes().splitlines()) for path in kept] == [100, 200]


def test_readers_are_held_to_what_was_planted(tmp_path):
    told = tmp_path / "results.json"
    words = ["--readers", "medicalgpt_pt", "--scale", 0.1, "--folder", tmp_path / "files", "--json", told]
    done = run_bench(*words)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(told.read_text(encoding="utf-8"))
    assert (result["corpus"], result["read"], result["kept"], result["right"]) == ("medicalgpt_pt", 100, 99, True)
    assert result["counts"] == {"pt": {"read": 100, "kept": 99, "dropped": {"blank_text": 1}}}
    assert "| medicalgpt_pt | lines | 0.0 | 100 | 99 | 1 |" in done.stdout


def test_a_corpus_without_files_is_told(tmp_path):
    done = run_bench("--readers", "medicalgpt", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("convert.py: no files are made for medicalgpt; known are toyhom_dialogue,")


def test_a_text_that_changed_is_found(tmp_path):
    pairs = pl.DataFrame({"question": ["甲", "乙"], "answer": ["一", "二"]})
    pairs.write_ipc(tmp_path / "scanned.arrow")
    records = pairs.rename({"question": "instruction", "answer": "output"}).with_columns(
        history=pl.lit([], pl.List(pl.List(pl.String)))
    )
    command = [sys.executable, BENCH / "equality.py", "pair", tmp_path / "scanned.arrow", tmp_path / "records.parquet"]
    said = []
    for table in (records, records.with_columns(output=pl.Series(["一", "二 "])), records.head(1)):
        table.write_parquet(tmp_path / "records.parquet")
        said.append(subprocess.run(command, capture_output=True, text=True, timeout=60))
    assert [done.returncode for done in said] == [0, 1, 1]
    assert [done.stderr.strip() for done in said] == [
        "",
        "row 2: '乙\\x00二' became '乙\\x00二 '",
        "2 rows scanned, 1 records",
    ]


def test_generated_rows_have_the_lengths_and_oddities_of_consultations(tmp_path):
    made = tmp_path / "rows.csv"
    subprocess.run([sys.executable, BENCH / "generate.py", "pair", "csv", "2000", made], check=True, timeout=60)
    rows = pl.read_csv(made, infer_schema=False)
    lengths = rows.select(pl.all().str.len_chars())
    assert rows.height == 2000
    assert 30 < lengths["question"].min() < 60 < lengths["question"].mean() < 100
    assert 60 <= lengths["answer"].min() < 150 < lengths["answer"].mean() < 250
    assert rows["answer"].str.contains("\n").sum() == 100
    assert rows["question"].str.contains('"').sum() == 100
    assert rows["answer"].str.contains(",").sum() == 100


def test_every_format_has_a_case(upstream):
    assert sorted(upstream.CASES) == PLANTED


@pytest.mark.parametrize("name", PLANTED)
def test_a_reader_counts_what_was_planted(name, upstream, tmp_path, monkeypatch):
    for folder in ("mirror", "registry"):
        (tmp_path / folder).mkdir()
    plan = upstream.write_case(name, tmp_path / "mirror", tmp_path / "registry", 0.002)
    assert plan["bytes"] > 500
    assert convert(name, tmp_path, monkeypatch) == plan["expected"]


def test_planted_rows_are_counted_by_their_outcome(upstream, tmp_path):
    from plants import expect, odd, plant

    odds = [odd("坏\n", "bad_json"), odd("两\n行\n", "", "blank_output")]
    with (tmp_path / "rows").open("wb") as stream:
        seen = plant(stream, 4_500, [b"@N@\n"], odds, first=7)
    text = (tmp_path / "rows").read_text(encoding="utf-8")
    assert (text.count("坏"), text.count("两")) == (2, 2)
    assert text.startswith("7\n8\n")
    assert text.endswith(f"{4_500 + 6}\n")
    assert expect(seen) == {"read": 4_502, "kept": 4_498, "dropped": {"bad_json": 2, "blank_output": 2}}
