"""Supervised fine-tuning: records in, adapter out."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from care_train.callbacks import ProgressLog, draw_losses, need_plots
from care_train.checkpoints import find_checkpoint, finish_run, start_run
from care_train.collators import make_padder
from care_train.config import SftSettings, list_values, usage
from care_train.dataset_info import Dataset, find_dataset_dir, load_datasets
from care_train.examples import Budget, Examples, encode_records
from care_train.models import attach_lora, count_parameters, load_model, load_tokenizer
from care_train.templates import find_template
from care_train.tiny import build_tiny

LIBRARIES = ("care-llm", "torch", "transformers", "peft", "bitsandbytes", "accelerate")


@dataclass
class Result:
    """What a run gave. tokens: read in training, padding not counted."""

    adapter: str
    steps: int
    loss_first: float | None
    loss_last: float | None
    eval_loss: float | None
    tokens: int
    seconds: float
    trainable: int
    parameters: int
    budget: dict[str, Any]
    plots: list[str]


def train(settings: SftSettings, say: Callable[[str], None]) -> Result:
    """Train as the settings say; `say` gets lines of progress. Leaves everything in output_dir."""
    if settings.run.plot_loss:
        need_plots()
    template = find_template(str(settings.data.template))
    output = Path(settings.run.output_dir)
    arguments = make_arguments(settings)
    set_seed(settings.training.seed)
    if settings.training.fp16 and arguments.use_cpu:
        say("note: without a GPU --fp16 is slow; --bf16 or neither is several times faster")

    # data
    data = load_datasets(
        find_dataset_dir(settings.data.dataset_dir), settings.data.dataset, "sft", max_samples=settings.data.max_samples
    )
    listed = ", ".join(f"{name} {rows:,}" for name, rows in data.rows.items())
    say(f"data: {data.table.num_rows:,} records from {data.folder} ({listed})")
    story = describe_run(settings, data)
    with PartialState().main_process_first():
        checkpoint = find_checkpoint(settings.run, story)
        if PartialState().is_main_process:
            start_run(settings.run, story, keep=checkpoint is not None)
        model_settings = settings.model
        if model_settings.model_name_or_path == "tiny":
            base = build_tiny(list_texts(data), output / "base", settings.training.seed, say)
            model_settings = replace(model_settings, model_name_or_path=str(base))

    # tokens
    tokenizer = load_tokenizer(model_settings.model_name_or_path)
    examples, budget = encode_records(data.table, tokenizer, template, settings.data)
    say(describe_budget(budget))
    training, evaluation = split(examples, settings.data.val_size, settings.training.seed)

    # model
    set_seed(settings.training.seed)
    model = attach_lora(load_model(model_settings, dtype=choose_dtype(settings)), settings.lora, model_settings)
    trainable, parameters = count_parameters(model)
    say(f"model: {trainable:,} of {parameters:,} parameters learn ({trainable / parameters:.2%})")

    # training
    per_step = len(training.ids) / len(training) * arguments.train_batch_size * arguments.gradient_accumulation_steps
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=training,
        eval_dataset=evaluation,
        data_collator=make_padder(tokenizer.pad_token_id),
        processing_class=tokenizer,
        callbacks=[ProgressLog(output, per_step * arguments.world_size, say)],
    )
    trainer.remove_callback(PrinterCallback)
    if checkpoint:
        say(f"resume: going on from {checkpoint}")
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.monotonic() - started

    # results
    trainer.save_model(str(output))
    trainer.save_state()
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    evals = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    plots: list[Path] = []
    if trainer.is_world_process_zero() and settings.run.plot_loss:
        plots = draw_losses(history, output)
    result = Result(
        adapter=str(output),
        steps=trainer.state.global_step,
        loss_first=losses[0] if losses else None,
        loss_last=losses[-1] if losses else None,
        eval_loss=evals[-1] if evals else None,
        tokens=round(len(training.ids) * float(trainer.state.epoch or 0)),
        seconds=round(seconds, 2),
        trainable=trainable,
        parameters=parameters,
        budget=budget.describe(),
        plots=[str(path) for path in plots],
    )
    if trainer.is_world_process_zero():
        finish_run(settings.run, story, asdict(result))
    return result


def make_arguments(settings: SftSettings) -> TrainingArguments:
    """The Trainer's arguments: our training section, output_dir and what was passed through."""
    values = {name: value for name, value in vars(settings.training).items() if value is not None}
    fixed = {"output_dir": settings.run.output_dir, "disable_tqdm": True, "remove_unused_columns": False}
    ours = {"logging_first_step": True, "logging_nan_inf_filter": False, "use_cpu": not torch.cuda.is_available()}
    try:
        return TrainingArguments(**{**ours, **values, **settings.extra, **fixed})
    except (TypeError, ValueError) as error:
        first = str(error).strip().split("\n")[0].rstrip(".")
        raise usage(f"the Trainer refuses its arguments: {first}", "See care-train sft --help.") from error


def choose_dtype(settings: SftSettings) -> torch.dtype | None:
    """The precision asked for; None leaves it to the device."""
    if settings.training.fp16:
        return torch.float16
    return torch.bfloat16 if settings.training.bf16 else None


def split(examples: Examples, size: float, seed: int) -> tuple[Examples, Examples | None]:
    """(training, evaluation): `size` examples, or that share below 1, drawn by the seed."""
    count = round(len(examples) * size) if size < 1 else int(size)
    if not count:
        return examples, None
    if count >= len(examples):
        raise usage(f"--val_size {size:g} leaves nothing to train on", f"There are {len(examples)} examples.")
    order = np.random.default_rng(seed).permutation(len(examples))
    return examples.take(np.sort(order[count:])), examples.take(np.sort(order[:count]))


def list_texts(data: Dataset) -> list[str]:
    """Every question with its answer as plain text, what the tiny base model reads."""
    texts = []
    for row in data.table.to_pylist():
        question = "\n".join(part for part in (row["prompt"], row["query"]) if part)
        pairs = [*(row["history"] or []), [question, row["response"] or ""]]
        texts += ["\n".join(part or "" for part in pair) for pair in pairs]
    return texts


def describe_budget(budget: Budget) -> str:
    """The token budget in one line."""
    counts = budget.describe()
    notes = [f"{count:,} {what}" for what, count in {**counts["dropped"], **counts["truncated"]}.items()]
    return (
        f"tokens: {budget.kept:,} of {budget.read:,} records, {budget.tokens:,} tokens, "
        f"{counts['supervised_share']:.1%} learned, longest {budget.longest:,}; {', '.join(notes) or 'nothing cut'}"
    )


def describe_run(settings: SftSettings, data: Dataset) -> dict[str, Any]:
    """What care_train.json records of a run: enough to use the adapter, and to make it again."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    tiny = settings.model.model_name_or_path == "tiny"
    return {
        "stage": "sft",
        "base": str(Path(settings.run.output_dir) / "base") if tiny else settings.model.model_name_or_path,
        "template": settings.data.template,
        "system": settings.data.system,
        "quantization_bit": settings.model.quantization_bit,
        "datasets": data.rows,
        "dataset_dir": str(data.folder),
        "manifest_sha256": data.manifest_sha256,
        "seed": settings.training.seed,
        "settings": list_values(settings),
        "versions": versions,
    }
