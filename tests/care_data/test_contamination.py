"""Decontamination on a labelled set: planted leaks are found and named, clean text is left alone.

`pytest tests/care_data/test_contamination.py -rP` prints the figures. contamination_labels/ holds the items of an
invented test set and training records: `leak` is the item a record holds or null, `how` the way it was planted or the
kind of clean text, `share` for edits how much of the item's characters was touched.

Three ways may stay unfound, and are printed only. Traditional characters: cleaning simplifies them where a run asks for
it. Heavy edits. And a word exchanged in a short question that stands without its options: the same question of another
disease (`other_disease`, clean) differs from it by no more.
"""

import json
import re
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
"""The share of an item's characters from which an edit makes it another text."""
SHORT = 26
"""Tokens of a question that is not short: two runs of 13."""
UNSURE = ("traditional", "edited_heavily", "edited_short")


class Verdict(NamedTuple):
    """A labelled record and what was said of it; item and reason are null where nothing was found."""

    label: dict[str, Any]
    item: str | None
    reason: str | None

    @property
    def how(self) -> str:
        """The way the leak was planted; of edits the heavy ones, and those of short questions alone, apart."""
        if self.label["how"] != "edited":
            return self.label["how"]
        asked = self.label["instruction"]
        short = "\n" not in asked and len(re.findall(r"[一-鿿]|[a-zA-Z\d]+", asked)) < SHORT
        return "edited_heavily" if self.label["share"] > HEAVY else "edited_short" if short else "edited"

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
        frame = frame.with_columns(chosen=pl.col("output").list.first(), rejected=pl.col("output").list.last())
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
        "leak", "clean", *UNSURE, *(row["how"] for row in labels)
    }  # fmt: skip


def test_planted_leaks_are_found(verdicts: list[Verdict]) -> None:
    due = [one for one in verdicts if one.label["leak"] and one.how not in UNSURE]
    missed = [one.said for one in due if one.item is None]
    assert not missed, "\n".join(missed)


def test_the_right_item_is_named(verdicts: list[Verdict]) -> None:
    wrong = [one.said for one in verdicts if one.label["leak"] and one.item not in (None, one.label["leak"])]
    assert not wrong, "\n".join(wrong)


def test_clean_records_are_left_alone(verdicts: list[Verdict]) -> None:
    flagged = [one.said for one in verdicts if not one.label["leak"] and one.item is not None]
    assert not flagged, "\n".join(flagged)


def make(*items: tuple[str, list[str]]) -> Detector:
    """A detector of items q1, q2 … of a question and options each."""
    rows = [{"id": f"q{number}", "question": asked, "options": given} for number, (asked, given) in enumerate(items, 1)]
    return Detector(
        gather_items([pl.DataFrame(rows, schema_overrides={"options": pl.List(pl.String)})]), plan(0.8), 0.8
    )


def find(detector: Detector, *records: list[str]) -> list[tuple[int, str, str, float]]:
    found = detector.find(pl.Series(records, dtype=pl.List(pl.String)))
    return [(record, item, reason, round(share, 3)) for record, item, reason, share in found.iter_rows()]


# 37 tokens: 34 runs of 4, of which a clause moved breaks 9
CASE = "老李，男，五十三岁，晨跑途中忽觉左胸压榨样闷痛，出冷汗，停下歇息十分钟不缓解，既往嗜烟"
OPEN = "夜里小腿抽筋是缺什么引起的"  # 13 tokens
DOSES = ["每晚两片", "隔日一片", "睡前一片", "晨起半片"]


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        ([OPEN.replace("是", " 是，") + "？？"], ("exact_benchmark", 1.0)),
        (["您好", "没事", "医生，" + OPEN + "呢，谢谢"], ("overlaps_benchmark", 1.0)),
        (["医生，夜里小腿抽筋是缺什么病引起的"], None),  # a word more: 3 of its 10 short runs are gone
        ([CASE.replace("忽觉左胸压榨样闷痛，出冷汗", "出冷汗，忽觉左胸压榨样闷痛")], ("overlaps_benchmark", 0.735)),
        ([CASE[: CASE.index("歇息")]], ("overlaps_benchmark", 0.52)),
        ([CASE[: CASE.index("停下")]], None),  # 23 tokens: 11 of its 25 runs of 13
    ],
)
def test_what_counts_as_a_finding(turns: list[str], found: tuple[str, float] | None) -> None:
    told = find(make((OPEN, []), (CASE, [])), ["别的问题"], turns)
    assert told == ([(1, "q1" if OPEN[:6] in "".join(turns).replace(" ", "") else "q2", *found)] if found else [])


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        (["该药起始用法：①晨起半片②睡前一片③隔日一片④每晚两片"], ("options_benchmark", 1.0)),
        (["该药起始用法有哪些", "每晚两片，隔日一片，睡前一片都可以"], None),  # not all of the options
        (["该药起始用法"], ("exact_benchmark", 1.0)),
        (["这个药起始用法：每晚两片、隔日一片、睡前一片、晨起半片"], ("near_benchmark", 0.85)),
        (["该药怎样起始？A每晚两片 B隔日一片 C睡前一片 D晨起半片"], None),  # a short question counts word for word
    ],
)
def test_a_short_question_counts_with_all_its_options(turns: list[str], found: tuple[str, float] | None) -> None:
    told = find(make(("该药起始用法", DOSES)), turns)
    assert told == ([(0, "q1", *found)] if found else [])


def test_a_phrase_of_many_items_is_no_items_own() -> None:
    few = [("以下说法中哪一句话是完全错误的呢", [f"甲{number}", f"乙{number}"]) for number in range(4)]
    record = ["考试里常见以下说法中哪一句话是完全错误的呢这种问法"]
    assert [reason for *_, reason, _ in find(make(*few), record)] == ["overlaps_benchmark"]
    many = [(asked, [f"丙{number}"]) for number, (asked, _) in enumerate(few * 3)]
    assert find(make(*many), record) == []


def test_an_item_of_common_phrases_is_not_told_by_the_few_runs_of_its_own() -> None:
    detector = make(*((f"以下说法中哪一句话是完全错误的呢{tail}", []) for tail in "甲乙丙丁戊己庚辛壬癸"))
    assert find(detector, ["他总说错误的呢甲"]) == []


def test_beside_all_options_two_in_five_of_the_runs_of_a_question_are_enough() -> None:
    detector = make(("夜里小腿抽筋先要查血里什么", DOSES))
    options = "A每晚两片 B隔日一片 C睡前一片 D晨起半片"
    assert find(detector, ["白天小腿抽筋先要查什么？" + options]) == [(0, "q1", "options_benchmark", 0.4)]
    assert find(detector, ["白天小腿抽筋先要补充什么？" + options]) == []


@pytest.mark.parametrize("before", range(0, 40, 3))
def test_a_question_is_found_wherever_in_a_turn_it_stands(before: int) -> None:
    filler = "".join(chr(0x4E00 + 7 * at) for at in range(before))
    assert find(make((OPEN, [])), [filler + OPEN + "呢"]) == [(0, "q1", "overlaps_benchmark", 1.0)]


def test_the_item_of_the_largest_share_is_named() -> None:
    detector = make((CASE + "最先做什么", []), (CASE + "最怕发生什么", []))
    assert [item for _, item, *_ in find(detector, [CASE + "最怕发生什么"], [CASE + "，最先做什么？谢谢"])] == [
        "q2",
        "q1",
    ]


def test_runs_far_apart_are_no_question() -> None:
    """Of a page of a book the pieces may all be somewhere; that they stand together is what makes the question."""
    pieces = [CASE[at : at + 9] for at in range(0, len(CASE), 6)]
    filler = "".join(chr(0x4E00 + 7 * at) for at in range(300))
    assert find(make((CASE, [])), [filler.join(pieces)]) == []
    assert [reason for *_, reason, _ in find(make((CASE, [])), [filler + "了".join(pieces) + filler])] == [
        "overlaps_benchmark"
    ]


def test_nothing_is_found_where_there_is_nothing() -> None:
    none = Detector(gather_items([pl.DataFrame(schema={"id": pl.String, "question": pl.String})]), plan(0.8), 0.8)
    assert find(none, ["夜里小腿抽筋"]) == []
    assert find(make((OPEN, [])), [], [""], ["，。"]) == []
    blank = gather_items([pl.DataFrame({"id": ["a", "b", "c"], "question": ["  ", None, OPEN]})])
    assert blank.names.to_list() == ["c"]


def test_options_are_texts_or_structs_with_a_text() -> None:
    given = [[{"label": "A", "text": "每晚两片"}, {"label": "B", "text": None}]]
    frames = [
        pl.DataFrame({"id": ["a"], "question": ["该药起始用法"], "options": given}),
        pl.DataFrame({"id": ["b"], "question": ["该药起始用法"], "options": [["隔日一片"]]}),
        pl.DataFrame({"id": ["c"], "question": [OPEN]}),
    ]
    assert gather_items(frames).options.to_list() == [["每晚两片"], ["隔日一片"], []]
