"""What all stages do alike: data, a place for the run, arguments, and what it leaves."""

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
from care_train.config import ModelSettings, TrainSettings, list_values, usage
from care_train.dataset_info import Dataset, find_dataset_dir, load_datasets
from care_train.examples import Examples, Pairs
from care_train.lengths import Budget
from care_train.models import count_parameters
from care_train.tiny import build_tiny

LIBRARIES = ("care-llm", "torch", "transformers", "peft", "bitsandbytes", "accelerate")

Say = Callable[[str], None]


@dataclass
class Result:
    """What a run gave. tokens: read in training, padding not counted. scores: the last log of a pair's rewards."""

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
    scores: dict[str, float]


@dataclass
class Run:
    """A run that is about to begin. model: the settings of the base model, where it lies by now."""

    settings: TrainSettings
    model: ModelSettings
    arguments: TrainingArguments
    data: Dataset
    story: dict[str, Any]
    checkpoint: Path | None
    say: Say

    @property
    def output(self) -> Path:
        """The run's folder."""
        return Path(self.settings.run.output_dir)


def begin(settings: TrainSettings, say: Say) -> Run:
    """Records read, the folder claimed, an earlier run found; a model called `tiny` is built."""
    if settings.run.plot_loss:
        need_plots()
    output, data_settings = Path(settings.run.output_dir), settings.data
    arguments = make_arguments(settings)
    set_seed(settings.training.seed)
    if settings.training.fp16 and arguments.use_cpu:
        say("note: without a GPU --fp16 is slow; --bf16 or neither is several times faster")
    folder = find_dataset_dir(data_settings.dataset_dir)
    data = load_datasets(folder, data_settings.dataset, settings.run.stage, max_samples=data_settings.max_samples)
    listed = ", ".join(f"{name} {rows:,}" for name, rows in data.rows.items())
    say(f"data: {data.table.num_rows:,} records from {data.folder} ({listed})")
    story = describe_run(settings, data)
    model = settings.model
    with PartialState().main_process_first():
        checkpoint = find_checkpoint(settings.run, story)
        if PartialState().is_main_process:
            start_run(settings.run, story, keep=checkpoint is not None)
        if model.model_name_or_path == "tiny":
            base = build_tiny(list_texts(data), output / "base", settings.training.seed, say)
            model = replace(model, model_name_or_path=str(base))
    return Run(settings, model, arguments, data, story, checkpoint, say)


def finish(run: Run, trainer: Trainer, training: Examples | Pairs, budget: Budget) -> Result:
    """Train, from the checkpoint where there is one, and leave weights, log, plots and the note in the run's folder."""
    trainable, parameters = count_parameters(trainer.model)
    run.say(f"model: {trainable:,} of {parameters:,} parameters learn ({trainable / parameters:.2%})")
    arguments = run.arguments
    per_step = len(training.ids) / len(training) * arguments.train_batch_size * arguments.gradient_accumulation_steps
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLog(run.output, per_step * arguments.world_size, run.say))
    if run.checkpoint:
        run.say(f"resume: going on from {run.checkpoint}")
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(run.checkpoint) if run.checkpoint else None)
    seconds = time.monotonic() - started
    trainer.save_model(str(run.output))
    trainer.save_state()
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    evals = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    scored = [entry for entry in history if "rewards/margins" in entry]
    plots: list[Path] = []
    if trainer.is_world_process_zero() and run.settings.run.plot_loss:
        plots = draw_losses(history, run.output)
    result = Result(
        adapter=str(run.output),
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
        scores={name: value for name, value in scored[-1].items() if name.startswith("rewards/")} if scored else {},
    )
    if trainer.is_world_process_zero():
        finish_run(run.settings.run, run.story, asdict(result))
    return result


def make_arguments(settings: TrainSettings) -> TrainingArguments:
    """The Trainer's arguments: our training section, output_dir and what was passed through."""
    values = {name: value for name, value in vars(settings.training).items() if value is not None}
    fixed = {"output_dir": settings.run.output_dir, "disable_tqdm": True, "remove_unused_columns": False}
    ours = {"logging_first_step": True, "logging_nan_inf_filter": False, "use_cpu": not torch.cuda.is_available()}
    try:
        return TrainingArguments(**{**ours, **values, **settings.extra, **fixed})
    except (TypeError, ValueError) as error:
        first = str(error).strip().split("\n")[0].rstrip(".")
        raise usage(
            f"the Trainer refuses its arguments: {first}", f"See care-train {settings.run.stage} --help."
        ) from error


def choose_dtype(settings: TrainSettings) -> torch.dtype | None:
    """The precision asked for; None leaves it to the device."""
    if settings.training.fp16:
        return torch.float16
    return torch.bfloat16 if settings.training.bf16 else None


def split(examples: Any, size: float, seed: int) -> tuple[Any, Any]:
    """(training, evaluation or None) of Examples or Pairs: `size` of them, or that share below 1, drawn by the seed."""
    count = round(len(examples) * size) if size < 1 else int(size)
    if not count:
        return examples, None
    if count >= len(examples):
        raise usage(f"--val_size {size:g} leaves nothing to train on", f"There are {len(examples)} examples.")
    order = np.random.default_rng(seed).permutation(len(examples))
    return examples.take(np.sort(order[count:])), examples.take(np.sort(order[:count]))


def list_texts(data: Dataset) -> list[str]:
    """Every text, or question with its answers, as plain text: what the tiny base model reads."""
    texts = []
    for row in data.table.to_pylist():
        question = "\n".join(part for part in (row["prompt"], row["query"]) if part)
        answers = [row[name] for name in ("response", "chosen", "rejected") if row[name]]
        pairs = [*(row["history"] or []), *([question, answer] for answer in answers)]
        texts += ["\n".join(part or "" for part in pair) for pair in pairs] + ([row["text"]] if row["text"] else [])
    return texts


def describe_budget(budget: Budget) -> str:
    """The token budget in one line."""
    counts = budget.describe()
    notes = [f"{count:,} {what}" for what, count in {**counts["dropped"], **counts["truncated"]}.items()]
    return (
        f"tokens: {budget.kept:,} of {budget.read:,} records, {budget.tokens:,} tokens, "
        f"{counts['supervised_share']:.1%} learned, longest {budget.longest:,}; {', '.join(notes) or 'nothing cut'}"
    )


def describe_run(settings: TrainSettings, data: Dataset) -> dict[str, Any]:
    """What care_train.json records of a run: enough to use the adapter, and to make it again."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    tiny = settings.model.model_name_or_path == "tiny"
    return {
        "stage": settings.run.stage,
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
