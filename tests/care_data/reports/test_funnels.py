"""Counts from the rows read to the records written, which add up or are refused."""

import json

import pytest

from care_data.errors import CareError, Exit
from care_data.reports.funnels import COLUMNS, Funnel, find_funnels, total
from care_data.reports.scopes import find_scope
from care_data.store import Store


def funnels_of(shelf, *names):
    return {funnel.name: funnel for funnel in find_funnels(find_scope(list(names), Store(shelf.data)))}


def test_every_stage_has_its_column(two, run):
    run("write", name="first")
    found = funnels_of(two)
    assert {name: list(funnel.left.values()) for name, funnel in found.items()} == {
        "alpha/sft": [11, 11, 9, 8, 7, 7],
        "beta/sft": [5, 5, 5, 5, 5, 5],
        "beta/test": [2, 2, 2, None, None, 2],
    }
    assert found["alpha/sft"].dropped == {
        "convert": {},
        "clean": {"answer_equals_question": 1, "no_words": 1},
        "dedupe": {"exact_duplicate": 1},
        "decontaminate": {"exact_benchmark": 1},
    }
    assert {column: tuple(counts.values()) for column, counts in total(list(found.values())).items()} == {
        "read": (18, 0, 0),
        "converted": (18, 0, 0),
        "clean": (16, 2, 0),
        "unique": (15, 1, 0),
        "decontaminated": (14, 1, 0),
        "written": (14, 0, 0),
    }


def test_what_has_not_come_so_far_waits(two, run):
    run("convert")
    run("clean", "beta")
    found = funnels_of(two)
    assert found["alpha/sft"].left == dict.fromkeys(COLUMNS) | {"read": 11, "converted": 11}
    assert found["alpha/sft"].final == 11
    assert total(list(found.values())) == {
        "read": {"records": 18, "dropped": 0, "waiting": 0},
        "converted": {"records": 18, "dropped": 0, "waiting": 0},
        "clean": {"records": 7, "dropped": 0, "waiting": 11},
    }


def test_what_a_release_leaves_out_has_a_reason():
    from care_data.reports.funnels import _add_release
    from care_data.store import Manifest

    def told(left, skipped=(), **counts):
        release = Manifest(
            "release", "0" * 64, [], {}, {"one_sft": counts}, [], True, skipped=dict.fromkeys(skipped, "")
        )
        funnel = Funnel("one", "sft", "sft", "train", "zh", "MIT", dropped={"clean": {"toxic": 1}})
        _add_release(funnel, release, left)
        return funnel.left["written"], funnel.dropped.get("write")

    assert told(9, kept=9, dropped={"toxic": 1}) == (9, None)
    assert told(9, kept=5, dropped={"toxic": 1, "held_out": 3, "not_chosen": 1}) == (
        5,
        {"held_out": 3, "not_chosen": 1},
    )
    assert told(9, kept=5, dropped={"toxic": 1}) == (5, {"left_out": 4})
    assert told(9, skipped=("one",), kept=5, dropped={}) == (0, {"barred": 9})
    assert told(9, kept=10, dropped={}) == (None, None)  # of other records


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"kept": 8}, "clean read 11, kept 8 and dropped"),
        ({"read": 12, "kept": 10}, "11 records came to clean, which read 12"),
    ],
)
def test_counts_that_do_not_add_up_are_refused(two, run, changes, what):
    run("clean")
    path = two.data / "clean/alpha/manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["counts"]["sft"] |= changes
    manifest.pop("digest")
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CareError, match=f"^alpha/sft: {what}") as caught:
        funnels_of(two)
    assert caught.value.code == Exit.BUG


def test_totals_that_do_not_add_up_are_refused():
    left = dict.fromkeys(COLUMNS) | {"read": 5, "converted": 4}
    with pytest.raises(CareError, match="but converted"):
        total([Funnel("one", "sft", "sft", "train", "zh", "MIT", left)])
