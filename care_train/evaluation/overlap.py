"""How much of a reference a written answer has: BLEU-4, ROUGE, chrF, from 0 to 100.

BLEU and ROUGE are those that LLaMA-Factory's predict reports: nltk's sentence BLEU of characters with smoothing
method 3, rouge-chinese of jieba's words. chrF is sacrebleu's, of one sentence.
"""

import logging
from functools import lru_cache
from typing import Any

from care_train.errors import CareError

METRICS = ("bleu-4", "rouge-1", "rouge-2", "rouge-l", "chrf")


def score_answer(answer: str, reference: str) -> dict[str, float]:
    """Each of METRICS for one answer. An answer without a word has 0 in all."""
    libraries = load_libraries()
    words = [" ".join(libraries["cut"](text)) for text in (answer, reference)]
    if all(text.split() for text in words):
        rouge = libraries["rouge"].get_scores(*words)[0]
    else:
        rouge = {name: {"f": 0.0} for name in ("rouge-1", "rouge-2", "rouge-l")}
    bleu = libraries["bleu"]([list(reference)], list(answer), smoothing_function=libraries["smoothing"])
    chrf = libraries["chrf"].sentence_score(answer, [reference]).score
    shares = {"bleu-4": bleu * 100, **{name: value["f"] * 100 for name, value in rouge.items()}, "chrf": chrf}
    return {name: round(float(shares[name]), 4) for name in METRICS}  # four digits, as LLaMA-Factory rounds


def score_corpus(answers: list[str], references: list[str]) -> float:
    """sacrebleu's chrF of all answers as one, the number that papers print."""
    return float(load_libraries()["chrf"].corpus_score(answers, [references]).score)


@lru_cache(maxsize=1)
def load_libraries() -> dict[str, Any]:
    """What the extra `eval` installs."""
    try:
        import jieba
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
        from rouge_chinese import Rouge
        from sacrebleu.metrics import CHRF
    except ModuleNotFoundError as error:
        what = f"scores of texts need {error.name}, which is not installed"
        raise CareError(what, fix="Install it: pip install 'care-llm[eval]'.") from error
    jieba.setLogLevel(logging.WARNING)
    return {
        "cut": _make_cutter(jieba),
        "bleu": sentence_bleu,
        "smoothing": SmoothingFunction().method3,
        "rouge": Rouge(),
        "chrf": CHRF(),
    }


def _make_cutter(jieba: Any) -> Any:
    """jieba's word cutter. Its dictionary is read anew: it would else trust a file that anyone can put in /tmp."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        cutter = jieba.Tokenizer()
        cutter.tmp_dir = folder
        cutter.initialize()
    return cutter.lcut
