"""An index against a search over everything it holds: the same verdicts, whatever was added when, and killed where."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from care_data.duplicates.index import (
    INDEX,
    Index,
    add_segment,
    check_index,
    compact_index,
    describe_index,
    hold_index,
    read_index,
)
from care_data.duplicates.index.additions import Addition, commit, query_index, search_index
from care_data.duplicates.inputs import TURNS, Input, Rules
from care_data.duplicates.search import KEPT, REASONS, Verdicts, search
from care_data.errors import CareError, Exit

FIELDS = {"pt": [["text"]], "sft": [["history", "instruction"], ["output"]]}
RULES = Rules()
WORDS = [
    *("头痛", "发热", "咳嗽", "高血压", "糖尿病", "孕妇", "儿童", "老人", "饭后", "空腹", "每天", "三次", "半片"),
    *("胶囊", "医院", "复查", "血糖", "睡眠", "清淡", "休息", "观察", "加重", "就诊"),
]
ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Part:
    """Records on their way into an index: ids, and the columns that an input has."""

    ids: list[str]
    frame: pl.DataFrame
    label: str

    def input(self, **more: object) -> Input:
        return Input(lambda: self.frame.iter_slices(37), label=self.label, **more)  # type: ignore[arg-type]


def invent(rng: random.Random, words: int) -> str:
    return "".join(rng.choice(WORDS) + ("，" if rng.random() < 0.2 else "") for _ in range(words))


def alter(rng: random.Random, text: str) -> str:
    at = rng.randrange(max(1, len(text)))
    ways = [
        lambda: "您好，" + text,
        lambda: text.replace("，", "。"),
        lambda: text[:at] + "症" + text[at + 1 :],
        lambda: text[: int(len(text) * rng.uniform(0.6, 1))],
        lambda: text + invent(rng, 4),
        lambda: text,
    ]
    return rng.choice(ways)()


def make_texts(rng: random.Random, count: int) -> pl.DataFrame:
    """A third new, a third altered copies, a third that begin alike, so that bands are crowded."""
    made = ["", "嗯", "啊" * 60]
    opening = invent(rng, 40)
    while len(made) < count:
        way = rng.randrange(3)
        if way == 0:
            made.append(invent(rng, rng.choice([1, 5, 20, 40])))
        elif way == 1:
            made.append(alter(rng, rng.choice(made)))
        else:
            made.append(opening + invent(rng, rng.choice([2, 5, 12, 20])))
    rng.shuffle(made)
    return pl.DataFrame({"group0": made})


def make_dialogues(rng: random.Random, count: int) -> pl.DataFrame:
    """Dialogues of few exchanges, cut out of and put into each other."""
    pool = [(invent(rng, rng.choice([1, 3, 10])), invent(rng, rng.choice([1, 4, 25]))) for _ in range(count // 4)]
    said: list[list[tuple[str, str]]] = []
    while len(said) < count:
        way = rng.randrange(5)
        if way == 0 or not said:
            said.append(rng.choices(pool, k=rng.choice([1, 1, 2, 3, 5])))
        elif way == 1:
            whole = rng.choice(said)
            start = rng.randrange(len(whole))
            said.append(whole[start : start + rng.randrange(1, 4)])
        elif way == 2:
            said.append(rng.choice(said) + rng.choices(pool, k=rng.randrange(1, 3)))
        else:
            said.append([(alter(rng, question), alter(rng, answer)) for question, answer in rng.choice(said)])
    turns = [[text for exchange in each for text in exchange] if len(each) > 1 else [] for each in said]
    questions = ["\n".join([*(text for exchange in each[:-1] for text in exchange), each[-1][0]]) for each in said]
    columns = {"group0": questions, "group1": [each[-1][1] for each in said], TURNS: turns}
    return pl.DataFrame(columns, schema_overrides={TURNS: pl.List(pl.String)})


def split(rng: random.Random, frame: pl.DataFrame, parts: int) -> list[Part]:
    cuts = [0, *sorted(rng.sample(range(1, frame.height), parts - 1)), frame.height]
    return [
        Part([f"{number}/{row}" for row in range(start, stop)], frame[start:stop], f"corpus{number % 2}")
        for number, (start, stop) in enumerate(pairwise(cuts))
    ]


def tell(verdicts: Verdicts, ids: list[str], before: int) -> dict[str, tuple[str, str, float]]:
    """New id to reason, keeper and Jaccard."""
    return {
        ids[row]: (
            REASONS[verdicts.reasons[row]],
            ids[verdicts.keepers[row]] if verdicts.keepers[row] >= 0 else "",
            round(float(np.nan_to_num(verdicts.jaccards[row], nan=-1)), 12),
        )
        for row in range(before, len(ids))
    }


def told(addition: Addition, ids: list[str]) -> dict[str, tuple[str, str, float]]:
    known = addition.ids.to_list()
    return tell(addition.verdicts, known + ids, len(known))


def add(folder: Path, part: Part, tmp: Path, rules: Rules = RULES, kind: str = "pt", run: str = "") -> Addition:
    scratch = tmp / f"scratch-{os.urandom(4).hex()}"
    scratch.mkdir()
    with hold_index(folder, rules, FIELDS[kind]) as index:
        addition = search_index(index, [part.input()], rules, scratch, run or part.ids[0], workers=2)
        commit(addition, pl.Series(part.ids))
    shutil.rmtree(scratch)
    return addition


def search_all(kept: list[Part], part: Part, tmp: Path, rules: Rules, groups: int) -> Verdicts:
    """The search over everything: what was kept so far as one settled input, then the new part."""
    scratch = tmp / f"scratch-{os.urandom(4).hex()}"
    scratch.mkdir()
    frames = [each.frame for each in kept] or [part.frame.clear()]
    settled = Input(lambda: iter(frames), settled=True)
    return search([settled, part.input()], groups, rules, scratch)


@pytest.mark.parametrize("kind", ["pt", "sft"])
@pytest.mark.parametrize(
    ("seed", "parts", "rules"),
    [
        (1, 2, RULES),
        (2, 3, RULES),
        (3, 6, Rules(crowd=1)),
        (4, 3, Rules(crowd=0)),
        (5, 3, Rules(threshold=0.5, miss=0.05)),
        (6, 3, Rules(exhaustive=True)),
        (7, 3, Rules(num_perm=64, scheme="legacy", by_optimum=True)),
        (8, 3, Rules(threshold=0.7, miss=0.3, crowd=2)),
    ],
)
def test_adding_gives_what_a_search_over_everything_gives(
    tmp_path: Path, kind: str, seed: int, parts: int, rules: Rules
) -> None:
    rng = random.Random(seed)
    frame = make_texts(rng, 600) if kind == "pt" else make_dialogues(rng, 600)
    kept: list[Part] = []
    reasons: set[str] = set()
    across = 0
    for part in split(rng, frame, parts):
        ids = [name for each in kept for name in each.ids]
        expected_verdicts = search_all(kept, part, tmp_path, rules, len(FIELDS[kind]))
        expected = tell(expected_verdicts, ids + part.ids, len(ids))
        addition = add(tmp_path / "index", part, tmp_path, rules, kind)
        assert told(addition, part.ids) == expected
        stays = [expected[name][0] == "kept" for name in part.ids]
        kept.append(Part([n for n, s in zip(part.ids, stays, strict=True) if s], part.frame.filter(stays), ""))
        reasons |= {reason for reason, _, _ in expected.values()}
        across += sum(keeper in set(ids) for _, keeper, _ in expected.values())
        assert len(read_index(tmp_path / "index")) == len(ids) + sum(stays)
    assert across > 20
    assert reasons == set(REASONS if kind == "sft" else REASONS[:3])


@pytest.mark.parametrize("seed", range(3))
def test_how_full_a_band_is_changes_nothing(tmp_path: Path, seed: int) -> None:
    # Bands that miss much: pairs that share none are many, and must not be found for the company they keep.
    part = Part([str(row) for row in range(400)], make_texts(random.Random(seed), 400), "")
    verdicts = [
        search_all([], part, tmp_path, Rules(threshold=0.5, miss=0.9, num_perm=16, crowd=crowd), 1)
        for crowd in (1 << 30, 8, 1, 0)
    ]
    told = [tell(each, part.ids, 0) for each in verdicts]
    assert told[0] == told[1] == told[2] == told[3]
    assert [each.report["crowded"] > 0 for each in verdicts] == [False, True, True, True]


def test_only_what_matters_is_looked_at(tmp_path: Path) -> None:
    rng = random.Random(9)
    texts = [invent(rng, 40) for _ in range(2000)]
    add(tmp_path / "index", Part([str(n) for n in range(2000)], pl.DataFrame({"group0": texts}), "old"), tmp_path)
    new = Part(["a", "b"], pl.DataFrame({"group0": [texts[7] + "。", invent(rng, 40)]}), "new")
    addition = add(tmp_path / "index", new, tmp_path)
    assert addition.ids.to_list() == ["7"]
    assert addition.labels.to_list() == ["old"]
    assert told(addition, new.ids) == {"a": ("exact_duplicate", "7", 1.0), "b": ("kept", "", 1.0)}
    assert describe_index(read_index(tmp_path / "index"))["labels"] == {"old": 2000, "new": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Part]]:
    """An index of three runs over texts, and what went in."""
    work = tmp_path_factory.mktemp("made")
    rng = random.Random(10)
    parts = split(rng, make_texts(rng, 500), 3)
    for part in parts:
        add(work / "index", part, work)
    return work / "index", parts


@pytest.fixture
def built(made: tuple[Path, list[Part]], tmp_path: Path) -> tuple[Path, list[Part]]:
    """A copy of the same index."""
    shutil.copytree(made[0], tmp_path / "index")
    return tmp_path / "index", made[1]


def test_a_run_done_again_gives_the_same_and_adds_nothing(built: tuple[Path, list[Part]], tmp_path: Path) -> None:
    folder, parts = built
    before = (folder / INDEX).read_bytes()
    for part in parts:
        again = add(folder, part, tmp_path)
        new = again.verdicts.reasons[again.verdicts.starts[1] :] == KEPT
        run = read_index(folder).find_run(part.ids[0])
        assert run is not None
        assert new.sum() == run["records"] > 0
    assert (folder / INDEX).read_bytes() == before
    other = add(folder, parts[0], tmp_path, run="another run")
    assert not (other.verdicts.reasons[other.verdicts.starts[1] :] == KEPT).any()


def test_a_run_that_kept_other_records_is_refused(built: tuple[Path, list[Part]], tmp_path: Path) -> None:
    folder, parts = built
    with pytest.raises(CareError, match="other records of this very run") as caught:
        add(folder, Part(["x"], pl.DataFrame({"group0": ["别的文字"]}), ""), tmp_path, run=parts[1].ids[0])
    assert caught.value.code == Exit.INTEGRITY


def query(index: Index, texts: list[str], tmp: Path, rules: Rules = RULES) -> list[tuple[int, str, str, float]]:
    scratch = tmp / f"scratch-{os.urandom(4).hex()}"
    scratch.mkdir()
    return query_index(index, Input(lambda: iter([pl.DataFrame({"group0": texts})])), rules, scratch).rows()


def test_query_names_all_that_are_alike(built: tuple[Path, list[Part]], tmp_path: Path) -> None:
    index = read_index(built[0])
    rng = random.Random(11)
    texts = [text for part in built[1] for text in part.frame["group0"]]
    sought = [alter(rng, rng.choice(texts)) for _ in range(60)] + [invent(rng, 30), "", "嗯！"]
    held = pl.concat(
        [segment.name(np.arange(segment.records), index.labels)[0] for segment in index.segments]
    ).to_list()
    by_id = {name: text for part in built[1] for name, text in zip(part.ids, part.frame["group0"], strict=True)}

    @cache
    def grams(text: str) -> set[str]:
        key = "".join(c for c in text if c not in "，。！")
        return {key[at : at + 5] for at in range(len(key) - 4)} if len(key) >= 5 else {key}

    expected = set()
    for row, text in enumerate(sought):
        for name in held:
            one, two = grams(text), grams(by_id[name])
            if (share := len(one & two) / len(one | two)) >= 0.8:
                expected.add((row, name, f"corpus{int(name[0]) % 2}", share))
    found = query(index, sought, tmp_path)
    assert set(found) == expected
    assert found == sorted(found, key=lambda line: (line[0], -line[3]))
    assert len({row for row, *_ in found}) > 40
    assert not any(row == 60 for row, *_ in found)


def test_compact_gives_the_same_answers(built: tuple[Path, list[Part]], tmp_path: Path) -> None:
    folder, parts = built
    rng = random.Random(12)
    new = Part([f"n{row}" for row in range(200)], make_texts(random.Random(10), 200), "new")
    sought = [alter(rng, text) for text in parts[1].frame["group0"][:40]]
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    compacted = compact_index(copy, workers=2)
    check_index(compacted)
    assert [path.name for path in sorted(copy.glob("segment-*"))] == ["segment-0004"]
    assert compacted.runs == read_index(folder).runs
    assert query(compacted, sought, tmp_path) == query(read_index(folder), sought, tmp_path) != []
    one, two = add(folder, new, tmp_path), add(copy, new, tmp_path)
    assert told(one, new.ids) == told(two, new.ids)
    assert told(add(folder, parts[1], tmp_path), parts[1].ids) == told(add(copy, parts[1], tmp_path), parts[1].ids)
    assert len(compact_index(copy).segments) == 1


def test_a_run_that_keeps_nothing_is_remembered(built: tuple[Path, list[Part]], tmp_path: Path) -> None:
    folder, parts = built
    add(folder, replace(parts[0], ids=[f"copy{n}" for n in range(len(parts[0].ids))]), tmp_path, run="nothing")
    run = read_index(folder).find_run("nothing")
    assert run is not None
    assert run["records"] == 0
    assert len(read_index(folder).segments) == 3


@pytest.mark.parametrize(
    ("rules", "fields", "words"),
    [
        (Rules(num_perm=64), [["text"]], "the index is of permutations: 128, this run of 64"),
        (Rules(scheme="legacy"), [["text"]], "the index is of the scheme affine32, this run of legacy"),
        (RULES, [["title", "text"]], r"the index is of the fields text, this run of title\+text. Run with the same"),
        (
            Rules(threshold=0.6),
            [["text"]],
            r"bands: 25, this run of \d+\. It was made with threshold 0.8 and miss",
        ),
    ],
)
def test_other_settings_are_one_line(
    built: tuple[Path, list[Part]], rules: Rules, fields: list[list[str]], words: str
) -> None:
    with pytest.raises(CareError, match=words) as caught, hold_index(built[0], rules, fields):
        pass
    assert caught.value.code == Exit.USAGE


def test_a_second_writer_is_refused(built: tuple[Path, list[Part]]) -> None:
    with (
        hold_index(built[0], RULES, FIELDS["pt"]),
        pytest.raises(CareError, match="the index is in use by process"),
        hold_index(built[0], RULES, FIELDS["pt"]),
    ):
        pass


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with (
        pytest.raises(CareError, match=r"not an index: it holds letter.txt"),
        hold_index(tmp_path / "mine", RULES, [[]]),
    ):
        pass
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(CareError, match="no index in this folder"):
        read_index(tmp_path / "mine")


def edit_json(**changes: object) -> object:
    def edit(path: Path) -> None:
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, **changes}))

    return edit


HOSTILE = {
    "cut description": (INDEX, lambda path: os.truncate(path, 100), "index.json: is not JSON"),
    "foreign description": (INDEX, lambda path: path.write_text('{"a": 1}'), "index.json: does not describe an index"),
    "a list": (INDEX, lambda path: path.write_text("[]"), "index.json: does not describe an index"),
    "another format": (INDEX, edit_json(format=2), "index.json: is of format 2, not 1"),
    "an escape": (
        INDEX,
        edit_json(segments=[{"folder": "../../etc", "records": 1, "files": []}]),
        "does not describe an index",
    ),
    "too many records": (
        INDEX,
        edit_json(segments=[{"folder": "segment-0001", "records": 10**12, "files": []}]),
        "segment-0001",
    ),
    "cut signatures": (
        "segment-0002/signatures",
        lambda path: os.truncate(path, path.stat().st_size - 4),
        r"segment-0002/signatures: is \d+ bytes long instead of",
    ),
    "no keys": ("segment-0001/keys0", lambda path: path.unlink(), "segment-0001/keys0: is missing"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_index_is_told_by_its_file(built: tuple[Path, list[Part]], case: str) -> None:
    name, damage, words = HOSTILE[case]
    damage(built[0] / name)  # type: ignore[operator]
    with pytest.raises(CareError, match=words) as caught:
        read_index(built[0])
    assert caught.value.code == Exit.INTEGRITY
    with pytest.raises(CareError, match=words), hold_index(built[0], RULES, FIELDS["pt"]):
        pass


@pytest.mark.parametrize("name", ["members", "keys0_starts", "id_starts", "exchange_starts", "labels", "holders"])
@pytest.mark.parametrize("value", [0xFF, 0x7F])
def test_numbers_that_cannot_be_are_told_by_their_file(tmp_path: Path, name: str, value: int) -> None:
    rng = random.Random(13)
    part = Part([str(n) for n in range(100)], make_dialogues(rng, 100), "")
    add(tmp_path / "index", part, tmp_path, kind="sft")
    path = tmp_path / "index" / "segment-0001" / name
    size = path.stat().st_size
    path.write_bytes(bytes([value]) * size)
    with pytest.raises(CareError, match=r"is not as it was written\. Restore it") as caught:
        check_index(read_index(tmp_path / "index"))
    assert caught.value.code == Exit.INTEGRITY
    assert str(path) in caught.value.where
    if name == "holders":  # numbers above all records name nobody
        assert add(tmp_path / "index", part, tmp_path, kind="sft", run="again").verdicts.starts[1] > 0
        return
    with pytest.raises(CareError, match=r"points outside|names records") as caught:
        add(tmp_path / "index", part, tmp_path, kind="sft", run="again")
    assert caught.value.code == Exit.INTEGRITY


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_kill_9_leaves_the_index_whole(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = [sys.executable, str(Path(__file__).with_name("index_kills.py")), str(tmp_path), "3"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for name in ("first", "added", "compacted"):
        assert told[name]["wrong"] == []
        assert told[name]["tried"] == told[name]["untouched"] + told[name]["whole"]
        assert told[name]["untouched"] > 3
        assert told[name]["whole"] > 0


def test_a_full_disk_leaves_the_index_as_it_was(built: tuple[Path, list[Part]]) -> None:
    before = snapshot(built[0])

    def fail() -> Iterator[object]:
        raise OSError(28, "No space left on device")
        yield

    with (
        hold_index(built[0], RULES, FIELDS["pt"]) as index,
        pytest.raises(CareError, match="the disk is full") as caught,
    ):
        add_segment(index, fail(), [], {"key": "k", "first": len(index), "records": 1}, 1)  # type: ignore[arg-type]
    assert caught.value.code == Exit.LIMIT
    assert snapshot(built[0]) == before
