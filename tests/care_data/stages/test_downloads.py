"""The fetch stage: what is taken as it is, what is fetched again, what is told."""

import shutil

import pytest

from care_data import registry
from care_data.errors import CareError
from care_data.stages import Settings
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
