"""Dead training stops before it harms the weights, and names its batch."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from care_train.alarm import find_example, find_fault, list_rows, name_batches, name_record
from care_train.collators import make_row_padder
from care_train.errors import CareError
from care_train.packing import Packed
from care_train.sequences import Block, Examples

ONE_BY_ONE = ("per_device_train_batch_size=1", "train_sampling_strategy=sequential", "max_steps=24")


def spoil(tiny: Path, folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> str:
    """A copy of the model with other weights, as the word that names it."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, folder)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return f"model_name_or_path={folder}"


@pytest.fixture
def poisoned(tiny: Path, tokenizer: Any, tmp_path: Path) -> str:
    """A model to which one word of the fifth record is no number."""

    def poison(weights: dict[str, torch.Tensor]) -> None:
        (word,) = {*tokenizer("皮疹")["input_ids"]} - {*tokenizer("头痛咳嗽失眠胃胀腰酸耳鸣心慌")["input_ids"]}
        weights["model.embed_tokens.weight"][word] = float("nan")

    return spoil(tiny, tmp_path / "poisoned", poison)


@pytest.mark.parametrize(
    ("stage", "where"),
    [("sft", "step 5, toy/sft/rows#4"), ("rm", "step 5, toy/sft/rows#4"), ("dpo", "step 5, toy/sft/rows#4")],
)
def test_a_loss_that_is_no_number_names_its_record(
    stage: str, where: str, poisoned: str, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    said: list[str] = []
    with pytest.raises(CareError) as caught:
        run_stage(stage, tmp_path / "a", poisoned, *ONE_BY_ONE, "logging_steps=100", say=said.append)
    assert str(caught.value).startswith(f"{where}: loss is nan. Lower --learning_rate")


@pytest.mark.parametrize("stage", ["sft", "dpo"])
@pytest.mark.parametrize("more", [[], ["per_device_train_batch_size=2"], ["gradient_accumulation_steps=2"]])
def test_of_a_stream_the_record_is_named_too(
    stage: str,
    more: list[str],
    poisoned: str,
    run_stage: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("care_train.dataset_info.BLOCK", 3)  # records of a step come from two blocks
    words = [*ONE_BY_ONE, "streaming=true", "buffer_size=1", "tokens_cache=none", *more]
    with pytest.raises(CareError) as caught:
        run_stage(stage, tmp_path / "a", poisoned, *words)
    named = "step 5, toy/sft/rows#4"
    if more:
        named = "step 3, toy/sft/rows#4" + (", toy/sft/rows#5" if "batch" in more[0] else "")
    assert str(caught.value).startswith(f"{named}: loss is nan. Lower --learning_rate")


def test_records_of_a_stream_without_ids_are_named_by_their_words(
    poisoned: str, run_stage: Callable[..., Any], corpus: Path, tmp_path: Path
) -> None:
    import json

    rows = json.loads((corpus / "answers.json").read_text(encoding="utf-8"))
    rows = [{**row, "id": None, "output": "" if number == 1 else row["output"]} for number, row in enumerate(rows)]
    (tmp_path / "answers.json").write_text(json.dumps(rows), encoding="utf-8")
    shutil.copy(corpus / "dataset_info.json", tmp_path)
    words = [*ONE_BY_ONE, "streaming=true", "buffer_size=1", "tokens_cache=none", f"dataset_dir={tmp_path}"]
    with pytest.raises(CareError, match=r"^step 4, record '皮疹了怎么办？': loss is nan"):
        run_stage("sft", tmp_path / "a", poisoned, *words)


def test_of_streamed_texts_the_words_are_said(poisoned: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    words = [*ONE_BY_ONE, "streaming=true", "buffer_size=1", "tokens_cache=none", "cutoff_len=40"]
    with pytest.raises(CareError, match=r"^step \d+, the block that begins '.*': loss is nan"):
        run_stage("pt", tmp_path / "a", poisoned, *words)


def test_of_texts_the_block_is_named(poisoned: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(CareError, match=r"^step (\d+), block \1: loss is nan"):
        run_stage("pt", tmp_path / "a", poisoned, *ONE_BY_ONE, "cutoff_len=40")


def test_of_an_accumulated_step_only_the_batch_at_fault_is_named(
    poisoned: str, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    words = (*ONE_BY_ONE, "per_device_train_batch_size=2", "gradient_accumulation_steps=4")
    with pytest.raises(CareError, match=r"^step 1, toy/sft/rows#4, toy/sft/rows#5: loss is nan"):
        run_stage("sft", tmp_path / "a", poisoned, *words)


def test_dropped_records_do_not_shift_the_names(
    poisoned: str, run_stage: Callable[..., Any], corpus: Path, tmp_path: Path
) -> None:
    import json

    rows = json.loads((corpus / "answers.json").read_text(encoding="utf-8"))
    rows[1]["output"] = ""
    (tmp_path / "answers.json").write_text(json.dumps(rows), encoding="utf-8")
    shutil.copy(corpus / "dataset_info.json", tmp_path)
    with pytest.raises(CareError, match=r"^step 4, toy/sft/rows#4: loss is nan"):
        run_stage("sft", tmp_path / "a", poisoned, *ONE_BY_ONE, f"dataset_dir={tmp_path}")


def test_gradients_of_zero_name_the_whole_batch(tiny: Path, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    deaf = spoil(tiny, tmp_path / "deaf", lambda weights: weights["lm_head.weight"].zero_())
    with pytest.raises(CareError) as caught:
        run_stage("sft", tmp_path / "a", deaf, "train_sampling_strategy=sequential", "per_device_train_batch_size=12")
    named = ", ".join(f"toy/sft/rows#{number}" for number in range(8))  # of the rest one is word for word another
    assert str(caught.value).startswith(f"step 1, {named} and 3 more: gradient norm is 0.0. Nothing is being learned")


def test_nothing_has_been_learned_when_it_stops(poisoned: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    """The step before the fault is saved, the step with it is not."""
    words = (*ONE_BY_ONE, "save_strategy=steps", "save_steps=1", "save_total_limit=1")
    with pytest.raises(CareError, match="step 5"):
        run_stage("sft", tmp_path / "a", poisoned, *words)
    assert [path.name for path in (tmp_path / "a").glob("checkpoint-*")] == ["checkpoint-4"]


@pytest.mark.parametrize(
    ("losses", "norm", "said", "at"),
    [
        ([1.0, float("nan"), 1.0], 1.0, "loss is nan", [1]),
        ([float("inf")], float("nan"), "loss is inf", [0]),
        ([1.0, 0.0], 1.0, "loss is 0.0", [1]),
        ([1.0, 1.0], 0.0, "gradient norm is 0.0", [0, 1]),
        ([1.0], float("nan"), "gradient norm is nan", [0]),
        ([1.0], float("inf"), "gradient norm is inf", [0]),
    ],
)
def test_faults(losses: list[float], norm: float, said: str, at: list[int]) -> None:
    fault = find_fault(losses, norm, mixed=False, rests=False)
    assert fault is not None
    assert (fault[0], fault[2]) == (said, at)


def test_what_is_no_fault() -> None:
    assert find_fault([1.0, 1e-9], 1e-9, mixed=False, rests=False) is None
    assert find_fault([1.0], float("inf"), mixed=True, rests=False) is None  # the scaler passes over such a step
    assert find_fault([1.0], None, mixed=False, rests=False) is None
    assert find_fault([0.0, 0.0], 0.0, mixed=False, rests=True) is None
    assert find_fault([0.0, 1.0], 0.0, mixed=False, rests=True) is not None


def test_examples_of_a_packed_row_are_named() -> None:
    examples = Examples(np.arange(1, 10, dtype=np.int32), np.ones(9, bool), np.array([0, 2, 5, 9]))
    packed = Packed(examples, [np.array([0, 2]), np.array([1])])
    batch = make_row_padder(0)([packed[0]])
    assert [row.tolist() for row in list_rows(batch)] == [[1, 2], [6, 7, 8, 9], [0, 0]]
    assert find_example(examples, np.array([3, 4, 5])) == [1]
    assert find_example(examples, np.array([3, 4, 6])) == []
    said = pa.array(["a", "b", "c"])
    table = pa.table({"id": [None, "x#2", "x#3"], "prompt": said, "response": said, "chosen": said})
    assert name_batches([batch], [Block(examples, table, 0, numbered=True)], str) == "record 1, x#3"


def test_the_record_behind_dropped_ones_is_told_by_its_words() -> None:
    table = pa.table(
        {"id": ["a", "b", "c"], "prompt": ["甲", "乙", "乙"], "response": ["丙", "丁 戊", "丙"], "chosen": [None] * 3}
    )
    examples = Examples(np.zeros(0, np.int32), np.zeros(0, bool), np.zeros(1, np.int64))

    def name(place: int, dropped: int, text: str, *, numbered: bool = True) -> str:
        return name_record(Block(examples, table, dropped, numbered), place, text)

    assert name(0, 0, "?") == "a"
    assert name(0, 1, "[INST] 乙 [/INST]丁戊</s>") == "b"
    assert name(1, 1, "[INST]乙[/INST]丙</s>") == "c"
    assert name(0, 2, "?") == "record 1 or one of the 2 after it"
    assert name(0, 2, "[INST] 己", numbered=False) == "the record that reads '[INST] 己'"
