"""Where data may lie: below the folder, links followed; what is not there is told with what may be meant."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from care_data.dataset_info.places import Folder
from care_data.errors import Exit

BESIDE = "Put the data beside this file, and write its path from here."
ITSELF = "Put the data itself beside this file; what lies outside is not opened."
DOWNLOAD = "Download it beside this file, and name that."

OUTSIDE = {
    "/etc/passwd": f'"/etc/passwd" is an absolute path. {BESIDE}',
    "C:\\data\\x.csv": f'"C:\\\\data\\\\x.csv" is an absolute path. {BESIDE}',
    "\\\\host\\x.csv": f'"\\\\\\\\host\\\\x.csv" is an absolute path. {BESIDE}',
    "../outside.jsonl": f'"../outside.jsonl" leaves the folder. {ITSELF}',
    "set/../../outside.jsonl": f'"set/../../outside.jsonl" leaves the folder. {ITSELF}',
    "../../../../../../etc/passwd": f'"../../../../../../etc/passwd" leaves the folder. {ITSELF}',
    "link.jsonl": f'"link.jsonl" is a link that leaves the folder. {ITSELF}',
    "linked/outside.jsonl": f'"linked/outside.jsonl" is a link that leaves the folder. {ITSELF}',
    "~/x.csv": f'"~/x.csv" begins with ~, which leads to a home folder. {BESIDE}',
    "~root/x.csv": f'"~root/x.csv" begins with ~, which leads to a home folder. {BESIDE}',
    "https://host/x.csv": f'"https://host/x.csv" is an address, not a file, and was not asked. {DOWNLOAD}',
    "https://u:p@host/x.csv?t=1": f'"https://…@host/x.csv?…" is an address, not a file, and was not asked. {DOWNLOAD}',
    "hf://datasets/a/b.csv": f'"hf://datasets/a/b.csv" is an address, not a file, and was not asked. {DOWNLOAD}',
    "file:///etc/passwd": f'"file:///etc/passwd" is an address, not a file, and was not asked. {DOWNLOAD}',
    "file:/etc/passwd": f'"file:/etc/passwd" is an address, not a file, and was not asked. {DOWNLOAD}',
    "x\0.csv": f'"x\\u0000.csv" holds a NUL character. {BESIDE}',
}


@pytest.fixture
def outside(data: Path) -> Path:
    """What must not be opened: a pipe beside the folder, at which whoever opens it waits for ever."""
    path = data.parent / "outside.jsonl"
    os.mkfifo(path)
    (data / "set").mkdir()
    (data / "link.jsonl").symlink_to(path)
    (data / "linked").symlink_to(data.parent)
    return path


@pytest.mark.parametrize("file_name", OUTSIDE)
def test_nothing_outside_the_folder_is_opened(check: Any, outside: Path, file_name: str):
    report = check({"x": {"file_name": file_name, "file_sha1": "0" * 40}})
    assert [str(problem) for problem in report.problems] == [f"x.file_name: {OUTSIDE[file_name]}"]
    assert report.code == Exit.POLICY


def test_a_link_out_of_a_folder_of_files(check: Any, data: Path, outside: Path):
    os.link(data / "pairs.jsonl", data / "set/0.jsonl")
    (data / "set/1.jsonl").symlink_to(outside)
    report = check({"x": {"file_name": "set"}})
    assert [str(problem) for problem in report.problems] == [
        f'x.file_name: "set/1.jsonl" is a link that leaves the folder. {ITSELF}'
    ]
    assert report.code == Exit.POLICY


@pytest.mark.parametrize(
    "file_name", ["pairs.jsonl", "./pairs.jsonl", "set/../pairs.jsonl", "../data/pairs.jsonl", "in.jsonl"]
)
def test_paths_that_stay_inside(check: Any, data: Path, file_name: str):
    (data / "set").mkdir()
    (data / "in.jsonl").symlink_to("pairs.jsonl")
    assert check({"x": {"file_name": file_name}}).problems == []


def test_the_folder_itself_may_be_a_link(check: Any, data: Path, tmp_path: Path):
    from care_data.dataset_info import check_info

    check({"x": {"file_name": "pairs.jsonl"}})
    (tmp_path / "alias").symlink_to(data)
    assert check_info(tmp_path / "alias").problems == []


@pytest.mark.parametrize(
    ("file_name", "fix"),
    [
        ("Pairs.jsonl", 'There is "pairs.jsonl": letters differ in case or in how they are composed.'),
        ("caf\u00e9.csv", 'There is "cafe\u0301.csv": letters differ in case or in how they are composed.'),
        ("pair.jsonl", 'Did you mean "pairs.jsonl"?'),
        ("pairs.json", 'Did you mean "pairs.jsonl"?'),
        ("set/on.csv", 'Did you mean "one.csv"?'),
        ("Set/one.csv", 'There is "set": letters differ in case or in how they are composed.'),
        ("set/other.parquet", 'There are: "one.csv".'),
        ("empty/x.csv", "Put it beside this file."),
        ("set\\one.csv", "Write / in place of \\."),
        ("pairs.jsonl/x.csv", "Put it beside this file."),
        ("x" * 300 + ".csv", None),
        ("$(rm -rf .)", 'There are: "cafe\u0301.csv", "pairs.jsonl".'),
    ],
)
def test_what_is_not_there(check: Any, data: Path, file_name: str, fix: str | None):
    for folder in ("set", "empty"):
        (data / folder).mkdir()
    (data / "set/one.csv").write_text("instruction,input,output\n")
    (data / "cafe\u0301.csv").write_text("instruction,input,output\n")
    [problem] = check({"x": {"file_name": file_name}}).problems
    assert problem.where == "x.file_name"
    assert problem.code == Exit.DATA
    if fix is not None:
        assert problem.what.endswith(" does not exist")
        assert problem.fix == fix


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        (
            "x.xlsx",
            '"x.xlsx" is of no data type by its ending',
            "Loaders read .csv, .json, .jsonl, .txt, .parquet, .arrow.",
        ),
        (
            "x.tsv",
            '"x.tsv" is of no data type by its ending',
            "Loaders read .csv, .json, .jsonl, .txt, .parquet, .arrow.",
        ),
        ("x.CSV", '"x.CSV" is of no data type by its ending', "Write its ending in small letters: .csv."),
        ("x.jsonl.gz", '"x.jsonl.gz" is of no data type by its ending', "Unpack it."),
    ],
)
def test_files_of_no_data_type(check: Any, data: Path, name: str, what: str, fix: str):
    (data / name).write_text("x")
    [problem] = check({"x": {"file_name": name}}).problems
    assert (problem.what, problem.fix, problem.code) == (what, fix, Exit.DATA)


def test_a_pipe_is_no_file(check: Any, data: Path):
    os.mkfifo(data / "x.csv")
    [problem] = check({"x": {"file_name": "x.csv"}}).problems
    assert (problem.what, problem.fix) == ('"x.csv" is no file', "Name a file or a folder of files.")


def test_a_folder_of_files_that_do_not_go_together(check: Any, data: Path):
    (data / "set/deep").mkdir(parents=True)
    for name in ("0.csv", "1.jsonl", ".DS_Store", "README.md"):
        (data / "set" / name).write_text("instruction,input,output\n" if name == "0.csv" else "{}\n")
    whats = [problem.what for problem in check({"x": {"file_name": "set"}}).problems]
    assert whats[:2] == [
        'in "set" lies what is of no data type: ".DS_Store", "README.md", "deep/"',
        'in "set" lie files of 2 types: csv ("0.csv"), json ("1.jsonl")',
    ]


def test_json_and_json_lines_are_one_type(check: Any, data: Path):
    (data / "set").mkdir()
    os.link(data / "pairs.jsonl", data / "set/0.jsonl")
    os.link(data / "pairs.jsonl", data / "set/1.json")
    assert check({"x": {"file_name": "set"}}).problems == []


def test_an_empty_folder(check: Any, data: Path):
    (data / "set").mkdir()
    [problem] = check({"x": {"file_name": "set"}}).problems
    assert (problem.what, problem.code) == ('"set" is an empty folder', Exit.DATA)


def test_files_that_may_not_be_read(told: Any, data: Path, monkeypatch: pytest.MonkeyPatch):
    (data / "set").mkdir()
    os.link(data / "pairs.jsonl", data / "set/0.jsonl")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert told({"x": {"file_name": "pairs.jsonl"}, "y": {"file_name": "set"}}) == [
        'x.file_name: "pairs.jsonl" may not be read. See to it that you can read it.',
        'y.file_name: "set/0.jsonl" may not be read. See to it that you can read it.',
    ]


# Checksums


def test_a_sha1_that_holds_in_either_case(check: Any, data: Path):
    digest = hashlib.sha1((data / "pairs.jsonl").read_bytes()).hexdigest()  # noqa: S324
    for stated in (digest, digest.upper(), ""):
        assert check({"x": {"file_name": "pairs.jsonl", "file_sha1": stated}}).problems == []


def test_a_sha1_that_does_not_hold(check: Any, data: Path):
    digest = hashlib.sha1((data / "pairs.jsonl").read_bytes()).hexdigest()  # noqa: S324
    report = check({"x": {"file_name": "pairs.jsonl", "file_sha1": "0" * 40}})
    assert [str(problem) for problem in report.problems] == [
        f'x.file_sha1: "pairs.jsonl" has the SHA-1 {digest}, not {"0" * 40}. '
        "Get the file again; where the change is meant, write its new SHA-1."
    ]
    assert report.code == Exit.INTEGRITY


def test_a_sha1_is_not_of_a_folder(check: Any, data: Path):
    (data / "set").mkdir()
    for number in range(2):
        os.link(data / "pairs.jsonl", data / f"set/{number}.jsonl")
    [problem] = check({"x": {"file_name": "set", "file_sha1": "0" * 40}}).problems
    assert (problem.what, problem.code) == ("it is of a single file, and here are 2", Exit.DATA)


def test_a_disk_that_fails(check: Any, data: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(stream: Any, kind: str) -> Any:
        raise OSError(5, "Input/output error", stream.name)

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    report = check({"x": {"file_name": "pairs.jsonl", "file_sha1": "0" * 40}, "y": {"file_name": "gone.csv"}})
    assert [str(problem) for problem in report.problems] == [
        f"x.file_name: input/output error. See to {data}/pairs.jsonl, then check again.",
        'y.file_name: "gone.csv" does not exist. There are: "pairs.jsonl".',
    ]


def test_a_file_that_many_datasets_name_is_read_once(data: Path):
    folder = Folder(data)
    first = folder.digest(data / "pairs.jsonl", "sha1")
    (data / "pairs.jsonl").unlink()
    assert folder.digest(data / "pairs.jsonl", "sha1") == first
