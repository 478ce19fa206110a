"""The command on files with an index: what it writes, twice and in pieces."""

import json

import polars as pl
import pytest

from care_data import cli

WORDS = ["头痛", "发热", "咳嗽", "胃痛", "失眠", "皮疹", "腰酸", "眼干", "耳鸣", "便秘", "心慌", "牙痛"]


def texts(first, last):
    """Texts unlike each other: every sentence is of another number."""
    return [
        f"{WORDS[at % 12]}{at}天了，{at * 31 % 97}号吃过{WORDS[at // 12]}的药{at * 17}片，第{at * 7919 % 1000}次来问"
        for at in range(first, last)
    ]


def write(path, rows):
    path.write_text("".join(json.dumps({"q": text}, ensure_ascii=False) + "\n" for text in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr("sys.argv", ["care-data", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code, json.loads(shown.out) if shown.out.startswith("{") else {}, shown.err

    return call


def test_in_pieces_as_in_one_and_again_nothing_to_do(tmp_path, run):
    old = write(tmp_path / "old.jsonl", texts(0, 60) + texts(0, 5))
    new = write(tmp_path / "new.jsonl", texts(40, 90) + [text + "？" for text in texts(70, 75)])
    index, on = str(tmp_path / "index"), ["--on", "q", "--json"]
    assert run("dedupe", old, "--out", str(tmp_path / "one"), "--index", index, *on)[0] == 0
    code, told, _ = run("dedupe", new, "--out", str(tmp_path / "two"), "--index", index, *on)
    assert code == 0
    whole = run("dedupe", old, new, "--out", str(tmp_path / "whole"), *on)[1]
    assert told["counts"]["new.jsonl"] == whole["counts"]["new.jsonl"]
    assert told["counts"]["new.jsonl"] == {"read": 55, "kept": 30, "dropped": {"exact_duplicate": 25}}
    removed = pl.read_parquet(tmp_path / "two/removed.parquet").select("row", "keeper", "keeper_file", "keeper_row")
    assert removed.row(0) == (1, "old.jsonl#41", "old.jsonl", None)
    assert (tmp_path / "two/kept/new.jsonl").read_bytes() == (tmp_path / "whole/kept/new.jsonl").read_bytes()
    again = run("dedupe", new, "--out", str(tmp_path / "two"), "--index", index, *on)[1]
    assert again["fresh"] is False
    assert run("index", "info", index, "--json")[1]["indexes"][0]["labels"] == {"old.jsonl": 60, "new.jsonl": 30}
    (told,) = run("index", "compact", index, "--json")[1]["indexes"]
    assert (told["records"], len(told["segments"])) == (90, 1)
    found = run("index", "query", index, new, "--json")[1]["found"]
    assert {line["row"] for line in found} == set(range(1, 56))
    assert found[0] == {"row": 1, "id": "old.jsonl#41", "label": "old.jsonl", "jaccard": 1.0}


def test_refusals(tmp_path, run):
    file, index = write(tmp_path / "a.jsonl", texts(0, 5)), str(tmp_path / "index")
    made = ["dedupe", file, "--out", str(tmp_path / "out"), "--index", index, "--on", "q"]
    assert run(*made, "--engine", "ray")[0] == 2
    assert run(*made, "--engine", "spark")[0] == 2
    assert run(*made)[0] == 0
    code, _, told = run(*made, "--threshold", "0.5")
    assert code == 2
    assert "index" in told
    code, _, told = run("index", "query", index, file, "--on", "q,q")
    assert (code, "names 2 groups" in told) == (2, True)
    assert run("index", "info", str(tmp_path / "out"))[0] == 2
