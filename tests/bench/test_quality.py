"""The benchmark of cleaning, small: its records are what it says, both sides run, and its limits are checked."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the scripts, which are no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    return BENCH


@pytest.fixture
def pairs(bench: Path) -> ModuleType:
    import pairs

    return pairs


@pytest.fixture
def quality(bench: Path) -> ModuleType:
    import quality

    return quality


def make_texts(rows: int) -> pl.DataFrame:
    texts = [f"患者{row}号饭后总是觉得腹胀怎么办？可以先少食多餐，记录{row}天再来复查。" for row in range(rows)]
    return pl.DataFrame({"id": range(rows), "text": texts})


def test_a_text_is_parted_after_its_first_sentence_or_its_first_third(pairs):
    texts = ["最近三天一直低烧怎么办？多喝水。注意休息。", "没有一个句号的一段话就是这样", "只有一句话，到这里就完了。"]
    made = pairs.split(pl.Series(texts), 100)
    assert made.rows() == [
        ("最近三天一直低烧怎么办？", "多喝水。注意休息。"),
        ("没有一个", "<p>句号的一段话就是这样&nbsp;请多喝水。</p>"),
        ("只有一句", "话，到这里就完了。"),
    ]


def test_what_cleaning_is_for_is_planted_by_the_number_of_a_record(pairs, tmp_path):
    source = make_texts(100)
    pairs.write(source, 100, tmp_path / "pairs.jsonl")
    rows = pl.read_ndjson(tmp_path / "pairs.jsonl")
    assert rows.height == 100
    for number, (head, tail) in pairs.PLANTS.items():
        marked = [at for at, answer in enumerate(rows["answer"]) if answer.startswith(head) and answer.endswith(tail)]
        assert marked == [number, number + pairs.EVERY]
    whole = [question + answer for question, answer in rows.rows()]
    assert [text for at, text in enumerate(whole) if at % pairs.EVERY == 0] == source["text"].gather([0, 50]).to_list()


def test_the_limits(quality, capsys):
    sides = {"polars": {"seconds": 2.0}, "care": {"seconds": 13.0, "peak": 1 << 30}}
    found = quality.check([{"what": "polars", "rows": 1000, "sides": sides}])
    assert found == [
        ("care / polars at 1,000", 6.5, "<= 6.0", False),
        ("GiB of care at 1,000", 1.0, "<= 1.5", True),
    ]
    sides = {"care": {"seconds": 2.0}, "data-juicer": {"seconds": 20.0}}
    found = quality.check([{"what": "peer", "rows": 1000, "sides": sides}])
    assert found == [("data-juicer / care at 1,000", 10.0, ">= 10.0", True)]


def test_a_recipe_is_read_as_it_was_meant(bench, tmp_path):
    import juicer

    juicer.write_recipe(Path("a.jsonl"), Path("b.jsonl"), tmp_path / "recipe.yaml", 2)
    told = json.loads((tmp_path / "recipe.yaml").read_text(encoding="utf-8"))
    assert (told["dataset_path"], told["export_path"], told["np"]) == ("a.jsonl", "b.jsonl", 2)
    assert [list(step) for step in told["process"]] == [[name] for step in juicer.STEPS for name in step]


def test_a_small_run(tmp_path):
    make_texts(300).write_parquet(tmp_path / "texts.parquet")
    words = ["--rows", "300", "--runs", "1", "--peer-rows", "0", "--work", tmp_path / "work"]
    command = [sys.executable, BENCH / "quality.py", tmp_path / "texts.parquet", *words, "--json", tmp_path / "r.json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert set(result["sides"]) == {"polars", "care"}
    assert result["counts"]["read"] == 300
    assert result["counts"]["changed"]["masked_phone"] == 6
    assert "| 300 | polars |" in done.stdout
    assert "| care / polars at 300 |" in done.stdout
