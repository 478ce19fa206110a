"""Pins written into entries: from upstream alone, in place of the old ones, every other byte kept."""

import errno
import os
import tomllib
from pathlib import Path

import pytest

from care_data import pins, registry
from care_data.errors import CareError, Exit
from care_data.pins import pin, replace_checksums
from care_data.resources import resource_folder
from care_data.stages import Settings
from care_data.stages.downloads import fetch_corpus
from care_data.store import Store, sha256_file

TABLES = {
    "pairs": {'数据/a "b"\\c.csv': {"sha256": "1" * 64, "bytes": 3}, "b.csv": {"git": "2" * 40}},
    "held": {"c.csv": {"sha256": "3" * 64, "git": "4" * 40, "bytes": 0}},
}
ENTRIES = sorted(path for path in resource_folder("registry").glob("*.toml") if not path.name.startswith("_"))


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_the_checksums_of_any_entry_are_replaced_and_nothing_else(path: Path, end):
    text = path.read_bytes().decode().replace("\n", end)
    changed = replace_checksums(text, TABLES)
    before, after = tomllib.loads(text), tomllib.loads(changed)
    assert after.pop("checksums") == TABLES
    assert after == {name: value for name, value in before.items() if name != "checksums"}
    assert changed.count("\n") == changed.count(end)
    assert replace_checksums(changed, TABLES) == changed
    kept = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in changed.splitlines() if line.lstrip().startswith("#")] == kept
    without = [line for line in changed.split(end) if "sha256" not in line and "git =" not in line]
    assert [line for line in without if line and not line.startswith("[checksums.")] == [
        line for line in text.split(end) if line and "[checksums" not in line and not is_pin(line)
    ]


def is_pin(line):
    return ("sha256 = " in line or "git = " in line) and "{ " in line


def test_all_of_a_hard_text_is_kept():
    """Headers and comments in strings, arrays of arrays, comments above, between and below the old pins."""
    text = (
        'title = "[checksums]" # [checksums]\n'
        'odd = [\n["checksums"],\n[3], # ]\n]\n'
        "[files]\n"
        "a = '''\n[checksums.a]\n# not a comment'''\n\n"
        '# above\n[checksums]\n# among\na."x#y" = { git = "' + "0" * 40 + '" } # beside\n\n'
        '[ checksums . "b" ]\n"z" = { sha256 = "' + "0" * 64 + '" }\n# below\n\n'
        "# of the example\n[example]\nfiles.a = '''\n[checksums]\n'''\n"
    )
    assert replace_checksums(text, {"a": {"x": {"sha256": "1" * 64, "bytes": 1}}}) == (
        'title = "[checksums]" # [checksums]\n'
        'odd = [\n["checksums"],\n[3], # ]\n]\n'
        "[files]\n"
        "a = '''\n[checksums.a]\n# not a comment'''\n\n"
        '# above\n# among\n[checksums.a]\n"x" = { sha256 = "' + "1" * 64 + '", bytes = 1 }\n'
        "# below\n\n"
        "# of the example\n[example]\nfiles.a = '''\n[checksums]\n'''\n"
    )


def test_first_pins_stand_before_the_example_and_its_comment():
    text = "[files]\na = 1\n\n# ours\n[example]\nb = 2\n"
    block = '[checksums.a]\n"x" = { sha256 = "1", bytes = 1 }\n'
    assert replace_checksums(text, {"a": {"x": {"sha256": "1", "bytes": 1}}}) == (
        f"[files]\na = 1\n\n{block}\n# ours\n[example]\nb = 2\n"
    )
    string = "[files]\na = '''\n# no comment'''\n"
    assert replace_checksums(string + "[example]\n", {"a": {"x": {"sha256": "1", "bytes": 1}}}) == (
        f"{string}{block}\n[example]\n"
    )
    assert replace_checksums("[files]\na = 1", {"a": {"x": {"sha256": "1", "bytes": 1}}}) == (
        f"[files]\na = 1\n\n{block}"
    )


# From upstream to the entry


@pytest.fixture
def corpus(upstream, distinct):
    """A corpus of two files that its server has, and functions to fetch and pin it."""
    upstream.shelf.add("ash", distinct("ash", 6), distinct("ash", 4, 6))
    upstream.publish("ash")
    store = Store(upstream.shelf.data)

    class Corpus:
        path = upstream.shelf.registry / "ash.toml"

        def fetch(self, **changes):
            return fetch_corpus(registry.load("ash"), Settings(store, **changes)).manifest

        def pin(self, manifest):
            return pin(registry.load("ash"), manifest, store)

        def add(self, text):
            self.path.write_text(self.path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return Corpus()


def test_a_fetched_corpus_is_pinned_and_from_then_on_verified(corpus, upstream):
    manifest = corpus.fetch()
    before = corpus.path.read_text(encoding="utf-8")
    corpus.path.chmod(0o640)
    done = corpus.pin(manifest)
    assert (done.files, done.warnings, manifest.verified) == (2, [], False)
    entry = registry.load("ash")
    assert entry.checksums == {
        "pairs": {
            path.name: {"sha256": sha256_file(path), "bytes": path.stat().st_size}
            for path in upstream.shelf.upstream("ash").iterdir()
        }
    }
    head, _, tail = before.partition("[example]")
    after = corpus.path.read_text(encoding="utf-8")
    assert (after.startswith(head), after.endswith("[example]" + tail)) == (True, True)
    assert corpus.path.stat().st_mode & 0o777 == 0o640
    asked = upstream.asked("ash")
    assert (corpus.fetch().verified, upstream.asked("ash")) == (True, asked)
    assert [path.name for path in corpus.path.parent.iterdir()] == ["ash.toml"]


def test_a_git_pin_that_held_stays_beside_the_new_one(corpus, upstream):
    from standins.github import blob_id

    git = blob_id((upstream.shelf.upstream("ash") / "0.jsonl").read_bytes())
    corpus.add(f'[checksums.pairs]\n"0.jsonl" = {{ git = "{git}" }}\n')
    corpus.pin(corpus.fetch())
    assert registry.load("ash").checksums["pairs"]["0.jsonl"]["git"] == git
    assert len(registry.load("ash").checksums["pairs"]["0.jsonl"]["sha256"]) == 64


def test_a_mirrors_files_are_not_pinned(corpus, upstream):
    before = corpus.path.read_bytes()
    sample = corpus.fetch(mirror=str(upstream.shelf.mirror))
    with pytest.raises(CareError, match=r"ash: 0\.jsonl came from mirror:.* Remove .* and fetch it from up") as caught:
        corpus.pin(sample)
    assert (caught.value.code, corpus.path.read_bytes()) == (Exit.INTEGRITY, before)
    assert corpus.pin(corpus.fetch()).files > 0  # upstream is asked for what a mirror gave and no pin vouches for


def test_a_place_without_a_commit_is_pinned_with_a_warning(corpus, upstream):
    text = corpus.path.read_text(encoding="utf-8")
    pinned = "0123456789abcdef0123456789abcdef01234567"
    corpus.path.write_text(text.replace(f"@{pinned}", "@main").replace("*.jsonl", "0.jsonl"), encoding="utf-8")
    upstream.server.put("/test/ash/main/0.jsonl", (upstream.shelf.upstream("ash") / "0.jsonl").read_bytes())
    done = corpus.pin(corpus.fetch())
    assert done.warnings == ["github:test/ash@main is no commit: its pins hold until upstream changes a file"]
    assert done.files == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_an_entry_that_cannot_be_written_is_told_where_to_go(corpus, monkeypatch, number):
    manifest = corpus.fetch()
    before = corpus.path.read_bytes()

    def refuse(*paths):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pins.os, "replace", refuse)
    with pytest.raises(CareError) as caught:
        corpus.pin(manifest)
    assert str(caught.value) == (
        f"ash: {corpus.path} cannot be written ({os.strerror(number)}). Copy it to a folder of your own, name that"
        " folder in CARE_REGISTRY, and pin it there."
    )
    assert corpus.path.read_bytes() == before
    assert [path.name for path in corpus.path.parent.iterdir()] == ["ash.toml"]


def test_checksums_written_otherwise_are_left_to_the_person(corpus):
    text = corpus.path.read_text(encoding="utf-8")
    corpus.path.write_text(
        text.replace("priority", 'checksums = { pairs = { "0.jsonl" = { git = "' + "0" * 40 + '" } } }\npriority', 1),
        encoding="utf-8",
    )
    entry = registry.load("ash")
    with pytest.raises(CareError, match="its checksums cannot be replaced by themselves"):
        pins._prove(entry, replace_checksums(corpus.path.read_text(encoding="utf-8"), TABLES), TABLES)


def test_an_entry_that_is_a_link_stays_one(corpus, tmp_path):
    corpus.path.rename(tmp_path / "real.toml")
    corpus.path.symlink_to(tmp_path / "real.toml")
    corpus.pin(corpus.fetch())
    assert corpus.path.is_symlink()
    assert "[checksums.pairs]" in (tmp_path / "real.toml").read_text(encoding="utf-8")
