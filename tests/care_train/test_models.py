"""Loading, four bits, LoRA."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.collators import make_padder
from care_train.config import DataSettings, LoraSettings, ModelSettings
from care_train.errors import CareError, Exit
from care_train.examples import encode_records
from care_train.models import (
    choose_targets,
    count_parameters,
    keep_differentiable,
    load_model,
    load_tokenizer,
    make_trainable,
)
from care_train.shards import read_shard
from care_train.templates import TEMPLATES


def load(tiny: Path, bits: int | None = 4, **lora: Any) -> Any:
    torch.manual_seed(0)
    settings = ModelSettings(model_name_or_path=str(tiny), quantization_bit=bits)
    return make_trainable(load_model(settings), LoraSettings(lora_rank=4, **lora), settings)


@pytest.fixture
def batch(tokenizer: Any, release: Path) -> dict[str, torch.Tensor]:
    path = release / "toy_sft" / "train-00000-of-00002.arrow"
    columns = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
    examples, _ = encode_records(read_shard(path, columns, "toy"), tokenizer, TEMPLATES["llama2"], DataSettings())
    return make_padder(tokenizer.pad_token_id)([examples[number] for number in range(8)])


def gradients(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    model.train()
    model.zero_grad()
    model(**batch, use_cache=False).loss.backward()
    return {
        name: float("nan") if weight.grad is None else weight.grad.norm().item()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def test_four_bits_learn(tiny: Path, batch: dict[str, torch.Tensor]) -> None:
    model = load(tiny)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    losses = []
    for _ in range(12):
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        assert all(w.grad is not None and w.grad.isfinite().all() for w in model.parameters() if w.requires_grad)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert all(loss == loss for loss in losses)
    assert losses[-1] < losses[0] - 0.5


def test_an_evaluation_pass_does_not_change_the_next_gradient(tiny: Path, batch: dict[str, torch.Tensor]) -> None:
    """Where the CPU has AVX512-BF16, every gradient is None after an eval pass, unless the model was kept from it."""
    model = load(tiny)
    before = gradients(model, batch)
    model.eval()
    with torch.no_grad():
        model(**batch)
        model(input_ids=batch["input_ids"][:1, :1], use_cache=True)
    after = gradients(model, batch)
    assert before == after
    assert sum(value > 0 for value in before.values()) >= len(before) / 2


def test_only_the_adapter_learns_in_fp32(tiny: Path) -> None:
    settings = ModelSettings(model_name_or_path=str(tiny), quantization_bit=4)
    base = load_model(settings, dtype=torch.bfloat16)
    assert keep_differentiable(base) == 14
    model = make_trainable(base, LoraSettings(lora_rank=4), settings)
    learning = {name: weight.dtype for name, weight in model.named_parameters() if weight.requires_grad}
    assert set(learning.values()) == {torch.float32}
    assert all("lora_" in name for name in learning)
    config = model.config.quantization_config
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", True)
    assert config.bnb_4bit_compute_dtype == torch.bfloat16


def test_counts_do_not_depend_on_packing(tiny: Path) -> None:
    plain, packed = count_parameters(load(tiny, None)), count_parameters(load(tiny, 4))
    assert plain == packed
    # rank 4 on q, k, v, o (128 -> 128) and gate, up (128 -> 512), down (512 -> 128), in two layers
    assert plain[0] == 2 * 4 * (4 * 256 + 3 * 640)


def test_targets(tiny: Path) -> None:
    model = load_model(ModelSettings(model_name_or_path=str(tiny)))
    linear = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
    assert choose_targets(model, "all") == linear
    assert choose_targets(load_model(ModelSettings(model_name_or_path=str(tiny), quantization_bit=4)), "all") == linear
    assert choose_targets(model, "q_proj, v_proj") == ["q_proj", "v_proj"]
    with pytest.raises(CareError, match=r"the model has no layer W_pack. It has: down_proj, gate_proj") as caught:
        choose_targets(model, "q_proj,W_pack")
    assert caught.value.code == Exit.USAGE


def test_gradient_checkpointing_gives_the_same_gradients(tiny: Path, batch: dict[str, torch.Tensor]) -> None:
    plain = gradients(load(tiny), batch)
    torch.manual_seed(0)
    settings = ModelSettings(model_name_or_path=str(tiny), quantization_bit=4, gradient_checkpointing=True)
    model = make_trainable(load_model(settings), LoraSettings(lora_rank=4), settings)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    assert gradients(model, batch) == pytest.approx(plain, rel=1e-4)


def test_what_cannot_be_loaded_is_said_in_one_line(tmp_path: Path, tiny: Path) -> None:
    missing = str(tmp_path / "none")
    for load_it in (lambda: load_tokenizer(missing), lambda: load_model(ModelSettings(model_name_or_path=missing))):
        with pytest.raises(CareError, match=r"none: (tokenizer|model) cannot be loaded \(no such folder here\)"):
            load_it()
    shutil.copytree(tiny, tmp_path / "bin")
    (tmp_path / "bin" / "model.safetensors").rename(tmp_path / "bin" / "pytorch_model.bin")
    with pytest.raises(CareError, match=r"bin: model cannot be loaded: "):
        load_model(ModelSettings(model_name_or_path=str(tmp_path / "bin")))
