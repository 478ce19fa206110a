"""Plans: what is known of a fetch without asking anybody."""

import shutil
from pathlib import Path

import pytest

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.stages import Settings
from care_data.stages.downloads import fetch_corpus
from care_data.stages.plans import free_space, plan_corpora, plan_corpus, refuse_full_disk
from care_data.store import Store

LOCAL = "github/test/one@0123456789abcdef0123456789abcdef01234567/"


@pytest.fixture
def one(shelf, distinct):
    shelf.add("one", distinct("one", 3), distinct("one", 2, 3))
    return Settings(Store(shelf.data), str(shelf.mirror))


def test_files_that_are_one_upstream_are_planned_once():
    plan = plan_corpus(registry.load("cmb"), Settings(Store(Path("nowhere"))))
    assert [file.path for file in plan.files] == ["data/CMB.zip", "data/CMB-test-choice-answer.json"]
    assert [file.bytes for file in plan.files] == [None, 2601052]
    assert (plan.known, plan.missing, plan.complete, plan.patterns) == (2601052, 2601052, False, [])


def test_a_pattern_is_itself_until_somebody_has_listed_it(one, shelf):
    upstream = Settings(one.store)
    plan = plan_corpus(registry.load("one"), upstream)
    assert [(f.path, f.is_pattern, f.bytes, f.there) for f in plan.files] == [("*.jsonl", True, None, False)]
    fetch_corpus(registry.load("one"), one)
    plan = plan_corpus(registry.load("one"), upstream)
    assert [(f.local, f.there) for f in plan.files] == [(LOCAL + "0.jsonl", True), (LOCAL + "1.jsonl", True)]
    assert (plan.missing, plan.there, plan.known) == (0, plan.known, plan.there)


def test_a_file_known_to_be_another_than_the_pinned_one_is_not_there(one, shelf):
    with (shelf.registry / "one.toml").open("a", encoding="utf-8") as file:
        file.write(f'[checksums.pairs]\n"0.jsonl" = {{ git = "{"0" * 40}" }}\n')
    fetch_corpus(registry.load("one"), one)
    (file,) = plan_corpus(registry.load("one"), Settings(one.store)).files
    assert (file.there, file.bytes) == (False, None)
    (file,) = plan_corpus(registry.load("one"), one).files
    assert file.there


def test_an_entry_without_a_plan_does_not_stop_the_others(one, shelf):
    bad = (shelf.registry / "one.toml").read_text(encoding="utf-8").replace("*.jsonl", "../x.jsonl")
    (shelf.registry / "bad.toml").write_text(bad, encoding="utf-8")
    plans, failures = plan_corpora([registry.load("bad"), registry.load("one")], one)
    assert ([plan.corpus for plan in plans], list(failures)) == (["one"], ["bad"])
    assert str(failures["bad"]).startswith("bad/pairs: the path '../x.jsonl' leaves its folder")


def test_a_mirror_that_is_not_there_is_one_error(one, tmp_path):
    with pytest.raises(CareError, match=r"is not a folder\. Look at the path given to --mirror\."):
        plan_corpora([registry.load("one")], Settings(one.store, str(tmp_path / "no")))


def test_a_disk_too_small_counts_what_is_missing_alone(one, shelf, monkeypatch):
    entry = registry.load("one")
    needed = plan_corpus(entry, one).missing
    assert needed == sum(path.stat().st_size for path in shelf.upstream("one").iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("", (), {"free": needed - 1})())
    with pytest.raises(CareError, match="the disk is too small for one: ") as caught:
        refuse_full_disk([entry], one)
    assert (caught.value.code, caught.value.fatal) == (Exit.LIMIT, True)
    fetch_corpus(entry, one)
    refuse_full_disk([entry], one)


def test_free_space_of_a_folder_that_is_still_to_be_made(tmp_path):
    assert free_space(tmp_path / "a/b/c") > 0
