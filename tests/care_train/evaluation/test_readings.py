"""Written answers to labels, and those that cannot be told."""

import pytest

from care_train.evaluation.items import Item
from care_train.evaluation.readings import read_choice

TEXTS = ("多喝温水", "早些休息", "休息", "少吃油腻", "放松心情", "按时吃药")


def make(several: bool = False, labels: str = "ABCDEF", texts: tuple[str, ...] = TEXTS) -> Item:
    options = tuple(zip(labels, texts, strict=False))
    return Item("i", "d", "s", "怎么办？", "", "zh", options, ("A",), several=several)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("（F）", "F"),
        ("[E]", "E"),
        ("**C**", "C"),
        ("Ｃ", "C"),
        ("D. 少吃油腻", "D"),
        ("D、少吃油腻", "D"),
        ("E：放松心情", "E"),
        ("答案：C", "C"),
        ("正确答案是 D。", "D"),
        ("本题应选E，因为A不对。", "E"),
        ("因此选B", "B"),
        ("The correct answer is (C).", "C"),
        ("Answer: F", "F"),
        ("I think the answer is B because A patient rests.", "B"),
        ("先看A，再看B。综上，答案为D。", "D"),
        ("答案是A？不，答案是C。", "C"),
        ("<think>答案是A</think>\nB", "B"),
        ("应该早些休息。", "B"),  # “休息” inside it is not the third option
        ("应该休息。", "C"),
        ("这里不是A，也不选B，只有F合适", "F"),
        ("AB", "AB"),  # a plain list is an answer to a question with one, and a wrong one
        ("", None),
        ("我不知道。", None),
        ("可能是A，也可能是B", None),
        ("A patient should rest.", None),  # an article
        ("G", None),
        ("CT检查", None),
        ("<think>答案是A", None),
        ("多喝温水，也要少吃油腻", None),
    ],
)
def test_one_right_answer(text, read):
    found = read_choice(text, make())
    assert found == (None if read is None else tuple(read))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ABD", "ABD"),
        ("DBA", "ABD"),
        ("A、C、F", "ACF"),
        ("A, C and F.", "ACF"),
        ("A和E", "AE"),
        ("答案：ABF。解析：C错误", "ABF"),
        ("正确选项为 B，D", "BD"),
        ("可以多喝温水，也可以少吃油腻。", "AD"),
        ("A 多喝温水\nF 按时吃药", "AF"),
        ("F", "F"),
        ("都不对", None),
        ("BAD habits", None),
    ],
)
def test_several_right_answers(text, read):
    assert read_choice(text, make(several=True)) == (None if read is None else tuple(read))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("yes", "yes"),
        ("Yes, it does.", "yes"),
        ("No.", "no"),
        ("Maybe", "maybe"),
        ("The answer is maybe.", "maybe"),
        ("Based on this, the answer is: No", "no"),
        ("It seems that yes would be right.", "yes"),
        ("Nothing is known.", None),
        ("yes or no", None),
        ("Yes, no, maybe.", None),
        ("No, no.", "no"),
        ("Noble gases", None),
        ("", None),
    ],
)
def test_words_to_choose_from(text, read):
    options = tuple((word, word) for word in ("yes", "no", "maybe"))
    item = Item("i", "d", "s", "Is it?", "yes", "en", options, ("yes",), listed=False)
    found = read_choice(text, item)
    assert found == (None if read is None else (read,))


def test_chinese_words_to_choose_from():
    options = (("是", "是"), ("否", "否"))
    item = Item("i", "d", "s", "有关吗？", "是", "zh", options, ("是",), listed=False)
    assert read_choice("是。", item) == ("是",)
    assert read_choice("答案：否", item) == ("否",)
    assert read_choice("是否有关，还不清楚", item) is None


def test_labels_of_several_characters():
    options = tuple((label, f"第{label}种") for label in ("1", "2", "10"))
    item = Item("i", "d", "s", "哪个？", "10", "zh", options, ("10",))
    assert read_choice("10", item) == ("10",)
    assert read_choice("答案：10", item) == ("10",)
    assert read_choice("1.", item) == ("1",)
    assert read_choice("100", item) is None
