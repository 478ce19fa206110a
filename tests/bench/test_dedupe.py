"""The benchmark of deduplication, small: what it feeds the tools is what it says, and its limits are checked."""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
WHO = ["患者", "老人", "孩子", "孕妇", "医生", "家属"]
DID = ["昨天夜里突然咳嗽", "近三天一直低烧", "饭后总是觉得腹胀", "复查了血常规", "按时服用了降压药", "膝盖疼得走不动路"]
THEN = ["没有其他不舒服。", "想问问要不要住院？", "已经好多了！", "体温在三十八度上下。", "换药以后没有变化。"]


def make_texts(rows: int, seed: int = 3) -> pl.DataFrame:
    """Texts of two to six sentences."""
    chance = random.Random(seed)

    def sentence() -> str:
        return f"{chance.choice(WHO)}{chance.randrange(100)}号{chance.choice(DID)}，{chance.choice(THEN)}"

    texts = ["".join(sentence() for _ in range(chance.randint(2, 6))) for _ in range(rows)]
    return pl.DataFrame({"id": range(rows), "text": texts})


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the scripts, which are no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    return BENCH


@pytest.fixture
def grow(bench: Path) -> ModuleType:
    import grow

    return grow


@pytest.fixture
def peers(bench: Path) -> ModuleType:
    import peers

    return peers


@pytest.fixture
def dedupe(bench: Path) -> ModuleType:
    import dedupe

    return dedupe


def shingles(text: str) -> set[str]:
    return {text[at : at + 5] for at in range(len(text) - 4)} or {text}


def jaccard(one: str, two: str) -> float:
    return len(shingles(one) & shingles(two)) / len(shingles(one) | shingles(two))


def test_up_to_its_own_rows_a_source_is_taken_as_it_stands(grow):
    source = make_texts(50)
    assert pl.concat(grow.grow(source, 20)).to_list() == source["text"][:20].to_list()
    assert pl.concat(grow.grow(source, 50)).to_list() == source["text"].to_list()


def test_grown_texts_are_the_same_each_time_whatever_their_number(grow, monkeypatch):
    source = make_texts(100)
    once = pl.concat(grow.grow(source, 1_500))
    monkeypatch.setattr(grow, "BLOCK", 300)
    assert pl.concat(grow.grow(source, 1_500)).to_list() == once.to_list()
    assert pl.concat(grow.grow(source, 900)).to_list() == once[:900].to_list()
    assert len(once) == 1_500


def test_every_third_grown_text_is_an_altered_copy_and_none_else_is_alike(grow):
    source = make_texts(200)
    texts = pl.concat(grow.grow(source, 900)).to_list()
    originals = [text for row, text in enumerate(texts) if row % 3 != 2]
    nearest = [max(jaccard(text, other) for other in originals) for text in texts[2::3]]
    assert sum(each >= 0.3 for each in nearest) > 290
    assert 120 < sum(each >= 0.8 for each in nearest) < 280
    assert sum(text in originals for text in texts[2::3]) < 60
    apart = [max(jaccard(text, other) for other in originals[:at]) for at, text in enumerate(originals) if at]
    assert max(apart) < 0.8
    lengths, sought = (pl.Series(each).str.len_chars() for each in (originals, source["text"]))
    assert abs(lengths.mean() - sought.mean()) < 5
    assert lengths.is_in(sought.unique().implode()).all()


def test_texts_of_one_sentence_are_not_alike_however_many_are_made(grow):
    chance = random.Random(5)
    texts = ["".join(chr(chance.randrange(0x4E00, 0x9000)) for _ in range(60)) for _ in range(100)]
    grown = pl.concat(grow.grow(pl.DataFrame({"id": range(100), "text": texts}), 600)).to_list()
    originals = [text for row, text in enumerate(grown) if row % 3 != 2]
    assert max(max(jaccard(text, other) for other in originals[:at]) for at, text in enumerate(originals) if at) < 0.8


def test_poisoned_texts_are_two_fifths_boilerplate_and_three_one_answer(grow):
    texts = pl.concat(grow.poison(make_texts(100), 1_000))
    headed = texts.filter(texts.str.starts_with(grow.BOILERPLATE))
    assert (len(texts), len(headed), (texts == grow.ANSWER).sum()) == (1_000, 400, 600)
    assert headed.str.strip_prefix(grow.BOILERPLATE).to_list() == pl.concat(grow.grow(make_texts(100), 400)).to_list()
    assert (texts[:100] == grow.ANSWER).sum() == 60


def test_a_grown_file_is_whole_and_numbered(grow, tmp_path):
    make_texts(100).write_parquet(tmp_path / "source.parquet")
    command = [
        sys.executable,
        BENCH / "grow.py",
        "plain",
        tmp_path / "source.parquet",
        "250",
        tmp_path / "grown.parquet",
    ]
    subprocess.run(command, check=True, timeout=120)
    grown = pl.read_parquet(tmp_path / "grown.parquet")
    assert grown.schema == {"id": pl.Int64, "text": pl.String}
    assert grown["id"].to_list() == list(range(250))
    assert grown["text"].to_list() == pl.concat(grow.grow(make_texts(100), 250)).to_list()
    grow.write(iter([grown["text"][:100], grown["text"][100:]]), tmp_path / "again.parquet")
    assert pl.read_parquet(tmp_path / "again.parquet").equals(grown)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["again", "grown", "source"]


@pytest.mark.parametrize("name", ["datasketch", "rensa", "rensa_batch", "dupekit", "dupekit_threads", "datatrove"])
def test_a_peer_keeps_the_first_of_equal_texts_and_what_is_unlike(name, peers, tmp_path):
    pytest.importorskip({"rensa_batch": "rensa", "dupekit_threads": "dupekit"}.get(name, name))
    texts = make_texts(60)
    copies = texts.head(10).with_columns(id=pl.col("id") + 60)
    pl.concat([texts, copies]).write_parquet(tmp_path / "texts.parquet")
    peers.PEERS[name](tmp_path / "texts.parquet", tmp_path / "kept.parquet")
    kept = pl.read_parquet(tmp_path / "kept.parquet")
    assert kept.schema == {"id": pl.Int64, "text": pl.String}
    rows = kept["id"].sort().to_list()
    assert len(rows) >= 50
    # Datatrove does not promise which of them stays.
    assert rows == [row for row in rows if row < 60] or name == "datatrove"
    assert kept["text"].n_unique() == len(rows)


def test_all_sides_are_measured_on_the_same_rows(tmp_path):
    make_texts(300).write_parquet(tmp_path / "source.parquet")
    command = [sys.executable, BENCH / "dedupe.py", tmp_path / "source.parquet", "--rows", "200,0.4k", "--runs", "1"]
    command += ["--peers", "datasketch", "--poisoned", "500", "--work", tmp_path / "work", "--json", tmp_path / "told"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
    assert [(each["what"], each["rows"], list(each["sides"])) for each in results] == [
        ("plain", 200, ["care", "datasketch", "floor"]),
        ("plain", 400, ["care", "datasketch", "floor"]),
        ("poisoned", 500, ["plain", "poisoned"]),
    ]
    for sides in (each["sides"] for each in results):
        assert all(told["seconds"] > 0 and 2**24 < told["peak"] < 2**31 for told in sides.values())
    assert results[0]["sides"]["floor"]["kept"] == results[0]["sides"]["care"]["kept"] <= 200
    # One answer, and the texts of their own, a third of which are copies.
    assert 120 < results[2]["sides"]["poisoned"]["kept"] <= 201
    assert "| 200 | care |" in done.stdout
    assert "| poisoned / plain at 500 |" in done.stdout
    assert sorted(path.name.rpartition("-")[0] for path in (tmp_path / "work").iterdir()) == [
        "plain-200",
        "plain-400",
        "plain-500",
        "poisoned-500",
    ]


def test_rows_that_are_lost_are_told(dedupe, tmp_path, monkeypatch, capsys):
    source, kept = tmp_path / "source.parquet", tmp_path / "out/kept/source.parquet"
    kept.parent.mkdir(parents=True)
    make_texts(20).write_parquet(source)
    make_texts(12).write_parquet(kept)
    make_texts(7).write_parquet(tmp_path / "out/removed.parquet")
    monkeypatch.setattr(dedupe, "run_care", lambda _bench, _source: (None, kept))
    measurements = dedupe.Measurements(dedupe.Workbench(tmp_path, tmp_path, keep=True), source, runs=1)
    assert measurements.run_care(source) == (None, kept)
    assert not measurements.right
    assert capsys.readouterr().out == "  source.parquet: 20 rows were read, and 19 kept or removed\n"


def test_what_has_to_hold_at_each_size_is_checked(dedupe):
    def sides(**seconds: float) -> dict[str, dict[str, float]]:
        return {name: {"seconds": each, "peak": 2**30} for name, each in seconds.items()}

    results = [
        {"what": "plain", "rows": 20_000, "sides": sides(care=1.0, rensa=0.5, dupekit=0.5, floor=0.5)},
        {"what": "plain", "rows": 100_000, "sides": sides(care=1.0, rensa=0.5, floor=0.1)},
        {"what": "plain", "rows": 800_000, "sides": sides(care=8.0, rensa=32.0, dupekit=16.0, floor=5.0)},
        {"what": "plain", "rows": 3_200_000, "sides": sides(care=40.0, floor=20.0)},
        {"what": "poisoned", "rows": 500_000, "sides": sides(plain=4.0, poisoned=6.0)},
    ]
    assert dedupe.check(results) == [
        ("rensa / care at 20,000", 0.5, 1.0, True),
        ("dupekit / care at 800,000", 2.0, 2.5, True),
        ("rensa / care at 800,000", 4.0, 4.0, True),
        ("care / floor at 800,000", 1.6, 2.0, False),
        ("GiB of care at 800,000", 1.0, 2.0, False),
        ("GiB of care at 3,200,000", 1.0, 3.0, False),
        ("care at 3,200,000 / at 800,000", 5.0, 4.4, False),
        ("poisoned / plain at 500,000", 1.5, 2.0, False),
    ]


def test_rows_are_numbers_with_or_without_a_unit(dedupe):
    assert [dedupe.parse_rows(text) for text in ("20k", "3.2M", "250")] == [20_000, 3_200_000, 250]
    with pytest.raises(argparse.ArgumentTypeError, match=r"'many' is no number of rows; write 800k or 3\.2M"):
        dedupe.parse_rows("many")
