"""Bundles: whole or absent, laid out as mirrors are, every byte checked, more added without harm."""

import json
import os
import shutil

import pytest

from care_data import bundles, registry
from care_data.bundles import pack
from care_data.errors import CareError, Exit
from care_data.stages import Settings
from care_data.stages.downloads import fetch_corpus
from care_data.store import Store, sha256_file

PIN = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def fetched(shelf, distinct):
    """Two corpora of two files each, fetched from the shelf's mirror; `twin` republishes a file of `ash`."""
    shelf.add("ash", distinct("ash", 6), distinct("ash", 4, 6))
    shelf.add("birch", distinct("birch", 5))
    shelf.add("twin", distinct("ash", 6))
    text = (shelf.registry / "twin.toml").read_text(encoding="utf-8")
    (shelf.registry / "twin.toml").write_text(
        text.replace("test/twin@", "test/ash@").replace("*.jsonl", "0.jsonl").replace("= true", "= false"), "utf-8"
    )
    for name in shelf.names:
        fetch_corpus(registry.load(name), Settings(Store(shelf.data), str(shelf.mirror)))
    return shelf


@pytest.fixture
def bundle(fetched, tmp_path):
    def run(*names):
        return pack([registry.load(name) for name in names], Store(fetched.data), tmp_path / "out")

    return run


def index(folder):
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_bundle_holds_each_file_once_and_says_what_it_is(fetched, bundle, tmp_path):
    made = bundle("ash", "birch", "twin")
    expected = [f"github/test/ash@{PIN}/0.jsonl", f"github/test/ash@{PIN}/1.jsonl", f"github/test/birch@{PIN}/0.jsonl"]
    assert files(tmp_path / "out") == ["bundle.json", *expected]
    told = index(tmp_path / "out")
    assert list(told["files"]) == expected
    for path, each in told["files"].items():
        target = tmp_path / "out" / path
        assert (each["bytes"], each["sha256"]) == (target.stat().st_size, sha256_file(target))
    assert told["corpora"]["twin"]["files"] == expected[:1]
    assert told["corpora"]["twin"]["license"] == {"id": "MIT", "use": "commercial", "redistribute": False}
    assert told["corpora"]["ash"]["verified"] is False
    assert (made.corpora, made.files, made.copied, made.withheld) == (["ash", "birch", "twin"], 3, 3, ["twin"])
    assert made.bytes == sum(each["bytes"] for each in told["files"].values())


def test_a_bundle_is_a_mirror_with_the_same_bytes(fetched, bundle, tmp_path):
    bundle("ash", "birch", "twin")
    other = Store(tmp_path / "other")
    for name in fetched.names:
        entry = registry.load(name)
        there = fetch_corpus(entry, Settings(Store(fetched.data)), again=False).manifest
        away = fetch_corpus(entry, Settings(other, str(tmp_path / "out"))).manifest
        assert [f["sha256"] for f in away.files] == [f["sha256"] for f in there.files]
        for f in away.files:
            path = other.folder("fetch", name) / f["path"]
            assert path.read_bytes() == (fetched.data / "raw" / name / f["path"]).read_bytes()


def test_files_there_and_right_are_not_copied_again(fetched, bundle, tmp_path):
    bundle("ash")
    target = tmp_path / "out" / f"github/test/ash@{PIN}/0.jsonl"
    before, right = target.stat().st_mtime_ns, target.read_bytes()
    assert bundle("ash").copied == 0
    assert target.stat().st_mtime_ns == before
    target.write_bytes(right[:-1] + b" ")
    assert bundle("ash").copied == 1
    assert target.read_bytes() == right


def test_more_corpora_are_added_to_a_bundle(bundle, tmp_path):
    bundle("ash")
    made = bundle("birch")
    assert (made.corpora, made.copied, made.files) == (["ash", "birch"], 1, 3)
    assert set(index(tmp_path / "out")["corpora"]) == {"ash", "birch"}


def test_a_file_the_corpus_no_longer_has_leaves_the_bundle(fetched, bundle, tmp_path):
    bundle("ash", "birch")
    text = (fetched.registry / "ash.toml").read_text(encoding="utf-8")
    (fetched.registry / "ash.toml").write_text(text.replace("*.jsonl", "1.jsonl"), encoding="utf-8")
    fetch_corpus(registry.load("ash"), Settings(Store(fetched.data), str(fetched.mirror)))
    bundle("ash")
    assert [path for path in files(tmp_path / "out") if "ash" in path] == [f"github/test/ash@{PIN}/1.jsonl"]


@pytest.mark.parametrize("step", range(1, 10))
def test_a_killed_bundle_is_none_until_it_is_whole(fetched, tmp_path, bundle, monkeypatch, step):
    """Killed before the Nth change on the disk; what follows may pack less than what was begun."""
    bundle("birch")
    rename, calls = os.replace, []

    class Killed(BaseException):
        """As if the power went."""

    def replace(*paths):
        calls.append(paths)
        if len(calls) == step:
            raise Killed
        rename(*paths)

    monkeypatch.setattr(os, "replace", replace)
    try:
        bundle("ash", "twin")
        whole = True
    except Killed:
        whole = False
    monkeypatch.setattr(os, "replace", rename)
    out = tmp_path / "out"
    assert whole == (step > 4)
    if (out / "bundle.json").exists():
        assert all(sha256_file(out / path) == each["sha256"] for path, each in index(out)["files"].items())
    shutil.rmtree(fetched.data / "raw/ash")
    bundle("twin")
    told = index(out)
    assert {"birch", "twin"} <= set(told["corpora"])
    assert all(sha256_file(out / path) == each["sha256"] for path, each in told["files"].items())
    assert set(told["files"]) == {path for card in told["corpora"].values() for path in card["files"]}
    assert not (out / "bundle.part.json").exists()
    assert not (out / ".partial").exists()


def test_a_bundle_whose_files_are_replaced_is_none_meanwhile(fetched, bundle, tmp_path, monkeypatch):
    """Killed between two files of a corpus that was fetched anew."""
    bundle("ash")
    for number in (0, 1):
        (fetched.upstream("ash") / f"{number}.jsonl").write_text('{"q": "?", "a": "!"}\n')
    shutil.rmtree(fetched.data / "raw/ash")
    fetch_corpus(registry.load("ash"), Settings(Store(fetched.data), str(fetched.mirror)))
    copy, copied = bundles._copy, []

    def once(file, folder):
        if copied:
            raise KeyboardInterrupt
        copied.append(copy(file, folder))

    monkeypatch.setattr(bundles, "_copy", once)
    with pytest.raises(KeyboardInterrupt):
        bundle("ash")
    assert not (tmp_path / "out/bundle.json").exists()
    monkeypatch.setattr(bundles, "_copy", copy)
    assert bundle("ash").copied == 1


def test_a_file_changed_since_it_was_fetched_is_refused(fetched, bundle, tmp_path):
    path = fetched.data / f"raw/ash/github/test/ash@{PIN}/0.jsonl"
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(CareError) as caught:
        bundle("ash")
    assert (caught.value.code, caught.value.where) == (Exit.INTEGRITY, "ash")
    assert "is not what was fetched: sha256 is " in caught.value.what
    assert not (tmp_path / "out/bundle.json").exists()
    assert not (tmp_path / f"out/github/test/ash@{PIN}/0.jsonl").exists()


@pytest.mark.parametrize("apart", [False, True])
def test_two_corpora_with_other_bytes_of_one_file_do_not_share_a_bundle(fetched, bundle, tmp_path, distinct, apart):
    bundle("ash") if apart else None
    before = files(tmp_path / "out") if apart else []
    (fetched.upstream("ash") / "0.jsonl").write_text('{"q": "?", "a": "!"}\n')
    shutil.rmtree(fetched.data / "raw/twin")
    fetch_corpus(registry.load("twin"), Settings(Store(fetched.data), str(fetched.mirror)))
    with pytest.raises(CareError, match=r"0\.jsonl is another file in twin") as caught:
        bundle(*(["twin"] if apart else ["ash", "twin"]))
    assert caught.value.code == Exit.INTEGRITY
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("content", ["file", "folder", "damaged"])
def test_what_is_no_bundle_is_left_alone(bundle, tmp_path, content):
    out = tmp_path / "out"
    if content == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / ("bundle.json" if content == "damaged" else "mine")).write_text('{"corpora"')
    before = [path.read_text() for path in [out, *out.glob("*")] if path.is_file()]
    with pytest.raises(CareError) as caught:
        bundle("ash")
    assert caught.value.code == Exit.DATA
    assert [path.read_text() for path in [out, *out.glob("*")] if path.is_file()] == before


def test_a_corpus_not_fetched_whole_is_refused(fetched, bundle):
    next((fetched.data / "raw/ash").rglob("1.jsonl")).unlink()
    with pytest.raises(CareError, match=r"ash: it is not fetched whole\. Run `care-data fetch ash` first\."):
        bundle("ash")


def test_a_disk_too_small_is_told_before_anything_is_copied(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("", (), {"free": 100})())
    with pytest.raises(CareError, match=r"the disk is too small for the bundle: .* 100 bytes are free") as caught:
        bundle("ash")
    assert caught.value.code == Exit.LIMIT
    assert files(tmp_path / "out") == []


def test_an_index_that_leaves_the_folder_is_refused(fetched, bundle, tmp_path):
    bundle("ash")
    told = index(tmp_path / "out")
    told["files"]["../../letter"] = {"bytes": 1, "sha256": "0" * 64}
    (tmp_path / "out/bundle.json").write_text(json.dumps(told))
    letter = tmp_path.parent / "letter"
    with pytest.raises(CareError, match="unsafe path"):
        bundle("birch")
    assert bundles.BUNDLE in files(tmp_path / "out") or not letter.exists()
