"""Numbers of predictions, worked out by hand."""

import math

import pytest

from care_train.evaluation.statistics import find_share
from care_train.evaluation.summary import find_chance, summarise


def choice(subject: str, right: str, chosen: str | None, labels: str = "ABCD", reading: str = "read") -> dict:
    one, two = set(right), set(chosen or "")
    return {
        "kind": "choice",
        "dataset": "d",
        "subject": subject,
        "labels": list(labels),
        "several": len(right) > 1,
        "correct": one == two,
        "jaccard": len(one & two) / len(one | two),
        "reading": reading,
    }


def test_accuracy_by_subject_and_kind():
    told = [
        choice("内科", "A", "A"),
        choice("内科", "B", "A"),
        choice("内科", "ABD", "ABD", "ABCDEF"),
        choice("护理", "AB", "ABC", "ABCDEF"),
        choice("护理", "C", None, reading="unreadable"),
        choice("护理", "C", None, reading="too_long"),
        choice("护理", "CD", "AB"),
    ]
    found = summarise(told, 0)["choices"]
    overall = found["overall"]
    assert (overall["items"], overall["correct"], overall["unreadable"], overall["too_long"]) == (7, 2, 1, 1)
    assert overall["accuracy"] == 2 / 7
    share = find_share(2, 7)
    assert (overall["low"], overall["high"]) == (share.low, share.high)
    # 1/4 four times; sets of two or more of six options: 57; of four: 11
    assert overall["chance"] == pytest.approx((4 / 4 + 2 / 57 + 1 / 11) / 7, abs=1e-15)
    assert {name: one["accuracy"] for name, one in found["subjects"].items()} == {"内科": 2 / 3, "护理": 0.0}
    assert found["mean_of_subjects"] == 1 / 3
    parts = found["parts"]
    assert (parts["one_answer"]["items"], parts["one_answer"]["correct"]) == (4, 1)
    assert (parts["several_answers"]["items"], parts["several_answers"]["correct"]) == (3, 1)
    assert parts["several_answers"]["jaccard"]["value"] == pytest.approx((1 + 2 / 3 + 0) / 3, abs=1e-15)


@pytest.mark.parametrize(
    ("options", "is_several", "several", "chance"),
    [(5, False, "stated", 1 / 5), (3, True, "stated", 1 / 4), (3, True, "open", 1 / 7), (6, True, "stated", 1 / 57)],
)
def test_chance(options, is_several, several, chance):
    assert find_chance(options, is_several, several) == chance


def test_scores_of_answers_are_means():
    base = {"kind": "answer", "dataset": "d", "subject": "s", "question": "？", "finish": "stop"}
    names = ("bleu-4", "rouge-1", "rouge-2", "rouge-l", "chrf")
    told = [
        {**base, "said": "abc ", "answer": "abd", "scores": dict.fromkeys(names, 10.0)},
        {**base, "said": "x", "answer": "y", "scores": dict.fromkeys(names, 40.0), "finish": "length"},
    ]
    overall = summarise(told, 0)["answers"]["overall"]
    assert [overall[name]["value"] for name in names] == [25.0] * 5
    assert (overall["bleu-4"]["low"], overall["bleu-4"]["high"]) == (10.0, 40.0)
    assert (overall["items"], overall["cut"], overall["too_long"]) == (2, 1, 0)
    assert overall["chrf_corpus"] == pytest.approx(100 / 3, abs=1e-9)


def test_perplexity_of_all_counts_every_token_the_same():
    told = [
        {"kind": "text", "dataset": name, "nats": nats, "tokens": tokens, "characters": 2 * tokens, "bytes": 6 * tokens}
        for name, nats, tokens in (("a", 2.0, 1), ("a", 4.0, 3), ("b", 6.0, 2))
    ]
    found = summarise(told, 0)["texts"]
    assert found["overall"]["perplexity"] == pytest.approx(math.exp(2), rel=1e-15)
    assert found["subjects"]["a"]["perplexity"] == pytest.approx(math.exp(1.5), rel=1e-15)
    assert found["overall"]["character_perplexity"] == pytest.approx(math.e, rel=1e-15)
    assert found["overall"]["bits_per_byte"] == pytest.approx(12 / math.log(2) / 36, rel=1e-15)
    assert found["overall"]["items"] == 3
