"""What a run and an entry change of the defaults, and what they are told where they cannot."""

from dataclasses import replace

import pytest

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.stages.changes import Changes, cleaning_steps, filter_limits, parse_changes

ZH = ["markup", "mojibake", "unicode", "links", "boilerplate", "privacy"]
EN = ["markup", "mojibake", "unicode", "links", "privacy"]


def output(**fields):
    return replace(registry.load("demo_consult").outputs["sft"], **fields)


def test_changes_are_read():
    found = parse_changes(
        [
            "filters.sft.repetitive=0.5",
            "clean=+simplify",
            " clean.en = -links , +boilerplate",
            "filters.pt.toxic=false",
            "filters.sft.repetitive=0.6",
            "filters.sft.cut_at=256",
        ]
    )
    assert found == Changes(
        {"sft": {"repetitive": 0.6, "cut_at": 256}, "pt": {"toxic": False}},
        {"zh": ["+simplify"], "en": ["+simplify", "-links", "+boilerplate"]},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("filters.sft.repetitiv=1", "no filter is called 'repetitiv'. Rules of sft: blank_prompt, blank_answer, "),
        ("filters.dpo.toxic=true", "no filters for the format 'dpo'. Known formats: pt, sft, rw, eval."),
        ("filters.sft.repetitive=abc", "'abc' is no limit. Give a number, true or false."),
        ("filters.sft.repetitive=true", "repetitive = True is no limit. Give a number, or false to leave the"),
        ("filters.sft.toxic=3", "toxic has no limit, it is 3. Say true or false."),
        ("clean=simplify", "no cleaning step named 'simplify'. Write +STEP or -STEP. Steps are: prompt_template, "),
        ("clean=+scrub", "no cleaning step named 'scrub'. Write +STEP or -STEP. Steps are: prompt_template, "),
        ("clean.fr=+links", "no steps for the language 'fr'. Languages are: zh, en."),
        ("filters.sft=1", "no such setting. Write filters.FORMAT.RULE=LIMIT, or clean=+STEP,-STEP "),
        ("clean", "no such setting. Write filters.FORMAT.RULE=LIMIT, or clean=+STEP,-STEP "),
        ("", "no such setting. Write filters.FORMAT.RULE=LIMIT, or clean=+STEP,-STEP "),
    ],
)
def test_what_is_no_change(text, said):
    with pytest.raises(CareError) as caught:
        parse_changes([text])
    assert str(caught.value).startswith(f"--set {text}: {said}")
    assert caught.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("language", "changes", "steps"),
    [
        ("zh", [], ZH),
        ("en", [], EN),
        ("en", ["+boilerplate"], ZH),
        ("zh", ["-links", "-markup"], ["mojibake", "unicode", "boilerplate", "privacy"]),
        ("zh", ["-links", "+links"], ZH),
    ],
)
def test_steps_are_those_of_the_language_with_changes_in_the_cleaners_order(language, changes, steps):
    assert cleaning_steps(output(language=language, clean=changes)) == steps


def test_the_run_has_the_last_word_on_steps():
    asked = parse_changes(["clean=+simplify", "clean.zh=-boilerplate,-links"])
    steps = cleaning_steps(output(language="zh", clean=["+boilerplate"]), asked)
    assert steps == ["markup", "mojibake", "unicode", "simplify", "privacy"]


def test_an_unknown_step_is_an_error_that_lists_the_known():
    with pytest.raises(CareError, match=r"outputs\.sft\.clean: no cleaning step named 'scrub'\. .*are: .*markup, "):
        cleaning_steps(output(clean=["+scrub"]))


def test_limits_are_the_defaults_then_the_entrys_then_the_runs():
    own = output(filters={"repetitive": 0.7, "cut_at": 300, "advertising": False})
    limits = filter_limits(own, parse_changes(["filters.sft.repetitive=0.9", "filters.pt.too_short=1"]))
    defaults = registry.defaults()["filters"]["sft"]
    assert limits == {**defaults, "repetitive": 0.9, "cut_at": 300, "advertising": False}
    assert defaults["repetitive"] == 0.4


def test_an_entry_with_a_rule_there_is_not():
    with pytest.raises(CareError, match=r"^outputs\.sft\.filters: no filter is called 'to_short'"):
        filter_limits(output(filters={"to_short": 3}))
