"""Which records go: one function per rule, true where a record must go; the function's name is the reason.

A rule takes the format of the records ("pt", "sft", "rw", "eval") and, where it has one, its limit, and reads cleaned
text. No rule for answers asks how long they are: 是, 阴性 and 氧 are right answers.
"""

from collections.abc import Callable, Mapping

import polars as pl

from care_data.characters import DIGIT, HAN, LETTER, LINK, MARK, SIGN, TAGS
from care_data.errors import CareError, Exit

Limits = Mapping[str, int | float | bool]

PROMPTS = {"sft": ("instruction", "input"), "rw": ("instruction", "input"), "eval": ("question",)}
ANSWERS = {"sft": ("output",), "rw": ("chosen", "rejected"), "eval": ("answer",)}
BEST = {"sft": "output", "rw": "chosen"}
"""The answer that has to be good; a rejected one may be junk, which is why it was rejected."""

URL_TAG = TAGS["url"].replace("[", r"\[").replace("]", r"\]")


def blank(column: str) -> pl.Expr:
    """True where the column holds no text."""
    return pl.col(column).fill_null("").str.strip_chars() == ""


def bare(text: pl.Expr) -> pl.Expr:
    """The text without spaces, case and sentence marks, to tell whether two texts say the same; null becomes ""."""
    return text.fill_null("").str.to_lowercase().str.replace_all(rf"[\s{MARK}]+", "").str.strip_chars(".:")


def blank_text(_format: str) -> pl.Expr:
    """The passage is empty."""
    return blank("text")


def too_short(_format: str, min_chars: float) -> pl.Expr:
    """The passage has fewer than `min_chars` characters."""
    return pl.col("text").fill_null("").str.len_chars() < min_chars


def blank_prompt(format: str) -> pl.Expr:
    """Instruction and input are both empty."""
    return pl.all_horizontal(blank(column) for column in PROMPTS[format])


def blank_answer(format: str) -> pl.Expr:
    """An answer is empty; of a preference pair, either."""
    return pl.any_horizontal(blank(column) for column in ANSWERS[format])


def answer_equals_question(format: str) -> pl.Expr:
    """The answer repeats the instruction, the input or both, but for spaces, case and punctuation."""
    first, second = (pl.col(column).fill_null("") for column in PROMPTS[format])
    answer = bare(pl.col(BEST[format]))
    return (answer != "") & ((answer == bare(first)) | (answer == bare(second)) | (answer == bare(first + second)))


def no_words(format: str) -> pl.Expr:
    """The answer has no letter, no Han character, no digit and no sign that can be a result ("。", "……", "😊")."""
    return ~pl.col(BEST[format]).fill_null("").str.contains(f"[{HAN}{LETTER}{DIGIT}{SIGN}]")


def url_only(format: str) -> pl.Expr:
    """The answer is links and nothing else, masked or not."""
    return pl.col(BEST[format]).fill_null("").str.contains(rf"^\s*(?:(?:{LINK}|{URL_TAG})[\s\p{{P}}]*)+$")


def equal_answers(_format: str) -> pl.Expr:
    """Chosen and rejected are the same text, but for spaces."""
    chosen, rejected = (pl.col(column).fill_null("").str.replace_all(r"\s+", "") for column in ANSWERS["rw"])
    return chosen == rejected


def reason(format: str, limits: Limits) -> pl.Expr:
    """Why each record goes, as a column "reason": the name of the first rule it breaks, null where it stays.

    limits: rule -> its limit, or false to leave the rule out (`[filters.<format>]` of registry/_defaults.toml). A rule
    that needs a limit and gets none is left out. Raises CareError for a rule the format does not have.
    """
    if format not in RULES:
        fix = f"Known formats: {', '.join(RULES)}."
        raise CareError(f"no filters for the format {format!r}", fix=fix, code=Exit.USAGE)
    rules = {rule.__name__: rule for rule in RULES[format]}
    if unknown := [name for name in limits if name not in rules]:
        fix = f"Rules of {format}: {', '.join(rules)}."
        raise CareError(f"no filter is called {unknown[0]!r}", where=f"filters.{format}", fix=fix, code=Exit.USAGE)
    broken = []
    for name, rule in rules.items():
        limit = limits.get(name, name not in LIMITED)
        if limit is not False:
            test = rule(format, limit) if name in LIMITED else rule(format)
            broken.append(pl.when(test).then(pl.lit(name)))
    return (pl.coalesce(broken) if broken else pl.repeat(None, pl.len(), dtype=pl.String)).alias("reason")


RULES: dict[str, tuple[Callable[..., pl.Expr], ...]] = {
    "pt": (blank_text, too_short),
    "sft": (blank_prompt, blank_answer, answer_equals_question, no_words, url_only),
    "rw": (blank_prompt, blank_answer, equal_answers, answer_equals_question, no_words, url_only),
    "eval": (blank_prompt, blank_answer),
}
"""Format -> its rules, the one that names the plainest fault first."""

LIMITED = frozenset({"too_short"})
"""The rules that need a limit."""
