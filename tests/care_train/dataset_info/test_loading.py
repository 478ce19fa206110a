"""Entries of dataset_info.json, loaded whole."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from care_train.config import DataSettings
from care_train.dataset_info import load_evaluation
from care_train.errors import CareError, Exit

MAPPED = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}


def test_a_release_is_read_in_the_order_of_its_shards(release: Path, records: list[dict[str, Any]], load: Any) -> None:
    data = load(release, "toy_sft", "sft")
    assert data.rows == {"toy_sft": 24}
    assert data.table["id"].to_pylist() == [record["id"] for record in records]
    assert data.table["history"].to_pylist() == [record["history"] for record in records]
    assert data.manifest_sha256 == hashlib.sha256((release / "manifest.json").read_bytes()).hexdigest()


def test_absent_columns_mean_the_usual_ones_without_history(
    write_info: Any, records: list[dict[str, Any]], put: Any, load: Any
) -> None:
    folder = write_info({"file_name": "a.json"})
    put("a.json", records)
    table = load(folder, "mm", "sft").table
    assert table["query"].to_pylist() == [record["input"] for record in records]
    assert table["history"].null_count == 24


def test_given_columns_are_all_there_is_and_empty_means_none(
    write_info: Any, records: list[dict[str, Any]], put: Any, load: Any
) -> None:
    folder = write_info(
        {"file_name": "a.json", "columns": {"prompt": "instruction", "response": "output", "query": ""}}
    )
    put("a.json", records)
    table = load(folder, "mm", "sft").table
    assert table["query"].null_count == table["history"].null_count == 24
    assert table["response"].to_pylist() == [record["output"] for record in records]


def test_system_column_and_a_missing_assumed_input(write_info: Any, put: Any, load: Any) -> None:
    folder = write_info({"file_name": "a.json", "columns": {**MAPPED, "query": "", "history": "", "system": "sys"}})
    put("a.json", [{"instruction": "一", "output": "二", "sys": "三"}])
    assert load(folder, "mm", "sft").table["system"].to_pylist() == ["三"]
    folder = write_info({"file_name": "a.json"})
    assert load(folder, "mm", "sft").table["query"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("keys", "said", "code"),
    [
        ({"script_url": "loader"}, "mm: script_url is refused. Scripts are programs and are not run", Exit.POLICY),
        ({"file_name": "../mm.json"}, "mm: file_name leads outside the dataset folder.", Exit.POLICY),
        ({"file_name": "/etc/passwd"}, "mm: file_name leads outside the dataset folder.", Exit.POLICY),
        ({"file_name": "none.json"}, "mm: none.json does not exist in", Exit.DATA),
        ({"ms_hub_url": "a/b", "file_name": "a.json"}, "mm: ms_hub_url is not read here. Download it", Exit.DATA),
        ({"om_hub_url": "a/b"}, "mm: om_hub_url is not read here.", Exit.DATA),
        ({"cloud_file_name": "s3://a/b.json"}, "mm: cloud_file_name is not read here.", Exit.DATA),
        ({"file_name": ""}, "mm: does not say where its data is. Add file_name", Exit.DATA),
        ({"file_name": "a.json", "ranking": True}, "mm: holds rw records, not sft.", Exit.DATA),
        ({"file_name": "a.json", "columns": {"prompt": "q"}}, "mm: no response column is named.", Exit.DATA),
        (
            {"file_name": "a.json", "columns": {**MAPPED, "images": "i"}},
            "mm: its images (column i) are not read here.",
            Exit.DATA,
        ),
        ({"file_name": "a.json", "file_sha1": "0" * 40}, "mm/a.json: file_sha1 does not hold.", Exit.INTEGRITY),
    ],
)
def test_what_is_not_read_says_so(
    write_info: Any, keys: dict[str, Any], said: str, code: Exit, put: Any, load: Any
) -> None:
    folder = write_info(keys)
    put("a.json", [{"instruction": "一", "output": "二"}])
    with pytest.raises(CareError) as caught:
        load(folder, "mm", "sft")
    assert str(caught.value).startswith(said)
    assert caught.value.code == code


def write(folder: Path, files: dict[str, list[dict[str, Any]]], **entries: dict[str, Any]) -> Path:
    """A folder with these files and these entries."""
    for name, rows in files.items():
        (folder / name).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def pairs(prefix: str, count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"{prefix}{n}", "output": "好"} for n in range(count)]


def test_each_shape_of_preferences_gives_the_same_records(tmp_path: Path, load: Any) -> None:
    old = [{"instruction": "问", "input": "再问", "output": ["好", "坏", "更坏"]}]
    new = [{"instruction": "问", "input": "再问", "good": "好", "bad": "坏"}]
    asked = [{"from": "human", "value": "问\n再问"}]
    told = [{"conversations": asked, "good": {"from": "gpt", "value": "好"}, "bad": {"from": "gpt", "value": "坏"}}]
    sides = {"chosen": "good", "rejected": "bad"}
    folder = write(
        tmp_path,
        {"old.json": old, "new.json": new, "told.json": told},
        old={"file_name": "old.json"},
        ranked={"file_name": "old.json", "ranking": True},
        new={"file_name": "new.json", "ranking": True, "columns": {"prompt": "instruction", "query": "input", **sides}},
        told={
            "file_name": "told.json",
            "ranking": True,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", **sides},
        },
    )
    rows = load(folder, "old,ranked,new,told", "dpo").table.to_pylist()
    asked_for = ["\n".join(part for part in (row["prompt"], row["query"]) if part) for row in rows]
    assert asked_for == ["问\n再问"] * 4
    assert {(row["chosen"], row["rejected"], row["response"]) for row in rows} == {("好", "坏", None)}


def test_num_samples_draws_and_max_samples_cuts(tmp_path: Path, load: Any) -> None:
    folder = write(tmp_path, {"a.json": pairs("甲", 50)}, mm={"file_name": "a.json", "num_samples": 10})
    drawn = load(folder, "mm", "sft").table["prompt"].to_pylist()
    assert len(drawn) == 10
    assert drawn != [f"甲{n}" for n in range(10)]
    assert load(folder, "mm", "sft").table["prompt"].to_pylist() == drawn
    assert load(folder, "mm", "sft", seed=1).table["prompt"].to_pylist() != drawn
    assert load(folder, "mm", "sft", max_samples=3).table["prompt"].to_pylist() == drawn[:3]


def test_datasets_are_mixed_as_asked(tmp_path: Path, load: Any) -> None:
    folder = write(
        tmp_path,
        {"a.json": pairs("甲", 2), "b.json": pairs("乙", 4)},
        a={"file_name": "a.json"},
        b={"file_name": "b.json"},
    )
    one = load(folder, "b,a", "sft")
    assert one.table["prompt"].to_pylist() == ["乙0", "乙1", "乙2", "乙3", "甲0", "甲1"]
    turns = load(folder, "b,a", "sft", mix_strategy="interleave_under")
    assert turns.table["prompt"].to_pylist() == ["乙0", "甲0", "乙1", "甲1"]
    assert turns.rows == {"b": 2, "a": 2}
    often = load(folder, "b,a", "sft", mix_strategy="interleave_over", interleave_probs="0.1,0.9")
    assert often.rows["b"] >= 4
    assert often.rows["a"] > often.rows["b"]


def test_evaluation_has_datasets_of_its_own(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {"a.json": pairs("甲", 2), "b.json": pairs("乙", 4)},
        a={"file_name": "a.json"},
        b={"file_name": "b.json"},
    )
    data = DataSettings(dataset="a", eval_dataset="b", max_samples=3)
    measured = load_evaluation(folder, "sft", data)
    assert measured is not None
    assert measured.table["prompt"].to_pylist() == ["乙0", "乙1", "乙2"]
    assert load_evaluation(folder, "sft", DataSettings(dataset="a")) is None
    with pytest.raises(CareError) as caught:
        load_evaluation(folder, "sft", DataSettings(dataset="a,b", eval_dataset="b"))
    assert str(caught.value).startswith("b: is in --dataset and in --eval_dataset. Its loss would measure memory")


def test_a_dataset_without_records_is_named(tmp_path: Path, load: Any) -> None:
    folder = write(tmp_path, {"a.json": []}, mm={"file_name": "a.json"}, nn={"file_name": "a.csv"})
    (folder / "a.csv").write_text("instruction,output\n")
    for name in ("mm", "nn"):
        with pytest.raises(CareError, match=rf"^{name}: holds no records\. Check its files, or leave it out\.$"):
            load(folder, name, "sft")
