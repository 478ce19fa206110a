"""Files of an entry: where they may lie, and that they are those they are said to be."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_train.errors import CareError, Exit


def test_a_folder_of_shards_of_one_type(write_info: Any, put: Any, load: Any) -> None:
    folder = write_info({"file_name": "parts", "columns": {"prompt": "instruction", "response": "output"}})
    for name in ("b.json", "a.json", "c.json"):
        put(f"parts/{name}", [{"instruction": f"{name}{i}", "output": "x"} for i in range(2)])
    (folder / "parts/.hidden").write_text("")
    assert load(folder, "mm", "sft").table["prompt"].to_pylist()[:3] == ["a.json0", "a.json1", "b.json0"]
    assert load(folder, "mm", "sft", max_samples=1).rows == {"mm": 1}
    (folder / "parts/d.csv").write_text("instruction,output\n")
    with pytest.raises(CareError, match=r"mm: files of 2 types in parts: \.csv, \.json"):
        load(folder, "mm", "sft")


def test_a_true_sha1_is_enough(write_info: Callable[..., Path], tmp_path: Path, put: Any, load: Any) -> None:
    path = put("a.json", [{"instruction": "一", "output": "二"}])
    digest = hashlib.sha1(path.read_bytes()).hexdigest()  # noqa: S324  the format of 2023 asks for it
    assert load(write_info({"file_name": "a.json", "file_sha1": digest.upper()}), "mm", "sft").rows == {"mm": 1}


def test_links_that_lead_outside_are_refused(
    write_info: Any, tmp_path_factory: pytest.TempPathFactory, put: Any, load: Any
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.json"
    outside.write_text(json.dumps([{"instruction": "一", "output": "二"}]), encoding="utf-8")
    folder = write_info({"file_name": "parts"})
    (folder / "parts").mkdir()
    os.symlink(outside, folder / "parts" / "a.json")
    with pytest.raises(CareError, match=r"file_name leads outside"):
        load(folder, "mm", "sft")


def test_a_release_that_was_touched_is_refused(release: Path, tmp_path: Path, load: Any) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    first, second = sorted((copy / "toy_sft").iterdir())
    shutil.copy(first, copy / "toy_sft" / "train-00002-of-00002.arrow")
    with pytest.raises(CareError, match=r"toy_sft/train-00002-of-00002.arrow: is not in the manifest") as caught:
        load(copy, "toy_sft", "sft")
    assert caught.value.code == Exit.INTEGRITY
    (copy / "toy_sft" / "train-00002-of-00002.arrow").unlink()
    content = second.read_bytes()
    second.write_bytes(content.replace("耳鸣".encode(), "耳聋".encode(), 1))
    assert second.read_bytes() != content
    with pytest.raises(CareError, match=r"00001-of-00002.arrow: has another sha256 than the manifest says"):
        load(copy, "toy_sft", "sft")
    second.unlink()
    with pytest.raises(CareError, match=r"00001-of-00002.arrow: is in the manifest but not there"):
        load(copy, "toy_sft", "sft")


def test_shards_come_by_name_whatever_the_disk_says(
    write_info: Any, monkeypatch: pytest.MonkeyPatch, put: Any, load: Any
) -> None:
    folder = write_info({"file_name": "parts"})
    for name in "bca":
        put(f"parts/{name}.json", [{"instruction": name, "output": "x"}])
    for order in (sorted, lambda paths: sorted(paths, reverse=True)):
        listed = order(folder / "parts" / f"{name}.json" for name in "abc")
        monkeypatch.setattr(Path, "iterdir", lambda self, listed=listed: iter(listed))
        assert load(folder, "mm", "sft").table["prompt"].to_pylist() == ["a", "b", "c"]


def test_a_sha1_of_a_folder_is_refused_not_passed_over(write_info: Any, put: Any, load: Any) -> None:
    put("parts/a.json", [{"instruction": "一", "output": "二"}])
    with pytest.raises(CareError, match=r"^mm: file_sha1 of a folder cannot hold\. It is of a single file"):
        load(write_info({"file_name": "parts", "file_sha1": "0" * 40}), "mm", "sft")
