"""Texts as a stranger may see them."""

import json

from care_data.reports.texts import Shown, cut, fields_of, mask, show_unseen


def test_what_is_there_unseen_is_named():
    assert show_unseen("a\x00b\x1b[31m\u202e反\u202c\u200b\ufeff\ud800") == (
        "a␀b␛[31m⟨U+202E⟩反⟨U+202C⟩⟨U+200B⟩⟨U+FEFF⟩⟨U+D800⟩"
    )
    assert show_unseen("头痛\n怎么\t办？👩‍⚕️") == "头痛\n怎么\t办？👩‍⚕️"


def test_personal_data_is_masked_whatever_the_records_keep():
    texts = [text for text, _ in mask(["电话13812345678请回电", "血压140/90", "\ud800"])]
    assert texts == ["电话[PHONE]请回电", "血压140/90", "?"]
    assert mask([]) == []
    assert [mask(["请找李明医生看看"], names=names)[0].text for names in (False, True)] == [
        "请找李明医生看看",
        "请找[DOCTOR]看看",
    ]
    (long,) = mask(["甲" * 1_000_000])
    assert (len(long.text), long.size) == (20_000, 1_000_000)


def test_a_cut_text_says_how_long_it_was():
    assert cut(Shown("甲乙丙", 3), 3) == ("甲乙丙", 0)
    assert cut(Shown("甲乙丙丁", 4), 3) == ("甲乙丙", 4)
    assert cut(Shown("[PHONE]", 11), 9) == ("[PHONE]", 0)
    assert cut(Shown("甲" * 20_000, 30_000), 50_000)[1] == 30_000


def test_fields_of_a_record():
    record = {
        "id": "1",
        "corpus": "c",
        "license": "MIT",
        "instruction": "问",
        "input": "",
        "output": "答",
        "reason": "x",
    }
    assert fields_of(record | {"history": [["一", "二"], ["三", "四"]]}) == [
        ("instruction", "问"),
        ("output", "答"),
        ("history", "一\n二\n三\n四"),
    ]
    assert fields_of({"output": ["好", "差"], "chosen": "好", "rejected": "差"}) == [
        ("chosen", "好"),
        ("rejected", "差"),
    ]
    assert fields_of({"options": [{"label": "A", "text": "是"}, {"label": "B", "text": "否"}]}) == [
        ("options", "A. 是\nB. 否")
    ]


def test_fields_of_what_was_set_aside():
    assert fields_of({"id": "1", "detail": json.dumps({"q": "问", "n": 3, "none": None})}) == [("q", "问"), ("n", "3")]
    assert fields_of({"detail": '{"_value":"行"}'}) == [("", "行")]
    assert fields_of({"detail": '{"cut'}) == [("", '{"cut')]
    assert fields_of({"detail": "[1]"}) == [("", "[1]")]
    assert fields_of({"detail": "[" * 100_000}) == [("", "[" * 100_000)]
    assert fields_of({"detail": None}) == []
