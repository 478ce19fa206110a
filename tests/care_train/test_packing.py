"""Examples side by side: no row too long, none lost, and nothing that tells packed from unpacked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from care_train.collators import join_batch, make_padder, make_row_padder
from care_train.errors import CareError
from care_train.models import keep_differentiable
from care_train.packing import check_isolation, describe_rows, pack
from care_train.sequences import Examples
from care_train.tokens import IGNORED

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "max_position_embeddings": 128,
}


def build(*lengths: int, seed: int = 0) -> Examples:
    """Random examples of these lengths; the second half of each is learned, of every third all."""
    draw = np.random.default_rng(seed)
    ends = np.cumsum([0, *lengths])
    learned = [np.arange(length) >= (0 if number % 3 == 0 else length // 2) for number, length in enumerate(lengths)]
    return Examples(draw.integers(5, 300, ends[-1]).astype(np.int32), np.concatenate(learned), ends)


def make_model(kind: str, folder: Path, **loading: Any) -> Any:
    """A model of random weights, its cache off as the Trainer has it."""
    import transformers

    torch.manual_seed(0)
    name = {"llama": "LlamaConfig", "qwen2": "Qwen2Config"}[kind]
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**SHAPE))
    if loading:
        model.save_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **loading)
        keep_differentiable(model)
    model.config.use_cache = False
    return model.eval()


def rows_of(*lengths: int, size: int) -> list[list[int]]:
    return [row.tolist() for row in pack(build(*lengths), size).rows]


def test_each_example_goes_where_it_leaves_the_least_room() -> None:
    # 7, 6, 5 open rows with rooms 3, 4, 5; then 4 fills the second, 3 the first, 2 goes to the third.
    assert rows_of(2, 7, 3, 6, 4, 5, size=10) == [[0, 5], [1, 2], [3, 4]]
    assert rows_of(10, 1, 9, size=10) == [[0], [1, 2]]
    assert rows_of(3, 3, 3, 3, size=6) == [[0, 1], [2, 3]]


def test_an_example_longer_than_a_row_is_refused() -> None:
    with pytest.raises(CareError, match=r"an example of 11 tokens fits no row of 10\. Raise --cutoff_len"):
        pack(build(3, 11), 10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=80), st.integers(40, 64))
def test_rows_hold_every_example_once_within_their_size(lengths: list[int], size: int) -> None:
    examples = build(*lengths)
    packed = pack(examples, size)
    assert sorted(np.concatenate(packed.rows).tolist()) == list(range(len(lengths)))
    assert packed.lengths.max() <= size
    assert int(packed.lengths.sum()) == packed.tokens == sum(lengths)
    # no row of two fits into another: the mark of a best fit that never opens a row without need
    filled = sorted(packed.lengths.tolist())
    assert len(filled) < 2 or filled[0] + filled[1] > size
    again = pack(examples, size)
    assert [row.tolist() for row in packed.rows] == [row.tolist() for row in again.rows]


def test_a_row_is_its_examples_with_positions_of_their_own_and_no_first_label() -> None:
    examples = build(4, 3)
    row = pack(examples, 8)[0]
    assert row["input_ids"].tolist() == [*examples[0]["input_ids"], *examples[1]["input_ids"]]
    assert row["position_ids"].tolist() == [0, 1, 2, 3, 0, 1, 2]
    first, second = examples[0]["labels"].tolist(), examples[1]["labels"].tolist()
    assert first[0] != IGNORED
    assert row["labels"].tolist() == [IGNORED, *first[1:], IGNORED, *second[1:]]


def test_padding_is_a_sequence_of_its_own() -> None:
    examples = build(5, 4, 6)
    packed = pack(examples, 9)
    assert [row.tolist() for row in packed.rows] == [[0, 1], [2]]
    batch = make_row_padder(299)([*packed])
    assert {name: tuple(values.shape) for name, values in batch.items()} == dict.fromkeys(packed[0], (2, 16))
    assert batch["position_ids"].tolist() == [[*range(5), *range(4), *range(7)], [*range(6), *range(10)]]
    assert batch["input_ids"][1].tolist() == [*examples[2]["input_ids"], *[299] * 10]
    assert batch["labels"][0].tolist() == [*packed[0]["labels"], *[IGNORED] * 7]


def test_how_well_rows_are_filled() -> None:
    assert describe_rows(pack(build(6, 3, 4), 10), 10) == "packing: 3 examples in 2 rows of 10, 65.0% filled"


def nf4() -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    return {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")}


@pytest.mark.parametrize(("kind", "bits"), [("llama", 0), ("llama", 4), ("qwen2", 0), ("qwen2", 4)])
def test_logits_are_those_of_each_example_alone(kind: str, bits: int, tmp_path: Path) -> None:
    model = make_model(kind, tmp_path, **(nf4() if bits else {}))
    examples = build(9, 30, 7, 12, 21, 5, 17)
    packed = pack(examples, 40)
    assert [row.tolist() for row in packed.rows] == [[0, 1], [2, 3, 5], [4, 6]]
    alone = [model(input_ids=torch.from_numpy(examples[n]["input_ids"])[None]).logits[0] for n in range(len(examples))]
    stacked = make_row_padder(0)([packed[n] for n in range(len(packed))])
    compared = 0
    for batch, rows in [
        (stacked, packed.rows),
        (join_batch([packed[0]]), packed.rows[:1]),
        (join_batch([examples[n] for n in range(len(examples))]), [np.arange(len(examples))]),
    ]:
        logits = model(**batch).logits
        for row, members in enumerate(rows):
            at = 0
            for number in members:
                size = len(alone[number])
                assert (logits[row, at : at + size] - alone[number]).abs().max() < 1e-5
                at += size
                compared += 1
    assert compared == 7 + 2 + 7


def step(model: Any, batch: dict[str, torch.Tensor]) -> tuple[float, torch.Tensor]:
    """The loss of a batch, a mean over learned tokens, and all gradients in one."""
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return float(loss.detach()), torch.cat(
        [weight.grad.flatten() for weight in model.parameters() if weight.requires_grad]
    )


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_loss_and_gradients_are_those_of_the_padded_batch(kind: str, tmp_path: Path) -> None:
    model = make_model(kind, tmp_path).train()
    examples = build(9, 30, 7, 12, 21, 5, 17)
    every = [examples[number] for number in range(len(examples))]
    packed = pack(examples, 40)
    loss, gradients = step(model, make_padder(0)(every))
    for batch in (
        make_row_padder(0)([packed[n] for n in range(len(packed))]),
        join_batch(every),
        join_batch([*packed]),
    ):
        other, others = step(model, batch)
        assert other == pytest.approx(loss, abs=1e-5)
        assert (others - gradients).abs().max() < 1e-5
    assert gradients.abs().max() > 1e-2


def test_a_model_that_keeps_sequences_apart_passes_and_stays_as_it_was(tmp_path: Path) -> None:
    model = make_model("qwen2", tmp_path).train()
    check_isolation(model)
    check_isolation(model, rows=1)
    assert model.training


def test_a_cache_an_old_architecture_and_a_recurrent_one_are_found_out(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, BloomConfig, MambaConfig

    model = make_model("llama", tmp_path)
    model.config.use_cache = True
    with pytest.raises(CareError, match=r"llama with attention sdpa lets examples in a row see each other\. Leave out"):
        check_isolation(model)
    shape = {"hidden_size": 64, "vocab_size": 300}
    for config in (BloomConfig(n_layer=2, n_head=4, **shape), MambaConfig(num_hidden_layers=2, **shape)):
        config.use_cache = False
        with pytest.raises(CareError, match=rf"{config.model_type} with attention \w+ lets examples in a row see"):
            check_isolation(AutoModelForCausalLM.from_config(config))


@pytest.mark.parametrize("stage", ["sft", "pt"])
def test_a_packed_run_is_the_padded_one(stage: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    """Every step takes all examples, so that order does not matter. Of pt the texts are apart only when packed."""
    logs = {}
    for words in [*([()] if stage == "sft" else []), ("packing=true",), ("packing=true", "padding_free=true")]:
        folder, said = tmp_path / "-".join(["run", *words]), list[str]()
        result = run_stage(stage, folder, "per_device_train_batch_size=24", "val_size=4", *words, say=said.append)
        lines = [json.loads(line) for line in (folder / "trainer_log.jsonl").read_text().splitlines()]
        logs[words] = [line[name] for line in lines for name in ("loss", "grad_norm", "eval_loss") if name in line]
        if "packing=true" in words:
            (line,) = [line for line in said if line.startswith("packing: 20 examples in ")]
            assert 1 < len(line) < 80
            assert line.endswith("% filled")
        assert result.steps == 2
    first, *others = logs.values()
    assert len(first) >= 5
    for other in others:
        assert other == pytest.approx(first, abs=2e-5)


def test_texts_do_not_see_each_other(run_stage: Callable[..., Any], tokenizer: Any) -> None:
    import pyarrow as pa

    from care_train.config import DataSettings
    from care_train.examples import encode_texts
    from care_train.shards import TYPES

    texts = ["头痛了怎么办？", "多喝温水。" * 30, "早些休息。"]
    table = pa.Table.from_pylist([{"text": text} for text in texts], schema=pa.schema(list(TYPES.items())))
    examples, budget = encode_texts(table, tokenizer, DataSettings(cutoff_len=16, packing=True))
    pieces: list[list[int]] = []
    for text in texts:
        ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        pieces += [ids[at : at + 16] for at in range(0, len(ids), 16)]
    assert len(pieces) > 5
    assert [example["input_ids"].tolist() for example in examples] == pieces
    assert (budget.kept, budget.tokens) == (3, sum(map(len, pieces)))
    starts = [one for row in pack(examples, 16) for one in row["input_ids"][row["position_ids"] == 0].tolist()]
    assert sorted(starts) == sorted(piece[0] for piece in pieces)


def test_what_packing_is_not_for(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    from care_train.config import ALIASES, check

    settings = make_settings(tmp_path, "packing=true")
    assert ALIASES["neat_packing"] == "packing"
    settings.run.stage = "dpo"
    with pytest.raises(CareError, match=r"--packing is not for dpo\. Leave it out: pairs are padded"):
        check(settings, "dpo")
    settings.run.stage, settings.data.streaming = "sft", True
    with pytest.raises(CareError, match=r"--packing needs all lengths, --streaming has none\. Use --padding_free"):
        check(settings, "sft")
