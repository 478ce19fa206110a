"""Two models on the same items: how far apart they are, and whether that could be chance."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from care_train.errors import CareError
from care_train.evaluation.measuring import Prediction
from care_train.evaluation.overlap import METRICS
from care_train.evaluation.statistics import compare_choices, compare_scores


def compare(first: Sequence[Prediction], second: Sequence[Prediction], seed: int) -> dict[str, Any]:
    """Under `choices`, `answers` and `texts` what of the first differs from the second.

    Raises CareError where the two were not asked the same.
    """
    pairs = pair(first, second)
    compared: dict[str, Any] = {}
    choices = [(one, two) for one, two in pairs if one["kind"] == "choice"]
    if choices:
        compared["choices"] = _compare_choices(choices, seed)
    answers = [(one, two) for one, two in pairs if one["kind"] == "answer"]
    if answers:
        scores = {name: [(one["scores"][name], two["scores"][name]) for one, two in answers] for name in METRICS}
        compared["answers"] = {name: _compare_scores(each, seed) for name, each in scores.items()}
    texts = [tuple(each["nats"] / each["characters"] for each in both) for both in pairs if both[0]["kind"] == "text"]
    if texts:  # per character, as tokens of two tokenizers are not alike
        compared["texts"] = {"nats_per_character": _compare_scores(texts, seed)}
    return compared


def pair(first: Sequence[Prediction], second: Sequence[Prediction]) -> list[tuple[Prediction, Prediction]]:
    """The predictions for the same items, which must be all of both."""
    others = {(one["dataset"], one["id"]): one for one in second}
    mine = {(one["dataset"], one["id"]) for one in first}
    if mine != others.keys() or len(mine) != len(first):
        what = f"{len(mine & others.keys()):,} of {len(first):,} and {len(second):,} items are the same"
        raise CareError(what, fix="Measure both with the same data, --max_samples and --seed.")
    pairs = [(one, others[one["dataset"], one["id"]]) for one in first]
    for one, two in pairs:
        if any(one.get(key) != two.get(key) for key in ("kind", "question", "options", "right", "answer", "opening")):
            fix = "Measure both with the same data and settings."
            raise CareError("is another item in the two results", where=one["id"], fix=fix)
    return pairs


def _compare_choices(pairs: Sequence[tuple[Prediction, Prediction]], seed: int) -> dict[str, Any]:
    """McNemar's exact test of the items that only one got right; the difference of accuracies by bootstrap."""
    only_first = sum(one["correct"] and not two["correct"] for one, two in pairs)
    only_second = sum(two["correct"] and not one["correct"] for one, two in pairs)
    values = [(float(one["correct"]), float(two["correct"])) for one, two in pairs]
    return {
        "both": sum(one["correct"] and two["correct"] for one, two in pairs),
        "only_first": only_first,
        "only_second": only_second,
        "neither": sum(not one["correct"] and not two["correct"] for one, two in pairs),
        "difference": asdict(compare_scores(*_columns(values), seed).difference),
        "p": compare_choices(only_first, only_second),
    }


def _compare_scores(pairs: Sequence[tuple[float, ...]], seed: int) -> dict[str, Any]:
    """Both means, and the paired bootstrap of their difference."""
    first, second = _columns(pairs)
    means = {"first": math.fsum(first) / len(first), "second": math.fsum(second) / len(second)}
    return {**means, **asdict(compare_scores(first, second, seed))}


def _columns(pairs: Sequence[tuple[float, ...]]) -> tuple[list[float], list[float]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
