"""The page: everything is there, in both languages, and nothing of a record is obeyed."""

import re
from html.parser import HTMLParser

from care_train.evaluation.measuring import Prediction
from care_train.evaluation.page import build_page
from care_train.evaluation.summary import summarise
from care_train.evaluation.words import WORDS

HOSTILE = "</style></textarea><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u202e\x00"
SETTINGS = {"sampling": {"seed": 1}, "choice": {"by": "likelihood", "several": "stated"}, "items": {"file": HOSTILE}}


class Reader(HTMLParser):
    """Tags with their attributes, and the text a person sees."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def choice(number: int, chosen: str | None, reading: str = "read", question: str = "怎么办？") -> Prediction:
    return {
        "id": f"i#{number}",
        "dataset": "d",
        "subject": "内科",
        "kind": "choice",
        "question": question,
        "options": [["A", "多喝温水"], ["B", "早些休息"]],
        "labels": ["A", "B"],
        "several": False,
        "right": ["B"],
        "chosen": None if chosen is None else [chosen],
        "correct": chosen == "B",
        "jaccard": float(chosen == "B"),
        "reading": reading,
        "explanation": HOSTILE,
        "said": "不知道" if chosen is None else chosen,
    }


def make(predictions: list[Prediction], most: int = 100, notice: bool = True, **more) -> str:
    data = {
        "d": {
            "records": len(predictions),
            "role": None,
            "doubt": "not_stated",
            "left_out": {},
            "training_data": False,
            "sha256": "0" * 64,
        }
    }
    model = {
        "name": HOSTILE,
        "base": "/home/someone/models/base-7b",
        "adapters": [],
        "template": "plain",
        "system": None,
        "quantization_bit": None,
    }
    results = {"version": "1", "model": model, "data": data, "settings": SETTINGS, **summarise(predictions, 1), **more}
    return build_page(results, [predictions], most, notice)


def test_wrong_answers_are_there_to_read_and_right_ones_are_not():
    page = make([choice(0, "B"), choice(1, "A"), choice(2, None, "unreadable")])
    seen = Reader()
    seen.feed(page)
    assert "i#0" not in seen.text
    assert "i#1" in seen.text
    assert page.index("i#1") < page.index('id="unread"') < page.index("i#2")
    assert '<del class="text" dir="auto">A. 多喝温水</del>' in page
    assert '<ins class="text" dir="auto">B. 早些休息</ins>' in page
    assert "33.3%" in seen.text
    assert "不是医生的建议" in seen.text
    assert "not a doctor" not in make([choice(0, "B")], notice=False)


def test_hostile_records_stay_text():
    page = make([choice(number, "A", question=HOSTILE) for number in range(3)])
    seen = Reader()
    seen.feed(page)
    assert {"script", "img", "iframe", "link", "a"} & {tag for tag, _ in seen.tags} == {"a"}
    assert all(not name.startswith("on") for _, attributes in seen.tags for name in attributes)
    assert all(value.startswith("#") for tag, told in seen.tags if tag == "a" for value in [told["href"]])
    assert "alert(1)" in seen.text
    assert "⟨U+202E⟩␀" in seen.text
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    policy = next(told["content"] for tag, told in seen.tags if told.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert "base-7b" in seen.text
    assert "someone" not in page


def test_no_more_wrong_answers_than_asked_for():
    predictions = [choice(number, "A") for number in range(30)]
    assert make(predictions, most=7).count("<article>") == 7
    assert make(predictions, most=7) == make(predictions, most=7)
    assert make(predictions, most=0).count("<article>") == 0


def test_every_word_is_in_both_languages_and_the_page_opens_in_that_of_the_questions():
    for english, chinese in WORDS.values():
        assert english.strip()
        assert re.search("[\u4e00-\u9fff]", chinese)
    assert 'id="lang-zh" checked' in make([choice(0, "A")])
    assert 'id="lang-en" checked' in make([choice(0, "A", question="What to do?")])


def test_of_a_long_question_beginning_and_end_are_shown():
    page = make([choice(0, "A", question="头" * 1500 + "中" * 9 + "尾" * 1000)])
    assert "2,509" in page
    assert "头" * 1000 in page
    assert "尾" * 500 in page
    assert "中" * 9 not in page


def test_memory_is_called_memory():
    predictions = [choice(0, "A")]
    data = {
        "d": {
            "records": 1,
            "role": "train",
            "doubt": "",
            "left_out": {"no_answer": 2},
            "training_data": True,
            "sha256": "0" * 64,
        }
    }
    page = make(predictions, data=data)
    assert "反映的是记忆" in page
    assert "2 no_answer" in page
