"""Settings of `eval`, and what of them contradicts the rest."""

from dataclasses import dataclass, field
from typing import Any

from care_train.config.checks import check_sampling
from care_train.config.fields import setting, usage
from care_train.config.using import LoadSettings, SamplingSettings


@dataclass
class AgainstSettings:
    """Second model"""

    against: str | None = setting(
        None, "another adapter, model or earlier results.json: the two side by side, with a paired test"
    )


@dataclass
class ItemSettings:
    """Data"""

    dataset: str = setting("", "names or patterns (cmb_*) of benchmarks, test and validation splits, commas between")
    dataset_dir: str | None = setting(
        None, "folder of dataset_info.json (default: ./data, else the newest release under ./data/releases)"
    )
    file: str | None = setting(None, "instead: one file of EVAL records, of questions with answers, or of texts")
    max_samples: int | None = setting(None, "draw at most so many records of each dataset, by the seed")
    subject: str = setting("subject", "column that names an item's subject (default where there is none: its corpus)")
    labels: str | None = setting(None, "the answers to choose from, commas between, for items that list none")
    language: str = setting("auto", "language of the prompts, auto: that of the item", choices=("auto", "zh", "en"))
    shots: int = setting(0, "show so many solved items before each question")
    shots_from: str | None = setting(
        None, "dataset or file of the solved items (default: another split of the benchmark, else the same one)"
    )
    on_training_data: bool = setting(False, "measure what was trained on too: memory, and the results say so")
    perplexity: bool = setting(False, "perplexity of texts instead of answers to questions")


@dataclass
class ChoiceSettings:
    """Choices and texts"""

    by: str = setting(
        "likelihood",
        "take the option that the model is likeliest to answer, or let it write and read its letters",
        choices=("likelihood", "generation"),
    )
    score: str = setting(
        "label", "likelihood of what: the option's label, or its text (one right answer)", choices=("label", "text")
    )
    normalise: str = setting(
        "none",
        "divide the logarithm by the answer's tokens or characters, so that long options are not at a disadvantage",
        choices=("none", "token", "character"),
    )
    several: str = setting(
        "stated",
        "stated: an item says if one or several answers are right; open: where any of a set has two, all leave it open",
        choices=("stated", "open"),
    )
    window: int | None = setting(None, "perplexity: tokens seen at once (default: all the model takes, at most 4096)")
    overlap: float = setting(0.5, "perplexity: share of a window that is seen before and only serves the rest")


@dataclass
class ReportSettings:
    """Output"""

    output_dir: str = setting("", "folder for results.json, predictions.jsonl and report.html")
    wrong_answers: int = setting(200, "so many wrong answers are on the page, drawn by the seed")
    batch_size: int = setting(16, "rows the model reads at once")
    notice: bool = setting(True, "say on the page that this is no medical advice")
    json: bool = setting(False, "print the results as one JSON object on stdout")


@dataclass
class EvalSettings:
    """Measure a model: multiple choice, answers against references, perplexity; or two models side by side."""

    load: LoadSettings
    second: AgainstSettings
    items: ItemSettings
    choice: ChoiceSettings
    sampling: SamplingSettings
    report: ReportSettings
    extra: dict[str, Any] = field(default_factory=dict)


def check_eval(settings: EvalSettings) -> None:
    """Raise for what is missing or contradictory, before anything is loaded."""
    load, items, choice = settings.load, settings.items, settings.choice
    if not (load.adapter_name_or_path or load.model_name_or_path):
        raise usage("nothing to measure", "Name an adapter's folder, or a model with --model_name_or_path.")
    sides = [load.adapter_name_or_path, *([settings.second.against] if settings.second.against else [])]
    earlier = [str(one).endswith(".json") for one in sides]
    if items.dataset and items.file:
        raise usage("--dataset and --file exclude each other", "Keep one.")
    if all(earlier) and (items.dataset or items.file):
        raise usage("earlier results need no data", "Leave --dataset and --file out.")
    if not all(earlier) and not (items.dataset or items.file):
        raise usage("no data to measure with", "Name it with --dataset or --file.")
    if items.shots < 0 or (items.max_samples is not None and items.max_samples < 1):
        raise usage("--shots below 0 or --max_samples below 1", "Give numbers that leave something to measure.")
    if items.perplexity and (items.shots or items.labels):
        raise usage("--perplexity reads texts, not items", "Leave --shots and --labels out.")
    if choice.normalise != "none" and (choice.by == "generation" or choice.score == "label"):
        raise usage("--normalise is for --score text", "Add --score text, or leave it out.")
    if choice.score == "text" and choice.by == "generation":
        raise usage("--score is for --by likelihood", "Leave one of them out.")
    if not 0 <= choice.overlap < 1:
        raise usage(f"--overlap {choice.overlap} is no share of a window", "Give 0 up to, but not, 1.")
    if choice.window is not None and choice.window < 2:
        raise usage(f"--window {choice.window} foretells nothing", "Give at least 2.")
    if settings.report.batch_size < 1 or settings.report.wrong_answers < 0:
        raise usage("--batch_size below 1 or --wrong_answers below 0", "Give numbers that make a report.")
    check_sampling(settings.sampling)
