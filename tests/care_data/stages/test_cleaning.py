"""Text made clean by the steps of its language, and drops with the name of their filter."""

import json

import polars as pl

from care_data.stages.changes import parse_changes


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
    assert parameters["steps"] == ["markup", "mojibake", "unicode", "links", "boilerplate"]
    assert parameters["limits"]["no_words"] is True


def test_an_entry_and_a_run_move_limits(shelf, up_to, distinct):
    rows = [*distinct("one", 2), ("咳嗽怎么办？", "建议去医院检查。"), ("咽痛怎么办？", "饮食清淡，以及")]
    shelf.add("one", rows)
    assert up_to("clean")["one"].counts["sft"]["dropped"] == {"see_a_doctor_only": 1, "unfinished": 1}
    entry = shelf.registry / "one.toml"
    told = entry.read_text(encoding="utf-8").replace("shape  =", "filters = { unfinished = false }\nshape  =", 1)
    entry.write_text(told, encoding="utf-8")
    assert up_to("clean")["one"].counts["sft"]["dropped"] == {"see_a_doctor_only": 1}
    manifest = up_to("clean", changes=parse_changes(["filters.sft.see_a_doctor_only=false"]))["one"]
    assert (manifest.counts["sft"]["kept"], manifest.counts["sft"]["dropped"]) == (4, {})
    assert manifest.parameters["sft"]["limits"]["see_a_doctor_only"] is False
