"""What a model is asked, and every answer an item allows."""

import pytest

from care_train.errors import CareError, Exit
from care_train.evaluation.items import Item
from care_train.evaluation.prompts import list_choices, write_choice, write_question

OPTIONS = (("A", "多喝温水"), ("B", "早些休息"), ("C", "少吃油腻"))


def make(**told) -> Item:
    return Item(
        **{"id": "i", "dataset": "d", "subject": "s", "question": "怎么办？", "answer": "A", "language": "zh", **told}
    )


def test_the_question_says_what_kind_it_is_and_lists_the_options():
    listed = "怎么办？\nA. 多喝温水\nB. 早些休息\nC. 少吃油腻"
    one, two = make(options=OPTIONS, right=("A",)), make(options=OPTIONS, right=("A", "B"), several=True)
    assert write_question(one) == f"以下是一道单项选择题，只有一个选项正确。请只回答该选项的字母。\n{listed}"
    assert write_question(two).split("\n")[0].startswith("以下是一道多项选择题，有两个或更多选项正确。")
    assert write_question(two, several="open").split("\n")[0].startswith("以下是一道选择题，有一个或更多选项正确。")
    assert write_question(one, score="text").split("\n")[0].endswith("请只写出该选项的内容。")
    assert write_question(two, score="text") == write_question(two)
    english = make(options=OPTIONS, language="en")
    assert write_question(english).startswith("The following question has one correct option. Answer with its letter")


def test_words_to_choose_from_and_free_questions():
    words = tuple((word, word) for word in ("yes", "no", "maybe"))
    item = make(options=words, listed=False, language="en", question="Is it?")
    assert write_question(item) == "Is it?\nAnswer with one of these only: yes, no, maybe."
    assert write_question(make()) == "怎么办？"
    assert write_choice(make(answer="多喝水。"), ()) == "多喝水。"


def test_answers_as_they_are_written():
    item = make(options=OPTIONS, several=True)
    assert write_choice(item, ("A", "C")) == "AC"
    assert write_choice(item, ("A", "C"), score="text") == "AC"
    assert write_choice(make(options=OPTIONS), ("C",), score="text") == "少吃油腻"
    longer = make(options=(("1", "甲"), ("10", "乙")), several=True)
    assert write_choice(longer, ("1", "10")) == "1, 10"


def test_every_answer_an_item_allows():
    several = make(options=OPTIONS, several=True)
    pairs = [("A", "B"), ("A", "C"), ("B", "C"), ("A", "B", "C")]
    assert list_choices(make(options=OPTIONS)) == [("A",), ("B",), ("C",)]
    assert list_choices(several) == pairs
    assert list_choices(several, "open") == [("A",), ("B",), ("C",), *pairs]


def test_too_many_sets_are_refused_with_what_to_do():
    many = make(options=tuple((label, label) for label in "ABCDEFGHI"), several=True)
    with pytest.raises(CareError) as caught:
        list_choices(many)
    assert str(caught.value) == "i: 9 options make 512 sets. Use --by generation."
    assert caught.value.code == Exit.LIMIT
