"""BLEU, ROUGE and chrF worked out by hand."""

import builtins

import pytest

from care_train.errors import CareError
from care_train.evaluation import overlap
from care_train.evaluation.overlap import score_answer, score_corpus


def test_bleu_of_characters_with_smoothing():
    # 3 of 4 characters, 1 of 3 pairs, 0 of 2 and 0 of 1 longer: 1/(2·2) and 1/(4·1). (3/4 · 1/3 · 1/4 · 1/4)^(1/4)
    assert score_answer("多喝温水", "多喝热水")["bleu-4"] == round(100 * (1 / 64) ** 0.25, 4) == 35.3553
    # Two of four characters are left out: 2/2, 1/1, then nothing to count, 1/2 and 1/4; brevity e^(1 - 4/2)
    short = 100 * (1 * 1 * 0.5 * 0.25) ** 0.25 * 2.718281828459045**-1
    assert score_answer("多喝", "多喝热水")["bleu-4"] == pytest.approx(short, abs=5e-5)


def test_rouge_of_words():
    # Words: 2 of 4 and of 3; pairs: 1 of 3 and of 2; longest common: 2 words
    found = score_answer("tea rest sleep now", "tea rest walk")
    assert found["rouge-1"] == found["rouge-l"] == round(100 * 2 * (1 / 3) / (7 / 6 + 1e-8), 4) == 57.1429
    assert found["rouge-2"] == 40.0


def test_rouge_l_goes_by_order_and_chinese_by_words():
    # 早些 休息 / 休息 早些: both words, but only one in order
    found = score_answer("早些休息", "休息早些")
    assert (found["rouge-1"], found["rouge-2"], found["rouge-l"]) == (100.0, 0.0, 50.0)


def test_chrf_of_one_sentence():
    # Characters 2/3, pairs 1/2, triples 0/1, nothing longer: precision and recall (2/3 + 1/2 + 0) / 3
    assert score_answer("abc", "abd")["chrf"] == round(100 * 7 / 18, 4) == 38.8889
    # Precision (1 + 1)/2, recall (2/4 + 1/3)/2 = 5/12; β = 2 weighs recall four times
    assert score_answer("ab", "abcd")["chrf"] == pytest.approx(100 * 5 * (5 / 12) / (4 + 5 / 12), abs=5e-5)


def test_chrf_of_all_as_one_counts_before_it_divides():
    assert score_corpus(["abc", "x"], ["abd", "y"]) == pytest.approx(100 * (2 / 4 + 1 / 2 + 0) / 3, abs=1e-9)


def test_the_same_text_has_all_and_none_has_nothing():
    assert score_answer("多喝温水，早些休息。", "多喝温水，早些休息。") == {
        **dict.fromkeys(("bleu-4", "rouge-1", "rouge-2", "rouge-l", "chrf"), 100.0)
    }
    for empty in ("", "  ", "\n"):
        assert set(score_answer(empty, "多喝温水").values()) == {0.0}
    assert score_answer("多喝温水", "")["rouge-l"] == 0.0


def test_the_numbers_are_those_of_the_libraries_as_llamafactory_calls_them():
    import jieba
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    from rouge_chinese import Rouge

    answer, reference = (
        "头痛时要多喝温水。早些休息，不见好转再去医院。",
        "头痛的时候多喝温水，早些休息，若不好转请看医生。",
    )
    rouge = Rouge().get_scores(" ".join(jieba.cut(answer)), " ".join(jieba.cut(reference)))[0]
    bleu = sentence_bleu([list(reference)], list(answer), smoothing_function=SmoothingFunction().method3)
    expected = {"bleu-4": round(bleu * 100, 4)} | {name: round(one["f"] * 100, 4) for name, one in rouge.items()}
    found = score_answer(answer, reference)
    assert {name: found[name] for name in expected} == expected
    assert 0 < found["rouge-2"] < found["rouge-1"] < 100


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    load = builtins.__import__

    def refuse(name, *rest):
        if name == "rouge_chinese":
            raise ModuleNotFoundError("No module named 'rouge_chinese'", name=name)
        return load(name, *rest)

    overlap.load_libraries.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CareError) as caught:
        score_answer("甲", "乙")
    assert str(caught.value).startswith("scores of texts need rouge_chinese, which is not installed. Install it: pip")
    monkeypatch.undo()
    overlap.load_libraries.cache_clear()
