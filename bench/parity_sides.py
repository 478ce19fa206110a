"""What each side of `parity.py` does, in its own environment.

python bench/parity_sides.py make FOLDER
python bench/parity_sides.py SIDE FOLDER FILE
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from parity_inputs import SEED, make_inputs, split_tokens, whole

STEPS, BATCH, RATE = 6, 2, 5e-3
Steps = list[list[float]]
"""[loss, norm of the gradients] of each step."""


class Case(NamedTuple):
    """One comparison. accumulation: batches to a step; bits: of the base model; beside: who else does it."""

    stage: str
    accumulation: int
    bits: int | None
    beside: tuple[str, ...]


CASES = {
    "sft": Case("sft", 1, None, ("llamafactory", "trl")),
    "sft, accumulated": Case("sft", 2, None, ("llamafactory", "trl")),
    "sft, NF4": Case("sft", 2, 4, ("llamafactory",)),
    "dpo": Case("dpo", 1, None, ("llamafactory", "trl")),
    "dpo, accumulated": Case("dpo", 2, None, ("llamafactory", "trl")),
    "rm": Case("rm", 2, None, ("trl",)),
}


def run_ours(case: Case, inputs: Path, output: Path) -> Steps:
    """care-train's steps."""
    from importlib import import_module

    from care_train.arguments import parse
    from care_train.commands import STAGES
    from care_train.config import check

    task = "SEQ_CLS" if case.stage == "rm" else "CAUSAL_LM"
    told = {
        "model_name_or_path": inputs / task / "base",
        "adapter_name_or_path": inputs / task / "adapter",
        "dataset_dir": inputs / "data",
        "dataset": "answers" if case.stage == "sft" else "preferences",
        "template": "llama2",
        "output_dir": output,
        "quantization_bit": case.bits,
        "train_sampling_strategy": "sequential",
        **train_words(case),
    }
    settings, _ = parse(STAGES[case.stage], [f"{name}={value}" for name, value in told.items()], passing=True)
    check(settings, case.stage)
    import_module(f"care_train.stages.{case.stage}").train(settings, lambda line: None)
    return read_steps(json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))["log_history"])


def run_llamafactory(case: Case, inputs: Path, output: Path) -> Steps:
    """LLaMA-Factory's steps. Its reference of preferences is told: else it would be the model without the adapter."""
    from llamafactory.train.tuner import run_exp

    base, adapter = (str(inputs / "CAUSAL_LM" / part) for part in ("base", "adapter"))
    reference = {"ref_model": base, "ref_model_adapters": adapter} if case.stage == "dpo" else {}
    bits = {"quantization_bit": case.bits} if case.bits else {}
    run_exp(
        {
            "stage": case.stage,
            "do_train": True,
            "model_name_or_path": base,
            "adapter_name_or_path": adapter,
            "dataset_dir": str(inputs / "data"),
            "dataset": "answers" if case.stage == "sft" else "preferences",
            "template": "llama2",
            "finetuning_type": "lora",
            "lora_target": "q_proj,v_proj",
            "disable_shuffling": True,
            "output_dir": str(output),
            "overwrite_cache": True,
            "report_to": "none",
            **train_words(case),
            **reference,
            **bits,
        }
    )
    return read_steps(json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))["log_history"])


def run_trl(case: Case, inputs: Path, output: Path) -> Steps:
    """TRL's steps, from our tokens."""
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

    class TokensTrainer(DPOTrainer):
        """The one trainer that takes no tokens takes these."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    task = "SEQ_CLS" if case.stage == "rm" else "CAUSAL_LM"
    kind = AutoModelForSequenceClassification if case.stage == "rm" else AutoModelForCausalLM
    base = inputs / task / "base"
    model = PeftModel.from_pretrained(
        kind.from_pretrained(base, dtype=torch.float32), inputs / task / "adapter", is_trainable=True
    )
    tokens = json.loads((inputs / "tokens.json").read_text(encoding="utf-8"))
    rows = {
        "sft": lambda: tokens["sft"],
        "dpo": lambda: split_tokens(tokens["dpo"]),
        "rm": lambda: whole(tokens["dpo"]),
    }
    trainer, form = {
        "sft": (SFTTrainer, SFTConfig),
        "dpo": (TokensTrainer, DPOConfig),
        "rm": (RewardTrainer, RewardConfig),
    }[case.stage]
    words = {"bf16": False, "use_cpu": True, "max_length": None, "gradient_checkpointing": False, "report_to": "none"}
    config = form(
        output_dir=str(output), train_sampling_strategy="sequential", disable_tqdm=True, **words, **train_words(case)
    )
    made = trainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows[case.stage]()),
        processing_class=AutoTokenizer.from_pretrained(base),
    )
    made.train()
    return read_steps(made.state.log_history)


def train_words(case: Case) -> dict[str, Any]:
    """The Trainer's settings, the same on all sides."""
    return {
        "max_steps": STEPS,
        "per_device_train_batch_size": BATCH,
        "gradient_accumulation_steps": case.accumulation,
        "learning_rate": RATE,
        "lr_scheduler_type": "cosine",
        "logging_steps": 1,
        "save_strategy": "no",
        "seed": SEED,
    }


def read_steps(history: list[dict[str, Any]]) -> Steps:
    """Of a Trainer's log."""
    return [[round(float(line[name]), 7) for name in ("loss", "grad_norm")] for line in history if "loss" in line]


SIDES: dict[str, Callable[[Case, Path, Path], Steps]] = {
    "ours": run_ours,
    "llamafactory": run_llamafactory,
    "trl": run_trl,
}


def main() -> None:
    """Make the inputs, or run a side's cases and write its steps."""
    side, inputs = sys.argv[1], Path(sys.argv[2])
    if side == "make":
        make_inputs(inputs)
        return
    steps = {}
    for name, case in CASES.items():
        if side == "ours" or side in case.beside:
            with tempfile.TemporaryDirectory() as output:
                steps[name] = SIDES[side](case, inputs, Path(output) / "output")
    Path(sys.argv[3]).write_text(json.dumps(steps), encoding="utf-8")


if __name__ == "__main__":
    main()
