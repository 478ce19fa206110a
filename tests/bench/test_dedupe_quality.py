"""The exact truth against plain Python sets, errors counted by hand, and the table of a small run."""

import json
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from care_data.fingerprints.normalisation import compose, pack
from care_data.fingerprints.shingles import fold

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    import truth

    return truth


def shingles(text: str) -> set[str]:
    return {text[at : at + 5] for at in range(len(text) - 4)} or {text}


def make_texts(rows: int) -> list[str]:
    """Texts of few different characters, every other one an earlier text with some characters changed."""
    chance = random.Random(11)
    texts: list[str] = []
    for row in range(rows):
        text = [chance.choice("头痛发热咳嗽三天") for _ in range(chance.randrange(60))]
        if row % 2 and texts:
            text = list(chance.choice(texts))
            for _ in range(min(chance.randrange(4), len(text))):
                text[chance.randrange(len(text))] = chance.choice("药水")
        texts.append("".join(text))
    return texts


@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
def test_the_truth_is_that_of_plain_sets(threshold, truth):
    texts = make_texts(300)
    sets = [shingles(text) for text in texts]
    pairs = {
        (one, two)
        for one, two in combinations(range(300), 2)
        if len(sets[one] & sets[two]) >= threshold * len(sets[one] | sets[two])
    }
    found = truth.find_pairs(pl.Series(texts), threshold)
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == pairs
    assert len(found.first) == len(pairs) > 30


def test_short_and_empty_texts_are_alike_only_when_equal(truth):
    texts = pl.Series(["头痛", "头痛", "头痛吗", "", "", "头痛发热了", None])
    found = truth.find_pairs(texts, 0.8)
    assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(0, 1), (3, 4), (3, 6), (4, 6)]


def test_errors_of_a_chain_are_counted(truth):
    # 0~1~2 is a chain, 3~4 a pair, 5 alone.
    pairs = truth.Truth(6, np.array([0, 1, 3]), np.array([1, 2, 4]))

    def judge(*kept: int) -> tuple[int, int, int, int, float]:
        errors = truth.judge(pairs, np.isin(np.arange(6), kept))
        return errors.kept, errors.leftover, errors.false, errors.orphans, round(errors.recall, 3)

    assert judge(0, 2, 3, 5) == (4, 0, 0, 0, 1.0)
    assert judge(0, 3, 5) == (3, 0, 0, 1, 1.0)
    assert judge(0, 2, 3) == (3, 0, 1, 1, 1.0)
    assert judge(0, 1, 2, 3, 5) == (5, 2, 0, 0, 0.333)


def test_texts_are_normalised_as_care_data_does(truth):
    texts = [
        "ＡＢｃ，１.５ mg！",
        "体温 38.5-39℃ ～ 两天。",
        "A|B",
        ">140",
        "①é%",
        "10：30",
        "第1.项",
        "㎏",
        "ｶﾞ",
        "好️的",
    ]
    keys, _, _ = fold(pack(compose(pl.Series(texts))))
    ours = [bytes(keys.data[a:b]).decode() for a, b in zip(keys.offsets, keys.offsets[1:], strict=False)]
    assert [truth.normalise(text) for text in texts] == ours
    assert ours[:2] == ["abc1.5mg", "体温38.5-39两天"]


def test_ours_has_no_errors_and_the_table_says_so(tmp_path):
    texts = ["".join(f"{word}，" for word in text) for text in make_texts(400)]
    pl.DataFrame({"id": range(400), "text": texts}).write_parquet(tmp_path / "texts.parquet")
    command = [sys.executable, BENCH / "dedupe_quality.py", tmp_path / "texts.parquet", "--rows", "300,400"]
    command += ["--peers", "datasketch", "--json", tmp_path / "told"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
    assert [(each["rows"], each["tool"]) for each in results] == [
        (rows, tool) for rows in (300, 400) for tool in ("care", "care --exhaustive", "datasketch")
    ]
    for each in results[:2] + results[3:5]:
        assert (each["leftover"], each["false"], each["orphans"], each["recall"]) == (0, 0, 0, 1.0)
        assert each["pairs"] > 50
    # It compares texts as they stand, with the commas; ours without.
    assert results[2]["pairs"] != results[0]["pairs"]
    assert f"| 300 | care | {results[0]['pairs']} | {results[0]['kept']} | 0 | 0 | 0 | 100.0000% |" in done.stdout


def test_an_error_of_ours_is_the_exit_code(truth, tmp_path, monkeypatch):
    import dedupe_quality

    source = tmp_path / "texts.parquet"
    pl.DataFrame({"id": [1, 2, 3], "text": ["昨夜发热三十九度", "昨夜发热三十九度。", "今天已经退烧"]}).write_parquet(
        source
    )
    monkeypatch.setattr(sys, "argv", ["dedupe_quality.py", str(source), "--rows", "3", "--peers", ""])
    codes = []
    for kept in ([1, 3], [1], [3], [1, 2, 3]):
        monkeypatch.setattr(dedupe_quality, "keep", lambda _bench, _name, _source, kept=kept: pl.Series(kept))
        with pytest.raises(SystemExit) as ended:
            dedupe_quality.main()
        codes.append(ended.value.code)
    assert codes == [0, 1, 1, 1]
