"""What all stages do alike: data, a place for the run, arguments, and what it leaves."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from accelerate import PartialState
from transformers import PrinterCallback, TrainingArguments, set_seed

from care_train.alarm import WatchedTrainer, name_batches
from care_train.bars import Bar
from care_train.cache import Cache, find_cache
from care_train.callbacks import ProgressLog
from care_train.cards import write_card
from care_train.checkpoints import find_checkpoint, finish_run, start_run
from care_train.config import ModelSettings, TrainSettings, usage
from care_train.dataset_info import Dataset, Stream, find_dataset_dir, load_datasets, load_evaluation, open_stream
from care_train.fingerprints import fingerprint
from care_train.lengths import Budget
from care_train.material import describe_budget, list_texts, split, tell_data
from care_train.models import count_parameters, load_tokenizer
from care_train.packing import Packed
from care_train.plots import draw_losses, need_plots
from care_train.sequences import Block, Examples, Pairs
from care_train.smollm2 import locate
from care_train.stories import describe_run
from care_train.streams import ExampleStream
from care_train.templates import Template, describe, find_template
from care_train.tiny import build_tiny, train_tokenizer
from care_train.tokens import check_template
from care_train.trackers import choose_trackers, end_trackers, start_trackers

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
    """A run that is about to begin. model: the settings of the base model, where it lies by now.

    data: all records to learn, or the first ones of `stream`. evaluation: the records of `eval_dataset`.
    """

    settings: TrainSettings
    model: ModelSettings
    tokenizer: Any
    arguments: TrainingArguments
    data: Dataset
    stream: Stream | None
    evaluation: Dataset | None
    story: dict[str, Any]
    checkpoint: Path | None
    say: Say

    @property
    def output(self) -> Path:
        """The run's folder."""
        return Path(self.settings.run.output_dir)


def begin(settings: TrainSettings, say: Say) -> Run:
    """Tokenizer and records read, the folder claimed, an earlier run found; a model called `tiny` is built."""
    if settings.run.plot_loss:
        need_plots()
    output, data_settings = Path(settings.run.output_dir), settings.data
    arguments = make_arguments(settings)
    set_seed(settings.training.seed)
    if settings.training.fp16 and arguments.use_cpu:
        say("note: without a GPU --fp16 is slow; --bf16 or neither is several times faster")
    template = find_template(str(data_settings.template)) if settings.run.stage != "pt" else None
    folder = find_dataset_dir(data_settings.dataset_dir)
    with PartialState().main_process_first():
        model = replace(settings.model, model_name_or_path=locate(settings.model.model_name_or_path, say))
    tokenizer = open_tokenizer(model.model_name_or_path, template)
    stage, seed = settings.run.stage, settings.training.seed
    stream = open_stream(folder, stage, data_settings, seed=seed) if data_settings.streaming else None
    data = stream.head if stream else load_datasets(folder, stage, data_settings, seed=seed)
    evaluation = load_evaluation(folder, stage, data_settings, seed=seed)
    tell_data(data, say, streaming=stream is not None)
    if evaluation:
        tell_data(evaluation, say, what="evaluation")
    if template:
        say(describe(template))
    story = describe_run(settings, data)
    with PartialState().main_process_first():
        checkpoint = find_checkpoint(settings.run, story)
        if PartialState().is_main_process:
            start_run(settings.run, story, keep=checkpoint is not None)
            start_trackers(arguments.report_to, output)
        if model.model_name_or_path == "tiny":
            base = build_tiny(list_texts(data), output / "base", settings.training.seed, say)
            model = replace(model, model_name_or_path=str(base))
            tokenizer = load_tokenizer(str(base))
    return Run(settings, model, tokenizer, arguments, data, stream, evaluation, story, checkpoint, say)


def open_tokenizer(model: str, template: Template | None) -> Any:
    """The tokenizer of a model, of `tiny` one with its special tokens; raises where the template does not fit."""
    if model != "tiny":
        tokenizer = load_tokenizer(model)
    else:
        tokenizer = train_tokenizer([])
        tokenizer.name_or_path = model
    if template:
        check_template(tokenizer, template)
    return tokenizer


def finish(
    run: Run, trainer: WatchedTrainer, training: Examples | Packed | Pairs | ExampleStream, budget: Budget
) -> Result:
    """Train, from the checkpoint where there is one, and leave weights, log, plots and the note in the run's folder."""
    trainable, parameters = count_parameters(trainer.model)
    run.say(f"model: {trainable:,} of {parameters:,} parameters learn ({trainable / parameters:.2%})")
    trainer.remove_callback(PrinterCallback)
    if isinstance(training, ExampleStream):
        blocks: Sequence[Block] = training.recent
    else:
        pool = training.examples if isinstance(training, Packed) else training
        blocks = [Block(pool, run.data.table, budget.dropped.total(), numbered=True)]
    trainer.name = partial(name_batches, blocks=blocks, decode=trainer.processing_class.decode)
    if run.checkpoint:
        run.say(f"resume: going on from {run.checkpoint}")
    started = time.monotonic()
    with Bar(first=trainer.is_world_process_zero()) as bar:
        trainer.add_callback(ProgressLog(run.output, training.tokens, run.say, bar))
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
        tokens=round(training.tokens * float(trainer.state.epoch or 0)),
        seconds=round(seconds, 2),
        trainable=trainable,
        parameters=parameters,
        budget=budget.describe(),
        plots=[str(path) for path in plots],
        scores={name: value for name, value in scored[-1].items() if name.startswith("rewards/")} if scored else {},
    )
    if trainer.is_world_process_zero():
        write_card(run.output, run.story, asdict(result))
        story = {**run.story, "base_fingerprint": fingerprint(run.model.model_name_or_path)}
        finish_run(run.settings.run, story, asdict(result))
        end_trackers(run.arguments.report_to)
    return result


def make_arguments(settings: TrainSettings) -> TrainingArguments:
    """The Trainer's arguments: our training section, output_dir and what was passed through."""
    values = {name: value for name, value in vars(settings.training).items() if value is not None}
    values["report_to"] = choose_trackers(settings.training.report_to)
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


def make_examples(run: Run, encode: Callable[[pa.Table, Cache | None], tuple[Any, Budget]]) -> tuple[Any, Any, Budget]:
    """(training, evaluation or None, account) in tokens: of the records, or of a stream as they are read.

    encode: a stage's own. Evaluation is what `eval_dataset` names, else `val_size` of what was read.
    """
    settings, evaluation = run.settings, None
    cache = find_cache(settings.data, run.say)
    if run.evaluation:
        evaluation, measured = encode(run.evaluation.table, cache)
        run.say(f"evaluation {describe_budget(measured)}")
    if run.stream:
        arguments = run.arguments
        per_step = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        stream = ExampleStream(run.stream, lambda table: encode(table, None), per_step, arguments.max_steps)
        run.say(f"first {describe_budget(stream.first)}")
        return stream, evaluation, stream.budget
    training, budget = encode(run.data.table, cache)
    run.say(describe_budget(budget))
    if run.evaluation:
        return training, evaluation, budget
    return *split(training, settings.data.val_size, settings.training.seed), budget
