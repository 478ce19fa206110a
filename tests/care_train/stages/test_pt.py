"""Pre-training: blocks of text, all of it learned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from care_train.checkpoints import read_note
from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.examples import encode_texts
from care_train.shards import TYPES


def encode(tokenizer: Any, *texts: str | None, **settings: Any) -> Any:
    rows = [{"id": f"r{number}", "text": text} for number, text in enumerate(texts)]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(TYPES.items())))
    return encode_texts(table, tokenizer, DataSettings(**settings))


def test_texts_are_joined_with_an_end_after_each_and_cut_into_blocks(tokenizer: Any) -> None:
    one, two = (tokenizer.encode(text, add_special_tokens=False) for text in ("头痛了怎么办？", "多喝温水。"))
    stream = [*one, tokenizer.eos_token_id, *two, tokenizer.eos_token_id]
    blocks, budget = encode(tokenizer, "头痛了怎么办？", "多喝温水。", cutoff_len=8)
    assert [blocks[number]["input_ids"].tolist() for number in range(len(blocks))] == [
        stream[at : at + 8] for at in range(0, len(stream), 8)
    ]
    assert all((blocks[n]["labels"] == blocks[n]["input_ids"]).all() for n in range(len(blocks)))
    assert (budget.read, budget.kept, budget.tokens, budget.supervised) == (2, 2, len(stream), len(stream))


def test_blocks_begin_as_the_tokenizer_begins_texts(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(tokenizer), "add_bos_token", True, raising=False)
    blocks, budget = encode(tokenizer, "头痛了怎么办？" * 5, cutoff_len=8)
    assert len(blocks) > 2
    assert {int(blocks[number]["input_ids"][0]) for number in range(len(blocks))} == {tokenizer.bos_token_id}
    assert max(len(blocks[number]["input_ids"]) for number in range(len(blocks))) == 8
    assert budget.tokens == len(tokenizer.encode("头痛了怎么办？" * 5, add_special_tokens=False)) + 1 + len(blocks)


def test_empty_texts_are_counted(tokenizer: Any) -> None:
    blocks, budget = encode(tokenizer, "头痛", "", None, " \n")
    assert (len(blocks), budget.read, budget.kept, dict(budget.dropped)) == (1, 4, 1, {"no text": 3})
    with pytest.raises(CareError, match="nothing to learn: 2 no text"):
        encode(tokenizer, "", None)


@pytest.mark.parametrize("packing", [False, True])
def test_no_block_is_too_short_to_foretell_anything(tokenizer: Any, packing: bool) -> None:
    """Its one token has nothing in front of it: alone in a batch its loss would be no number."""
    for cutoff in range(8, 30):
        blocks, budget = encode(tokenizer, *["咳嗽怎么办"] * 7, cutoff_len=cutoff, packing=packing)
        assert min(len(blocks[number]["input_ids"]) for number in range(len(blocks))) > 1, cutoff
        assert budget.kept == 7


def test_a_text_of_one_block_and_a_token_trains(run_stage: Callable[..., Any], tokenizer: Any, tmp_path: Path) -> None:
    text = "咳嗽了怎么办？多喝温水，早些休息，少吃油腻。"
    size = len(tokenizer.encode(text, add_special_tokens=False))
    (tmp_path / "dataset_info.json").write_text('{"texts": {"file_name": "t.json", "columns": {"prompt": "text"}}}')
    (tmp_path / "t.json").write_text(json.dumps([{"text": text}]), encoding="utf-8")
    words = (f"dataset_dir={tmp_path}", f"cutoff_len={size}", "per_device_train_batch_size=1", "max_steps=3")
    assert run_stage("pt", tmp_path / "a", *words).steps == 3


def test_pre_training_learns_and_needs_no_template(run_stage: Callable[..., Any], tmp_path: Path) -> None:
    said: list[str] = []
    words = ("template=none", "max_steps=8", "cutoff_len=64", "val_size=2")
    result = run_stage("pt", tmp_path / "a", *words, say=said.append)
    assert result.loss_last < result.loss_first
    assert result.eval_loss is not None
    assert any(line.startswith("blocks: ") and line.endswith(" of 64 tokens") for line in said)
    note = read_note(tmp_path / "a")
    assert (note["stage"], note["template"], note["datasets"]) == ("pt", None, {"texts": 24})
