"""What is known of base and adapters before they are merged."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from care_train.adapters import Trained
from care_train.config import ModelSettings
from care_train.errors import CareError, Exit
from care_train.exporting.merging import check_vocabulary, choose_dtype, count_rows, is_reward_model, merge, read_config
from care_train.models import load_model


def trained(note: dict[str, Any] | None) -> Trained:
    return Trained("base", (), None, None, None, "base", (note,) if note is not None else ())


def config(**values: Any) -> Any:
    return type("Config", (), values)()


@pytest.mark.parametrize(
    ("name", "own", "written"),
    [
        ("auto", torch.bfloat16, torch.bfloat16),
        ("auto", None, torch.float32),
        ("auto", torch.float64, torch.float32),
        ("float16", torch.bfloat16, torch.float16),
    ],
)
def test_auto_is_the_bases_own_type(name: str, own: torch.dtype | None, written: torch.dtype) -> None:
    assert choose_dtype(name, config(dtype=own)) == written


def test_a_reward_model_is_known_by_its_note_else_by_its_head() -> None:
    scores, words = config(architectures=["LlamaForSequenceClassification"]), config(architectures=["LlamaForCausalLM"])
    assert is_reward_model(trained({"stage": "rm"}), words)
    assert not is_reward_model(trained({"stage": "sft"}), words)
    assert is_reward_model(trained(None), scores)
    assert not is_reward_model(trained({}), config(architectures=None))


def test_embeddings_that_an_adapter_brings_are_counted(tmp_path: Path) -> None:
    assert count_rows(tmp_path) is None
    lora = {"base_model.model.model.embed_tokens.lora_embedding_A": torch.zeros(4, 9)}
    save_file(lora, tmp_path / "adapter_model.safetensors")
    assert count_rows(tmp_path) is None
    save_file({**lora, "base_model.model.lm_head.weight": torch.zeros(7, 3)}, tmp_path / "adapter_model.safetensors")
    assert count_rows(tmp_path) == 7


def test_quantised_weights_take_no_adapter(tiny: Path, tmp_path: Path) -> None:
    assert read_config(str(tiny)).model_type == "llama"
    values = json.loads((tiny / "config.json").read_text())
    values["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(CareError, match=r"the weights there are quantised \(bitsandbytes\), merging would lose bits"):
        read_config(str(tmp_path))
    with pytest.raises(CareError, match="no model config can be read"):
        read_config(str(tmp_path / "nowhere"))


def test_a_token_without_an_embedding_is_refused(tiny: Path, tokenizer: Any) -> None:
    model = load_model(ModelSettings(model_name_or_path=str(tiny)))
    check_vocabulary(tokenizer, model, "there")
    larger = type("Larger", (), {"get_vocab": lambda self: {"a": len(tokenizer)}})()
    with pytest.raises(
        CareError, match=r"there: the tokenizer has [\d,]+ tokens, the model [\d,]+ embeddings"
    ) as caught:
        check_vocabulary(larger, model, "there")
    assert caught.value.code == Exit.INTEGRITY


def test_an_adapter_that_ran_away_is_not_merged(tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        load_model(ModelSettings(model_name_or_path=str(tiny))), LoraConfig(target_modules=["q_proj"])
    )
    next(weight for name, weight in model.named_parameters() if "lora_B" in name).data.fill_(float("nan"))
    with pytest.raises(CareError, match="the adapter cannot be merged: NaNs detected") as caught:
        merge(model, tmp_path)
    assert caught.value.code == Exit.INTEGRITY
