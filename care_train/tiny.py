"""The model called `tiny`: tokenizer and small llama made at run time, so that a demo needs no download.

It is a toy: it is trained on nothing but the texts at hand and remembers only those.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

VOCABULARY = 2048
SHAPE = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 3}  # all 64 · n
BLOCK, BATCH, PASSES, MOST_STEPS = 128, 4, 12, 400
RATE, MATRIX_RATE = 1e-2, 2e-2  # of AdamW for embeddings and norms, of Muon for the layers' matrices
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def build_tiny(texts: list[str], folder: Path, seed: int, say: Callable[[str], None]) -> Path:
    """The folder with tokenizer and model made from `texts`, ready for from_pretrained; made before, used again.

    As many steps as the texts give in PASSES passes, at most MOST_STEPS: the same texts and seed give the same model.
    """
    recipe = [SHAPE, VOCABULARY, BLOCK, BATCH, PASSES, MOST_STEPS, RATE, MATRIX_RATE, seed, texts]
    digest = hashlib.sha256(json.dumps(recipe, ensure_ascii=False).encode()).hexdigest()
    mark = folder / "tiny.json"
    if mark.exists() and json.loads(mark.read_text())["sha256"] == digest:
        say(f"tiny: the base model in {folder} is made from these texts, using it again")
        return folder
    mark.unlink(missing_ok=True)
    tokenizer = train_tokenizer(texts)
    model = train_model(texts, tokenizer, seed, say)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    mark.write_text(json.dumps({"sha256": digest, "texts": len(texts)}) + "\n")
    return folder


def train_tokenizer(texts: list[str]) -> Any:
    """A byte-level BPE tokenizer of at most VOCABULARY tokens; any text survives encoding and decoding."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        max_token_length=12,  # bytes: long tokens would swallow whole sentences of so small a corpus
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, model_max_length=2048, **SPECIAL)


def train_model(texts: list[str], tokenizer: Any, seed: int, say: Callable[[str], None]) -> Any:
    """A llama of SHAPE that has read the texts, in full precision on the CPU."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        special = {f"{name}_id": getattr(tokenizer, f"{name}_id") for name in ("bos_token", "eos_token", "pad_token")}
        config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **SHAPE, **special)
        model = LlamaForCausalLM(config)
        blocks = cut_blocks(texts, tokenizer)
        steps = min(MOST_STEPS, max(1, PASSES * len(blocks) // BATCH))
        size = sum(weight.numel() for weight in model.parameters())
        say(f"tiny: a toy of {size / 1e6:.1f} M parameters reads {blocks.numel():,} tokens in {steps} steps")
        optimizers = make_optimizers(model)
        schedules = [LambdaLR(optimizer, lambda step: plan_rate(step, steps)) for optimizer in optimizers]
        order = torch.cat([torch.randperm(len(blocks)) for _ in range(steps * BATCH // len(blocks) + 1)])
        model.train()
        for step in range(steps):
            batch = blocks[order[step * BATCH : (step + 1) * BATCH]]
            loss = model(input_ids=batch, labels=batch, use_cache=False).loss
            model.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            if step % 50 == 0 or step == steps - 1:
                say(f"tiny: step {step + 1}/{steps} loss {loss.item():.2f}")
    return model.eval()


def make_optimizers(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices: it learns texts by heart in a third of AdamW's steps. AdamW for the rest."""
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and ".layers." in name]
    known = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0),
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.0),
    ]


def plan_rate(step: int, steps: int) -> float:
    """Share of the highest rate at a step: ten steps up, level, then down over the last six tenths."""
    return min(1.0, (step + 1) / 10) * max(0.02, 1 - max(0.0, step / steps - 0.4) / 0.6)


def cut_blocks(texts: list[str], tokenizer: Any) -> torch.Tensor:
    """All texts, an eos after each, as int64 [blocks, BLOCK]; the last block is filled up from the start."""
    ids = [token for part in tokenizer(texts)["input_ids"] for token in [*part, tokenizer.eos_token_id]]
    ids += ids[: -len(ids) % BLOCK] if len(ids) >= BLOCK else ids * (BLOCK // len(ids) + 1)
    return torch.tensor(ids[: len(ids) // BLOCK * BLOCK]).view(-1, BLOCK)
