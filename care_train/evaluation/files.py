"""results.json, predictions.jsonl and report.html: whole or not at all, results.json last."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from care_train.config.evaluation import ReportSettings
from care_train.errors import CareError
from care_train.evaluation.measuring import Prediction
from care_train.evaluation.page import build_page

RESULTS, PAGE = "results.json", "report.html"
PREDICTIONS = ("predictions.jsonl", "predictions_against.jsonl")
"""Of the first model and of the second."""


def write_results(
    folder: Path, results: dict[str, Any], predictions: Sequence[list[Prediction]], settings: ReportSettings
) -> list[Path]:
    """Write the files into `folder`, which is made; earlier ones of the same names go. Gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).unlink(missing_ok=True)
    (folder / PREDICTIONS[1]).unlink(missing_ok=True)
    written = []
    for name, each in zip(PREDICTIONS, predictions, strict=False):
        lines = (json.dumps(one, ensure_ascii=False, sort_keys=True) for one in each)
        written.append(_write(folder / name, "".join(f"{line}\n" for line in lines)))
    written.append(_write(folder / PAGE, build_page(results, predictions, settings.wrong_answers, settings.notice)))
    written.append(_write(folder / RESULTS, json.dumps(results, ensure_ascii=False, indent=1) + "\n"))
    return [written[-1], *written[:-1]]


def read_results(path: Path) -> tuple[dict[str, Any], list[Prediction]]:
    """An earlier results.json with the predictions of its first model, which lie beside it."""
    fix = "Give the results.json that care-train eval --output_dir left, with predictions.jsonl beside it."
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        lines = (path.parent / PREDICTIONS[0]).read_text(encoding="utf-8").split("\n")
        predictions = [json.loads(line) for line in lines if line]
        counted = sum(one["records"] for one in results["data"].values())
        keys = {"model", "settings"} <= results.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CareError(f"no results there ({type(error).__name__}: {error})", where=str(path), fix=fix) from error
    if not keys or counted != len(predictions):
        raise CareError(f"{len(predictions)} predictions, but results of {counted}", where=str(path), fix=fix)
    return results, predictions


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
    return path
