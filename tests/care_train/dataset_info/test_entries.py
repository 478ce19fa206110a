"""Entries found and chosen."""

import os
from pathlib import Path
from typing import Any

import pytest

from care_train.dataset_info.entries import Entry, find_dataset_dir, read_entries, select_entries
from care_train.errors import CareError, Exit


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
def test_refusals(release: Path, wanted: str, said: str, code: Exit, load: Any) -> None:
    with pytest.raises(CareError) as caught:
        load(release, wanted, "sft")
    assert str(caught.value).startswith(said)
    assert caught.value.code == code


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


def test_a_broken_dataset_info(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"a": ')
    with pytest.raises(CareError, match=r"dataset_info.json: not readable as JSON"):
        read_entries(tmp_path)
    (tmp_path / "dataset_info.json").write_text('["a"]')
    with pytest.raises(CareError, match=r"dataset_info.json: not an object of objects"):
        read_entries(tmp_path)


def test_for_evaluation_patterns_take_what_is_for_validation() -> None:
    roles = {"toy_sft": "train", "toy_sft_validation": "validation", "toy_sft_test": "test", "toy_plain": None}
    care = {name: {"format": "sft", "role": role} if role else {} for name, role in roles.items()}
    entries = {name: Entry(name, Path("x"), {"file_name": name}, care[name]) for name in roles}
    chosen = select_entries(entries, "toy_*", "sft", measuring=True)
    assert [entry.name for entry in chosen] == ["toy_sft_validation", "toy_plain"]
    assert [entry.name for entry in select_entries(entries, "toy_sft", "sft", measuring=True)] == ["toy_sft"]
    with pytest.raises(CareError, match=r"toy_sft_test: is held out for testing") as caught:
        select_entries(entries, "toy_sft_test", "sft", measuring=True)
    assert caught.value.code == Exit.POLICY
    with pytest.raises(CareError, match=r"no dataset like toy_s\[f\]t is for evaluating sft"):
        select_entries(entries, "toy_s[f]t", "sft", measuring=True)
