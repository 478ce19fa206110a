"""Decontamination on a labelled set: planted leaks are found and named, clean text is left alone.

`pytest tests/care_data/test_contamination.py -rP` prints the figures. contamination_labels/ holds the items of an
invented test set and training records: `leak` is the item a record holds or null, `how` the way it was planted or the
kind of clean text, `share` for edits how much of the item's characters was touched.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from care_data.contamination import Detector, gather_items
from care_data.fingerprints.bands import plan
from care_data.stages.decontamination import turns_of

LABELS = Path(__file__).parent / "contamination_labels"
THRESHOLD = 0.8
HEAVY = 0.15
"""The share of an item's characters from which an edit makes it another text, which may stay unfound."""


class Verdict(NamedTuple):
    """A labelled record and what was said of it; item and reason are null where nothing was found."""

    label: dict[str, Any]
    item: str | None
    reason: str | None

    @property
    def how(self) -> str:
        """The way the leak was planted; light and heavy edits apart."""
        return "edited_heavily" if self.label.get("share", 0) > HEAVY else self.label["how"]

    @property
    def said(self) -> str:
        """What to read where a verdict is wrong."""
        words = self.label.get("text") or f"{self.label['instruction']}\n{self.label['input']}"
        return f"{self.label['id']} {self.how}: {self.label['leak']} -> {self.item} ({self.reason}): {words[:300]!r}"


def read_labels(name: str) -> list[dict[str, Any]]:
    lines = (LABELS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Records of one format as the stages hold them."""
    frame = pl.DataFrame([{key: row[key] for key in row if key not in ("leak", "how", "share")} for row in rows])
    if rows[0]["format"] == "rw":
        frame = frame.with_columns(
            chosen=pl.col("output").list.first(), rejected=pl.col("output").list.last()
        )
    return frame.cast({"history": pl.List(pl.List(pl.String))}) if "history" in frame.columns else frame


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    return read_labels("items")


@pytest.fixture(scope="module")
def labels() -> list[dict[str, Any]]:
    return read_labels("records")


@pytest.fixture(scope="module")
def detector(items: list[dict[str, Any]]) -> Detector:
    return Detector(gather_items([pl.DataFrame(items)]), plan(THRESHOLD), THRESHOLD)


@pytest.fixture(scope="module")
def verdicts(labels: list[dict[str, Any]], detector: Detector) -> list[Verdict]:
    told = []
    for kind in ("sft", "rw", "pt"):
        rows = [row for row in labels if row["format"] == kind]
        found = {line["record"]: line for line in detector.find(turns_of(frame_of(rows))).to_dicts()}
        told += [
            Verdict(row, found.get(number, {}).get("item"), found.get(number, {}).get("reason"))
            for number, row in enumerate(rows)
        ]
    return told


def as_table(verdicts: list[Verdict]) -> str:
    """Found, missed and wrongly named by the way a leak was planted; flagged by the kind of clean text."""
    lines = [f"{'leak':<18}{'planted':>8}{'found':>7}{'missed':>8}{'misnamed':>10}"]
    leaks = [one for one in verdicts if one.label["leak"]]
    for how, count in sorted(Counter(one.how for one in leaks).items()):
        own = [one for one in leaks if one.how == how]
        found = sum(one.item is not None for one in own)
        misnamed = sum(one.item not in (None, one.label["leak"]) for one in own)
        lines.append(f"{how:<18}{count:>8}{found:>7}{count - found:>8}{misnamed:>10}")
    lines.append(f"\n{'clean':<18}{'records':>8}{'flagged':>9}")
    clean = [one for one in verdicts if not one.label["leak"]]
    for how, count in sorted(Counter(one.how for one in clean).items()):
        lines.append(f"{how:<18}{count:>8}{sum(one.item is not None for one in clean if one.how == how):>9}")
    return "\n".join(lines)


def test_there_are_as_many_labels_as_promised(items: list[dict[str, Any]], labels: list[dict[str, Any]]) -> None:
    assert len(items) >= 150
    assert {len(item["question"]) for item in items} >= {4, 10, 60}
    leaks = [row for row in labels if row["leak"]]
    assert len(leaks) >= 300
    assert len(labels) - len(leaks) >= 1000
    assert {row["leak"] for row in leaks} <= {item["id"] for item in items}
    assert min(Counter(row["how"] for row in leaks).values()) >= 10
    assert all("share" in row for row in leaks if row["how"] == "edited")


def test_the_figures_are_printed_by_kind(verdicts: list[Verdict], labels: list[dict[str, Any]]) -> None:
    table = as_table(verdicts)
    print(table)
    assert {line.split()[0] for line in table.splitlines() if line} == {
        "leak", "clean", "edited_heavily", *(row["how"] for row in labels)
    }  # fmt: skip


def test_planted_leaks_are_found(verdicts: list[Verdict]) -> None:
    due = [one for one in verdicts if one.label["leak"] and one.how not in ("traditional", "edited_heavily")]
    missed = [one.said for one in due if one.item is None]
    assert not missed, "\n".join(missed)


def test_the_right_item_is_named(verdicts: list[Verdict]) -> None:
    wrong = [one.said for one in verdicts if one.label["leak"] and one.item not in (None, one.label["leak"])]
    assert not wrong, "\n".join(wrong)


def test_clean_records_are_left_alone(verdicts: list[Verdict]) -> None:
    flagged = [one.said for one in verdicts if not one.label["leak"] and one.item is not None]
    assert not flagged, "\n".join(flagged)
