"""Tokenizer and model: loaded, quantised to 4 or 8 bits, with a LoRA adapter attached."""

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from care_train.config import LoraSettings, ModelSettings
from care_train.errors import CareError, Exit
from care_train.smollm2 import locate

# On CPUs bitsandbytes reports at import that an optional kernel is not installed; nothing here needs it.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""What settings call the types of numbers."""

HEAD = "score"
"""What transformers calls the head of a reward model."""
REFERENCE = "reference"
"""The adapter that a run on preferences began with."""


def load_tokenizer(path: str) -> Any:
    """The tokenizer of a model, with a pad token (eos where it has none); without an eos it raises."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(locate(path), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, "tokenizer", error) from error
    if tokenizer.eos_token_id is None:
        fix = "Name eos_token in its tokenizer_config.json: without it answers never end."
        raise CareError("tokenizer has no eos token", where=path, fix=fix)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    settings: ModelSettings,
    *,
    dtype: torch.dtype | None = None,
    scores: bool = False,
    pad_id: int | None = None,
    device: str = "auto",
) -> nn.Module:
    """The base model on this process's GPU, else on the CPU; quantised where the settings ask for it.

    dtype: of the weights, and of the arithmetic of quantised layers; None takes fp32 on a CPU, bf16 on a GPU.
    scores: with a head of one number, of the last token that is not pad_id, in the place of words. device: cpu keeps
    it off the GPU. Only safetensors are read, and no code of the model's folder is run.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    on_gpu = device != "cpu" and torch.cuda.is_available()
    dtype = dtype or (torch.bfloat16 if on_gpu else torch.float32)
    path = locate(settings.model_name_or_path)
    kind: Any = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    head = {"num_labels": 1, "pad_token_id": pad_id} if scores else {}
    try:
        model = kind.from_pretrained(
            path,
            **head,
            dtype=dtype,
            quantization_config=_quantize(settings, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            device_map={"": int(os.environ.get("LOCAL_RANK", "0"))} if on_gpu and not is_sharded() else None,
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, "model", error) from error
    keep_differentiable(model)
    return model


def _unreadable(path: str, what: str, error: Exception) -> CareError:
    first = str(error).strip().split("\n")[0][:200]
    looked = "" if Path(path).exists() else " (no such folder here)"
    fix = "Give a folder with config.json, safetensors and a tokenizer, a hub id, or `tiny`."
    return CareError(f"{what} cannot be loaded{looked}: {first.rstrip('.')}", where=path, fix=fix)


def is_sharded() -> bool:
    """Whether the launcher will spread the weights over several devices, so that none is to hold them all before."""
    return "true" in (os.environ.get("ACCELERATE_USE_FSDP"), os.environ.get("ACCELERATE_USE_DEEPSPEED"))


def _quantize(settings: ModelSettings, dtype: torch.dtype) -> Any:
    if settings.quantization_bit is None:
        return None
    from transformers import BitsAndBytesConfig

    if settings.quantization_bit == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quantization_type,
        bnb_4bit_use_double_quant=settings.double_quantization,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype if torch.cuda.is_available() or is_sharded() else torch.uint8,
    )


def keep_differentiable(model: nn.Module) -> int:
    """Keep 4-bit layers off bitsandbytes' CPU inference path; gives how many there are.

    On CPUs with AVX512-BF16 the first forward pass in eval mode repacks the weights, and from then on training
    passes no gradient to any adapter and says nothing (bitsandbytes 0.50).
    """
    layers = [module for module in model.modules() if type(module).__name__ == "Linear4bit"]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return len(layers)


def make_trainable(
    model: nn.Module,
    lora: LoraSettings,
    settings: ModelSettings,
    *,
    scores: bool = False,
    reference: bool = False,
) -> nn.Module:
    """The model with what is to learn in fp32 and the rest frozen: an adapter, the last layers, or everything.

    scores: it is a reward model, whose head learns too. reference: an adapter that it goes on from is kept beside the
    one that learns, frozen.
    """
    model.requires_grad_(False)
    recompute = settings.gradient_checkpointing
    if recompute or (recompute is None and torch.cuda.is_available()):
        enable: Any = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        model.enable_input_require_grads()  # type: ignore[operator]
    if lora.finetuning_type == "lora":
        model = (
            _continue_lora(model, settings.adapter_name_or_path, scores=scores, reference=reference)
            if settings.adapter_name_or_path
            else _attach_lora(model, lora, scores=scores)
        )
    else:
        for part in [model] if lora.finetuning_type == "full" else _choose_layers(model, lora.freeze_trainable_layers):
            part.requires_grad_(True)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return model


def _continue_lora(model: nn.Module, path: str, *, scores: bool, reference: bool) -> nn.Module:
    """The model with the adapter in the folder `path`. One of a model that gives words gets a reward model's head."""
    from peft import PeftConfig, PeftModel, get_peft_model, load_peft_weights, set_peft_model_state_dict

    try:
        config = PeftConfig.from_pretrained(path)
    except (OSError, ValueError) as error:
        fix = "Give the folder that a training left, with adapter_config.json."
        raise CareError("no adapter there", where=path, fix=fix) from error
    if scores and HEAD not in (config.modules_to_save or []):
        config.task_type, config.modules_to_save = "SEQ_CLS", [*(config.modules_to_save or []), HEAD]
        config.inference_mode = False
        peft = get_peft_model(model, config)
        head = getattr(model, HEAD).original_module.weight.detach()  # drawn just now
        weights = {**load_peft_weights(path, device="cpu"), f"base_model.model.{HEAD}.weight": head}
        set_peft_model_state_dict(peft, weights)
        return peft
    peft = PeftModel.from_pretrained(model, path, is_trainable=True)
    if reference:
        peft.load_adapter(path, adapter_name=REFERENCE, is_trainable=False)
        peft.set_adapter("default")
    return peft


def _attach_lora(model: nn.Module, lora: LoraSettings, *, scores: bool) -> nn.Module:
    """The model with a new adapter."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="SEQ_CLS" if scores else "CAUSAL_LM",
        r=lora.lora_rank,
        lora_alpha=lora.lora_alpha or 2 * lora.lora_rank,
        lora_dropout=lora.lora_dropout,
        use_dora=lora.use_dora,
        target_modules=choose_targets(model, lora.lora_target),
        modules_to_save=[HEAD] if scores else None,
    )
    return get_peft_model(model, config)


def _choose_layers(model: nn.Module, count: int) -> list[nn.Module]:
    """The last `count` decoder layers, or the first where it is below 0, and the head of a reward model."""
    layers = next(module for name, module in model.named_modules() if name.endswith("layers"))
    chosen = list(layers.children())
    if not 0 < abs(count) <= len(chosen):
        fix = f"The model has {len(chosen)} layers."
        raise CareError(f"--freeze_trainable_layers {count}", fix=fix, code=Exit.USAGE)
    head = getattr(model, HEAD, None)
    return [*(chosen[-count:] if count > 0 else chosen[:-count]), *([head] if head is not None else [])]


def choose_targets(model: nn.Module, wanted: str) -> list[str]:
    """Names of the layers that get an adapter; `all` is every linear one but the output layer."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if (isinstance(module, nn.Linear) or type(module).__name__ == "Linear8bitLt") and module is not head
    } - {HEAD}
    if wanted == "all":
        return sorted(linear)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    unknown = [name for name in names if name.rpartition(".")[2] not in known]
    if unknown or not names:
        fix = f"It has: {', '.join(sorted(linear))}; or use --lora_target all."
        raise CareError(f"the model has no layer {', '.join(unknown) or 'named'}", fix=fix, code=Exit.USAGE)
    return names


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """(trainable, all) parameters; a 4-bit weight packs two or more into one stored number."""
    counts: Counter[bool] = Counter()
    for weight in model.parameters():
        shape = getattr(getattr(weight, "quant_state", None), "shape", None)
        counts[weight.requires_grad] += torch.Size(shape).numel() if shape is not None else weight.numel()
    return counts[True], counts.total()
