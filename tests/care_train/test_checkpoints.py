"""What a run's folder allows: going on, starting anew, or neither."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from care_train.checkpoints import find_checkpoint, list_checkpoints, read_note, start_run, write_note
from care_train.config import RunSettings
from care_train.errors import CareError, Exit

STORY: dict[str, Any] = {
    "datasets": {"toy": 3},
    "manifest_sha256": "m",
    "settings": {"model": {"quantization_bit": 4}, "data": {"template": "llama2", "dataset_dir": None}, "lora": {}},
}
STORY["settings"]["preference"] = {"pref_beta": 0.1}


def put(folder: Path, *steps: int) -> Path:
    for step in steps:
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        (folder / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    return folder


def test_the_last_whole_checkpoint_is_taken(tmp_path: Path) -> None:
    put(tmp_path, 9, 10, 100)
    (tmp_path / "checkpoint-200").mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-9", "checkpoint-10", "checkpoint-100"]
    run = RunSettings(output_dir=str(tmp_path))
    assert find_checkpoint(run, STORY) == tmp_path / "checkpoint-100"
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path), overwrite_output_dir=True), STORY) is None


def test_one_half_written_is_not_whole_and_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    put(tmp_path, 3, 6)
    (tmp_path / "checkpoint-6" / "trainer_state.json").write_text('{"epoch": 0.')
    (tmp_path / "checkpoint-9").mkdir()
    assert list_checkpoints(tmp_path) == [tmp_path / "checkpoint-3"]
    start_run(RunSettings(output_dir=str(tmp_path)), STORY, keep=True)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-3"]


def test_a_chosen_checkpoint_is_taken_unless_a_later_one_lies_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "a", 3, 9)
    chosen = str(tmp_path / "a" / "checkpoint-3")
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path / "b"), resume=chosen), STORY) == Path(chosen)
    with pytest.raises(CareError, match=r"checkpoint-9: is later than checkpoint-3, which is to be gone on from"):
        find_checkpoint(RunSettings(output_dir=str(tmp_path / "a"), resume=chosen), STORY)
    shutil.rmtree(tmp_path / "a" / "checkpoint-9")
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path / "a"), resume=chosen), STORY) == Path(chosen)


def test_a_fresh_or_unstarted_folder_starts_anew(tmp_path: Path) -> None:
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path / "none")), STORY) is None
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path)), STORY) is None
    start_run(RunSettings(output_dir=str(tmp_path)), STORY, keep=False)
    assert read_note(tmp_path)["finished"] is False
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path)), STORY) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"model": {"quantization_bit": None}, "data": {}, "lora": {}}}, "quantization_bit 4, not None"),
        ({"settings": {"preference": {"pref_beta": 0.2}}}, "holds a run with pref_beta 0.1, not 0.2"),
        ({"datasets": {"toy": 4}}, "holds a run on other data"),
        ({"manifest_sha256": "n"}, "holds a run on other data"),
    ],
)
def test_another_run_is_not_continued(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    put(tmp_path, 3)
    write_note(tmp_path, STORY)
    with pytest.raises(CareError, match=said):
        find_checkpoint(RunSettings(output_dir=str(tmp_path)), {**STORY, **change})


def test_where_the_data_lies_does_not_matter(tmp_path: Path) -> None:
    put(tmp_path, 3)
    write_note(tmp_path, STORY)
    moved = json.loads(json.dumps(STORY))
    moved["settings"]["data"]["dataset_dir"] = "/elsewhere"
    assert find_checkpoint(RunSettings(output_dir=str(tmp_path)), moved) == tmp_path / "checkpoint-3"


def test_foreign_folders_and_wrong_paths_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(CareError, match=r"is not empty and holds no checkpoint. Add --overwrite_output_dir"):
        find_checkpoint(RunSettings(output_dir=str(tmp_path)), STORY)
    with pytest.raises(CareError, match=r"is no checkpoint") as caught:
        find_checkpoint(RunSettings(output_dir=str(tmp_path), resume="nowhere"), STORY)
    assert caught.value.code == Exit.USAGE
    with pytest.raises(CareError, match=r"holds an earlier run"):
        find_checkpoint(RunSettings(output_dir=str(put(tmp_path, 3)), resume="never"), STORY)


def test_starting_anew_deletes_checkpoints_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path, 3)
    (tmp_path / "thesis.txt").write_text("x")
    start_run(RunSettings(output_dir=str(tmp_path)), STORY, keep=True)
    assert len(list_checkpoints(tmp_path)) == 1
    start_run(RunSettings(output_dir=str(tmp_path)), STORY, keep=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["care_train.json", "thesis.txt"]


def test_a_note_that_is_no_json(tmp_path: Path) -> None:
    assert read_note(tmp_path) == {}
    (tmp_path / "care_train.json").write_text("{")
    with pytest.raises(CareError, match=r"care_train.json: not JSON"):
        read_note(tmp_path)
