"""The tree of a release: the same records as Parquet, the same bytes from any run, whole or not there."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_data.errors import CareError, Exit
from care_data.publishing.trees import name_withheld, read_release, write_tree
from care_data.store import read_manifest, sha256_file, write_json


@pytest.fixture
def release(demo: Any, tmp_path: Path) -> Path:
    """A copy of the demo's release."""
    (found,) = (demo[0] / "releases").iterdir()
    return Path(shutil.copytree(found, tmp_path / "releases" / found.name))


def read_shards(folder: Path, suffix: str) -> dict[str, pa.Table]:
    tables = {}
    for path in sorted(folder.rglob(f"*{suffix}")):
        table = pq.read_table(path) if suffix == ".parquet" else pa.ipc.open_stream(str(path)).read_all()
        tables[path.relative_to(folder).with_suffix("").as_posix()] = table
    return tables


def forbid(release: Path, corpus: str, use: str = "research") -> None:
    """The release as if the corpus might not be passed on."""
    told = json.loads((release / "manifest.json").read_text("utf-8"))
    told["sources"][corpus]["license"] |= {"redistribute": False, "use": use, "id": "GPL-3.0"}
    told.pop("digest", None)
    write_json(release / "manifest.json", told)


def test_every_record_is_there_as_it_was(release: Path, tmp_path: Path) -> None:
    manifest = write_tree(release, tmp_path / "tree")
    before, after = read_shards(release, ".arrow"), read_shards(tmp_path / "tree", ".parquet")
    assert list(after) == list(before) != []
    assert sum(table.num_rows for table in after.values()) == 292
    for name, table in before.items():
        assert after[name].schema.equals(table.schema), name
        assert pl.from_arrow(after[name]).equals(pl.from_arrow(table)), name
    assert {line["path"] for line in manifest.files} | {"manifest.json"} == {
        path.relative_to(tmp_path / "tree").as_posix() for path in (tmp_path / "tree").rglob("*") if path.is_file()
    }
    for line in manifest.files:
        path = tmp_path / "tree" / line["path"]
        assert (path.stat().st_size, sha256_file(path)) == (line["bytes"], line["sha256"])


def test_shards_are_compressed_checked_and_indexed(release: Path, tmp_path: Path) -> None:
    write_tree(release, tmp_path / "tree")
    for path in (tmp_path / "tree").rglob("*.parquet"):
        column = pq.read_metadata(path).row_group(0).column(0)
        assert column.compression == "ZSTD"
        assert column.has_column_index
        assert column.has_offset_index
    # A flipped byte in a page is found by whoever checks its checksum.
    path = next((tmp_path / "tree").rglob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PAR1") + 60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises((OSError, pa.ArrowInvalid)):
        pq.ParquetFile(path, page_checksum_verification=True).read()


def test_the_same_bytes_from_any_run(release: Path, tmp_path: Path, monkeypatch: Any, snapshot: Any) -> None:
    monkeypatch.setattr("care_data.engines.SMALL", 0)
    write_tree(release, tmp_path / "one", workers=1)
    write_tree(release, tmp_path / "two", workers=2)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")
    assert len(snapshot(tmp_path / "one")) == 8


def test_what_is_there_is_left(release: Path, tmp_path: Path) -> None:
    write_tree(release, tmp_path / "tree")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "tree").rglob("*")}
    write_tree(release, tmp_path / "tree")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tree").rglob("*")} == times


def test_a_corpus_is_left_out_with_all_that_is_said_of_it(release: Path, tmp_path: Path) -> None:
    forbid(release, "demo_dialogue", use="unclear")
    withheld = name_withheld(read_release(release))
    assert withheld == {"demo_dialogue": "GPL-3.0: nobody who may say so allows it"}
    manifest = write_tree(release, tmp_path / "tree", withheld)
    assert set(manifest.counts) == {"demo_consult_sft", "demo_preference_rw"}
    assert (
        set(manifest.counts) == set(manifest.funnel) == {line["dataset"] for line in manifest.files if "rows" in line}
    )
    assert set(manifest.sources) == set(manifest.parameters["corpora"]) == {"demo_consult", "demo_preference"}
    assert not any(line["path"].startswith("demo_dialogue/") for line in manifest.inputs)
    assert manifest.skipped["demo_dialogue"] == withheld["demo_dialogue"]
    assert "demo_dialogue: left out, and with it what other corpora lost to it as duplicates" in manifest.warnings
    info = json.loads((tmp_path / "tree/dataset_info.json").read_text("utf-8"))
    assert set(info) == {"demo_consult_sft", "demo_preference_rw"}
    assert not (tmp_path / "tree/demo_dialogue_sft").exists()
    assert "`demo_dialogue_sft`" not in (tmp_path / "tree/README.md").read_text("utf-8")


def test_nothing_left_is_an_error(release: Path, tmp_path: Path) -> None:
    for corpus in read_release(release).sources:
        forbid(release, corpus)
    with pytest.raises(CareError, match="no corpus is left to publish"):
        write_tree(release, tmp_path / "tree", name_withheld(read_release(release)))
    assert not (tmp_path / "tree").exists()


def test_a_changed_shard_ends_it_before_anything_is_there(release: Path, tmp_path: Path) -> None:
    path = next(release.rglob("*.arrow"))
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(CareError, match=r"not the file of the release's manifest") as caught:
        write_tree(release, tmp_path / "tree")
    assert caught.value.code == Exit.INTEGRITY
    assert caught.value.where == path.relative_to(release).as_posix()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["releases"]


@pytest.mark.parametrize("name", ["notes.txt", "sub/records.jsonl", ".hidden"])
def test_a_folder_with_other_things_is_left_alone(release: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "tree" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(CareError, match=r"it holds other things") as caught:
        write_tree(release, tmp_path / "tree")
    assert caught.value.code == Exit.USAGE
    assert path.read_text() == "mine"


def test_a_folder_that_is_no_release(tmp_path: Path) -> None:
    for folder, what in ((tmp_path / "none", "no such release"), (tmp_path, "not a release")):
        with pytest.raises(CareError, match=what) as caught:
            read_release(folder)
        assert caught.value.code == Exit.USAGE
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(CareError, match=r"its manifest.json is damaged") as caught:
        read_release(tmp_path)
    assert caught.value.code == Exit.INTEGRITY


def test_personal_data_that_was_kept_is_counted(care_data: Any, tmp_path: Path) -> None:
    ended = care_data("run", "demo_consult", "--to", tmp_path / "data", "--pii", "keep")
    assert ended.code == 0, ended.err
    (release,) = (tmp_path / "data/releases").iterdir()
    manifest = write_tree(release, tmp_path / "tree")
    assert manifest.private == {"email": 1, "id_card": 1, "landline": 1, "phone": 3, "wechat": 1}
    assert read_manifest(tmp_path / "tree") == manifest
