"""The fetch stage: what is taken as it is, what is fetched again, what is told."""

import shutil
import threading

import pytest

from care_data import registry
from care_data.errors import CareError
from care_data.stages import Settings, downloads
from care_data.stages.downloads import fetch_corpus
from care_data.store import Store, sha256_file


@pytest.fixture
def fetch(shelf):
    def run(name, mirror=True, **settings):
        settings = {"again": False, **settings}
        mirror = str(shelf.mirror) if mirror else None
        return fetch_corpus(registry.load(name), Settings(Store(shelf.data), mirror), **settings)

    return run


def test_the_manifest_names_every_file_and_its_place_upstream(shelf, fetch, distinct):
    shelf.add("one", distinct("a", 1), distinct("b", 2))
    manifest = fetch("one").manifest
    pin = "0123456789abcdef0123456789abcdef01234567"
    assert [(f["name"], f["upstream"], f["path"]) for f in manifest.files] == [
        ("pairs", f"{number}.jsonl", f"github/test/one@{pin}/{number}.jsonl") for number in (0, 1)
    ]
    for f in manifest.files:
        path = shelf.data / "raw/one" / f["path"]
        assert (f["bytes"], f["sha256"]) == (path.stat().st_size, sha256_file(path))
        assert path.read_bytes() == (shelf.upstream("one") / f["upstream"]).read_bytes()
    assert (manifest.verified, manifest.missing, manifest.counts) == (False, [], {})


def test_files_there_are_taken_as_they_are_without_a_source(shelf, fetch, distinct):
    shelf.add("one", distinct("one", 2))
    first = fetch("one")
    shutil.rmtree(shelf.mirror)
    again = fetch("one", mirror=False)
    assert (first.fresh, again.fresh, again.manifest) == (True, False, first.manifest)


def test_a_changed_file_whose_source_is_gone_is_refused(shelf, fetch, distinct, monkeypatch):
    """Bytes that are not those of the manifest never become records."""
    shelf.add("one", distinct("one", 2))
    fetch("one")
    path = next((shelf.data / "raw/one").rglob("0.jsonl"))
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    (shelf.upstream("one") / "0.jsonl").unlink()
    with pytest.raises(CareError, match="pairs"):
        fetch("one")


def test_a_wrong_pin_of_a_mirrors_file_is_told(shelf, fetch, distinct):
    shelf.add("one", distinct("one", 2))
    with (shelf.registry / "one.toml").open("a") as file:
        file.write(f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{"0" * 64}" }}\n')
    manifest = fetch("one").manifest
    assert not manifest.verified
    assert manifest.warnings == ["not the file that is pinned, so all that follows is unverified: 0.jsonl"]


def test_a_right_pin_is_verified(shelf, fetch, distinct):
    shelf.add("one", distinct("one", 2))
    sha256 = sha256_file(shelf.upstream("one") / "0.jsonl")
    with (shelf.registry / "one.toml").open("a") as file:
        file.write(f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{sha256}" }}\n')
    manifest = fetch("one").manifest
    assert (manifest.verified, manifest.warnings) == (True, [])


# Side by side


def test_four_corpora_are_fetched_at_once(shelf, distinct, monkeypatch):
    """Each waits until three others have begun; a fifth only begins when one has ended."""
    for number in range(5):
        shelf.add(f"c{number}", distinct(number, 1))
    meeting, lock, under_way, most = threading.Barrier(4, timeout=20), threading.Lock(), [], []

    def fetch_one(entry, settings, **_):
        with lock:
            under_way.append(entry.name)
            most.append(len(under_way))
        if entry.name != "c4":
            meeting.wait()
        with lock:
            under_way.remove(entry.name)
        return entry.name

    monkeypatch.setattr(downloads, "fetch_corpus", fetch_one)
    told = []
    entries = [registry.load(name) for name in shelf.names]
    downloads.fetch_corpora(entries, Settings(Store(shelf.data)), lambda entry, done: told.append((entry.name, done)))
    assert sorted(told) == [(name, name) for name in shelf.names]
    assert max(most) == 4


def test_what_goes_wrong_is_handed_over_and_the_others_are_stopped_when_the_caller_raises(shelf, distinct, monkeypatch):
    for name in ("bad", "slow"):
        shelf.add(name, distinct(name, 1))
    stopped = threading.Event()

    def fetch_one(entry, settings, *, again, stop):
        if entry.name == "bad":
            raise OSError("gone")
        if stop.wait(20):
            stopped.set()

    def told(entry, outcome):
        raise CareError(f"{entry.name}: {outcome}")

    monkeypatch.setattr(downloads, "fetch_corpus", fetch_one)
    with pytest.raises(CareError, match="bad: gone"):
        downloads.fetch_corpora([registry.load("bad"), registry.load("slow")], Settings(Store(shelf.data)), told)
    assert stopped.wait(5)


def test_bytes_of_files_side_by_side_are_summed(shelf, distinct):
    shelf.add("one", distinct("one", 1), distinct("two", 1))
    told = []
    settings = Settings(Store(shelf.data), str(shelf.mirror), progress=lambda *line: told.append(line))
    manifest = fetch_corpus(registry.load("one"), settings).manifest
    size = sum(f["bytes"] for f in manifest.files)
    assert told[-1] == ("fetch", "one", size, size)
    assert [done for _, _, done, _ in told] == sorted(done for _, _, done, _ in told)


def test_what_a_fetch_brought_is_told_apart_from_what_was_there(shelf, fetch, distinct):
    shelf.add("one", distinct("one", 1), distinct("two", 1))
    assert fetch("one").brought == 2
    next((shelf.data / "raw/one").rglob("1.jsonl")).unlink()
    again = fetch("one")
    assert (again.brought, again.fresh) == (1, True)
