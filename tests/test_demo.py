"""The demo corpus: every line of demo_ledger.toml, worked out from the files by hand, held against what a run made."""

import json
import tomllib
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

LEDGER = tomllib.loads((Path(__file__).parent / "demo_ledger.toml").read_text(encoding="utf-8"))
OUTPUTS = {f"{output['corpus']}_{output['output']}": output for output in LEDGER["outputs"]}

REASONS = {
    "bad byte": "bad_encoding",
    "too few cells": "ragged",
    "broken JSON": "bad_json",
    "no answer": "blank_output",
    "no question": "blank_instruction",
    "answer equals question": "answer_equals_question",
    "answer without words": "no_words",
    "advertising": "advertising",
    "unknown speaker": "unknown_speaker",
    "one-sided": "one_sided",
    "equal answers": "equal_answers",
    "exact duplicate": "exact_duplicate",
    "near duplicate": "near_duplicate",
}
"""The ledger's words to the program's names."""

TAGS = {
    "phone": "[PHONE]",
    "landline": "[LANDLINE]",
    "email": "[EMAIL]",
    "id_card": "[ID_CARD]",
    "wechat": "[WECHAT]",
}


@pytest.fixture(scope="module")
def release(demo):
    _, ended = demo
    assert ended.code == 0, ended.err
    return Path(ended.json["release"])


@pytest.fixture(scope="module")
def kept(release):
    """Every released record by its id."""
    found = {}
    for path in sorted(release.glob("*/*.arrow")):
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as stream:
            found.update((record["id"], record) for record in stream.read_all().to_pylist())
    return found


@pytest.fixture(scope="module")
def aside(demo):
    """Every record or row set aside, by its id: stage, reason and what else is noted."""
    found = {}
    for path in sorted(demo[0].glob("*/*/*.rejects.parquet")):
        stage, corpus = path.relative_to(demo[0]).parts[:2]
        for row in pl.read_parquet(path).to_dicts():
            name = row.get("id") or f"{corpus}/{path.name.split('-')[0]}/{row['place']}#{row['row']}"
            assert name not in found, f"{name} was set aside twice"
            found[name] = {"stage": stage, **row}
    return found


def texts(record):
    """All words of a record in one text."""
    turns = [part for exchange in record["history"] for part in exchange]
    answers = record["output"] if isinstance(record["output"], list) else [record["output"]]
    return "\n".join([*turns, record["instruction"], record["input"], *answers])


def test_every_reason_of_the_ledger_is_one_of_the_program():
    assert set(LEDGER["reasons"]) == set(REASONS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_counts_of_an_output_are_the_ledgers(name, release):
    output = OUTPUTS[name]
    counts = json.loads((release / "manifest.json").read_text(encoding="utf-8"))["counts"][name]
    assert counts["read"] == output["rows"]
    assert counts["kept"] == output["kept"]
    assert counts["dropped"] == {REASONS[reason]: count for reason, count in output["dropped"].items()}
    info = json.loads((release / "dataset_info.json").read_text(encoding="utf-8"))[name]
    assert info["care"]["rows"] == output["kept"]


def test_the_release_holds_the_ledgers_outputs_and_no_other(release, kept):
    assert set(json.loads((release / "dataset_info.json").read_text(encoding="utf-8"))) == set(OUTPUTS)
    assert len(kept) == sum(output["kept"] for output in LEDGER["outputs"]) == 292


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_masked_is_what_the_ledger_counts(name, demo):
    output = OUTPUTS[name]
    manifest = json.loads((demo[0] / "clean" / output["corpus"] / "manifest.json").read_text(encoding="utf-8"))
    folder = demo[0] / "clean" / output["corpus"]
    found = dict.fromkeys(TAGS, 0)
    for file in manifest["files"]:
        if file["output"] != output["output"]:
            continue
        for row in pl.read_parquet(folder / file["path"]).to_dicts():
            text = texts(row) if "history" in row else row["detail"]
            for kind, tag in TAGS.items():
                found[kind] += text.count(tag)
    assert {kind: count for kind, count in found.items() if count} == output["masked"]
    changed = manifest["counts"][output["output"]]["changed"]
    counted = {key.removeprefix("masked_"): count for key, count in changed.items() if key.startswith("masked_")}
    assert counted == output["masked"]


@pytest.mark.parametrize("name", [name for name in OUTPUTS if "openings" in OUTPUTS[name]])
def test_the_turns_of_a_dialogue_file_are_all_counted(name, demo):
    output = OUTPUTS[name]
    manifest = json.loads((demo[0] / "records" / output["corpus"] / "manifest.json").read_text(encoding="utf-8"))
    turns = manifest["counts"][output["output"]]["turns"]
    assert turns["read"] == output["openings"] + output["sentences"]
    assert turns["read"] == sum(count for kind, count in turns.items() if kind != "read")


@pytest.mark.parametrize("row", LEDGER["planted"], ids=lambda row: row["id"])
def test_a_planted_row_comes_to_what_the_ledger_says(row, kept, aside):
    assert row["id"].startswith(f"{row['corpus']}/{row['output']}/")
    assert row["id"].endswith(f"#{row['row']}")
    if row["fate"] == "dropped":
        assert row["id"] not in kept
        found = aside[row["id"]]
        assert found["reason"] == REASONS[row["reason"]]
        if "keeper" in row:
            assert found["keeper"] == row["keeper"]
            assert row["keeper"] in kept
        if "jaccard" in row:
            assert found["jaccard"] == pytest.approx(min(row["jaccard"]), abs=0.0006)
    else:
        assert row["fate"] == "kept"
        assert row["id"] not in aside
        record = kept[row["id"]]
        assert {name: record[name] for name in row.get("record", {})} == row.get("record", {})
        text = texts(record)
        assert [part for part in row.get("contains", []) if part not in text] == []
        assert [part for part in row.get("lacks", []) if part in text] == []
        for kind in row.get("masked", []):
            assert TAGS[kind] in text


def test_the_ledger_was_held_in_full():
    assert len(LEDGER["planted"]) == 87
    known = {"corpus", "output", "row", "id", "what", "fate", "reason", "keeper", "jaccard", "record"}
    assert {key for row in LEDGER["planted"] for key in row} <= known | {"contains", "lacks", "masked"}
    known = {"corpus", "output", "path", "member", "rows", "kept", "dropped", "masked", "openings", "sentences"}
    assert {key for output in LEDGER["outputs"] for key in output} <= known


def test_nothing_else_was_dropped_than_what_was_planted(aside):
    planted = {row["id"] for row in LEDGER["planted"] if row["fate"] == "dropped"}
    assert set(aside) == planted
