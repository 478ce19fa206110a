"""A release loads as it stands: the readers that people have give the records of the data folder, field by field."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from care_data import registry, release
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.stages.mixing import Mix
from care_data.store import Store, read_manifest

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Records by dataset, in order."""

ENTRY = """
title    = "Invented records of every format"
from     = "github:test/made@0123456789abcdef0123456789abcdef01234567"
license  = { id = "MIT", use = "commercial", redistribute = true }
citation = "none"
[files]
asked  = { path = "asked/*.jsonl", format = "json" }
talks  = { path = "talks.jsonl", format = "json" }
book   = { path = "book.txt", format = "lines" }
likes  = { path = "likes.jsonl", format = "json" }
quiz   = { path = "quiz.jsonl", format = "json" }
[outputs.sft]
shape  = "pair"
rows   = "asked"
fields = { instruction = "{q}", input = "{more}", output = "{a}", system = "{s}" }
[outputs.talks]
format = "sft"
shape  = "dialogue"
rows   = "talks"
turns  = { in = "turns", speaker = "{who}", text = "{said}" }
roles  = { "问" = "user", "答" = "assistant" }
[outputs.pt]
shape  = "document"
rows   = "book"
fields = { text = "{_value}" }
[outputs.rw]
shape  = "preference"
rows   = "likes"
fields = { instruction = "{q}", chosen = "{good}", rejected = "{bad}" }
[outputs.quiz]
format = "eval"
role   = "benchmark"
shape  = "pair"
rows   = "quiz"
fields = { question = "{q}", answer = "{a}" }
[example]
files.asked = '{"s": "甲", "q": "乙？", "more": "丙", "a": "丁。"}'
files.talks = '{"turns": [{"who": "问", "said": "甲？"}, {"who": "答", "said": "乙。"}]}'
files.book = "甲乙丙丁。"
files.likes = '{"q": "甲？", "good": "乙。", "bad": "丙。"}'
files.quiz = '{"q": "甲？", "a": "乙。"}'
records.sft = [{ system = "甲", instruction = "乙？", input = "丙", output = "丁。" }]
records.talks = [{ instruction = "甲？", output = "乙。" }]
records.pt = [{ text = "甲乙丙丁。" }]
records.rw = [{ instruction = "甲？", output = ["乙。", "丙。"] }]
records.quiz = [{ question = "甲？", answer = "乙。" }]
"""

FORMATS = {"made_sft": "sft", "made_talks": "sft", "made_pt": "pt", "made_rw": "rw"}

FROM_FILE = """
import json, sys, datasets, pyarrow as pa
told = json.load(open(sys.argv[1]))
datasets.Dataset.from_file(next(iter(told.values()))[0])
found = {}
for name, files in told.items():
    before = pa.total_allocated_bytes()
    mapped = [datasets.Dataset.from_file(file) for file in files]
    found[name] = {
        "copied": pa.total_allocated_bytes() - before,
        "nbytes": sum(each.data.nbytes for each in mapped),
        "cached": [kept["filename"] for each in mapped for kept in each.cache_files],
        "rows": [row for each in mapped for row in each],
    }
print(json.dumps(found))
"""

LOAD_ARROW = """
import json, sys, datasets
told = json.load(open(sys.argv[1]))
found = {name: list(datasets.load_dataset("arrow", data_files=files, split="train")) for name, files in told.items()}
print(json.dumps(found))
"""

LOAD_FOLDER = """
import json, sys, datasets
folder = sys.argv[2]
found = {
    name: {split: list(rows) for split, rows in datasets.load_dataset(folder, name).items()}
    for name in datasets.get_dataset_config_names(folder)
}
whole = datasets.load_dataset(folder)
print(json.dumps([found, {split: list(rows) for split, rows in whole.items()}]))
"""


@dataclass(frozen=True)
class Made:
    """A release and the data folder that it is made from."""

    folder: Path
    data: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        return json.loads((self.folder / "dataset_info.json").read_text(encoding="utf-8"))

    @cached_property
    def shards(self) -> dict[str, list[str]]:
        """The files of every dataset, in order."""
        return {name: [str(p) for p in sorted((self.folder / entry["file_name"]).iterdir())]
                for name, entry in self.info.items()}  # fmt: skip

    @cached_property
    def records(self) -> dict[str, Row]:
        """Every record of the data folder by its id: training ones as decontaminated, benchmarks as cleaned."""
        return {row["id"]: row for stage in ("clean", "pure") for row in self._read(stage)}

    @cached_property
    def expected(self) -> Rows:
        """What every dataset should hold: all records of its output, or of what is held out the ids that it has."""
        order = {name: number for number, name in enumerate(self.records)}
        found = {}
        for name, files in self.shards.items():
            ids = [i for file in files for i in pl.read_ipc_stream(file)["id"]]
            found[name] = [self.records[i] for i in sorted(ids, key=order.__getitem__)]
        return found

    def _read(self, stage: str) -> Iterator[Row]:
        for folder in sorted((self.data / stage).iterdir()):
            manifest = read_manifest(folder)
            assert manifest is not None
            for part in manifest.files:
                if part["kind"] == "records":
                    yield from pl.read_parquet(folder / part["path"]).to_dicts()

    def run(self, program: str, work: Path) -> Any:
        """What the program prints of the shards, run in a process that may ask no network."""
        told = work / "shards.json"
        told.write_text(json.dumps(self.shards), encoding="utf-8")
        offline = {"HF_HOME": str(work / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, told, self.folder], capture_output=True, text=True, timeout=120,
            env={**os.environ, **offline},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


def write_lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def every_format(distinct, tmp_path_factory) -> Made:
    """A release of every format with a system column, histories, several shards, records held out, and a benchmark."""
    root = tmp_path_factory.mktemp("made")
    mirror = root / "mirror/github/test/made"
    for number in range(2):
        pairs = distinct(f"asked {number}", 900)
        rows = [
            {"s": ["", "你是医生。"][n % 2], "q": q, "more": ["", "发病三天。"][n % 3 == 0], "a": a}
            for n, (q, a) in enumerate(pairs)
        ]
        write_lines(mirror / f"asked/{number}.jsonl", rows)
    talks = [distinct(f"talk {n}", 1 + n % 4) for n in range(60)]
    turns = [[turn for q, a in talk for turn in ({"who": "问", "said": q}, {"who": "答", "said": a})] for talk in talks]
    write_lines(mirror / "talks.jsonl", [{"turns": turn} for turn in turns])
    (mirror / "book.txt").write_text("".join(q + a + "\n" for q, a in distinct("book", 80)), encoding="utf-8")
    liked = zip(distinct("good", 50), distinct("bad", 50), strict=True)
    write_lines(mirror / "likes.jsonl", [{"q": q, "good": good, "bad": bad} for (q, good), (_, bad) in liked])
    write_lines(mirror / "quiz.jsonl", [{"q": q, "a": a} for q, a in distinct("quiz", 12)])
    (root / "registry").mkdir()
    (root / "registry/made.toml").write_text(ENTRY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARE_REGISTRY", str(root / "registry"))
        patch.setattr(release, "SHARD_BYTES", 150_000)
        registry.groups.cache_clear()
        mix = Mix(splits={"validation": 0.1, "test": 0.05})
        settings = Settings(Store(root / "data"), str(root / "mirror"), workers=1, mix=mix)
        result = run_stages([registry.load("made")], settings, "write", lambda name, done: None)
    registry.groups.cache_clear()
    assert result.failures == {}
    assert result.release is not None
    return Made(result.release, root / "data")


@pytest.fixture(params=["demo", "every_format"])
def made(request) -> Made:
    """The demo's release, and that of every format."""
    if request.param == "every_format":
        return request.getfixturevalue("every_format")
    folder, ended = request.getfixturevalue("demo")
    return Made(Path(ended.json["release"]), folder)


def test_the_releases_hold_what_is_to_be_proven(demo, every_format):
    shown = {name: (entry["care"]["format"], entry["care"]["role"]) for name, entry in every_format.info.items()}
    held = {f"{name}_{split}": (form, split) for name, form in FORMATS.items() for split in ("validation", "test")}
    assert shown == {
        **{name: (form, "train") for name, form in FORMATS.items()},
        **held,
        "made_quiz": ("eval", "benchmark"),
    }
    assert all(every_format.expected.values())
    assert len(every_format.shards["made_sft"]) > 2
    assert {row["system"] for row in every_format.expected["made_sft"]} == {"", "你是医生。"}
    assert {len(row["history"]) for row in every_format.expected["made_talks"]} == {0, 1, 2, 3}
    dialogues = Made(Path(demo[1].json["release"]), demo[0]).expected["demo_dialogue_sft"]
    assert max(len(row["history"]) for row in dialogues) == 2


def test_every_record_of_the_data_folder_is_in_one_dataset_of_the_release(made):
    kept = [row["id"] for rows in made.expected.values() for row in rows]
    trained = {row["id"] for row in made._read("pure")}
    assert len(kept) == len(set(kept)) > 100
    assert set(kept) >= trained
    benchmarks = [name for name, entry in made.info.items() if entry["care"]["role"] == "benchmark"]
    assert set(kept) - trained == {row["id"] for name in benchmarks for row in made.expected[name]}


def test_polars_reads_the_records(made):
    found = {name: pl.concat(map(pl.read_ipc_stream, files)).to_dicts() for name, files in made.shards.items()}
    assert found == made.expected


def test_pyarrow_maps_the_records_without_a_copy(made):
    for name, files in made.shards.items():
        before = pa.total_allocated_bytes()
        sources = [pa.memory_map(file) for file in files]
        table = pa.concat_tables([pa.ipc.open_stream(source).read_all() for source in sources])
        assert pa.total_allocated_bytes() == before
        assert table.to_pylist() == made.expected[name]


def test_from_file_maps_the_records_without_a_copy(made, tmp_path):
    pytest.importorskip("datasets", exc_type=ImportError)
    found = made.run(FROM_FILE, tmp_path)
    assert set(found) == set(made.expected)
    for name, told in found.items():
        assert told["rows"] == made.expected[name]
        assert told["copied"] == 0 < told["nbytes"]
        assert told["cached"] == made.shards[name]
    assert not list((tmp_path / "hf").rglob("*.arrow"))


def test_load_dataset_reads_the_shards(made, tmp_path):
    pytest.importorskip("datasets", exc_type=ImportError)
    assert made.run(LOAD_ARROW, tmp_path) == made.expected


def test_load_dataset_reads_the_folder_by_its_card(made, tmp_path):
    pytest.importorskip("datasets", exc_type=ImportError)
    found, default = made.run(LOAD_FOLDER, tmp_path)
    expected: dict[str, Rows] = {}
    for name, rows in made.expected.items():
        role = made.info[name]["care"]["role"]
        split = {"train": "train", "benchmark": "test"}.get(role, role)
        expected.setdefault(name.removesuffix(f"_{role}"), {})[split] = rows
    assert found == expected
    trained = [name for name, splits in expected.items() if "train" in splits]
    assert default == expected[max(trained, key=lambda name: len(expected[name]["train"]))]


def test_the_layout_is_that_of_2023(made):
    """Columns as the seed document names them; of preferences the answer is [chosen, rejected]."""
    named = {
        "pt": {"prompt": "text"},
        "sft": {"prompt": "instruction", "query": "input", "response": "output", "history": "history"},
        "rw": {"prompt": "instruction", "query": "input", "response": "output", "history": "history"},
        "eval": {"prompt": "question", "response": "answer"},
    }
    for name, entry in made.info.items():
        columns, form = entry["columns"], entry["care"]["format"]
        today = {key: column for key, column in columns.items() if key not in named[form]}
        assert {key: columns[key] for key in columns if key not in today} == named[form]
        assert today == {key: key for key in today}
        assert ("system" in today) == ("system" in made.expected[name][0])
        assert entry.get("ranking", False) == (form == "rw") == ("chosen" in today)
        assert (made.folder / entry["file_name"]).is_file() == ("file_sha1" in entry)
        assert [row for row in made.expected[name] if not is_of_2023(row, columns, form)] == []


def is_of_2023(row: Row, columns: dict[str, str], form: str) -> bool:
    """Whether the row has the columns, its texts are not empty, and history and preferences are pairs."""
    answer = row[columns["response"]] if "response" in columns else ""
    texts = [row[columns["prompt"]], *(answer if form == "rw" else [answer] if answer else [])]
    pairs = [*row.get("history", []), *([answer] if form == "rw" else [])]
    return (
        set(columns.values()) <= set(row)
        and ("response" not in columns or bool(answer))
        and all(isinstance(text, str) and text for text in texts)
        and all(len(pair) == 2 and all(pair) for pair in pairs)
        and (form != "rw" or answer == [row["chosen"], row["rejected"]])
    )
