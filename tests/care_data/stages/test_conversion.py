"""From files to records: a part for each file, outputs that cannot be made, counts expected, parts taken over."""

import json
import zipfile

import polars as pl
import pytest

from care_data.errors import CareError, Exit

SECOND = """
[outputs.other]
format = "sft"
shape  = "pair"
rows   = "more"
fields = { instruction = "{q}", output = "{a}" }
"""
SECOND_FILE = 'more = { path = "more/rows.jsonl", format = "json", optional = true }'
SECOND_EXAMPLE = """files.more = '{"q": "丙？", "a": "丁。"}'
records.other = [{ instruction = "丙？", output = "丁。" }]"""


def test_every_upstream_file_is_a_part_with_ids_of_its_own(shelf, up_to, distinct):
    rows = distinct("one", 7)
    shelf.add("one", rows[:3], rows[3:])
    manifest = up_to("convert")["one"]
    parts = [pl.read_parquet(shelf.data / "records/one" / f["path"]) for f in manifest.files]
    assert [part["id"].to_list() for part in parts] == [
        [f"one/sft/0.jsonl#{n}" for n in (1, 2, 3)],
        [f"one/sft/1.jsonl#{n}" for n in (1, 2, 3, 4)],
    ]
    assert pl.concat(parts).select("instruction", "output").rows() == rows
    assert [f["path"].split("-")[:2] for f in manifest.files] == [["sft", "00000"], ["sft", "00001"]]
    assert manifest.counts["sft"] == {"read": 7, "selected": 7, "kept": 7, "dropped": {}}


def test_a_row_that_is_no_record_is_set_aside_with_its_place(shelf, up_to, distinct):
    shelf.add("one", distinct("one", 200))
    path = shelf.upstream("one") / "0.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[9], lines[19] = '{"q": "切断', json.dumps({"q": "", "a": "答"})
    path.write_text("\n".join(lines), encoding="utf-8")
    manifest = up_to("convert")["one"]
    counts = {"read": 200, "selected": 200, "kept": 198, "dropped": {"bad_json": 1, "blank_instruction": 1}}
    assert manifest.counts["sft"] == counts | {"selected": manifest.counts["sft"]["selected"]}
    aside = pl.read_parquet(shelf.data / "records/one" / manifest.files[1]["path"])
    assert aside.select("id", "reason").sort("id").rows() == [
        ("one/sft/0.jsonl#10", "bad_json"),
        ("one/sft/0.jsonl#20", "blank_instruction"),
    ]


@pytest.mark.parametrize(("max_bad", "fits"), [(0.04, False), (0.06, True)])
def test_more_bad_rows_than_allowed_are_an_error_that_names_the_file(shelf, up_to, distinct, max_bad, fits):
    shelf.add("one", distinct("one", 475))
    with (shelf.upstream("one") / "0.jsonl").open("a") as file:
        file.write("{\n" * 25)
    if fits:
        assert up_to("convert", max_bad=max_bad)["one"].counts["sft"]["dropped"] == {"bad_json": 25}
        return
    with pytest.raises(CareError) as caught:
        up_to("convert", max_bad=max_bad)
    assert caught.value.code == Exit.DATA
    assert str(caught.value).startswith("one/pairs")
    assert [p.name for p in (shelf.data / "records").rglob("*") if p.is_file()] == []


def test_an_entry_that_makes_nothing_by_default_says_what_to_ask_for(shelf, up_to, distinct):
    shelf.add("one", distinct("one", 3))
    entry = shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8")
    entry.write_text(text.replace("[outputs.sft]\n", "[outputs.sft]\ndefault = false\n"), encoding="utf-8")
    with pytest.raises(CareError) as caught:
        up_to("convert")
    assert str(caught.value) == "one: none of its outputs is made by default. Ask for one: --output one.sft."


def test_an_output_whose_file_is_absent_is_skipped_and_named(shelf, up_to, distinct):
    shelf.add("one", distinct("one", 3), more=SECOND, extra_files=SECOND_FILE, examples=SECOND_EXAMPLE)
    manifest = up_to("convert")["one"]
    assert manifest.skipped == {"other": "no file more (more/rows.jsonl)"}
    assert set(manifest.counts) == {"sft"}
    assert manifest.missing == ["more: more/rows.jsonl"]
    (shelf.upstream("one") / "more").mkdir()
    (shelf.upstream("one") / "more/rows.jsonl").write_text('{"q": "甲乙丙？", "a": "丁。"}\n', encoding="utf-8")
    manifest = up_to("convert")["one"]
    assert (manifest.skipped, manifest.missing, set(manifest.counts)) == ({}, [], {"sft", "other"})


def test_counts_that_are_not_as_expected_are_told_only_of_verified_files(shelf, up_to, distinct):
    from care_data.store import sha256_file

    shelf.add("one", distinct("one", 3))
    entry = shelf.registry / "one.toml"
    entry.write_text(entry.read_text(encoding="utf-8").replace("shape  =", "expect = 4\nshape  =", 1), encoding="utf-8")
    assert up_to("convert")["one"].warnings == []
    sha256 = sha256_file(shelf.upstream("one") / "0.jsonl")
    with entry.open("a") as file:
        file.write(f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{sha256}" }}\n')
    assert up_to("convert")["one"].warnings == ["sft: 3 rows where 4 are expected"]


def test_parts_that_are_there_are_taken_as_they_are(shelf, up_to, distinct):
    shelf.add("one", distinct("a", 3), distinct("b", 3), distinct("c", 3))
    before = up_to("convert")["one"]
    folder = shelf.data / "records/one"
    paths = [folder / f["path"] for f in before.files]
    (folder / "manifest.json").unlink()
    paths[1].unlink()
    times = [path.stat().st_mtime_ns for path in (paths[0], paths[2])]
    assert up_to("convert")["one"] == before
    assert [path.stat().st_mtime_ns for path in (paths[0], paths[2])] == times
    assert paths[1].is_file()


@pytest.mark.parametrize("stage", ["convert", "clean", "dedupe"])
def test_what_a_run_killed_while_sweeping_left_is_swept_by_the_next(shelf, up_to, distinct, stage):
    shelf.add("one", distinct("one", 3))
    manifest = up_to(stage)["one"]
    folder = shelf.data / {"convert": "records", "clean": "clean", "dedupe": "unique"}[stage] / "one"
    (folder / "sft-00000-0123456789ab.parquet").write_text("")
    assert up_to(stage)["one"] == manifest
    assert {p.name for p in folder.iterdir()} == {"manifest.json", *(f["path"] for f in manifest.files)}


def test_what_an_earlier_key_left_is_swept(shelf, up_to, distinct):
    shelf.add("one", distinct("one", 3))
    up_to("convert")
    (shelf.data / "records/one/notes.txt").write_text("")
    manifest = up_to("convert", max_bad=0.5)["one"]
    found = {p.name for p in (shelf.data / "records/one").iterdir()}
    assert found == {"manifest.json", *(f["path"] for f in manifest.files)}


ZIPPED = """
[outputs.other]
format = "sft"
shape  = "pair"
rows   = "more"
fields = { instruction = "{q}", output = "{a}" }
"""
ZIPPED_FILE = 'more = { path = "more.zip", member = "**/*.jsonl", format = "json", optional = true }'


def test_an_optional_member_may_be_absent_and_what_there_is_instead_is_told(shelf, up_to, distinct):
    shelf.add("one", distinct("one", 3), more=ZIPPED, extra_files=ZIPPED_FILE, examples=SECOND_EXAMPLE)
    with zipfile.ZipFile(shelf.upstream("one") / "more.zip", "w") as archive:
        archive.writestr("notes/a.txt", "-")
    manifest = up_to("convert")["one"]
    told = "more: no member of more.zip fits '**/*.jsonl'. It holds notes/a.txt"
    assert manifest.skipped == {"other": f"no file {told}"}
    assert manifest.warnings == [f"not found: {told}"]
    assert set(manifest.counts) == {"sft"}
    for path in shelf.upstream("one").glob("*.jsonl"):
        path.unlink()
    with pytest.raises(CareError, match="no output can be made") as caught:
        up_to("convert")
    assert told in str(caught.value)


def test_a_member_that_samples_lack_is_skipped_and_one_that_upstreams_file_lacks_stops(shelf, up_to, distinct):
    from care_data.store import sha256_file

    files = ZIPPED_FILE.replace(", optional = true", "")
    shelf.add("one", distinct("one", 3), more=ZIPPED, extra_files=files, examples=SECOND_EXAMPLE)
    with zipfile.ZipFile(shelf.upstream("one") / "more.zip", "w") as archive:
        archive.writestr("notes/a.txt", "-")
    assert set(up_to("convert")["one"].skipped) == {"other"}
    with (shelf.registry / "one.toml").open("a") as file:
        for name, path in (("pairs", "0.jsonl"), ("more", "more.zip")):
            file.write(f'[checksums.{name}]\n"{path}" = {{ sha256 = "{sha256_file(shelf.upstream("one") / path)}" }}\n')
    with pytest.raises(CareError, match=r"no member of more\.zip fits"):
        up_to("convert")
