"""Files whole or not at all, manifests that are believed only when whole, one writer at a time."""

import errno
import hashlib
import json
import os
import subprocess
import sys

import pytest

from care_data import store
from care_data.errors import CareError, Exit
from care_data.store import Manifest, Store, disk_error, read_manifest, safe_join, sweep, write_json, writing

KEY = "ab" * 32


def manifest(**changes):
    settings = {
        "stage": "clean",
        "corpus": "one",
        "key": KEY,
        "inputs": [],
        "parameters": {},
        "counts": {"sft": {"read": 3, "kept": 2, "dropped": {"blank": 1}}},
        "files": [],
        "verified": True,
        "version": "1",
        "code": "c",
    }
    return Manifest(**{**settings, **changes})


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../x", "/etc/x", "a//b", "a\\b", "C:x", "c:/x", "a\0b", "a/", "./a", "..\\x"],
)
def test_no_path_leaves_its_folder(tmp_path, name):
    with pytest.raises(CareError) as caught:
        safe_join(tmp_path, name)
    assert caught.value.code == Exit.INTEGRITY
    assert repr(name)[1:-1] in str(caught.value)


def test_a_path_below_the_folder_is_joined(tmp_path):
    assert safe_join(tmp_path, "a/b c/..d") == tmp_path / "a" / "b c" / "..d"


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "../x", "/x", "a\nb", "\x1b[31m", ".x", "-x", "a b", "x" * 201, "一" * 67, "a\0"]
)
def test_a_hostile_name_is_no_folder(tmp_path, name):
    with pytest.raises(CareError) as caught:
        Store(tmp_path).folder("release", name)
    assert caught.value.code == Exit.USAGE
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "demo-1234abcd", "v1.2", "一岁_b", "x" * 200])
def test_a_plain_name_is_a_folder(tmp_path, name):
    assert Store(tmp_path).folder("release", name) == tmp_path / "releases" / name


def test_a_file_has_its_final_name_only_when_whole(tmp_path):
    path = tmp_path / "new" / "file"
    with writing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), writing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (errno.ENOSPC, Exit.LIMIT, "disk is full"),
        (errno.EDQUOT, Exit.LIMIT, "disk is full"),
        (errno.EFBIG, Exit.LIMIT, "disk is full"),
        (errno.EACCES, Exit.DATA, "no permission"),
        (errno.EROFS, Exit.DATA, "no permission"),
        (errno.EIO, Exit.DATA, "input/output error"),
        (errno.EMFILE, Exit.DATA, "too many open files"),
    ],
)
def test_an_error_of_the_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch, broken, number, code, word):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(CareError) as caught:
        write_json(path, {"a": 1})
    monkeypatch.undo()
    assert caught.value.code == code
    assert word in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.fatal == (code == Exit.LIMIT)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_that_names_a_file_is_told_with_that_file(tmp_path):
    error = disk_error(FileNotFoundError(errno.ENOENT, "No such file or directory", "/gone"), tmp_path / "mine")
    assert str(error) == "/gone: no such file or directory. See to it, then run again."


def test_json_is_the_same_bytes_whatever_the_order(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": ["头"]})
    write_json(tmp_path / "b", {"a": ["头"], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_text(encoding="utf-8") == '{\n  "a": [\n    "头"\n  ],\n  "b": 1\n}\n'


def test_sweep_keeps_what_it_is_told_and_removes_empty_folders(tmp_path):
    for name in ["keep", "drop", "a/keep", "a/drop", "b/c/drop", ".x.tmp-1-abcdef01"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    sweep(tmp_path, {"keep", "a/keep"})
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == ["a", "a/keep", "keep"]


def test_the_digest_of_the_code_changes_with_the_code(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "store.py").write_text("a = 1\n")
    (tmp_path / "sub" / "other.py").write_text("b = 1\n")
    monkeypatch.setattr(store, "__file__", str(tmp_path / "store.py"))
    digests = []
    for text in ["b = 1\n", "b = 2\n", "b = 1\n"]:
        (tmp_path / "sub" / "other.py").write_text(text)
        store.code_digest.cache_clear()
        digests.append(store.code_digest())
    store.code_digest.cache_clear()
    assert digests[0] == digests[2] != digests[1]


def test_counts_that_do_not_add_up_are_never_written(tmp_path):
    with pytest.raises(CareError) as caught:
        manifest(counts={"sft": {"read": 4, "kept": 2, "dropped": {"blank": 1}}}).write(tmp_path)
    assert caught.value.code == Exit.BUG
    assert "one/sft: 4 read, but 3 kept and dropped" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    made = manifest(missing=["x"], skipped={"rw": "no file"}, warnings=["头"])
    made.write(tmp_path)
    assert read_manifest(tmp_path) == made
    assert "name" not in json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))


WHOLE = manifest().to_json()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b"{}",
        b"[" * 100_000,
        json.dumps({**WHOLE, "unknown": 1}).encode(),
        json.dumps({**WHOLE, "files": None}).encode(),
        json.dumps({**WHOLE, "files": [{"path": "x"}]}).encode(),
        json.dumps({**WHOLE, "files": [{"path": 3, "bytes": 1, "sha256": KEY}]}).encode(),
        json.dumps({**WHOLE, "counts": []}).encode(),
        json.dumps({**WHOLE, "key": "short"}).encode(),
        json.dumps({name: value for name, value in WHOLE.items() if name != "parameters"}).encode(),
    ],
)
def test_a_damaged_manifest_counts_as_none(tmp_path, content):
    manifest().write(tmp_path)
    assert read_manifest(tmp_path) is not None
    (tmp_path / "manifest.json").write_bytes(content)
    assert read_manifest(tmp_path) is None


def test_a_manifest_changed_since_it_was_written_counts_as_none_and_one_of_before_digests_does_not(tmp_path):
    told = manifest().to_json()
    digest = told.pop("digest")
    write_json(tmp_path / "manifest.json", told)
    assert read_manifest(tmp_path) == manifest()
    write_json(tmp_path / "manifest.json", {**told, "digest": digest, "warnings": ["x"]})
    assert read_manifest(tmp_path) is None
    write_json(tmp_path / "manifest.json", {**told, "digest": digest})
    assert read_manifest(tmp_path).digest == digest
    canonical = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert digest == hashlib.sha256(canonical).hexdigest()


def test_a_folder_is_done_when_key_and_files_are_there(tmp_path):
    place = Store(tmp_path)
    folder = place.folder("clean", "one")
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(b"12345")
    manifest(files=[{"path": "part", "bytes": 5, "sha256": KEY}]).write(folder)
    assert place.done("clean", "one", KEY) is not None
    assert place.done("clean", "one", "cd" * 32) is None
    assert place.done("clean", "two", KEY) is None
    (folder / "part").write_bytes(b"1234")
    assert place.done("clean", "one", KEY) is None
    (folder / "part").unlink()
    assert place.done("clean", "one", KEY) is None


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    program = (
        "import sys, pathlib\nfrom care_data.store import Store\n"
        "with Store(pathlib.Path(sys.argv[1])).lock():\n    print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], **pipes, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(CareError) as caught, Store(tmp_path).lock():
            pass
        assert f"in use by process {first.pid} on " in str(caught.value)
        first.kill()
        first.wait()
        with Store(tmp_path).lock():  # the lock of a dead process holds nobody up
            assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


def test_the_lock_clears_what_a_killed_run_left_and_nothing_of_upstreams(tmp_path):
    left = [
        "clean/one/.part.parquet.tmp-12-abcdef01",
        "raw/one/.manifest.json.tmp-12-abcdef01",
        "releases/.demo.tmp-12/a/train.arrow",
        "releases/.demo.tmp-12/.dataset_info.json.tmp-12-abcdef01",
        "releases/.demo.tmp-12-replaced/manifest.json",
    ]
    upstream = [
        "raw/one/github/a/b/.x.tmp-1",
        "raw/one/github/.y.tmp-2",
        "clean/one/part.parquet",
        "releases/demo/manifest.json",
    ]
    for name in [*left, *upstream]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    with Store(tmp_path).lock():
        pass
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {*upstream, ".lock"}
    assert not (tmp_path / "releases/.demo.tmp-12").exists()


def test_a_data_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ["file", "file/below"]:
        with pytest.raises(CareError) as caught, Store(tmp_path / place).lock():
            pass
        assert caught.value.code == Exit.DATA


def test_a_data_folder_that_may_not_be_written_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".lock"))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CareError) as caught, Store(tmp_path).lock():
        pass
    monkeypatch.undo()
    assert str(caught.value) == f"{tmp_path}/.lock: no permission to read or write. Choose another folder with --to."
