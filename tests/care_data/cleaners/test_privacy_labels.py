"""Masking on a labelled set: the labels themselves, the scorer, and recall and precision by type.

`pytest tests/care_data/cleaners/test_privacy_labels.py -rP` prints the figures. The labels lie in privacy_labels/, a
file of JSON lines for each type and one of texts without any: text, spans of characters with their types, and why it
is there. A span is the value alone, without the word that announces it; of a doctor it is the name with its title.
Texts, people and numbers are invented: ID cards have right check digits and districts that do not exist.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from care_data.characters import TAGS
from care_data.cleaners.privacy import mask_names, mask_privacy
from care_data.cleaners.unicode import normalize_unicode

LABELS = Path(__file__).parent / "privacy_labels"

PATTERNED = ("phone", "landline", "email", "id_card", "wechat", "qq", "record_number")
WORDED = ("address", "doctor")
"""Types without a pattern of their own, by the words around them; fewer labels, so one miss weighs more."""

RECALL = dict.fromkeys(PATTERNED, 0.98) | dict.fromkeys(WORDED, 0.94)
PRECISION = dict.fromkeys(PATTERNED, 0.99) | dict.fromkeys(WORDED, 0.97)

ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


class Span(NamedTuple):
    """Characters of a text that are a value of a type; start counted from 0, end beyond the last."""

    start: int
    end: int
    kind: str


class Labelled(NamedTuple):
    """A text and what of it is to be masked."""

    text: str
    spans: list[Span]
    why: str


class Score(NamedTuple):
    """How masking did on one type: how many values were found and missed, and what was masked wrongly."""

    found: int
    missed: list[str]
    wrong: list[str]

    @property
    def recall(self) -> float:
        """Share of the labelled values that were masked as their type; 1 where there are none."""
        labelled = self.found + len(self.missed)
        return self.found / labelled if labelled else 1.0

    @property
    def precision(self) -> float:
        """Share of the type's tags that stand for a labelled value; 1 where there are none."""
        masked = self.found + len(self.wrong)
        return self.found / masked if masked else 1.0


def read_labels(name: str) -> list[Labelled]:
    """The labelled texts of one file."""
    rows = map(json.loads, (LABELS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    return [Labelled(row["text"], [Span(*span) for span in row["spans"]], row["why"]) for row in rows]


def find_masked(text: str, masked: str, hints: list[Span]) -> list[Span]:
    """The spans of a text that tags stand for; where tags can be aligned in several ways, the way the hints say.

    Raises ValueError where the masked text differs from the text by more than tags.
    """
    kinds = {tag: kind for kind, tag in TAGS.items()}
    pieces = re.split("(" + "|".join(map(re.escape, kinds)) + ")", masked)
    hole = "(" + "|".join([*(re.escape(text[start:end]) for start, end, _ in hints), ".+?"]) + ")"
    pattern = "".join(hole if piece in kinds else re.escape(piece) for piece in pieces)
    found = re.fullmatch(pattern, text, re.DOTALL)
    if found is None:
        raise ValueError(f"masking changed more than values: {text!r} -> {masked!r}")
    tags = [kinds[piece] for piece in pieces if piece in kinds]
    return [Span(*found.span(number), kind) for number, kind in enumerate(tags, 1)]


def is_same(one: Span, other: Span) -> bool:
    """Whether two spans are of one type and share at least half of each."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    return one.kind == other.kind and 2 * shared >= max(one.end - one.start, other.end - other.start)


def score(labels: list[Labelled], masked: list[str]) -> dict[str, Score]:
    """Type -> score, of the types that are labelled; a tag answers for one label at most."""
    scores = {kind: Score(0, [], []) for kind in (*PATTERNED, *WORDED)}
    for label, result in zip(labels, masked, strict=True):
        tags = [span for span in find_masked(label.text, result, label.spans) if span.kind in scores]
        for span in label.spans:
            tag = next((tag for tag in tags if is_same(tag, span)), None)
            if tag is None:
                scores[span.kind].missed.append(f"{label.text} -> {result}")
            else:
                tags.remove(tag)
                scores[span.kind] = scores[span.kind]._replace(found=scores[span.kind].found + 1)
        for tag in tags:
            scores[tag.kind].wrong.append(f"{label.text} -> {result}")
    return scores


def as_table(scores: dict[str, Score]) -> str:
    """The scores as lines, a type each."""
    head = f"{'type':<14}{'labelled':>9}{'found':>7}{'wrong':>7}{'recall':>8}{'precision':>11}"
    rows = (
        f"{kind:<14}{one.found + len(one.missed):>9}{one.found:>7}{len(one.wrong):>7}"
        f"{one.recall:>8.3f}{one.precision:>11.3f}"
        for kind, one in scores.items()
    )
    return "\n".join([head, *rows])


def normalize(texts: list[str]) -> list[str]:
    """The texts after the Unicode table."""
    return pl.select(normalize_unicode(pl.lit(pl.Series(texts)))).to_series().to_list()


def is_right_id(value: str) -> bool:
    """Whether the last of 18 characters is the check digit of GB 11643."""
    remainder = sum(weight * int(digit) for weight, digit in zip(ID_WEIGHTS, value[:17], strict=True)) % 11
    return value[17].upper() == "10X98765432"[remainder]


@pytest.fixture(scope="module")
def positives() -> list[Labelled]:
    return [label for kind in (*PATTERNED, *WORDED) for label in read_labels(kind)]


@pytest.fixture(scope="module")
def negatives() -> list[Labelled]:
    return read_labels("negatives")


@pytest.fixture(scope="module")
def scores(positives: list[Labelled], negatives: list[Labelled]) -> dict[str, Score]:
    """Masking after the Unicode table, as in cleaning; it leaves every character where it was."""
    labels = [*positives, *negatives]
    texts = normalize([label.text for label in labels])
    masked = pl.select(mask_names(mask_privacy(pl.lit(pl.Series(texts))))).to_series().to_list()
    return score([label._replace(text=text) for label, text in zip(labels, texts, strict=True)], masked)


def test_there_are_as_many_labels_as_promised(positives, negatives):
    counts = Counter(span.kind for label in positives for span in label.spans)
    assert set(counts) == {*PATTERNED, *WORDED}
    assert min(counts[kind] for kind in PATTERNED) >= 50  # so that one miss alone is no failure
    assert min(counts[kind] for kind in WORDED) >= 30
    assert counts.total() >= 400
    assert len(negatives) >= 1100
    assert not any(label.spans for label in negatives)


def test_spans_lie_in_their_texts_apart_and_in_order(positives):
    for text, spans, _ in positives:
        assert spans, text
        edges = [edge for start, end, _ in spans for edge in (start, end)]
        assert edges == sorted(edges), text
        assert edges[-1] <= len(text), text
        assert all(start < end and text[start:end] == text[start:end].strip() for start, end, _ in spans), text


@pytest.mark.parametrize("kind", [*PATTERNED, *WORDED])
def test_every_text_of_a_file_has_a_value_of_its_type(kind):
    assert all(kind in {span.kind for span in label.spans} for label in read_labels(kind))


def test_no_two_texts_are_alike_but_for_their_numbers(positives, negatives):
    texts = [label.text for label in (*positives, *negatives)]
    assert len(texts) == len(set(texts))
    assert len({re.sub(r"\d+", "0", text) for text in texts}) == len(texts)


def test_every_label_says_why_it_is_there(positives, negatives):
    assert all(label.why.strip() for label in (*positives, *negatives))


def test_texts_are_as_long_after_the_unicode_table(positives, negatives):
    texts = [label.text for label in (*positives, *negatives)]
    changed = [pair for pair in zip(texts, normalize(texts), strict=True) if len(pair[0]) != len(pair[1])]
    assert changed == []


def test_labelled_id_cards_have_right_check_digits_and_no_other_number_has(positives, negatives):
    labelled = [text[span.start : span.end] for text, spans, _ in positives for span in spans if span.kind == "id_card"]
    bare = [value.replace(" ", "") for value in normalize(labelled)]
    assert Counter(map(len, bare)) == {18: len(bare) - 3, 15: 3}
    assert all(is_right_id(value) for value in bare if len(value) == 18)
    alike = [run for label in negatives for run in re.findall(r"(?<!\d)\d{17}[\dXx](?!\d)", label.text)]
    assert len(alike) >= 4
    assert not any(map(is_right_id, alike))


@pytest.mark.parametrize(
    ("text", "masked", "hints", "spans"),
    [
        ("电话13800000000请回", "电话[PHONE]请回", [], [(2, 13, "phone")]),
        ("住院7天", "住院7天", [], []),
        ("QQ 12 34", "QQ [QQ]", [], [(3, 8, "qq")]),
        ("1 2 3 4", "[PHONE] [PHONE]", [(0, 3, "phone")], [(0, 3, "phone"), (4, 7, "phone")]),
    ],
)
def test_masked_values_are_found_again(text, masked, hints, spans):
    assert find_masked(text, masked, [Span(*hint) for hint in hints]) == spans


def test_a_mask_that_changes_other_words_is_refused():
    with pytest.raises(ValueError, match="changed more than values"):
        find_masked("电话13800000000请回", "手机[PHONE]请回", [])


@pytest.mark.parametrize(
    ("tag", "same"),
    [((2, 13, "phone"), True), ((2, 8, "phone"), True), ((2, 7, "phone"), False), ((2, 13, "landline"), False)],
)
def test_a_tag_is_right_with_its_type_and_half_of_the_value(tag, same):
    assert is_same(Span(*tag), Span(2, 13, "phone")) is same


def test_scores_count_what_was_found_missed_and_wrongly_masked():
    labels = [
        Labelled("打13800000000或13900000000", [Span(1, 12, "phone"), Span(13, 24, "phone")], "two numbers"),
        Labelled("病毒13812345678拷贝", [], "lab value"),
        Labelled("座机62340000", [Span(2, 10, "landline")], "local number"),
    ]
    scores = score(labels, ["打[PHONE]或13900000000", "病毒[PHONE]拷贝", "座机[PHONE]"])
    assert scores["phone"] == Score(
        1,
        ["打13800000000或13900000000 -> 打[PHONE]或13900000000"],
        ["病毒13812345678拷贝 -> 病毒[PHONE]拷贝", "座机62340000 -> 座机[PHONE]"],
    )
    assert (scores["phone"].recall, scores["phone"].precision) == (1 / 2, 1 / 3)
    assert (scores["landline"].recall, scores["landline"].precision) == (0, 1)
    assert as_table(scores).splitlines()[1].split() == ["phone", "2", "1", "2", "0.500", "0.333"]


def test_the_figures_are_printed_by_type(scores):
    table = as_table(scores)
    print(table)
    assert [line.split()[0] for line in table.splitlines()] == ["type", *PATTERNED, *WORDED]


@pytest.mark.parametrize("kind", [*PATTERNED, *WORDED])
def test_nearly_every_value_is_masked(scores, kind):
    assert scores[kind].recall >= RECALL[kind], "\n".join(scores[kind].missed)


@pytest.mark.parametrize("kind", [*PATTERNED, *WORDED])
def test_hardly_anything_else_is_masked(scores, kind):
    assert scores[kind].precision >= PRECISION[kind], "\n".join(scores[kind].wrong)
