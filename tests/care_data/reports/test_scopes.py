"""Which corpora a report tells of, and what of them counts."""

import pytest

from care_data.errors import CareError, Exit
from care_data.reports.scopes import find_scope
from care_data.stages.changes import parse_changes
from care_data.store import Store


def test_names_groups_and_releases(two, run):
    run("write", name="first")
    run("write", "beta", name="second")
    store = Store(two.data)
    assert find_scope([], store).corpora == ["alpha", "beta"]
    assert find_scope(["beta"], store).corpora == ["beta"]
    assert find_scope(["first"], store).corpora == ["alpha", "beta"]
    assert find_scope(["second"], store).corpora == ["beta"]
    assert find_scope(["first"], store).release.name == "first"
    assert find_scope([], store).release.name == "second"  # the newest
    assert find_scope(["alpha"], store).release.name == "first"  # the newest that holds it


def test_names_of_which_nothing_is_there(two, run):
    with pytest.raises(CareError, match=r"no corpus is in the data folder\. Name another with --to"):
        find_scope([], Store(two.data))
    run("convert", "alpha")
    with pytest.raises(CareError, match=r"nothing of 'alpa' is in the data folder\. Did you mean alpha\?") as caught:
        find_scope(["alpa"], Store(two.data))
    assert caught.value.code == Exit.USAGE
    with pytest.raises(CareError, match="nothing of 'beta'"):
        find_scope(["alpha", "beta"], Store(two.data))
    run("write", "alpha", name="first")
    with pytest.raises(CareError, match="first is a release"):
        find_scope(["first", "alpha"], Store(two.data))


def test_what_was_made_of_other_records_does_not_count(two, run):
    run("decontaminate")
    run("clean", "alpha", changes=parse_changes(["filters.sft.no_words=false"]))
    scope = find_scope([], Store(two.data))
    assert scope.stale == {"dedupe": ["alpha"]}
    assert {stage: sorted(made) for stage, made in scope.made.items()} == {
        "fetch": ["alpha", "beta"],
        "convert": ["alpha", "beta"],
        "clean": ["alpha", "beta"],
        "dedupe": ["beta"],
        "decontaminate": ["beta"],
    }
    assert scope.last("alpha", "sft").stage == "clean"
    assert scope.last("beta", "sft").stage == "decontaminate"
    assert scope.last("beta", "test").stage == "clean"


def test_a_folder_that_lost_a_file_is_not_done(two, run):
    run("clean", "alpha")
    next((two.data / "clean/alpha").glob("sft-*.parquet")).unlink()
    assert find_scope([], Store(two.data)).made["clean"] == {}
