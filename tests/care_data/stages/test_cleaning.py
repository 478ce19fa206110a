"""Text made clean by the steps of its language, and drops with the name of their filter."""

import json

import polars as pl
import pytest

from care_data.errors import CareError, Exit
from care_data.parts import read_frames
from care_data.stages import cleaning
from care_data.stages.changes import parse_changes

PREFERENCES = """
[outputs.rw]
shape  = "preference"
rows   = "pairs"
fields = { instruction = "{q}", chosen = "好的，已经记下了，请您稍等一下。", rejected = "{a}" }
"""
REJECTED = 'records.rw = [{ instruction = "甲？", output = ["好的，已经记下了，请您稍等一下。", "乙。"] }]'
PHONE = "请打13812345678，问问值班的医生，多喝水，多休息。"
TAG = "请打[PHONE]，问问值班的医生，多喝水，多休息。"
DOCTOR = "可以找张伟医生复查一次，平时多喝水，多休息。"


def outputs(shelf, manifest, kind="records"):
    """What the clean stage kept or set aside: (id, output) or (id, reason)."""
    column = {"records": "output", "rejects": "reason"}[kind]
    paths = [shelf.data / "clean" / manifest.corpus / f["path"] for f in manifest.files if f["kind"] == kind]
    return [row for path in paths for row in pl.read_parquet(path).select("id", column).rows()]


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


@pytest.mark.parametrize(("rows", "size", "workers"), [(1, 1 << 30, 1), (7, 1 << 30, 3), (10**6, 1, 2)])
def test_how_many_records_are_cleaned_at_a_time_changes_nothing(
    shelf, up_to, distinct, monkeypatch, rows, size, workers
):
    noisy = [("咳嗽怎么办？", "多&nbsp;休息。"), ("咽痛怎么办？", "咽痛怎么办"), ("打哪里？", PHONE)]
    shelf.add("one", [pair for number in range(20) for pair in (*noisy, *distinct("one", 3, 3 * number))])
    monkeypatch.setattr(cleaning, "read_frames", lambda path: read_frames(path, 5))
    whole = up_to("clean", workers=1)["one"]
    kept, gone = outputs(shelf, whole), outputs(shelf, whole, "rejects")
    assert (len(kept), len(gone)) == (100, 20)
    for path in (shelf.data / "clean/one").iterdir():
        path.unlink()
    monkeypatch.setattr(cleaning, "ROWS", rows)
    monkeypatch.setattr(cleaning, "BYTES", size)
    monkeypatch.setattr(cleaning, "BATCH_ROWS", 3)
    again = up_to("clean", workers=workers)["one"]
    assert again.counts == whole.counts
    assert (outputs(shelf, again), outputs(shelf, again, "rejects")) == (kept, gone)


# Private values


@pytest.fixture
def private(shelf, distinct):
    """A corpus with a phone number, one masked by upstream, and a doctor's name."""
    rows = [("电话是多少？", PHONE), ("打哪里？", TAG), ("找谁复查？", DOCTOR), *distinct("one", 1)]
    shelf.add("one", rows)
    return rows


def test_private_values_are_masked_and_counted_by_type_unless_asked_otherwise(shelf, up_to, private):
    manifest = up_to("clean")["one"]
    assert outputs(shelf, manifest)[0] == ("one/sft/0.jsonl#1", TAG)
    assert [output for _, output in outputs(shelf, manifest)][1:] == [answer for _, answer in private][1:]
    changed = manifest.counts["sft"]["changed"]
    assert {name: count for name, count in changed.items() if "mask" in name} == {"masked_phone": 1}
    assert "pii" not in manifest.parameters["sft"]


def test_kept_they_stand_as_they_came(shelf, up_to, private):
    manifest = up_to("clean", pii="keep")["one"]
    assert [output for _, output in outputs(shelf, manifest)] == [answer for _, answer in private]
    assert manifest.counts["sft"]["dropped"] == {}
    assert manifest.parameters["sft"]["pii"] == "keep"
    assert "privacy" not in manifest.parameters["sft"]["steps"]


def test_dropped_a_record_goes_for_a_value_and_not_for_a_tag_that_came_so(shelf, up_to, private):
    manifest = up_to("clean", pii="drop")["one"]
    counts = manifest.counts["sft"]
    assert (counts["read"], counts["kept"], counts["dropped"]) == (4, 3, {"private": 1})
    assert outputs(shelf, manifest, "rejects") == [("one/sft/0.jsonl#1", "private")]
    assert [output for _, output in outputs(shelf, manifest)] == [answer for _, answer in private][1:]
    assert (manifest.parameters["sft"]["pii"], manifest.parameters["sft"]["names"]) == ("drop", False)


def test_doctors_names_are_private_where_that_is_asked_for(shelf, up_to, private):
    asked = {"changes": parse_changes(["clean=+names"])}
    masked = up_to("clean", **asked)["one"]
    assert dict(outputs(shelf, masked))["one/sft/0.jsonl#3"] == DOCTOR.replace("张伟医生", "[DOCTOR]")
    dropped = up_to("clean", pii="drop", **asked)["one"]
    assert outputs(shelf, dropped, "rejects") == [("one/sft/0.jsonl#1", "private"), ("one/sft/0.jsonl#3", "private")]
    kept = up_to("clean", pii="keep", **asked)["one"]
    assert dict(outputs(shelf, kept))["one/sft/0.jsonl#3"] == DOCTOR


def test_a_value_in_a_question_or_in_the_worse_answer_is_one_too(shelf, up_to, distinct):
    rows = [(f"我的电话13812345678请回电，{distinct('one', 1)[0][0]}", distinct("one", 1)[0][1]), ("打哪里？", PHONE)]
    shelf.add("one", [*rows, *distinct("one", 2, 1)], more=PREFERENCES, examples=REJECTED)
    counts = up_to("clean", pii="drop")["one"].counts
    assert {name: (each["kept"], each["dropped"]) for name, each in counts.items()} == {
        "rw": (2, {"private": 2}),
        "sft": (2, {"private": 2}),
    }
    masked = up_to("clean")["one"]
    assert [each["changed"]["masked_phone"] for each in masked.counts.values()] == [2, 2]
    (part,) = [f["path"] for f in masked.files if f["kind"] == "records" and f["output"] == "rw"]
    row = pl.read_parquet(shelf.data / "clean/one" / part).row(1, named=True)
    assert row["rejected"] == row["output"][1] == TAG


def test_what_was_masked_once_is_masked_again_to_the_byte(shelf, up_to, private, snapshot):
    up_to("clean")
    first = snapshot(shelf.data / "clean")
    up_to("clean", pii="keep")
    assert snapshot(shelf.data / "clean") != first
    up_to("clean")
    assert snapshot(shelf.data / "clean") == first


def test_what_cannot_be_done_to_them_is_refused_before_any_work(shelf, up_to, private):
    with pytest.raises(CareError) as caught:
        up_to("clean", pii="hide")
    assert str(caught.value) == "--pii hide is not known. Write one of: mask, keep, drop."
    assert caught.value.code == Exit.USAGE
    assert not (shelf.data / "raw").exists()
