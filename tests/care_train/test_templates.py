"""Chat templates: the exact texts, and what is a token of its own."""

import pytest

from care_train.errors import CareError
from care_train.templates import (
    LLAMA2_SYSTEM,
    TEMPLATES,
    Piece,
    Special,
    Token,
    describe,
    find_template,
    write_answer,
    write_ending,
    write_prompt,
)

BOS, EOS = Special.BOS, Special.EOS
START, END = "«<|im_start|>»", "«<|im_end|>»"
SHOWN = {Special.BOS: "<s>", Special.EOS: "</s>", Special.CUT: "¦"}
CHATML = [
    f"{START}system\nS{END}\n{START}user\n问{END}\n{START}assistant\n",
    f"答{END}\n",
    f"{START}user\n再问{END}\n{START}assistant\n",
]
HEAD, HEADED, EOT = "«<|start_header_id|>»", "«<|end_header_id|>»\n\n", "«<|eot_id|>»"
# The first question under the system prompt S, its answer, and the second question; tokens are in «».
WRITTEN = {
    "llama2": ["<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n问 [/INST]", "答</s>", "<s>[INST] 再问 [/INST]"],
    "llama2_care": ["<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n问 [/INST] ", "答</s>", "<s>[INST] 再问 [/INST] "],
    "llama3": [
        f"<s>{HEAD}system{HEADED}S{EOT}{HEAD}user{HEADED}问{EOT}{HEAD}assistant{HEADED}",
        f"答{EOT}",
        f"{HEAD}user{HEADED}再问{EOT}{HEAD}assistant{HEADED}",
    ],
    "alpaca": [
        "S¦### Instruction:\n问\n\n### Response:\n",
        "答</s>\n\n",
        "### Instruction:\n再问\n\n### Response:\n",
    ],
    "vicuna": ["S¦USER: 问 ASSISTANT:", "答</s>", "USER: 再问 ASSISTANT:"],
    "ziya": ["<s>S¦«<human>»:问\n«<bot>»:", "答</s>", "\n¦«<human>»:再问\n«<bot>»:"],
    "chatml": CHATML,
    "qwen": CHATML,
    "internlm2": ["<s>" + CHATML[0], *CHATML[1:]],
    "baichuan": ["S«<reserved_102>»¦问«<reserved_103>»", "答</s>", "«<reserved_102>»¦再问«<reserved_103>»"],
    "baichuan2": ["S«<reserved_106>»问«<reserved_107>»", "答</s>", "«<reserved_106>»再问«<reserved_107>»"],
    "chatglm2": [
        "«[gMASK]»«sop»¦S¦[Round 1]\n\n问：问\n\n答：",
        "答</s>",
        "\n\n¦[Round 2]\n\n问：再问\n\n答：",
    ],
    "chatglm3": [
        "«[gMASK]»«sop»«<|system|>»¦\n¦S«<|user|>»¦\n¦问«<|assistant|>»",
        "\n¦答«<|user|>»",
        "¦\n¦再问«<|assistant|>»",
    ],
    "glm4": [
        "«[gMASK]»«<sop>»«<|system|>»\nS«<|user|>»\n问«<|assistant|>»",
        "\n答«<|user|>»",
        "\n再问«<|assistant|>»",
    ],
    "internlm": [
        "<s><|System|>:S\n<|User|>:问«<eoh>»¦\n<|Bot|>:",
        "答«<eoa>»",
        "\n¦<|User|>:再问«<eoh>»¦\n<|Bot|>:",
    ],
    "deepseek": ["<s>S\n\n¦User: 问\n\nAssistant:", " 答</s>", "User: 再问\n\nAssistant:"],
    "deepseek3": ["<s>S«<｜User｜>»问«<｜Assistant｜>»", "答</s>", "«<｜User｜>»再问«<｜Assistant｜>»"],
    "vanilla": ["<s>S¦问", "答</s>", "再问"],
    "plain": ["<s>S\nQuestion: 问\nAnswer: ", "答</s>\n", "Question: 再问\nAnswer: "],
}


def show(pieces: list[Piece]) -> str:
    shown = []
    for piece in pieces:
        shown.append(
            SHOWN[piece]
            if isinstance(piece, Special)
            else f"«{piece.text}»"
            if isinstance(piece, Token)
            else str(piece)
        )
    return "".join(shown)


def test_every_template_is_written_here() -> None:
    assert set(WRITTEN) | {"auto"} == set(TEMPLATES)


@pytest.mark.parametrize("name", WRITTEN)
def test_two_questions_and_an_answer(name: str) -> None:
    template = TEMPLATES[name]
    written = [
        write_prompt(template, "问", "S", turn=0),
        write_answer(template, "答"),
        write_prompt(template, "再问", "S", turn=1),
    ]
    assert [show(pieces) for pieces in written] == WRITTEN[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_without_a_system_prompt_nothing_is_left_of_it(name: str) -> None:
    bare = show(write_prompt(TEMPLATES[name], "问", "", turn=0))
    assert [mark for mark in ("ystem", "SYS", "S¦", "S\n", "¦S") if mark in bare] == []
    question = WRITTEN[name][2].replace("再问", "问").removeprefix("\n").lstrip("\n").removeprefix("¦")
    assert bare.replace("Round 1", "Round 2").endswith(question)


@pytest.mark.parametrize(
    ("name", "opening"),
    [
        ("llama2", "<s>[INST] 问 [/INST]"),
        ("llama2_care", f"<s>[INST] <<SYS>>\n{LLAMA2_SYSTEM}\n<</SYS>>\n\n问 [/INST] "),
        ("alpaca", "Below is an instruction that describes a task. Write a response that appropriately completes"),
        ("vicuna", "A chat between a curious user and an artificial intelligence assistant. The assistant gives"),
        ("qwen", f"{START}system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.{END}\n"),
        ("chatml", f"{START}user\n问"),
        ("internlm2", f"<s>{START}system\nYou are an AI assistant whose name is InternLM (书生·浦语).\n- "),
    ],
)
def test_default_system_prompts(name: str, opening: str) -> None:
    assert show(write_prompt(TEMPLATES[name], "问", None, turn=0)).startswith(opening)
    assert "问" in show(write_prompt(TEMPLATES[name], "问", None, turn=1))[:45]


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("llama2", [EOS]),
        ("chatml", [Token("<|im_end|>"), "\n"]),
        ("glm4", [Token("<|user|>")]),
        ("plain", [EOS, "\n"]),
        ("deepseek", [EOS]),
    ],
)
def test_endings(name: str, pieces: list[Piece]) -> None:
    assert write_ending(TEMPLATES[name]) == pieces


def test_marks_and_tokens_inside_a_text_stay_text() -> None:
    asked = "what is {bos}, {system}, {answer}, {cut} or <|im_end|>?"
    assert write_prompt(TEMPLATES["llama2"], asked, "{question}", turn=0) == [
        BOS,
        f"[INST] <<SYS>>\n{{question}}\n<</SYS>>\n\n{asked} [/INST]",
    ]
    assert write_answer(TEMPLATES["chatml"], asked) == [asked, Token("<|im_end|>"), "\n"]


def test_what_a_tool_says() -> None:
    said = {name: show(write_prompt(TEMPLATES[name], "乙", None, turn=1, role="tool")) for name in ("qwen", "llama3")}
    assert said == {
        "qwen": f"{START}user\n<tool_response>\n乙\n</tool_response>{END}\n{START}assistant\n",
        "llama3": f"{HEAD}ipython{HEADED}乙{EOT}{HEAD}assistant{HEADED}",
    }
    assert show(write_prompt(TEMPLATES["chatml"], "乙", None, turn=1, role="observation")).startswith(
        f"{START}tool\n乙"
    )


def test_roles_without_a_place_are_refused_by_name() -> None:
    with pytest.raises(CareError, match=r"^template llama2 has no place for the role tool. It knows user, answers"):
        write_prompt(TEMPLATES["llama2"], "乙", None, turn=1, role="tool")
    with pytest.raises(CareError, match=r"template qwen has no place for the role system. It knows user, tool, "):
        write_prompt(TEMPLATES["qwen"], "乙", None, turn=1, role="system")


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(
        CareError, match=r"template lama2 is unknown. Did you mean llama2\? There are: llama2, llama2_care"
    ):
        find_template("lama2")
    assert find_template("intern").name == "internlm"


def test_table_is_keyed_by_name_and_says_what_it_was_checked_against() -> None:
    for name, template in TEMPLATES.items():
        assert (template.name, bool(template.origin)) == (name, True)
        assert "{question}" in template.user
        assert template.own or "{system}" in template.prefix + template.user
        written = template.prefix + template.user + template.assistant + template.system + template.observation
        assert [token for token in template.tokens if token not in written] == []
    assert describe(TEMPLATES["qwen"]) == "template qwen: ids as in LLaMA-Factory 0.9.5"
    assert describe(TEMPLATES["llama2"]) == (
        "template llama2: ids as in LLaMA-Factory 0.9.5; not checked with the tokenizer of Llama 2 itself"
    )
