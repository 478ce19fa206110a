"""The index as datasketch's MinHashLSH: equal answers to the same questions."""

import random
import sys
from pathlib import Path

import polars as pl
import pytest

from care_data.duplicates.index import Index, hold_index
from care_data.duplicates.index.additions import commit, search_index
from care_data.duplicates.index.exporter import find_candidates, to_datasketch, to_minhash
from care_data.duplicates.inputs import Input, Rules
from care_data.errors import CareError, Exit

WORDS = ["肝功能", "转氨酶", "偏高", "复查", "饮食", "控制体重", "运动", "减盐", "用药", "剂量", "早晨", "晚上", "头晕"]


def invent(rng: random.Random) -> str:
    return "".join(rng.choices(WORDS, k=rng.choice([1, 4, 12, 30])))


def build(folder: Path, scheme: str, ids: list[str], rng: random.Random) -> tuple[Index, list[list[str]]]:
    """An index of two runs over pairs of texts, and the pairs."""
    rules = Rules(threshold=0.5, num_perm=64, scheme=scheme, by_optimum=True)
    pairs = [[invent(rng), invent(rng)] for _ in ids]
    for start in (0, len(ids) // 2):
        some = slice(start, start + len(ids) // 2)
        scratch = folder / f"scratch{start}"
        scratch.mkdir(parents=True)
        with hold_index(folder / "index", rules, [["question"], ["answer"]]) as index:
            frame = pl.DataFrame(pairs[some], schema=["group0", "group1"], orient="row")
            source = Input(lambda frame=frame: iter([frame]), label="made")
            addition = search_index(index, [source], rules, scratch, f"run {start}")
            index = commit(addition, pl.Series(ids[some]))
    return index, pairs


@pytest.mark.parametrize("scheme", ["affine32", "legacy"])
def test_datasketch_answers_as_the_index_does(tmp_path: Path, scheme: str) -> None:
    pytest.importorskip("datasketch")
    rng = random.Random(3)
    index, pairs = build(tmp_path, scheme, [f"q{number}" for number in range(400)], rng)
    lsh = to_datasketch(index)
    assert (lsh.b, lsh.r) == (index.settings["bands"], index.settings["rows"])
    assert len(lsh.keys) == len(index) > 200
    found = 0
    for _ in range(300):
        question, answer = rng.choice(pairs)
        asked = [question[: rng.randrange(1, len(question) + 1)], answer + rng.choice(["", "谢谢", *WORDS])]
        expected = lsh.query(to_minhash(index, asked))
        assert sorted(find_candidates(index, asked)) == sorted(expected)
        found += len(expected)
    assert found > 150


def test_a_name_that_comes_twice_is_told(tmp_path: Path) -> None:
    pytest.importorskip("datasketch")
    index, _ = build(tmp_path, "affine32", ["same", "same"], random.Random(4))
    with pytest.raises(CareError, match="two records made/same"):
        to_datasketch(index)


def test_without_datasketch_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, _ = build(tmp_path, "affine32", ["a", "b"], random.Random(5))
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(CareError, match=r"datasketch is not installed\. Install it: pip install datasketch") as caught:
        to_datasketch(index)
    assert caught.value.code == Exit.USAGE
    with pytest.raises(CareError, match="1 texts for 2 groups"):
        find_candidates(index, ["alone"])
