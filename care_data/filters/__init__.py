"""Which records go: one function per rule, true where a record must go; the function's name is the reason.

A rule takes the format of the records ("pt", "sft", "rw", "eval") and, where it has one, its limit, and reads cleaned
text. All rules fold into one column, so that one pass over the records yields those that stay and why the others go.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from care_data.errors import CareError, Exit
from care_data.filters.answers import (
    advertising,
    answer_equals_question,
    blank_answer,
    blank_prompt,
    cut_at,
    equal_answers,
    no_words,
    refusal,
    says_nothing,
    see_a_doctor_only,
    template_leakage,
    too_short_to_explain,
    unfinished,
    url_only,
)
from care_data.filters.passages import (
    blank_text,
    few_letters,
    few_stop_words,
    repeated_line_chars,
    repeated_lines,
    short_lines,
    too_short,
    unended_lines,
)
from care_data.filters.wording import foreign_script, mojibake, repetitive, toxic

Limits = Mapping[str, int | float | bool]


def reason(format: str, limits: Limits, language: str = "zh") -> pl.Expr:
    """Why each record goes, as a column "reason": the name of the first rule it breaks, null where it stays.

    limits: rule -> its limit, or false to leave the rule out (`[filters.<format>]` of registry/_defaults.toml). A rule
    that needs a limit and gets none is left out. Raises CareError for a rule the format does not have, and for a limit
    that is none.
    """
    check_limits(format, limits)
    broken = []
    for rule in RULES[format]:
        name = rule.__name__
        limit = limits.get(name, name not in LIMITED)
        if limit is not False:
            told = (limit, language) if name in SPOKEN else (limit,) if name in LIMITED else ()
            broken.append(pl.when(rule(format, *told)).then(pl.lit(name)))
    return (pl.coalesce(broken) if broken else pl.repeat(None, pl.len(), dtype=pl.String)).alias("reason")


def check_limits(format: str, limits: Mapping[str, Any], where: str = "") -> None:
    """Raise CareError for a format or rule there is not, a limit that is none, a limit for a rule that has none."""
    if format not in RULES:
        fix = f"Known formats: {', '.join(RULES)}."
        raise CareError(f"no filters for the format {format!r}", where=where, fix=fix, code=Exit.USAGE)
    where = where or f"filters.{format}"
    rules = [rule.__name__ for rule in RULES[format]]
    for name, limit in limits.items():
        if name not in rules:
            fix = f"Rules of {format}: {', '.join(rules)}."
            raise CareError(f"no filter is called {name!r}", where=where, fix=fix, code=Exit.USAGE)
        if name in LIMITED and (limit is True or not isinstance(limit, int | float)):
            fix = "Give a number, or false to leave the rule out."
            raise CareError(f"{name} = {limit!r} is no limit", where=where, fix=fix, code=Exit.USAGE)
        if name not in LIMITED and not isinstance(limit, bool):
            fix = "Say true or false."
            raise CareError(f"{name} has no limit, it is {limit!r}", where=where, fix=fix, code=Exit.USAGE)


RULES: dict[str, tuple[Callable[..., pl.Expr], ...]] = {
    "pt": (
        blank_text,
        too_short,
        mojibake,
        foreign_script,
        few_letters,
        few_stop_words,
        repeated_lines,
        repeated_line_chars,
        unended_lines,
        short_lines,
        repetitive,
        toxic,
    ),
    "sft": (
        blank_prompt,
        blank_answer,
        answer_equals_question,
        no_words,
        url_only,
        mojibake,
        foreign_script,
        template_leakage,
        refusal,
        says_nothing,
        see_a_doctor_only,
        too_short_to_explain,
        unfinished,
        cut_at,
        repetitive,
        advertising,
        toxic,
    ),
    "rw": (
        blank_prompt,
        blank_answer,
        equal_answers,
        answer_equals_question,
        no_words,
        url_only,
        mojibake,
        foreign_script,
        template_leakage,
        refusal,
        unfinished,
        repetitive,
        advertising,
        toxic,
    ),
    "eval": (blank_prompt, blank_answer),
}
"""Format -> its rules, the one that names the plainest fault first."""

LIMITED = frozenset(
    {
        "too_short",
        "foreign_script",
        "few_letters",
        "few_stop_words",
        "repeated_lines",
        "repeated_line_chars",
        "unended_lines",
        "short_lines",
        "repetitive",
        "cut_at",
    }
)
"""The rules that need a limit."""

SPOKEN = frozenset({"foreign_script", "few_stop_words", "repetitive"})
"""The rules that go by the language of the output, beside their limit."""
