"""A model measured: predictions, numbers with how sure they are, two models side by side, a page to read."""

import gc
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from care_train import __version__
from care_train.adapters import Trained, find_trained
from care_train.bars import Bar, Pace
from care_train.callbacks import measure_memory
from care_train.config import LoadSettings, list_values, usage
from care_train.config.evaluation import EvalSettings
from care_train.errors import CareError, Exit
from care_train.evaluation.comparison import compare
from care_train.evaluation.files import read_results, write_results
from care_train.evaluation.measuring import Prediction, measure_split
from care_train.evaluation.overlap import load_libraries
from care_train.evaluation.splits import Split, read_splits
from care_train.evaluation.summary import summarise
from care_train.generation import load_chatbot

__all__ = ["Evaluation", "evaluate"]

Say = Callable[[str], None]
DOUBTS = {
    "not_stated": "nothing says that it was held out from training",
    "other_release": "the model was trained on another release of this dataset, whose split may be another",
}


@dataclass(frozen=True)
class Side:
    """One model: what is known of it, what it was measured with, and its predictions. numbers: of these."""

    model: dict[str, Any]
    data: dict[str, Any]
    settings: dict[str, Any]
    predictions: list[Prediction]

    @property
    def numbers(self) -> dict[str, Any]:
        """Summary of the predictions."""
        return summarise(self.predictions, self.settings["sampling"]["seed"], self.settings["choice"]["several"])


@dataclass(frozen=True)
class Evaluation:
    """results: what results.json holds. files: what was written."""

    results: dict[str, Any]
    files: list[Path]


def evaluate(settings: EvalSettings, say: Say) -> Evaluation:
    """Measure the model, and the second one, or read earlier results; write them where an output_dir is named."""
    if settings.report.output_dir:  # what cannot be written is said before a model was asked
        Path(settings.report.output_dir).mkdir(parents=True, exist_ok=True)
    loads = [settings.load]
    if settings.second.against:
        loads.append(_load_second(settings))
    trained = {place: find_trained(one) for place, one in enumerate(loads) if not _is_earlier(one)}
    splits: list[Split] = []
    if trained:
        notes = [note for one in trained.values() for note in one.notes]
        learned = {name: note.get("manifest_sha256") for note in notes for name in note.get("datasets", {})}
        splits = read_splits(settings.items, settings.choice.several, settings.sampling.seed, learned)
        _say_splits(splits, say)
        if any(not item.options for split in splits for item in split.items):
            load_libraries()  # what is missing is said before a model has written for an hour
    sides = [
        _measure(load, trained[place], splits, settings, trained.get(0) if place else None, say)
        if place in trained
        else _read_earlier(Path(str(load.adapter_name_or_path)))
        for place, load in enumerate(loads)
    ]
    first = sides[0]
    results: dict[str, Any] = {
        "version": __version__,
        "model": first.model,
        "data": first.data,
        "settings": first.settings,
        **first.numbers,
    }
    if len(sides) > 1:
        _check_alike(*sides)
        compared = compare(first.predictions, sides[1].predictions, settings.sampling.seed)
        results["against"] = {"model": sides[1].model, **sides[1].numbers}
        results["comparison"] = compared
    predictions = [side.predictions for side in sides]
    folder = settings.report.output_dir
    files = write_results(Path(folder), results, predictions, settings.report) if folder else []
    return Evaluation(results, files)


PLACES = {"dataset", "dataset_dir", "file", "on_training_data"}
"""Settings that say where data lie, of which the data's own digests are compared."""


def _is_earlier(load: LoadSettings) -> bool:
    return str(load.adapter_name_or_path).endswith(".json")


def _load_second(settings: EvalSettings) -> LoadSettings:
    """How the second model is loaded: as the first, but for the adapter or model that --against names.

    Two adapters share the base that is named; an adapter beside a model brings its own.
    """
    named, load = str(settings.second.against), settings.load
    if named.endswith(".json"):
        return replace(load, adapter_name_or_path=named)
    if (Path(named.partition(",")[0]) / "adapter_config.json").exists():
        base = load.model_name_or_path if load.adapter_name_or_path else None
        return replace(load, adapter_name_or_path=named, model_name_or_path=base)
    return replace(load, adapter_name_or_path=None, model_name_or_path=named)


def _measure(
    load: LoadSettings, trained: Trained, splits: list[Split], settings: EvalSettings, first: Trained | None, say: Say
) -> Side:
    """The predictions of a model. first: the first one, where this is the second.

    The second is asked in the template it was trained with; one without, as the first is.
    """
    named = load.template
    if first:
        named = trained.template or named or first.template
    bot = load_chatbot(replace(load, template=named), say)
    template = "none" if settings.items.perplexity else bot.template.name
    say(f"{bot.name}: template {template}")
    total = sum(len(split.items) + len(split.texts) for split in splits)
    predictions: list[Prediction] = []
    with Bar() as bar:
        meter = _Meter(bar, total)
        for split in splits:
            predictions += measure_split(bot, split, settings, meter.tick)
    model = {
        "name": bot.name,
        "base": trained.base,
        "adapters": [str(path) for path in trained.adapters],
        "template": template,
        "system": bot.system,
        "quantization_bit": load.quantization_bit or trained.bits,
    }
    del bot
    gc.collect()
    sections = list_values(settings)
    told = {name: sections[name] for name in ("items", "choice", "sampling")}
    return Side(model, {split.name: _describe(split, settings) for split in splits}, told, predictions)


def _describe(split: Split, settings: EvalSettings) -> dict[str, Any]:
    """What a reader must know of the data; sha256: of the items, so that two results can be held together."""
    told = [[item.id, item.question, item.options, item.answer] for item in split.items] or split.texts
    digest = hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()
    return {
        "records": len(told),
        "role": split.role,
        "doubt": split.doubt,
        "left_out": dict(split.left_out),
        "training_data": settings.items.on_training_data,
        "sha256": digest,
    }


def _say_splits(splits: list[Split], say: Say) -> None:
    for split in splits:
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in split.left_out.items())
        asked = f"{len(split.items) + len(split.texts):,} records"
        say(f"{split.name}: {asked}{f'; left out: {left_out}' if left_out else ''}")
        if split.doubt:
            say(f"{split.name}: {DOUBTS[split.doubt]}")


def _read_earlier(path: Path) -> Side:
    results, predictions = read_results(path)
    return Side(results["model"], results["data"], results["settings"], predictions)


def _check_alike(first: Side, second: Side) -> None:
    """Raise where the two were not asked in the same way."""
    for section in ("items", "choice", "sampling"):
        sides = [side.settings.get(section, {}) for side in (first, second)]
        for name in sorted({*sides[0], *sides[1]} - PLACES):
            one, two = (side.get(name) for side in sides)
            if one != two:
                raise usage(f"the two were measured with --{name} {one} and {two}", "Measure both in the same way.")
    if {name: one["sha256"] for name, one in first.data.items()} != {
        name: one["sha256"] for name, one in second.data.items()
    }:
        fix = "Measure both with the same data, --max_samples and --seed."
        raise CareError("the two results are of different data", fix=fix, code=Exit.DATA)


class _Meter:
    """Moves the bar by what was dealt with."""

    def __init__(self, bar: Bar, total: int) -> None:
        self.bar, self.total, self.done, self.tokens, self.start = bar, total, 0, 0, time.monotonic()

    def tick(self, done: int, tokens: int) -> None:
        """So many records and tokens more."""
        self.done, self.tokens = self.done + done, self.tokens + tokens
        seconds = max(time.monotonic() - self.start, 1e-9)
        left = seconds / max(self.done, 1) * (self.total - self.done)
        self.bar.move(Pace(self.done, self.total, None, self.tokens / seconds, left, measure_memory()))
