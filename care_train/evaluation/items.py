"""Rows of EVAL records to items: what is asked, what there is to choose from, what is right."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from care_train.errors import CareError

KNOWN = (("yes", "no", "maybe"), ("yes", "no"), ("true", "false"), ("是", "否"), ("对", "错"), ("正确", "错误"))
"""Answers that are a choice even though no options are listed, in the order they are asked in."""
MOST_LABELS, LONGEST_LABEL, EACH = 8, 24, 5
"""Other answers are taken for a choice if they are so few, so short, and each stands for so many items on average."""
OPTION = re.compile(r"^\s*\(?([A-Za-z])\s*[.:、．：)）]\s*(\S.*)$")
BETWEEN = re.compile(r"[\s,，、;；/|&+]+|\band\b|和|及")
HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Item:
    """One question. options: (label, text), none where the answer is free; right: labels, in the options' order.

    listed: whether the options are shown, or are the words of the answer themselves (yes, no, maybe).
    several: whether more than one answer may be right, as far as the question says so.
    history, system: what was said before the question, of records of conversations.
    """

    id: str
    dataset: str
    subject: str
    question: str
    answer: str
    language: str
    options: tuple[tuple[str, str], ...] = ()
    right: tuple[str, ...] = ()
    listed: bool = True
    several: bool = False
    explanation: str = ""
    history: tuple[tuple[str, str], ...] = ()
    system: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the options."""
        return tuple(label for label, _ in self.options)


@dataclass(frozen=True)
class Read:
    """Items of a dataset, and why rows are none."""

    items: list[Item]
    left_out: Counter[str] = field(default_factory=Counter)


def read_items(
    rows: Sequence[dict[str, Any]],
    dataset: str,
    *,
    language: str = "auto",
    subject: str = "subject",
    labels: tuple[str, ...] = (),
    several: str = "stated",
) -> Read:
    """The items of EVAL records. labels: the answers of items without options, found among the answers if not given.

    A row without question or answer, or whose key is none of its options, is left out with the reason.
    """
    read = [_read_row(row, f"{dataset}: record {number}") for number, row in enumerate(rows, 1)]
    closed = labels or find_labels([row.answer for row in read if row.answer and not row.options])
    open_ended = several == "open" and any(_is_several(row, closed) for row in read)
    items: list[Item] = []
    left_out: Counter[str] = Counter()
    for number, (row, source) in enumerate(zip(read, rows, strict=True), 1):
        options = row.options or tuple((label, label) for label in closed)
        right = find_right(row.answer, tuple(label for label, _ in options)) if options else ()
        reason = _find_fault(row, options, right)
        if reason:
            left_out[reason] += 1
            continue
        items.append(
            Item(
                id=str(source.get("id") or f"{dataset}#{number}"),
                dataset=dataset,
                subject=str(source.get(subject) or source.get("corpus") or dataset),
                question=row.question,
                answer=row.answer,
                language=find_language(row.question) if language == "auto" else language,
                options=options,
                right=right,
                listed=bool(row.options),
                several=bool(row.options) and (open_ended or len(right) > 1),
                explanation=str(source.get("explanation") or ""),
            )
        )
    return Read(items, left_out)


@dataclass(frozen=True)
class _Row:
    question: str
    answer: str
    options: tuple[tuple[str, str], ...]


def _read_row(row: dict[str, Any], where: str) -> _Row:
    for name in ("question", "answer"):
        if not isinstance(row.get(name), str | None):
            fix = "Question and answer are texts, as schemas/eval.schema.json has them."
            raise CareError(f"{name} is a {type(row[name]).__name__}", where=where, fix=fix)
    question, answer = (row.get("question") or "").strip(), (row.get("answer") or "").strip()
    options = _read_options(row.get("options"), where)
    if not options:
        question, options, answer = split_options(question, answer)
    return _Row(question, answer, options)


def _read_options(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Options as the schema lists them, or as an object {label: text}; those without a text are none."""
    if isinstance(value, dict):
        value = [{"label": label, "text": text} for label, text in value.items()]
    if not value:
        return ()
    listed = isinstance(value, list) and all(isinstance(one, dict) for one in value)
    if not listed or not all({"label", "text"} <= one.keys() for one in value):
        fix = 'Write [{"label": "A", "text": "…"}, …].'
        raise CareError("its options are no list of label and text", where=where, fix=fix)
    pairs = [(str(one["label"] or "").strip(), str(one["text"] or "").strip()) for one in value]
    return tuple(pair for pair in pairs if pair[0] and pair[1])


def split_options(question: str, answer: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """(question, options, right label) where the options are the last lines of the question and the answer is one.

    Else question and answer as they are, without options.
    """
    lines = question.split("\n")
    found: list[tuple[str, str]] = []
    while lines and (match := OPTION.match(lines[-1])):
        found.insert(0, (match[1], match[2].strip()))
        lines.pop()
    labels = [label for label, _ in found]
    in_order = [chr(ord(labels[0]) + place) for place in range(len(labels))] if labels else []
    match = OPTION.match(answer)
    named = match[1] if match and (match[1], match[2].strip()) in found else answer
    if len(found) < 2 or labels != in_order or named not in labels or not "".join(lines).strip():
        return question, (), answer
    return "\n".join(lines).strip(), tuple(found), named


def find_labels(answers: Sequence[str]) -> tuple[str, ...]:
    """The few answers that all of these are, so that they are a choice; none where the answers are free."""
    distinct = Counter(answers)
    for known in KNOWN:
        if distinct and distinct.keys() <= set(known):
            return known
    short = all(len(one) <= LONGEST_LABEL and "\n" not in one for one in distinct)
    few = 2 <= len(distinct) <= MOST_LABELS and len(answers) >= EACH * len(distinct)
    return tuple(sorted(distinct)) if short and few else ()


def find_right(answer: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that an answer key names, in the options' order; none where any part of it is no label."""
    named = {unicodedata.normalize("NFKC", label): label for label in labels}
    key = unicodedata.normalize("NFKC", answer).strip()
    parts = [key] if key in named else [part for part in BETWEEN.split(key) if part]
    if not all(part in named for part in parts) and all(len(label) == 1 for label in named):
        parts = [letter for part in parts for letter in part]
    if not all(part in named for part in parts):
        return ()
    return tuple(label for label in labels if label in {named[part] for part in parts})


def find_language(text: str) -> str:
    """zh where a text holds more than a few Han characters, else en."""
    return "zh" if len(HAN.findall(text)) > len(text) / 20 else "en"


def _is_several(row: _Row, closed: tuple[str, ...]) -> bool:
    return bool(row.options) and len(find_right(row.answer, tuple(label for label, _ in row.options))) > 1


def _find_fault(row: _Row, options: tuple[tuple[str, str], ...], right: tuple[str, ...]) -> str:
    labels = [label for label, _ in options]
    if not row.question:
        return "no_question"
    if not row.answer:
        return "no_answer"
    if HALF.search("\n".join([row.question, row.answer, *(part for option in options for part in option)])):
        return "broken_text"
    if len(labels) == 1:
        return "one_option"
    if len(set(labels)) < len(labels):
        return "label_twice"
    if options and not right:
        return "answer_outside_options"
    return ""
