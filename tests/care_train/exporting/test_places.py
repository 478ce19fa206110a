"""A folder stands under its name once it is whole, and at no time before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from care_train.errors import CareError, Exit
from care_train.exporting.places import claim, need_room


def write(output: Path, text: str, *, overwrite: bool = False) -> None:
    with claim(output, [], overwrite=overwrite) as part:
        (part / "weights").write_text(text)
        (part / "care_train.json").write_text(json.dumps({"export": {}}))


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_appears_when_the_block_has_ended(tmp_path: Path) -> None:
    with claim(tmp_path / "out", [], overwrite=False) as part:
        (part / "weights").write_text("one")
        assert list_names(tmp_path) == [".out.part"]
    assert list_names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "weights").read_text() == "one"


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with claim(tmp_path / "out", [], overwrite=False) as part:
            (part / "weights").write_text("one")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list_names(tmp_path) == []


def test_only_an_earlier_export_is_replaced_and_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for overwrite in (False, True):
        with pytest.raises(CareError, match=r"mine: is not empty and no earlier export\. Choose another --output_dir"):
            write(tmp_path / "mine", "one", overwrite=overwrite)
    assert list_names(tmp_path / "mine") == ["thesis.txt"]
    write(tmp_path / "out", "one")
    with pytest.raises(CareError, match=r"out: holds an earlier export\. Add --overwrite_output_dir"):
        write(tmp_path / "out", "two")
    assert (tmp_path / "out" / "weights").read_text() == "one"
    write(tmp_path / "out", "two", overwrite=True)
    assert (tmp_path / "out" / "weights").read_text() == "two"
    assert list_names(tmp_path) == ["mine", "out"]


def test_what_is_read_is_never_written(tmp_path: Path) -> None:
    adapter = tmp_path / "runs" / "sft"
    adapter.mkdir(parents=True)
    for output in (adapter, adapter / "merged", tmp_path / "runs", adapter / ".." / "sft"):
        with pytest.raises(CareError, match="would write into") as caught, claim(output, [adapter], overwrite=True):
            pass
        assert caught.value.code == Exit.USAGE
    assert list_names(tmp_path / "runs") == ["sft"]


KILLED = """
import os, signal, sys
from pathlib import Path
from care_train.exporting import places
point, output = sys.argv[1], Path(sys.argv[2])
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if point == "syncing":
    places._sync = kill
if point == "renaming":
    rename = Path.rename
    Path.rename = lambda self, target: kill() if self.name == ".out.part" else rename(self, target)
with places.claim(output, [], overwrite=True) as part:
    (part / "weights").write_text("two")
    if point == "writing":
        kill()
"""


@pytest.mark.parametrize("point", ["writing", "syncing", "renaming"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_killed_export_leaves_nothing_and_the_next_clears_up(point: str, earlier: bool, tmp_path: Path) -> None:
    output = tmp_path / "out"
    if earlier:
        write(output, "one")
    killed = subprocess.run([sys.executable, "-c", KILLED, point, str(output)], check=False)
    assert killed.returncode == -9
    assert list_names(tmp_path) != ["out"]
    assert not output.exists() or (output / "weights").read_text() == "one"
    assert output.exists() == (earlier and point != "renaming")
    if earlier:  # also where it was killed with the earlier export already taken away
        with pytest.raises(CareError, match="holds an earlier export"):
            write(output, "three")
        assert (output / "weights").read_text() == "one"
    write(output, "three", overwrite=True)
    assert list_names(tmp_path) == ["out"]
    assert (output / "weights").read_text() == "three"


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    with claim(tmp_path / "out", [], overwrite=False) as part:
        (part / "weights").write_text("one")
        with pytest.raises(CareError, match="another export is writing there"):
            write(tmp_path / "out", "two")
    assert (tmp_path / "out" / "weights").read_text() == "one"


def test_a_full_disk_is_told_before_writing(tmp_path: Path) -> None:
    need_room(tmp_path, 1)
    with pytest.raises(CareError, match=r"the model takes 1000000\.0 GB, the disk has [\d.]+ GB") as caught:
        need_room(tmp_path, 10**15)
    assert caught.value.code == Exit.LIMIT
