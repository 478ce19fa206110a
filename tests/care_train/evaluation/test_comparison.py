"""Two models on the same items."""

import pytest

from care_train.errors import CareError
from care_train.evaluation.comparison import compare


def choice(number: int, correct: bool, question: str = "？") -> dict:
    return {
        "id": f"i#{number}",
        "dataset": "d",
        "kind": "choice",
        "question": question,
        "right": ["A"],
        "correct": correct,
    }


def test_choices_are_counted_by_who_got_them_right():
    first = [choice(number, number < 6) for number in range(10)]
    second = [choice(number, number in (0, 1, 9)) for number in range(10)]
    found = compare(first, list(reversed(second)), 0)["choices"]
    assert [found[name] for name in ("both", "only_first", "only_second", "neither")] == [2, 4, 1, 3]
    assert found["difference"]["value"] == pytest.approx(0.3, abs=1e-15)
    assert found["difference"]["low"] < 0.3 < found["difference"]["high"]
    assert found["p"] == 2 * 6 / 32


def test_scores_are_compared_in_pairs():
    names = ("bleu-4", "rouge-1", "rouge-2", "rouge-l", "chrf")
    first, second = (
        [
            {
                "id": str(at),
                "dataset": "d",
                "kind": "answer",
                "question": "？",
                "answer": "乙",
                "scores": dict.fromkeys(names, at + more),
            }
            for at in range(8)
        ]
        for more in (2.5, 0.0)
    )
    found = compare(first, second, 0)["answers"]
    assert set(found) == set(names)
    assert found["chrf"] == {
        "first": 6.0,
        "second": 3.5,
        "difference": {"value": 2.5, "low": 2.5, "high": 2.5},
        "p": 2 / 10_001,
    }


def test_texts_are_compared_by_character():
    make = lambda nats: [{"id": "t#1", "dataset": "t", "kind": "text", "opening": "甲", "nats": nats, "characters": 4}]  # noqa: E731
    found = compare(make(8.0), make(2.0), 0)["texts"]["nats_per_character"]
    assert found["difference"]["value"] == 1.5


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([choice(0, True)], "1 of 2 and 1 items are the same. Measure both with the same data"),
        ([choice(0, True), choice(1, True, "别的？")], "i#1: is another item in the two results."),
        ([choice(0, True), choice(2, True)], "1 of 2 and 2 items are the same."),
    ],
)
def test_other_items_are_refused(second, said):
    with pytest.raises(CareError) as caught:
        compare([choice(0, True), choice(1, False)], second, 0)
    assert str(caught.value).startswith(said)
