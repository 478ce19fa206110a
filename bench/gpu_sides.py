"""What each side of `gpu.py` does, in its own environment: weights made at random, one point of the grid trained.

python bench/gpu_sides.py make SHAPE FOLDER
python bench/gpu_sides.py SIDE POINT FOLDER FILE

POINT is a point of the grid as JSON; FOLDER holds the weights; FILE gets what was measured.
"""

import json
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SEED, RANK, PAD_FREE = 7, 16, 16
"""PAD_FREE: the first id that is no special token; texts are drawn from there on, so that padding can be told."""
WARM, ALONE = 2, 3
"""Steps before the clock starts; steps after it in which the model's own time is taken."""
CHARACTERS = (24, 66, 150, 175, 193, 218, 235, 257, 295, 448, 5946)
"""Length of records in characters, least, deciles and most: 431 of five published Chinese medical corpora."""


class Shape(NamedTuple):
    """A llama without its weights. tokens: of a Chinese character, as its vocabulary cuts them."""

    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    tokens: float


SHAPES = {
    "7b": Shape(4096, 11008, 32, 32, 32, 32000, 1.4),
    "8b": Shape(4096, 14336, 32, 32, 8, 128256, 0.7),
    "tiny": Shape(128, 384, 2, 2, 2, 2048, 0.7),
}


class Point(NamedTuple):
    """A point of the grid. length: of a packed row, and where longer examples are cut; batch: rows or examples."""

    shape: str
    length: int
    packed: bool
    batch: int
    side: str
    steps: int


def draw_lengths(point: Point) -> list[int]:
    """Tokens of each example: enough for all steps, in the mix of published records, cut at `length`."""
    draw, shape = random.Random(SEED), SHAPES[point.shape]  # noqa: S311  # the same each time
    rows = point.batch * (WARM + point.steps + ALONE)
    lengths: list[int] = []
    while (sum(lengths) < rows * point.length * 1.1) if point.packed else (len(lengths) < rows):
        part, rest = divmod(draw.random() * (len(CHARACTERS) - 1), 1)
        low, high = CHARACTERS[int(part)], CHARACTERS[int(part) + 1]
        lengths.append(min(max(8, round((low + rest * (high - low)) * shape.tokens)), point.length))
    return lengths


def make_weights(name: str, folder: Path) -> None:
    """A model of this shape in NF4, its weights drawn at random, and a tokenizer; on the GPU where there is one."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from care_train.config import ModelSettings
    from care_train.models import load_model
    from care_train.tiny import train_tokenizer

    shape, plain = SHAPES[name], folder / "plain"
    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        vocab_size=shape.vocabulary,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
    )
    torch.manual_seed(SEED)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(plain)
    torch.cuda.empty_cache()
    load_model(ModelSettings(model_name_or_path=str(plain), quantization_bit=4)).save_pretrained(folder)  # type: ignore[operator]
    shutil.rmtree(plain)
    train_tokenizer(["头痛了先休息，再量体温。"]).save_pretrained(folder)


def make_ours(point: Point, folder: Path, output: Path, words: dict[str, Any]) -> tuple[Any, int]:
    """(care-train's Trainer of random examples, the id that pads)."""
    import numpy as np

    from care_train.arguments import parse
    from care_train.collators import choose_collator
    from care_train.config import SftSettings, check
    from care_train.models import load_model, load_tokenizer, make_trainable
    from care_train.packing import check_isolation, pack
    from care_train.runs import choose_dtype, make_arguments
    from care_train.sequences import Examples
    from care_train.trainers import LengthTrainer

    told = {"model_name_or_path": folder, "dataset": "-", "template": "llama2", "output_dir": output, **words}
    told |= {"quantization_bit": 4, "lora_rank": RANK, "cutoff_len": point.length, "packing": point.packed}
    settings, _ = parse(SftSettings, [f"{name}={value}" for name, value in told.items()], passing=True)
    check(settings, "sft")
    tokenizer, lengths = load_tokenizer(str(folder)), draw_lengths(point)
    ends = np.cumsum([0, *lengths], dtype=np.int64)
    ids = np.random.default_rng(SEED).integers(PAD_FREE, SHAPES[point.shape].vocabulary, ends[-1], np.int32)
    learned = np.concatenate([np.arange(length) >= length // 3 for length in lengths])
    examples: Any = Examples(ids, learned, ends)
    trainer = LengthTrainer(
        model=make_trainable(load_model(settings.model, dtype=choose_dtype(settings)), settings.lora, settings.model),
        args=make_arguments(settings),
        train_dataset=pack(examples, point.length) if point.packed else examples,
        data_collator=choose_collator(settings.data, tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    if point.packed:
        check_isolation(trainer.model)
    return trainer, tokenizer.pad_token_id


def make_trl(point: Point, folder: Path, output: Path, words: dict[str, Any]) -> tuple[Any, int]:
    """The same of TRL's SFTTrainer as it comes: its own packing, collator and adapter."""
    import numpy as np
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer, draw = AutoTokenizer.from_pretrained(folder), np.random.default_rng(SEED)
    ids = [draw.integers(PAD_FREE, SHAPES[point.shape].vocabulary, length) for length in draw_lengths(point)]
    rows = [
        {"input_ids": row.tolist(), "labels": np.where(np.arange(len(row)) < len(row) // 3, -100, row).tolist()}
        for row in ids
    ]
    gpu = torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16 if gpu else torch.float32, device_map={"": 0} if gpu else None
    )
    given = {"report_to": "none", "use_cpu": not gpu, "disable_tqdm": True, "max_length": point.length}
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(output_dir=str(output), packing=point.packed, **given, **words),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, target_modules="all-linear"),
    )
    return trainer, tokenizer.pad_token_id


SIDES: dict[str, Callable[[Point, Path, Path, dict[str, Any]], tuple[Any, int]]] = {"ours": make_ours, "trl": make_trl}


def measure(point: Point, folder: Path, output: Path) -> dict[str, Any]:
    """Tokens a second of `steps` steps, padding not counted; the most memory; and, of ALONE further steps in which the
    device is waited for, the share that is not the model's forward and backward pass."""
    import torch
    from transformers import TrainerCallback

    gpu = torch.cuda.is_available()
    words = {
        "max_steps": WARM + point.steps + ALONE,
        "per_device_train_batch_size": point.batch,
        "gradient_accumulation_steps": 1,
        "gradient_checkpointing": True,
        "learning_rate": 1e-5,
        "bf16": gpu,
        "save_strategy": "no",
        "seed": SEED,
    }
    trainer, pad = SIDES[point.side](point, folder, output, words)
    inner, marks, tokens, inside = trainer.training_step, dict[int, float](), list[Any](), list[float]()

    def look() -> float:
        if gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    def step(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        done = trainer.state.global_step
        if WARM <= done < WARM + point.steps:
            tokens.append((inputs["input_ids"] != pad).sum())
        if done < WARM + point.steps:
            return inner(model, inputs, *args, **kwargs)
        started = look()
        loss = inner(model, inputs, *args, **kwargs)
        inside.append(look() - started)
        return loss

    class Clock(TrainerCallback):
        """When the parts of the run begin and end."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step in (WARM, WARM + point.steps, WARM + point.steps + ALONE):
                marks[state.global_step] = look()

    trainer.training_step = step
    trainer.add_callback(Clock())
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    begun, ended, last = (marks[at] for at in sorted(marks))
    lengths = draw_lengths(point)
    most = torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "tokens_per_second": round(sum(int(count) for count in tokens) / (ended - begun), 1),
        "seconds_per_step": round((ended - begun) / point.steps, 4),
        "memory": most,
        "outside": round(1 - sum(inside) / (last - ended), 4),
        "context": round(sum(length**2 for length in lengths) / sum(lengths), 1),
        "device": torch.cuda.get_device_name() if gpu else "CPU",
    }


def main() -> None:
    """Make weights, or measure a point; what does not fit into memory is told as such."""
    if sys.argv[1] == "make":
        make_weights(sys.argv[2], Path(sys.argv[3]))
        return
    side, told, folder, file = sys.argv[1:]
    point = Point(**{**json.loads(told), "side": side})
    output = Path(file).with_suffix(".output")
    try:
        found = measure(point, Path(folder), output)
    except Exception as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        found = {"failed": "out of memory"}
    finally:
        shutil.rmtree(output, ignore_errors=True)
    Path(file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
