"""Adapters merged into their base in full precision, whatever it was quantised to while they were trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from care_train.adapters import Trained, put_on
from care_train.config import ModelSettings
from care_train.errors import CareError, Exit
from care_train.models import DTYPES, load_model
from care_train.smollm2 import locate

Say = Callable[[str], None]
EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight", "wte.weight")


def read_config(base: str) -> Any:
    """The config of a base model; raises where its weights are quantised, as nothing can be merged into those."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(locate(base), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n")[0][:200].rstrip(".")
        fix = "Give the base model with --model_name_or_path."
        raise CareError(f"no model config can be read: {first}", where=base, fix=fix) from error
    kept = getattr(config, "quantization_config", None)
    if kept:
        method = kept.get("quant_method", "") if isinstance(kept, dict) else kept.quant_method
        fix = "Give the base in full precision with --model_name_or_path."
        raise CareError(f"the weights there are quantised ({method}), merging would lose bits", where=base, fix=fix)
    return config


def choose_dtype(name: str, config: Any) -> torch.dtype:
    """The type of number to write; auto is the base's own."""
    own = getattr(config, "dtype", None) or torch.float32
    return DTYPES[name] if name != "auto" else own if own in DTYPES.values() else torch.float32


def is_reward_model(trained: Trained, config: Any) -> bool:
    """Whether the model gives a score, not words."""
    stage = trained.notes[-1].get("stage") if trained.notes else None
    architectures = getattr(config, "architectures", None) or [""]
    return stage == "rm" or (stage is None and architectures[0].endswith("ForSequenceClassification"))


def load_unmerged(trained: Trained, *, scores: bool, pad_id: int | None, device: str, say: Say) -> nn.Module:
    """The base in 32-bit floats with its adapters: all but the last merged, as the last was trained on them so."""
    settings = ModelSettings(model_name_or_path=trained.base)
    model: Any = load_model(settings, dtype=torch.float32, scores=scores, pad_id=pad_id, device=device)
    for place, adapter in enumerate(trained.adapters):
        say(f"adapter: {adapter}")
        rows, before = count_rows(adapter), len(model.get_input_embeddings().weight)
        if rows and rows != before:
            say(f"vocabulary: {rows:,} rows as in the adapter, not {before:,} as in the base")
            model.resize_token_embeddings(rows, mean_resizing=False)
        model = put_on(model, adapter)
        if place < len(trained.adapters) - 1:
            model = merge(model, adapter)
    return model


def count_rows(adapter: Path) -> int | None:
    """Rows of the embeddings that an adapter brings whole, None where it brings none."""
    from safetensors import safe_open

    file = adapter / "adapter_model.safetensors"
    if not file.exists():
        return None
    with safe_open(str(file), framework="pt") as weights:
        found = [name for name in weights.keys() if name.endswith(EMBEDDINGS) and ".lora_" not in name]  # noqa: SIM118
        return int(weights.get_slice(found[0]).get_shape()[0]) if found else None


def merge(model: Any, adapter: Path) -> Any:
    """The model with its adapter merged; in place, so that memory holds the weights once."""
    try:
        return model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        fix = "Train again, with a lower learning rate where the loss ran away."
        what = f"the adapter cannot be merged: {str(error).split(chr(10))[0].rstrip('.')}"
        raise CareError(what, where=str(adapter), fix=fix, code=Exit.INTEGRITY) from error


def check_vocabulary(tokenizer: Any, model: nn.Module, where: str) -> None:
    """Raise where the tokenizer gives ids that the model has no embedding for."""
    highest, rows = max(tokenizer.get_vocab().values()), model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    if highest >= rows:
        what = f"the tokenizer has {highest + 1:,} tokens, the model {rows:,} embeddings"
        fix = "Give the base it was trained on, or the adapter that brings its own embeddings."
        raise CareError(what, where=where, fix=fix, code=Exit.INTEGRITY)
