"""Entries of dataset_info.json: found, chosen, checked, read."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_train.dataset_info import Entry, find_dataset_dir, load_datasets, read_entries, select_entries
from care_train.errors import CareError, Exit

MAPPED = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}


def put(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_release_is_read_in_the_order_of_its_shards(release: Path, records: list[dict[str, Any]]) -> None:
    data = load_datasets(release, "toy_sft", "sft")
    assert data.rows == {"toy_sft": 24}
    assert data.table["id"].to_pylist() == [record["id"] for record in records]
    assert data.table["history"].to_pylist() == [record["history"] for record in records]
    assert data.manifest_sha256 == hashlib.sha256((release / "manifest.json").read_bytes()).hexdigest()


def test_absent_columns_mean_the_usual_ones_without_history(write_info: Any, records: list[dict[str, Any]]) -> None:
    folder = write_info({"file_name": "a.json"})
    put(folder, "a.json", records)
    table = load_datasets(folder, "mm", "sft").table
    assert table["query"].to_pylist() == [record["input"] for record in records]
    assert table["history"].null_count == 24


def test_given_columns_are_all_there_is_and_empty_means_none(write_info: Any, records: list[dict[str, Any]]) -> None:
    folder = write_info(
        {"file_name": "a.json", "columns": {"prompt": "instruction", "response": "output", "query": ""}}
    )
    put(folder, "a.json", records)
    table = load_datasets(folder, "mm", "sft").table
    assert table["query"].null_count == table["history"].null_count == 24
    assert table["response"].to_pylist() == [record["output"] for record in records]


def test_system_column_and_a_missing_assumed_input(write_info: Any) -> None:
    folder = write_info({"file_name": "a.json", "columns": {**MAPPED, "query": "", "history": "", "system": "sys"}})
    put(folder, "a.json", [{"instruction": "一", "output": "二", "sys": "三"}])
    assert load_datasets(folder, "mm", "sft").table["system"].to_pylist() == ["三"]
    folder = write_info({"file_name": "a.json"})
    assert load_datasets(folder, "mm", "sft").table["query"].to_pylist() == [None]


def test_a_folder_of_shards_and_num_samples_and_max_samples(write_info: Any) -> None:
    folder = write_info(
        {"file_name": "parts", "columns": {"prompt": "instruction", "response": "output"}, "num_samples": 3}
    )
    for name in ("b.json", "a.json", "c.json"):
        put(folder, f"parts/{name}", [{"instruction": f"{name}{i}", "output": "x"} for i in range(2)])
    (folder / "parts/.hidden").write_text("")
    assert load_datasets(folder, "mm", "sft").table["prompt"].to_pylist() == ["a.json0", "a.json1", "b.json0"]
    assert load_datasets(folder, "mm", "sft", max_samples=1).rows == {"mm": 1}
    (folder / "parts/d.csv").write_text("instruction,output\n")
    with pytest.raises(CareError, match=r"mm: files of 2 types in parts: \.csv, \.json"):
        load_datasets(folder, "mm", "sft")


def test_choosing_by_name_and_pattern(release: Path) -> None:
    entries = read_entries(release)
    assert [entry.name for entry in select_entries(entries, "toy_*", "sft")] == ["toy_sft"]
    assert [entry.name for entry in select_entries(entries, "toy_sft, toy_*", "sft")] == ["toy_sft"]


def test_what_is_held_out_is_trained_on_by_no_pattern_and_a_test_set_not_at_all() -> None:
    roles = {"toy_sft": "train", "toy_sft_test": "test", "toy_sft_validation": "validation"}
    care = {name: {"format": "sft", "role": role} for name, role in roles.items()}
    entries = {name: Entry(name, Path("x"), {"file_name": name, "care": care[name]}, care[name]) for name in roles}
    assert [entry.name for entry in select_entries(entries, "toy_*", "sft")] == ["toy_sft"]
    named = select_entries(entries, "toy_sft,toy_sft_validation", "sft")
    assert [entry.name for entry in named] == ["toy_sft", "toy_sft_validation"]
    with pytest.raises(CareError) as caught:
        select_entries(entries, "toy_sft,toy_sft_test", "sft")
    assert caught.value.code == Exit.POLICY
    assert str(caught.value) == (
        "toy_sft_test: is held out for testing. Training on it would spoil every score; use its training part."
    )
    with pytest.raises(CareError, match=r"no dataset like \*_validation is for sft"):
        select_entries(entries, "*_validation", "sft")


@pytest.mark.parametrize(
    ("wanted", "said", "code"),
    [
        ("toy_exam", "toy_exam: is a benchmark. Training on it would spoil every score", Exit.POLICY),
        ("toy_rw", "toy_rw: holds rw records, not sft.", Exit.DATA),
        ("toy_stf", "no dataset toy_stf. Did you mean toy_sft? There are: toy_sft, toy_exam, toy_rw.", Exit.DATA),
        ("x_*", "no dataset is like x_*. There are: toy_sft", Exit.DATA),
        ("*_exam", "no dataset like *_exam is for sft. There are: toy_sft", Exit.DATA),
        (" ,", "no dataset named.", Exit.USAGE),
    ],
)
def test_refusals(release: Path, wanted: str, said: str, code: Exit) -> None:
    with pytest.raises(CareError) as caught:
        load_datasets(release, wanted, "sft")
    assert str(caught.value).startswith(said)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("keys", "said", "code"),
    [
        ({"script_url": "loader"}, "mm: script_url is refused. Scripts are not run", Exit.POLICY),
        ({"file_name": "../mm.json"}, "mm: file_name leads outside the dataset folder.", Exit.POLICY),
        ({"file_name": "/etc/passwd"}, "mm: file_name leads outside the dataset folder.", Exit.POLICY),
        ({"file_name": "none.json"}, "mm: none.json does not exist in", Exit.DATA),
        ({"hf_hub_url": "a/b"}, "mm: hf_hub_url is not read here.", Exit.DATA),
        ({"file_name": "a.json", "formatting": "sharegpt"}, "mm: formatting sharegpt is not read here.", Exit.DATA),
        ({"file_name": "a.json", "ranking": True}, "mm: holds rw records, not sft.", Exit.DATA),
        ({"file_name": "a.json", "columns": {"prompt": "q"}}, "mm: no response column is named.", Exit.DATA),
        ({"file_name": "a.json", "columns": {**MAPPED, "images": "i"}}, "mm: images i is not read here.", Exit.DATA),
        ({"file_name": "a.json", "file_sha1": "0" * 40}, "mm/a.json: file_sha1 does not hold.", Exit.INTEGRITY),
    ],
)
def test_what_is_not_read_says_so(write_info: Any, keys: dict[str, Any], said: str, code: Exit) -> None:
    folder = write_info(keys)
    put(folder, "a.json", [{"instruction": "一", "output": "二"}])
    with pytest.raises(CareError) as caught:
        load_datasets(folder, "mm", "sft")
    assert str(caught.value).startswith(said)
    assert caught.value.code == code


def test_a_true_sha1_is_enough(write_info: Callable[..., Path], tmp_path: Path) -> None:
    path = put(tmp_path, "a.json", [{"instruction": "一", "output": "二"}])
    digest = hashlib.sha1(path.read_bytes()).hexdigest()  # noqa: S324  the format of 2023 asks for it
    assert load_datasets(write_info({"file_name": "a.json", "file_sha1": digest.upper()}), "mm", "sft").rows == {
        "mm": 1
    }


def test_links_that_lead_outside_are_refused(write_info: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = put(tmp_path_factory.mktemp("outside"), "a.json", [{"instruction": "一", "output": "二"}])
    folder = write_info({"file_name": "parts"})
    (folder / "parts").mkdir()
    os.symlink(outside, folder / "parts" / "a.json")
    with pytest.raises(CareError, match=r"file_name leads outside"):
        load_datasets(folder, "mm", "sft")


def test_a_release_that_was_touched_is_refused(release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    first, second = sorted((copy / "toy_sft").iterdir())
    shutil.copy(first, copy / "toy_sft" / "train-00002-of-00002.arrow")
    with pytest.raises(CareError, match=r"toy_sft/train-00002-of-00002.arrow: is not in the manifest") as caught:
        load_datasets(copy, "toy_sft", "sft")
    assert caught.value.code == Exit.INTEGRITY
    (copy / "toy_sft" / "train-00002-of-00002.arrow").unlink()
    content = second.read_bytes()
    second.write_bytes(content.replace("耳鸣".encode(), "耳聋".encode(), 1))
    assert second.read_bytes() != content
    with pytest.raises(CareError, match=r"00001-of-00002.arrow: has another sha256 than the manifest says"):
        load_datasets(copy, "toy_sft", "sft")
    second.unlink()
    with pytest.raises(CareError, match=r"00001-of-00002.arrow: is in the manifest but not there"):
        load_datasets(copy, "toy_sft", "sft")


def test_the_dataset_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path("data")
    with pytest.raises(CareError, match=r"data: no dataset_info.json there, nor in a release under it"):
        find_dataset_dir(None)
    for name, age in (("old", 200), ("new", 100), (".half-written", 0)):
        folder = data / "releases" / name
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
        (folder / "manifest.json").write_text("{}")
        os.utime(folder / "manifest.json", (1e9 - age, 1e9 - age))
    assert find_dataset_dir(None) == find_dataset_dir("data") == data / "releases" / "new"
    assert find_dataset_dir(str(tmp_path / "data")) == tmp_path / "data" / "releases" / "new"
    assert find_dataset_dir("data/releases/old") == data / "releases" / "old"
    (data / "dataset_info.json").write_text("{}")
    assert find_dataset_dir(None) == data


def test_shards_come_by_name_whatever_the_disk_says(write_info: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_info({"file_name": "parts"})
    for name in "bca":
        put(folder, f"parts/{name}.json", [{"instruction": name, "output": "x"}])
    for order in (sorted, lambda paths: sorted(paths, reverse=True)):
        listed = order(folder / "parts" / f"{name}.json" for name in "abc")
        monkeypatch.setattr(Path, "iterdir", lambda self, listed=listed: iter(listed))
        assert load_datasets(folder, "mm", "sft").table["prompt"].to_pylist() == ["a", "b", "c"]


def test_a_broken_dataset_info(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"a": ')
    with pytest.raises(CareError, match=r"dataset_info.json: not readable as JSON"):
        read_entries(tmp_path)
    (tmp_path / "dataset_info.json").write_text('["a"]')
    with pytest.raises(CareError, match=r"dataset_info.json: not an object of objects"):
        read_entries(tmp_path)
