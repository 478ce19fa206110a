"""Predictions to numbers: accuracy by subject, scores of answers, perplexity, each with how sure it is."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from care_train.evaluation.measuring import Prediction
from care_train.evaluation.overlap import METRICS, score_corpus
from care_train.evaluation.perplexity import Surprise
from care_train.evaluation.statistics import find_mean, find_share

Summary = dict[str, Any]


def summarise(predictions: Sequence[Prediction], seed: int, several: str = "stated") -> Summary:
    """Under `choices`, `answers` and `texts` the numbers of each kind that there is."""
    kinds = {kind: [one for one in predictions if one["kind"] == kind] for kind in ("choice", "answer", "text")}
    summary: Summary = {}
    if kinds["choice"]:
        summary["choices"] = summarise_choices(kinds["choice"], seed, several)
    if kinds["answer"]:
        summary["answers"] = summarise_answers(kinds["answer"], seed)
    if kinds["text"]:
        summary["texts"] = summarise_texts(kinds["text"])
    return summary


def summarise_choices(predictions: Sequence[Prediction], seed: int, several: str) -> Summary:
    """Accuracy of all, of each subject, and of the items with one and with several right answers.

    mean_of_subjects: every subject counts the same. An answer that cannot be read, or a question that is too long, is a
    wrong answer, and counted.
    """
    subjects = _group(predictions, "subject")
    by_subject = {name: _count(each, several) for name, each in subjects.items()}
    parts = {
        name: each
        for name, each in (
            ("one_answer", [one for one in predictions if not one["several"]]),
            ("several_answers", [one for one in predictions if one["several"]]),
        )
        if each
    }
    told = {name: _count(each, several) for name, each in parts.items()}
    if "several_answers" in told:
        values = [one["jaccard"] for one in parts["several_answers"]]
        told["several_answers"]["jaccard"] = asdict(find_mean(values, seed))
    return {
        "overall": _count(predictions, several),
        "mean_of_subjects": sum(one["accuracy"] for one in by_subject.values()) / len(by_subject),
        "subjects": by_subject,
        "parts": told,
    }


def _count(predictions: Sequence[Prediction], several: str) -> Summary:
    """Counts, accuracy with its Wilson interval, and the accuracy of choosing blindly."""
    right = sum(one["correct"] for one in predictions)
    share = find_share(right, len(predictions))
    chances = [find_chance(len(one["labels"]), one["several"], several) for one in predictions]
    return {
        "items": len(predictions),
        "correct": right,
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "unreadable": sum(one["reading"] == "unreadable" for one in predictions),
        "too_long": sum(one["reading"] == "too_long" for one in predictions),
        "chance": math.fsum(chances) / len(chances),
    }


def find_chance(options: int, is_several: bool, several: str) -> float:
    """The chance to be right by drawing one of the answers that an item allows."""
    if not is_several:
        return 1 / options
    sets = 2**options - 1 - (options if several == "stated" else 0)
    return 1 / sets


def summarise_answers(predictions: Sequence[Prediction], seed: int) -> Summary:
    """The mean of each score over the answers, with the interval of its bootstrap; chrF of all as one too."""
    return {
        "overall": {
            **_average(predictions, seed),
            "chrf_corpus": score_corpus(
                [one["said"].strip() for one in predictions], [one["answer"].strip() for one in predictions]
            ),
        },
        "subjects": {name: _average(each, seed) for name, each in _group(predictions, "subject").items()},
    }


def _average(predictions: Sequence[Prediction], seed: int) -> Summary:
    told: Summary = {"items": len(predictions)}
    told |= {name: asdict(find_mean([one["scores"][name] for one in predictions], seed)) for name in METRICS}
    told["cut"] = sum(one["finish"] == "length" for one in predictions)
    told["too_long"] = sum(one["finish"] == "too_long" for one in predictions)
    return told


def summarise_texts(predictions: Sequence[Prediction]) -> Summary:
    """Perplexity of all tokens of all texts, and of each dataset's."""
    told = {name: _add(each) for name, each in _group(predictions, "dataset").items()}
    return {"overall": _add(predictions), "subjects": told}


def _add(predictions: Sequence[Prediction]) -> Summary:
    sums = [sum(one[name] for one in predictions) for name in ("tokens", "characters", "bytes")]
    cost = Surprise(math.fsum(one["nats"] for one in predictions), *sums)
    return {
        "items": len(predictions),
        **asdict(cost),
        "perplexity": cost.perplexity,
        "character_perplexity": cost.character_perplexity,
        "bits_per_byte": cost.bits_per_byte,
    }


def _group(predictions: Sequence[Prediction], key: str) -> dict[str, list[Prediction]]:
    groups: dict[str, list[Prediction]] = {}
    for one in predictions:
        groups.setdefault(one[key], []).append(one)
    return dict(sorted(groups.items()))
