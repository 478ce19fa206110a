"""EVAL records of every shape to items; every text is invented."""

import pytest

from care_train.errors import CareError
from care_train.evaluation.items import find_labels, find_right, read_items, split_options

SIX = [{"label": label, "text": f"办法{number}"} for number, label in enumerate("ABCDEF", 1)]


def test_options_beyond_d_and_several_right_answers():
    rows = [
        {
            "id": "x#1",
            "corpus": "toy",
            "question": "哪些能退热？",
            "options": SIX,
            "answer": "FBA",
            "explanation": "因为。",
        },
        {"question": "Which one?", "options": SIX[:5], "answer": "E", "subject": "ears"},
    ]
    first, second = read_items(rows, "toy_eval").items
    assert (first.id, first.subject, first.language, first.right) == ("x#1", "toy", "zh", ("A", "B", "F"))
    assert (first.several, first.listed, first.explanation) == (True, True, "因为。")
    assert (second.id, second.subject, second.language) == ("toy_eval#2", "ears", "en")
    assert (second.right, second.several, second.labels) == (("E",), False, tuple("ABCDE"))


def test_whether_several_are_right_can_be_left_open():
    rows = [
        {"question": "甲？", "options": SIX, "answer": "AB"},
        {"question": "乙？", "options": SIX, "answer": "A"},
    ]
    assert [one.several for one in read_items(rows, "t").items] == [True, False]
    assert [one.several for one in read_items(rows, "t", several="open").items] == [True, True]
    assert [one.several for one in read_items(rows[1:], "t", several="open").items] == [False]


def test_yes_no_maybe_is_a_choice_without_options():
    rows = [{"question": f"Is {number} enough?", "answer": answer} for number, answer in enumerate(("no", "yes"))]
    items = read_items([*rows, {"question": "And this?", "answer": "maybe"}], "t").items
    assert [(one.labels, one.right, one.listed) for one in items] == [
        (("yes", "no", "maybe"), (right,), False) for right in ("no", "yes", "maybe")
    ]
    assert read_items(rows, "t").items[0].labels == ("yes", "no", "maybe")
    named = read_items(rows, "t", labels=("yes", "no")).items[0]
    assert named.labels == ("yes", "no")


def test_few_short_answers_that_repeat_are_a_choice_and_others_are_free():
    assert find_labels(["轻", "重"] * 5) == ("轻", "重")
    assert find_labels(["轻", "重"] * 4 + ["中"]) == ()
    assert find_labels(["多喝水，早些休息，不见好转再去看医生，不要自己乱吃药。", "重"] * 9) == ()
    assert find_labels([]) == ()
    free = read_items([{"question": "怎么办？", "answer": "多喝水。"}], "t").items[0]
    assert (free.options, free.right) == ((), ())


@pytest.mark.parametrize(
    ("answer", "labels", "right"),
    [
        ("ABD", "ABCDE", ("A", "B", "D")),
        ("D、B", "ABCD", ("B", "D")),
        ("A, C and D", "ABCD", ("A", "C", "D")),
        ("ＡＢ", "ABCD", ("A", "B")),
        ("AG", "ABCD", ()),
        ("a", "ABCD", ()),
        ("", "ABCD", ()),
    ],
)
def test_a_key_of_letters(answer, labels, right):
    assert find_right(answer, tuple(labels)) == right


def test_a_key_of_longer_labels():
    assert find_right("10", ("1", "2", "10")) == ("10",)
    assert find_right("2, 10", ("1", "2", "10")) == ("2", "10")
    assert find_right("12", ("1", "2", "10")) == ()  # no label of two letters is taken apart
    assert find_right("maybe", ("yes", "no", "maybe")) == ("maybe",)


def test_options_inside_the_question_are_found_where_the_answer_is_one_of_them():
    question = "Answer with an option.\nWhich is in the neck?\nA: Thyroid\nB: Adrenal"
    asked = "Answer with an option.\nWhich is in the neck?"
    options = (("A", "Thyroid"), ("B", "Adrenal"))
    assert split_options(question, "A: Thyroid") == (asked, options, "A")
    assert split_options(question, "B") == (asked, options, "B")
    assert split_options(question, "C") == (question, (), "C")
    assert split_options(question, "A: Adrenal") == (question, (), "A: Adrenal")
    assert split_options("Take\nA. rest\nC. tea", "A")[1] == ()
    assert split_options("A. rest\nB. tea", "A")[1] == ()


def test_rows_that_are_no_items_are_counted_with_the_reason():
    rows = [
        {"question": "甲？", "options": SIX, "answer": "A"},
        {"question": " ", "options": SIX, "answer": "A"},
        {"question": "乙？", "options": SIX, "answer": None},
        {"question": "丙？", "options": SIX[:1], "answer": "A"},
        {"question": "丁？", "options": [SIX[0], SIX[0]], "answer": "A"},
        {"question": "戊？", "options": SIX, "answer": "AZ"},
        {"question": "己\ud800？", "options": SIX, "answer": "A"},
    ]
    read = read_items(rows, "t")
    assert [one.question for one in read.items] == ["甲？"]
    reasons = ("no_question", "no_answer", "one_option", "label_twice", "answer_outside_options", "broken_text")
    assert read.left_out == dict.fromkeys(reasons, 1)


def test_options_may_be_an_object_and_blank_ones_are_none():
    items = read_items(
        [{"question": "甲？", "options": {"A": "", "B": "肾", "C": " ", "D": "脾"}, "answer": "D"}], "t"
    ).items
    assert items[0].options == (("B", "肾"), ("D", "脾"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": 3, "answer": "A"}, "t: record 1: question is a int."),
        ({"question": "甲？", "answer": "A", "options": ["甲", "乙"]}, "t: record 1: its options are no list of label"),
    ],
)
def test_what_is_no_record_is_an_error_with_its_place(row, said):
    with pytest.raises(CareError) as caught:
        read_items([row], "t")
    assert str(caught.value).startswith(said)
