"""Training on what is read while it goes."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from care_train import dataset_info
from care_train.config import DataSettings
from care_train.dataset_info import open_stream
from care_train.errors import CareError, Nothing
from care_train.examples import encode_records
from care_train.lengths import Budget
from care_train.stages import sft
from care_train.streams import ExampleStream
from care_train.templates import TEMPLATES


def write(folder: Path, **files: list[dict[str, Any]]) -> Path:
    """A folder with a dataset of JSON lines for each."""
    for name, rows in files.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    info = {name: {"file_name": f"{name}.jsonl"} for name in files}
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def rows(prefix: str, count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"{prefix}{n}", "input": "", "output": "好"} for n in range(count)]


def read(folder: Path, wanted: str, epoch: int = 0, **settings: Any) -> list[str]:
    """The prompts of one pass."""
    data = DataSettings(dataset=wanted, streaming=True, **{"buffer_size": 1, **settings})
    return [
        one for block in open_stream(folder, "sft", data, seed=3).read(epoch) for one in block["prompt"].to_pylist()
    ]


def test_a_stream_reads_what_a_table_holds_block_by_block(tmp_path: Path) -> None:
    folder = write(tmp_path, a=rows("甲", 2500), b=rows("乙", 3))
    assert read(folder, "a,b") == [f"甲{n}" for n in range(2500)] + ["乙0", "乙1", "乙2"]
    assert read(folder, "a,b", max_samples=2) == ["甲0", "甲1", "乙0", "乙1"]
    assert read(folder, "b,a", mix_strategy="interleave_under") == ["乙0", "甲0", "乙1", "甲1", "乙2", "甲2"]
    shuffled = read(folder, "a", buffer_size=500)
    assert shuffled != sorted(shuffled)
    assert Counter(shuffled) == Counter(read(folder, "a"))
    assert shuffled == read(folder, "a", buffer_size=500)
    assert shuffled != read(folder, "a", epoch=1, buffer_size=500)


def test_the_first_records_are_counted_by_dataset_and_only_they_are_read(tmp_path: Path) -> None:
    broken = {"instruction": "坏", "input": "", "output": 3}
    folder = write(tmp_path, a=[*rows("甲", 3000), broken])
    stream = open_stream(folder, "sft", DataSettings(dataset="a", streaming=True, buffer_size=1))
    assert stream.head.rows == {"a": 1000}
    blocks = stream.read()
    assert [next(blocks).num_rows for _ in range(2)] == [1000, 1000]
    with pytest.raises(CareError, match=r"^a/a.jsonl: after 3,000 records: record 1: output is a int, not string\."):
        list(blocks)


def test_a_column_that_later_records_lack_is_null_there(tmp_path: Path) -> None:
    later = [{"instruction": f"后{n}", "output": "好"} for n in range(1000)]
    folder = write(tmp_path, a=[*rows("甲", 1000), *later])
    assert len(read(folder, "a")) == 2000
    with pytest.raises(CareError, match=r"no column output for response"):
        read(write(tmp_path, a=[{"instruction": "甲"}]), "a")


def make_stream(tokenizer: Any, folder: Path, **settings: Any) -> ExampleStream:
    data = DataSettings(dataset="a", streaming=True, buffer_size=1, **settings)
    stream = open_stream(folder, "sft", data)
    return ExampleStream(stream, lambda table: encode_records(table, tokenizer, TEMPLATES["llama2"], data), 2, 5)


def test_examples_of_a_stream_are_those_of_a_table(tmp_path: Path, tokenizer: Any) -> None:
    folder = write(tmp_path, a=[*rows("甲", 1500), {"instruction": "无", "input": "", "output": ""}])
    stream = make_stream(tokenizer, folder)
    data = DataSettings(dataset="a")
    table = dataset_info.load_datasets(folder, "sft", data).table
    examples, budget = encode_records(table, tokenizer, TEMPLATES["llama2"], data)
    made = list(islice(stream, 1500))
    account = stream.budget.describe()
    assert [one["input_ids"].tolist() for one in made] == [one["input_ids"].tolist() for one in examples]
    assert account == budget.describe()
    again = list(islice(stream, 1502))
    assert [one["input_ids"].tolist() for one in again[1500:]] == [one["input_ids"].tolist() for one in made[:2]]
    assert budget.dropped == {"no answer": 1}
    first = sum(len(one["input_ids"]) for one in made[:1000])
    assert stream.tokens == round(first / 1000 * 10)


def test_a_block_with_nothing_to_learn_is_counted_and_a_stream_of_it_is_an_error(
    tmp_path: Path, tokenizer: Any
) -> None:
    empty = [{"instruction": "无", "input": "", "output": ""}]
    stream = make_stream(tokenizer, write(tmp_path, a=[*rows("甲", 1000), *empty * 5]))
    assert len(list(islice(stream, 1001))) == 1001
    assert stream.budget.dropped == {"in a block with nothing to learn": 5}
    assert stream.budget.read == 2005
    with pytest.raises(Nothing, match=r"nothing to learn: 5 no answer"):
        make_stream(tokenizer, write(tmp_path, a=empty * 5))


def test_several_loaders_share_the_examples(tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.data import DataLoader

    # As the command sets it: loaders are forked, and have none of the threads that the tokenizer has begun here.
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    tokenizer.backend_tokenizer.encode_batch_fast(["头痛"] * 64)
    stream = make_stream(tokenizer, write(tmp_path, a=rows("甲", 30)))
    loaded = islice(DataLoader(stream, batch_size=None, num_workers=2), 30)
    found = sorted(tuple(one["input_ids"].tolist()) for one in loaded)
    assert found == sorted(tuple(one["input_ids"].tolist()) for one in islice(stream, 30))
    assert len(set(found)) == 30


def test_budgets_add_up() -> None:
    one = Budget(3, 2, 20, 10, 9, Counter(a=1), Counter(x=1))
    one.add(Budget(2, 1, 5, 4, 4, Counter(a=1, b=2), Counter()))
    assert one == Budget(5, 3, 25, 14, 9, Counter(a=2, b=2), Counter(x=1))


def test_training_on_a_stream_and_going_on_from_its_checkpoint(make_settings: Any, tmp_path: Path) -> None:
    words = ["streaming=true", "buffer_size=8", "max_steps=8", "lora_dropout=0", "tokens_cache=none"]
    words += ["lr_scheduler_type=constant"]
    said: list[str] = []
    straight = sft.train(make_settings(tmp_path / "straight", *words), said.append)
    assert straight.steps == 8
    assert straight.budget["records"] == 48
    assert any("streaming from" in line and "the first 24 read" in line for line in said)
    assert any(line.startswith("first tokens: 24 of 24 records") for line in said)
    sft.train(
        make_settings(tmp_path / "halved", *words, "max_steps=7", "save_steps=7"), said.append
    )  # of the second pass
    resumed = sft.train(make_settings(tmp_path / "halved", *words), said.append)
    assert resumed.loss_last == straight.loss_last
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("straight", "halved")]
    assert weights[0] == weights[1]


def test_training_measures_on_a_dataset_of_its_own(make_settings: Any, release: Path, tmp_path: Path) -> None:
    folder = write(tmp_path, a=rows("甲", 12), b=rows("乙", 4))
    said: list[str] = []
    words = [f"dataset_dir={folder}", "dataset=a", "eval_dataset=b", "max_steps=4", "tokens_cache=none"]
    result = sft.train(make_settings(tmp_path / "output", *words), said.append)
    assert result.eval_loss is not None
    assert result.budget["records"] == 12
    assert f"evaluation: 4 records from {folder} (b 4)" in said
    assert any(line.startswith("evaluation tokens: 4 of 4 records") for line in said)


def test_the_schema_of_a_stream_is_that_of_tables(tmp_path: Path) -> None:
    stream = open_stream(write(tmp_path, a=rows("甲", 3)), "sft", DataSettings(dataset="a", streaming=True))
    table = dataset_info.load_datasets(tmp_path, "sft", DataSettings(dataset="a")).table
    assert next(stream.read()).schema == table.schema == stream.head.table.schema
    assert isinstance(stream.head.table, pa.Table)
