"""Reward models: scores of the last token, a head that learns and is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.checkpoints import read_note
from care_train.collators import make_padder, make_pair_padder
from care_train.config import LoraSettings, ModelSettings
from care_train.models import load_model, load_tokenizer, make_trainable


def load_scores(base: Path, adapter: Path) -> Any:
    """The reward model that a run left, as any user of peft would load it."""
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(99)  # of the head it would begin with, were none kept
    pad = load_tokenizer(str(base)).pad_token_id
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, pad_token_id=pad)
    return PeftModel.from_pretrained(model, adapter).eval()


def ask(model: Any, tokenizer: Any, *texts: str) -> list[float]:
    examples = [{"input_ids": ids, "labels": ids} for ids in map(tokenizer.encode, texts)]
    batch = make_padder(tokenizer.pad_token_id)(examples)
    with torch.no_grad():
        return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, 0].tolist()


def test_a_reward_model_prefers_better_answers_after_training(
    tiny: Path, tokenizer: Any, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    result = run_stage("rm", tmp_path / "a", "max_steps=20", "per_device_train_batch_size=8", "learning_rate=5e-3")
    assert result.loss_last < 0.1 < result.loss_first
    assert result.scores["rewards/accuracies"] == 1.0
    model = load_scores(tiny, tmp_path / "a")
    better = "<s>[INST] 咳嗽了怎么办？ [/INST]咳嗽的时候早些休息，不见好转再看医生。</s>"
    worse = "<s>[INST] 咳嗽了怎么办？ [/INST]少吃油腻就好。</s>"
    scores = ask(model, tokenizer, better, worse)
    assert scores[0] > scores[1] + 1


def test_padding_does_not_change_a_score(tiny: Path, tokenizer: Any) -> None:
    settings = ModelSettings(model_name_or_path=str(tiny))
    model = load_model(settings, scores=True, pad_id=tokenizer.pad_token_id).eval()
    short, long = "<s>头痛</s>", "<s>" + "咳嗽了怎么办？" * 8 + "</s>"
    alone = ask(model, tokenizer, short) + ask(model, tokenizer, long)
    assert ask(model, tokenizer, short, long) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("bits", [None, 4, 8])
def test_the_head_learns_in_full_precision(bits: int | None, tiny: Path, tokenizer: Any) -> None:
    settings = ModelSettings(model_name_or_path=str(tiny), quantization_bit=bits)
    base = load_model(settings, scores=True, pad_id=tokenizer.pad_token_id)
    model = make_trainable(base, LoraSettings(lora_rank=4), settings, scores=True)
    heads = {name: weight for name, weight in model.named_parameters() if "score" in name and weight.requires_grad}
    assert [(tuple(weight.shape), weight.dtype) for weight in heads.values()] == [((1, 128), torch.float32)]


def test_a_reward_model_can_begin_with_what_another_stage_learned(
    tiny: Path, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    """The adapter has no head; the run gives it one, which learns and is kept."""
    from safetensors.torch import load_file

    run_stage("sft", tmp_path / "sft")
    adapter = f"adapter_name_or_path={tmp_path / 'sft'}"
    run_stage("rm", tmp_path / "rm", adapter, "learning_rate=1e-12", "max_steps=1")
    before, after = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("sft", "rm"))
    assert after.keys() - before.keys() == {"base_model.model.score.weight"}
    for name, weight in before.items():
        assert torch.allclose(weight, after[name], atol=1e-6), name
    run_stage("rm", tmp_path / "on", f"adapter_name_or_path={tmp_path / 'rm'}", "max_steps=1")
    onward = load_file(tmp_path / "on" / "adapter_model.safetensors")
    assert onward.keys() == after.keys()
    assert not torch.equal(onward["base_model.model.score.weight"], after["base_model.model.score.weight"])
    assert not list(tmp_path.rglob("reference"))


def test_the_note_and_the_log(run_stage: Callable[..., Any], tmp_path: Path) -> None:
    run_stage("rm", tmp_path / "a", "val_size=4")
    note = read_note(tmp_path / "a")
    assert (note["stage"], note["template"], note["finished"]) == ("rm", "llama2", True)
    history = json.loads((tmp_path / "a" / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    assert all("rewards/accuracies" in line for line in history if "loss" in line)


def test_a_pair_of_answers_is_two_rows() -> None:
    pad = make_pair_padder(0)
    pairs = [
        {side: {"input_ids": [n + k], "labels": [n + k]} for k, side in enumerate(("chosen", "rejected"))}
        for n in (1, 3)
    ]
    assert pad(pairs)["input_ids"][:, 0].tolist() == [1, 3, 2, 4]
