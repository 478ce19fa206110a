"""Chat templates: the exact texts, and what is a token of its own."""

import pytest

from care_train.errors import CareError
from care_train.templates import LLAMA2_SYSTEM, TEMPLATES, Piece, Special, find_template, write_answer, write_prompt

BOS, EOS = Special.BOS, Special.EOS


@pytest.mark.parametrize(
    ("name", "system", "first", "pieces"),
    [
        ("llama2", None, True, [BOS, "[INST] 问 [/INST]"]),
        ("llama2", None, False, [BOS, "[INST] 问 [/INST]"]),
        ("llama2", "你是医生。", True, [BOS, "[INST] <<SYS>>\n你是医生。\n<</SYS>>\n\n问 [/INST]"]),
        ("llama2", "你是医生。", False, [BOS, "[INST] 问 [/INST]"]),
        ("llama2_care", None, True, [BOS, f"[INST] <<SYS>>\n{LLAMA2_SYSTEM}\n<</SYS>>\n\n问 [/INST] "]),
        ("llama2_care", "", True, [BOS, "[INST] 问 [/INST] "]),
        ("llama2_care", None, False, [BOS, "[INST] 问 [/INST] "]),
        ("plain", "S", True, [BOS, "S\nQuestion: 问\nAnswer: "]),
        ("plain", "S", False, ["Question: 问\nAnswer: "]),
    ],
)
def test_prompts(name: str, system: str | None, first: bool, pieces: list[Piece]) -> None:
    assert write_prompt(TEMPLATES[name], "问", system, first=first) == pieces


def test_answers_end() -> None:
    assert write_answer(TEMPLATES["llama2"], "答") == ["答", EOS]
    assert write_answer(TEMPLATES["plain"], "答") == ["答", EOS, "\n"]


def test_marks_inside_a_text_stay_text() -> None:
    asked = "what is {bos} or {system} or {answer}?"
    assert write_prompt(TEMPLATES["llama2"], asked, "{question}", first=True) == [
        BOS,
        f"[INST] <<SYS>>\n{{question}}\n<</SYS>>\n\n{asked} [/INST]",
    ]


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(
        CareError, match=r"template lama2 is unknown. Did you mean llama2\? There are: llama2, llama2_care"
    ):
        find_template("lama2")


def test_table_is_keyed_by_name_and_says_what_it_was_checked_against() -> None:
    for name, template in TEMPLATES.items():
        assert (template.name, bool(template.origin)) == (name, True)
        assert "{question}" in template.user
        assert template.assistant.startswith("{answer}{eos}")
