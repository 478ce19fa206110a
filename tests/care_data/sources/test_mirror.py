import hashlib
import json
import os

import pytest

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, partials

PIN = "fab6250c00000000000000000000000000000000"
SOURCE = f"github:o/r@{PIN}"
LOCAL = f"github/o/r@{PIN}"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def want(path: str, checksums=None, source: str = SOURCE, optional: bool = False, name: str = "rows") -> Want:
    return Want(name, source, path, optional, checksums or {})


def test_a_star_takes_what_the_folder_has(plant, tmp_path):
    mirror = plant("github/o/r/数据/b/2.csv", b"two")
    plant("github/o/r/数据/a/1.csv", b"one")
    plant("github/o/r/数据/a/1.txt", b"no")
    result = fetch([want("数据/*/*.csv")], tmp_path / "raw", mirror=str(mirror))
    assert [(file.path, file.bytes, file.sha256, file.verified) for file in result.files] == [
        ("数据/a/1.csv", 3, sha(b"one"), False),
        ("数据/b/2.csv", 3, sha(b"two"), False),
    ]
    assert result.files[0].local == f"{LOCAL}/数据/a/1.csv"
    assert (tmp_path / "raw" / result.files[0].local).read_bytes() == b"one"
    assert (result.missing, result.mismatched, result.partial) == ([], [], [])


def test_files_are_sorted_by_want_then_path(plant, tmp_path):
    for name in ("b", "a", "z"):
        mirror = plant(f"github/o/r/{name}.csv", name.encode())
    wants = [want("z.csv", name="last"), want("{b,a}.csv", name="first")]
    result = fetch(wants, tmp_path / "raw", mirror=str(mirror))
    assert [(file.name, file.path) for file in result.files] == [
        ("last", "z.csv"),
        ("first", "a.csv"),
        ("first", "b.csv"),
    ]


@pytest.mark.parametrize("folder", ["@fab6250c", f"@{PIN}", "@fab6250"])
@pytest.mark.parametrize("path", ["x.json", "*.json"])
def test_the_folder_of_the_pin_comes_first(plant, tmp_path, folder, path):
    mirror = plant(f"github/o/r{folder}/x.json", b"pinned")
    plant("github/o/r/x.json", b"plain")
    plant("github/o/r@abcdef12/x.json", b"other")
    result = fetch([want(path)], tmp_path / "raw", mirror=str(mirror))
    assert [file.sha256 for file in result.files] == [sha(b"pinned")]


def test_what_the_pinned_folder_lacks_comes_from_the_plain_one(plant, tmp_path):
    mirror = plant("github/o/r@fab6250c/x.json", b"pinned")
    plant("github/o/r/y.json", b"plain")
    result = fetch([want("{x,y}.json")], tmp_path / "raw", mirror=str(mirror))
    assert [file.sha256 for file in result.files] == [sha(b"pinned"), sha(b"plain")]


def test_a_raw_folder_is_a_mirror(plant, tmp_path):
    mirror = plant("github/o/r/x.json", b"[1]")
    first = fetch([want("x.json")], tmp_path / "raw", mirror=str(mirror))
    second = fetch([want("*.json")], tmp_path / "raw2", mirror=str(tmp_path / "raw"))
    assert second.files == first.files


def test_some_found_go_on_and_none_found_is_missing(plant, tmp_path):
    mirror = plant("github/o/r/dev.csv", b"dev")
    wants = [want("{dev,test}.csv", name="held"), want("train.csv", name="train"), want("*.md", name="notes")]
    result = fetch(wants, tmp_path / "raw", mirror=str(mirror))
    assert [file.path for file in result.files] == ["dev.csv"]
    assert result.missing == ["train: train.csv", "notes: *.md"]
    assert result.partial == ["held: test.csv"]


def test_names_of_a_star_are_those_pinned(plant, tmp_path):
    mirror = plant("github/o/r/a.csv", b"a")
    plant("github/o/r/extra.csv", b"extra")
    pins = {"a.csv": {"sha256": sha(b"a")}, "b.csv": {"sha256": sha(b"b")}}
    result = fetch([want("*.csv", pins)], tmp_path / "raw", mirror=str(mirror))
    assert [(file.path, file.verified) for file in result.files] == [("a.csv", True)]
    assert result.partial == ["rows: b.csv"]


def test_nothing_found_names_the_folder(plant, tmp_path):
    mirror = plant()
    with pytest.raises(CareError) as caught:
        fetch([want("train.csv"), want("x", optional=True)], tmp_path / "raw", mirror=str(mirror))
    assert caught.value.code == Exit.DATA
    assert f"in the mirror {mirror}" in str(caught.value)
    assert "rows: train.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("mirror", "code"), [("nowhere", Exit.DATA), ("ftp://a/b", Exit.USAGE), ("file:///tmp", Exit.USAGE)]
)
def test_a_mirror_that_is_none_is_named(tmp_path, mirror, code):
    with pytest.raises(CareError) as caught:
        fetch([want("x")], tmp_path / "raw", mirror=mirror)
    assert caught.value.code == code


def test_a_checksum_that_does_not_hold_is_tolerated_and_said(plant, tmp_path):
    mirror = plant("github/o/r/cut.csv", b"cut")
    plant("github/o/r/whole.csv", b"whole")
    git = hashlib.sha1(b"blob 5\0whole", usedforsecurity=False).hexdigest()
    wants = [want("*.csv", {"cut.csv": {"sha256": "0" * 64}, "whole.csv": {"git": git, "bytes": 5}})]
    for _ in range(2):
        result = fetch(wants, tmp_path / "raw", mirror=str(mirror))
        assert [(file.path, file.verified) for file in result.files] == [("cut.csv", False), ("whole.csv", True)]
        assert result.mismatched == [f"{LOCAL}/cut.csv"]


def test_a_better_mirror_replaces_what_did_not_hold(plant, tmp_path):
    mirror = plant("github/o/r/a.csv", b"cut")
    better = tmp_path / "better"
    (better / "github/o/r").mkdir(parents=True)
    (better / "github/o/r/a.csv").write_bytes(b"cut and more")
    wants = [want("a.csv", {"a.csv": {"sha256": sha(b"cut and more")}})]
    assert fetch(wants, tmp_path / "raw", mirror=str(mirror)).mismatched == [f"{LOCAL}/a.csv"]
    result = fetch(wants, tmp_path / "raw", mirror=str(better))
    assert [file.verified for file in result.files] == [True]
    assert (tmp_path / "raw" / LOCAL / "a.csv").read_bytes() == b"cut and more"
    assert [file.verified for file in fetch(wants, tmp_path / "raw").files] == [True]  # no mirror, no network needed


def test_a_sample_that_no_pin_vouches_for_is_not_kept_for_another_mirror(plant, tmp_path):
    sample, whole = plant("github/o/r/a", b"cut"), tmp_path / "whole"
    (whole / "github/o/r").mkdir(parents=True)
    (whole / "github/o/r/a").write_bytes(b"the whole file")
    for mirror, content in ((sample, b"cut"), (sample, b"cut"), (whole, b"the whole file")):
        (file,) = fetch([want("a")], tmp_path / "raw", mirror=str(mirror)).files
        assert (tmp_path / "raw" / file.local).read_bytes() == content


def test_a_bundle_is_held_to_its_list(plant, tmp_path):
    mirror = plant("github/o/r/a", b"packed")
    index = {"files": {"github/o/r/a": {"bytes": 6, "sha256": sha(b"packed")}}}
    (mirror / "bundle.part.json").write_text("{}")
    with pytest.raises(CareError, match="never finished"):
        fetch([want("a")], tmp_path / "raw", mirror=str(mirror))
    (mirror / "bundle.json").write_text(json.dumps(index))
    assert [file.sha256 for file in fetch([want("a")], tmp_path / "raw", mirror=str(mirror)).files] == [sha(b"packed")]
    (mirror / "github/o/r/a").write_bytes(b"pocked")
    with pytest.raises(CareError, match=sha(b"packed")) as caught:
        fetch([want("a")], tmp_path / "again", mirror=str(mirror))
    assert caught.value.code == Exit.INTEGRITY


def test_two_alternatives_may_name_one_file(plant, tmp_path):
    mirror = plant("github/o/r/a.csv", b"")  # an empty file is a file
    result = fetch([want("{a,*}.csv")], tmp_path / "raw", mirror=str(mirror))
    assert [(file.path, file.bytes, file.sha256) for file in result.files] == [("a.csv", 0, sha(b""))]
    assert result.partial == []


def test_the_copy_does_not_change_with_the_mirror(plant, tmp_path):
    mirror = plant("github/o/r/a.csv", b"before")
    fetch([want("a.csv")], tmp_path / "raw", mirror=str(mirror))
    with (mirror / "github/o/r/a.csv").open("r+b") as file:
        file.write(b"AFTER!")
    assert (tmp_path / "raw" / LOCAL / "a.csv").read_bytes() == b"before"


@pytest.mark.parametrize("path", ["../../secret.csv", "/etc/passwd", "a\\b", "{..,a}/secret.csv"])
def test_a_path_does_not_leave_the_mirror(plant, tmp_path, path):
    mirror = plant("github/secret.csv", b"secret")
    with pytest.raises(CareError) as caught:
        fetch([want(path)], tmp_path / "raw", mirror=str(mirror))
    assert caught.value.code == Exit.INTEGRITY


@pytest.mark.parametrize("path", ["link.csv", "*.csv", "folder/secret.csv", "**/secret.csv"])
def test_a_link_out_of_the_mirror_is_refused(plant, tmp_path, path):
    mirror = plant("github/o/r/a.txt", b"a")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_bytes(b"secret")
    (mirror / "github/o/r/link.csv").symlink_to(outside / "secret.csv")
    (mirror / "github/o/r/folder").symlink_to(outside)
    with pytest.raises(CareError, match="leaves the mirror and is refused") as caught:
        fetch([want(path)], tmp_path / "raw", mirror=str(mirror))
    assert caught.value.code == Exit.INTEGRITY
    assert not list((tmp_path / "raw").rglob("*.csv"))


def test_links_inside_the_mirror_are_followed_and_loops_end(plant, tmp_path):
    mirror = plant("github/o/r/真/a.csv", b"a")
    (mirror / "github/o/r/b.csv").symlink_to("真/a.csv")
    (mirror / "github/o/r/真/loop").symlink_to("..")
    result = fetch([want("**/*.csv")], tmp_path / "raw", mirror=str(mirror))
    assert [file.path for file in result.files] == ["b.csv", "真/a.csv"]
    assert not (tmp_path / "raw" / LOCAL / "b.csv").is_symlink()


def test_what_is_no_file_is_refused_at_once(plant, tmp_path):
    mirror = plant("github/o/r/a", b"")
    os.mkfifo(mirror / "github/o/r/pipe.csv")
    with pytest.raises(CareError, match="not a regular file"):
        fetch([want("pipe.csv")], tmp_path / "raw", mirror=str(mirror))


def test_a_pointer_is_not_data(plant, tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    with pytest.raises(CareError, match="LFS pointer") as caught:
        fetch([want("a.zip")], tmp_path / "raw", mirror=str(plant("github/o/r/a.zip", pointer)))
    assert caught.value.code == Exit.MANUAL
    assert not (tmp_path / "raw" / LOCAL).exists()


def test_a_full_disk_leaves_nothing_behind(plant, tmp_path, monkeypatch):
    def full(descriptor: int, chunk: bytes) -> int:
        if calls.append(1) or len(calls) > 2:
            raise OSError(28, "No space left on device")
        return write(descriptor, chunk)

    calls: list[int] = []
    write = os.write
    mirror = plant("github/o/r/big.csv", b"x" * (3 << 20))
    monkeypatch.setattr(partials.os, "write", full)
    with pytest.raises(CareError) as caught:
        fetch([want("big.csv")], tmp_path / "raw", mirror=str(mirror))
    monkeypatch.undo()
    assert caught.value.code == Exit.LIMIT
    assert "rows: the disk is full (No space left on device) after 2097152 bytes" in str(caught.value)
    assert os.listdir(tmp_path / "raw") == []


def test_an_address_is_a_mirror_too(server, tmp_path):
    server.put("/m/github/o/r@fab6250c/x.json", b"[1]")
    server.put("/m/github/o/r/数据/a 1.csv", b"one")
    server.put("/m/github/o/r/cut.csv", b"cut")
    wants = [
        want("x.json", name="pinned"),
        want("数据/*.csv", {"数据/a 1.csv": {"sha256": sha(b"one")}}, name="star"),
        want("{cut,gone}.csv", {"cut.csv": {"sha256": "0" * 64, "bytes": 999}}, name="brace"),
        want("*.md", name="unknown"),
    ]
    result = fetch(wants, tmp_path / "raw", mirror=server.url + "/m/")
    assert [(file.name, file.path, file.verified) for file in result.files] == [
        ("pinned", "x.json", False),
        ("star", "数据/a 1.csv", True),
        ("brace", "cut.csv", False),
    ]
    assert result.mismatched == [f"{LOCAL}/cut.csv"]
    assert result.missing == ["unknown: *.md"]
    assert result.partial == ["brace: gone.csv"]
    asked = [path for path, _ in server.log if path.endswith("x.json")]
    assert asked[0] == f"/m/github/o/r@{PIN}/x.json"
    assert asked[-1] == "/m/github/o/r@fab6250c/x.json"
    before = len(server.log)
    assert fetch(wants[:2], tmp_path / "raw", mirror=server.url + "/m/").files == result.files[:2]
    assert len(server.log) == before


def test_an_address_with_nothing_says_what_stars_need(server, tmp_path):
    with pytest.raises(CareError, match="stars need") as caught:
        fetch([want("*.csv")], tmp_path / "raw", mirror=server.url.replace("http://", "http://me:secret@"))
    assert caught.value.code == Exit.DATA
    assert "secret" not in str(caught.value)
