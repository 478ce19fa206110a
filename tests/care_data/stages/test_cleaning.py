"""Text made clean by the steps of its language, and drops with the name of their filter."""

import json
from dataclasses import replace

import polars as pl
import pytest

from care_data import registry
from care_data.errors import CareError
from care_data.stages.cleaning import cleaning_steps


def test_text_is_cleaned_and_what_is_left_of_nothing_is_dropped(shelf, up_to, distinct):
    (plain,) = distinct("one", 1)
    rows = [plain, ("<b>头痛</b>怎么办？", "多&nbsp;休息。"), ("咳嗽怎么办？", "……"), ("咽痛怎么办？", "咽痛怎么办")]
    shelf.add("one", rows)
    manifest = up_to("clean")["one"]
    counts = manifest.counts["sft"]
    assert (counts["read"], counts["kept"]) == (4, 2)
    assert counts["dropped"] == {"answer_equals_question": 1, "no_words": 1}
    kept = pl.read_parquet(shelf.data / "clean/one" / manifest.files[0]["path"])
    assert kept.select("id", "instruction", "output").rows() == [
        ("one/sft/0.jsonl#1", *plain),
        ("one/sft/0.jsonl#2", "头痛怎么办？", "多 休息。"),
    ]
    aside = pl.read_parquet(shelf.data / "clean/one" / manifest.files[1]["path"])
    assert aside.select("id", "reason").rows() == [
        ("one/sft/0.jsonl#3", "no_words"),
        ("one/sft/0.jsonl#4", "answer_equals_question"),
    ]
    assert json.loads(aside["detail"][0]) == {"instruction": "咳嗽怎么办？", "input": "", "output": "……", "history": []}


def test_the_manifest_tells_steps_and_limits(shelf, up_to, distinct):
    shelf.add("one", distinct("one", 1))
    entry = shelf.registry / "one.toml"
    entry.write_text(
        entry.read_text(encoding="utf-8").replace("shape  =", 'clean = ["-privacy"]\nshape  =', 1), encoding="utf-8"
    )
    parameters = up_to("clean")["one"].parameters["sft"]
    assert parameters["steps"] == ["markup", "unicode", "links", "boilerplate"]
    assert parameters["limits"]["no_words"] is True


@pytest.mark.parametrize(
    ("language", "changes", "steps"),
    [
        ("zh", [], ["markup", "unicode", "links", "boilerplate", "privacy"]),
        ("en", [], ["markup", "unicode", "links", "privacy"]),
        ("en", ["+boilerplate"], ["markup", "unicode", "links", "boilerplate", "privacy"]),
        ("zh", ["-links", "-markup"], ["unicode", "boilerplate", "privacy"]),
        ("zh", ["-links", "+links"], ["markup", "unicode", "links", "boilerplate", "privacy"]),
    ],
)
def test_steps_are_those_of_the_language_with_changes_in_the_cleaners_order(language, changes, steps):
    output = registry.load("demo_consult").outputs["sft"]
    assert cleaning_steps(replace(output, language=language, clean=changes)) == steps


def test_an_unknown_step_is_an_error_that_lists_the_known(shelf, up_to):
    output = registry.load("demo_consult").outputs["sft"]
    with pytest.raises(CareError, match=r"no cleaning step named 'scrub'\. Steps are: .*markup, "):
        cleaning_steps(replace(output, clean=["+scrub"]))
