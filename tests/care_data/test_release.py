"""A release: the same rows are the same bytes, however they come; every reader reads it; it appears whole or not."""

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import polars as pl
import pyarrow as pa
import pytest

from care_data import records, release
from care_data.errors import CareError, Exit
from care_data.parts import PartWriter
from care_data.records import arrow_schema
from care_data.release import Dataset, describe
from care_data.store import Manifest, disk_error, sha256_file, writing

ROWS = 2_345
MANIFEST = Manifest(
    stage="release",
    name="r",
    key="ab" * 32,
    inputs=[],
    parameters={},
    counts={"one_sft": {"read": ROWS, "kept": ROWS, "dropped": {}}},
    files=[],
    verified=True,
    version="1",
    code="c",
)


def rows(first, last):
    return pl.DataFrame(
        {
            "id": [f"one/sft/f#{n}" for n in range(first, last)],
            "corpus": "one",
            "license": "MIT",
            "instruction": [f"第{n}问？" + "痛" * (n % 17) for n in range(first, last)],
            "input": "",
            "output": [f"第{n}答。" for n in range(first, last)],
            "history": [[[f"早{n}", "好"]] * (n % 3) for n in range(first, last)],
        },
        schema_overrides={"history": pl.List(pl.List(pl.String))},
    )


def part(path, frames):
    writer = PartWriter(path, arrow_schema("sft"))
    with writing(path) as temporary:
        for frame in frames:
            writer.write(frame, temporary)
        writer.close({"read": 0, "kept": 0, "dropped": {}}, temporary)
    return path


def dataset(parts, **changes):
    settings = {"corpus": "one", "output": "sft", "format": "sft", "role": "train", "license": "MIT"}
    return Dataset(**{**settings, "language": "zh", "extra": (), "parts": parts, **changes})


def read(folder, name="one_sft"):
    """Batches of all shards of a dataset, in the order of their names."""
    found = []
    for path in sorted((folder / name).iterdir()):
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as stream:
            found.append(list(stream))
    return found


@pytest.fixture
def whole(tmp_path):
    return dataset([part(tmp_path / "whole.parquet", [rows(0, ROWS)])])


@pytest.mark.parametrize(
    "cuts", [[0, ROWS], [0, 1, 2, ROWS], [0, 999, 1000, 1001, ROWS], [0, 0, 1500, 1500, ROWS, ROWS]], ids=str
)
@pytest.mark.parametrize("apart", [True, False], ids=["files", "row groups"])
def test_how_the_rows_are_cut_into_parts_changes_no_byte(tmp_path, whole, cuts, apart):
    release.write(tmp_path / "one", [whole], MANIFEST)
    frames = [rows(first, last) for first, last in pairwise(cuts)]
    if apart:
        parts = [part(tmp_path / f"{number}.parquet", [frame]) for number, frame in enumerate(frames)]
    else:
        parts = [part(tmp_path / "groups.parquet", frames)]
    release.write(tmp_path / "two", [replace(whole, parts=parts)], MANIFEST)
    name = "one_sft/train-00000-of-00001.arrow"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_rows_keep_their_order_over_shards_and_none_is_lost(tmp_path, whole, monkeypatch, shards):
    import pyarrow.parquet as pq

    size = sum(pq.read_metadata(path).row_group(0).total_byte_size for path in whole.parts)
    monkeypatch.setattr(release, "SHARD_BYTES", -(-size // shards))
    made = release.write(tmp_path / "r", [whole], MANIFEST)
    found = read(tmp_path / "r")
    assert len(found) == shards
    lengths = [sum(batch.num_rows for batch in shard) for shard in found]
    assert max(lengths) - min(lengths) <= 1
    assert all(batch.num_rows == 1000 for shard in found for batch in shard[:-1])
    assert [path.name for path in sorted((tmp_path / "r/one_sft").iterdir())] == [
        f"train-{number:05d}-of-{shards:05d}.arrow" for number in range(shards)
    ]
    table = pa.Table.from_batches([batch for shard in found for batch in shard])
    assert pl.DataFrame(pl.from_arrow(table)).equals(rows(0, ROWS))
    assert [f["rows"] for f in made.files if "rows" in f] == lengths


def test_there_are_never_more_shards_than_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "SHARD_BYTES", 1)
    few = dataset([part(tmp_path / "few.parquet", [rows(0, 3)])])
    release.write(tmp_path / "r", [few], MANIFEST)
    assert [[batch.num_rows for batch in shard] for shard in read(tmp_path / "r")] == [[1], [1], [1]]


def test_rows_are_held_a_batch_at_a_time(tmp_path, whole):
    task = release.ShardTask(whole, 500, 2_300, tmp_path / "shard")
    assert [table.num_rows for table in release._rows(task)] == [1000, 800]
    many = replace(whole, parts=[part(tmp_path / f"{n}.parquet", [rows(n * 300, n * 300 + 300)]) for n in range(5)])
    assert [t.num_rows for t in release._rows(replace(task, dataset=many, start=0, stop=1_500))] == [1000, 500]


def test_columns_are_plain_text_and_lists(tmp_path, whole):
    release.write(tmp_path / "r", [whole], MANIFEST)
    schema = read(tmp_path / "r")[0][0].schema
    assert schema == arrow_schema("sft")
    assert str(schema.field("history").type) == "list<item: list<item: string>>"
    assert {str(field.type) for field in schema if field.name != "history"} == {"string"}
    assert schema.metadata is None


def test_the_manifest_tells_every_file_as_it_lies_there(tmp_path, whole):
    release.write(tmp_path / "r", [whole], MANIFEST)
    told = json.loads((tmp_path / "r/manifest.json").read_text(encoding="utf-8"))
    records.require("manifest", told, "manifest")
    records.require("dataset_info", json.loads((tmp_path / "r/dataset_info.json").read_text(encoding="utf-8")), "info")
    lying = {p.relative_to(tmp_path / "r").as_posix() for p in (tmp_path / "r").rglob("*") if p.is_file()}
    assert {f["path"] for f in told["files"]} == lying - {"manifest.json"}
    for f in told["files"]:
        path = tmp_path / "r" / f["path"]
        assert (f["bytes"], f["sha256"]) == (path.stat().st_size, sha256_file(path))


def test_a_benchmark_is_named_so_and_its_shards_are_no_training_shards(tmp_path, whole):
    held = replace(whole, output="held", role="benchmark")
    release.write(tmp_path / "r", [held, whole], MANIFEST)
    info = json.loads((tmp_path / "r/dataset_info.json").read_text(encoding="utf-8"))
    assert {name: entry["care"]["role"] for name, entry in info.items()} == {
        "one_held": "benchmark",
        "one_sft": "train",
    }
    assert [p.name for p in (tmp_path / "r/one_held").iterdir()] == ["test-00000-of-00001.arrow"]
    assert [p.name for p in (tmp_path / "r/one_sft").iterdir()] == ["train-00000-of-00001.arrow"]


@pytest.mark.parametrize(
    ("format", "extra", "columns"),
    [
        ("pt", (), {"prompt": "text"}),
        (
            "sft",
            ("system",),
            {"prompt": "instruction", "query": "input", "response": "output", "history": "history", "system": "system"},
        ),
        (
            "rw",
            (),
            {
                "prompt": "instruction",
                "query": "input",
                "response": "output",
                "history": "history",
                "chosen": "chosen",
                "rejected": "rejected",
            },
        ),
        ("eval", (), {"prompt": "question", "response": "answer"}),
    ],
)
def test_an_entry_names_columns_that_are_there(tmp_path, whole, format, extra, columns):
    entry = describe(replace(whole, format=format, extra=extra))
    assert entry["columns"] == columns
    assert set(columns.values()) <= set(records.columns(format, extra))
    assert entry.get("ranking", False) == (format == "rw")
    assert (entry["file_name"], entry["care"]["rows"]) == ("one_sft", ROWS)
    records.require("dataset_info", {"one_sft": entry}, "info")


def test_two_datasets_of_one_name_are_refused(tmp_path, whole):
    one = replace(whole, corpus="a", output="b_c")
    two = replace(whole, corpus="a_b", output="c")
    with pytest.raises(CareError) as caught:
        release.write(tmp_path / "r", [two, one], MANIFEST)
    assert "a.b_c and a_b.c would both be a_b_c" in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_datasets_without_a_record_are_left_out(tmp_path, whole):
    empty = dataset([part(tmp_path / "empty.parquet", [])], corpus="two")
    release.write(tmp_path / "r", [empty, whole], MANIFEST)
    told = ["README.md", "croissant.json", "dataset_info.json", "manifest.json"]
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == [*told, "one_sft"]
    with pytest.raises(CareError, match="no record is left to release"):
        release.write(tmp_path / "none", [empty], MANIFEST)
    assert not (tmp_path / "none").exists()


def test_a_release_takes_the_place_of_the_one_of_its_name_whole(tmp_path, whole):
    (tmp_path / "r/old_sft").mkdir(parents=True)
    (tmp_path / "r/old_sft/train.arrow").write_text("old")
    release.write(tmp_path / "r", [whole], MANIFEST)
    assert not (tmp_path / "r/old_sft").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r", "whole.parquet"]


@pytest.mark.parametrize("broken", ["sha256_file", "write_json"])
def test_a_full_disk_leaves_the_old_release_as_it_was(tmp_path, whole, monkeypatch, broken):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/manifest.json").write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(release, broken, fail)
    with pytest.raises(CareError) as caught:
        release.write(tmp_path / "r", [whole], MANIFEST)
    assert caught.value.code == Exit.LIMIT
    assert (tmp_path / "r/manifest.json").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r", "whole.parquet"]
    assert str(disk_error(OSError(errno.ENOSPC, ""), tmp_path / "r")) == str(caught.value)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=["disk", "interrupt"]
)
def test_the_old_release_is_put_back_where_the_new_one_cannot_take_its_place(tmp_path, whole, monkeypatch, error):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/manifest.json").write_text("old")
    move = os.replace

    def fail(source, target):
        if str(source).endswith(f".tmp-{os.getpid()}") and str(target) == str(tmp_path / "r"):
            raise error
        move(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else CareError):
        release.write(tmp_path / "r", [whole], MANIFEST)
    assert (tmp_path / "r/manifest.json").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r", "whole.parquet"]


def test_a_shard_that_lost_rows_is_never_released(tmp_path, whole, monkeypatch):
    lost = rows(0, ROWS - 1)
    monkeypatch.setattr(release, "_rows", lambda task: iter([lost.to_arrow(compat_level=pl.CompatLevel.oldest())]))
    with pytest.raises(CareError, match=f"{ROWS - 1} rows were written, not {ROWS}"):
        release.write(tmp_path / "r", [whole], MANIFEST)
    assert not (tmp_path / "r").exists()


# Readers


def test_polars_and_pyarrow_read_the_shards(tmp_path, whole):
    release.write(tmp_path / "r", [whole], MANIFEST)
    path = tmp_path / "r/one_sft/train-00000-of-00001.arrow"
    assert pl.read_ipc_stream(path).equals(rows(0, ROWS))
    with pa.memory_map(str(path)) as source:
        assert pa.ipc.open_stream(source).read_all().to_pylist()[-1] == rows(ROWS - 1, ROWS).to_dicts()[0]


def test_datasets_reads_the_shards(tmp_path, whole, monkeypatch):
    pytest.importorskip("datasets", exc_type=ImportError)
    monkeypatch.setattr(release, "SHARD_BYTES", 60_000)
    release.write(tmp_path / "r", [whole], MANIFEST)
    program = (
        "import sys, glob, json, datasets\n"
        "folder = sys.argv[1]\n"
        "files = sorted(glob.glob(folder + '/one_sft/*.arrow'))\n"
        "mapped = [datasets.Dataset.from_file(f) for f in files]\n"
        "loaded = datasets.load_dataset('arrow', data_files=files, split='train')\n"
        "print(json.dumps([len(files), sum(map(len, mapped)), len(loaded), mapped[-1][-1], loaded[-1], loaded[0]]))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "r"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    files, mapped, loaded, *shown = json.loads(done.stdout.splitlines()[-1])
    assert files > 1
    assert (mapped, loaded) == (ROWS, ROWS)
    last, first = rows(ROWS - 1, ROWS).to_dicts()[0], rows(0, 1).to_dicts()[0]
    assert shown == [last, last, first]
    shutil.rmtree(tmp_path / "hf", ignore_errors=True)
