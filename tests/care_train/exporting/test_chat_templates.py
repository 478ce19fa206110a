"""Our templates as Jinja: equal ids or none."""

import importlib.util
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from care_train.exporting.chat_templates import (
    TALKS,
    Joints,
    find_difference,
    find_jinja,
    find_named,
    list_messages,
    write_jinja,
)
from care_train.generation.prompts import Talk
from care_train.templates import TEMPLATES
from care_train.tokens import encode_prompt

# Where an answer's first token depends on what stands before it, no text can be equal: a space at the end of a prompt
# (plain, llama2_care), a piece that joins the next.
UNEQUAL = {
    "sentencepiece": {"llama2_care", "alpaca", "deepseek", "deepseek3", "plain"},
    "qwen": {"llama2", "llama2_care", "vicuna", "ziya", "internlm", "chatglm2", "vanilla", "plain"},
}


def load(kind: str, tokens: tuple[str, ...]) -> Any:
    path = Path(__file__).parents[1] / "goldens" / "vocabularies.py"
    spec = importlib.util.spec_from_file_location("vocabularies", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LOADERS[kind](list(tokens))


@pytest.mark.parametrize("kind", ["sentencepiece", "qwen"])
def test_every_template_is_equal_on_real_vocabularies_or_refused(kind: str) -> None:
    tokens = tuple(dict.fromkeys(token for template in TEMPLATES.values() for token in template.tokens))
    tokenizer, refused = load(kind, tokens), set[str]()
    for name, template in TEMPLATES.items():
        if template.own:
            continue
        found = find_jinja(tokenizer, template, None)
        if found is None:
            refused.add(name)
            continue
        for talk in (*TALKS, Talk("新的规则", [("甲？", "乙。")], "丙？")):
            theirs = tokenizer.apply_chat_template(
                list_messages(talk), chat_template=found[0], add_generation_prompt=True
            )
            assert theirs["input_ids"] == encode_prompt(tokenizer, template, talk.question, talk.history, talk.system)
    assert refused == UNEQUAL[kind]


def test_the_talks_cover_systems_turns_and_beginnings() -> None:
    assert {talk.system is None for talk in TALKS} == {True, False}
    assert {len(talk.history) for talk in TALKS} >= {0, 1, 3}
    assert len({answer[0] for talk in TALKS for _, answer in talk.history}) >= 7


def test_a_wrong_space_is_found(tokenizer: Any) -> None:
    template = TEMPLATES["llama2"]
    found = find_jinja(tokenizer, template, None)
    assert found
    assert found[1] == Joints()
    assert find_difference(tokenizer, template, found[0], None) is None
    wrong = write_jinja(template, "", Joints(answer=" "), bos=True)
    difference = find_difference(tokenizer, template, wrong, None)
    assert difference
    assert len(difference.history) == 1


def test_the_system_prompt_trained_with_is_the_default(tokenizer: Any) -> None:
    found = find_jinja(tokenizer, TEMPLATES["llama2"], "Answer as a nurse.")
    assert found

    def render(*messages: tuple[str, str]) -> str:
        told = [{"role": role, "content": text} for role, text in messages]
        return str(tokenizer.apply_chat_template(told, chat_template=found[0], tokenize=False))

    assert render(("user", "Why?")) == "<s>[INST] <<SYS>>\nAnswer as a nurse.\n<</SYS>>\n\nWhy? [/INST]"
    assert render(("system", "Short."), ("user", "Why?")) == "<s>[INST] <<SYS>>\nShort.\n<</SYS>>\n\nWhy? [/INST]"
    assert render(("system", ""), ("user", "Why?")) == "<s>[INST] Why? [/INST]"
    assert render(("user", "A"), ("assistant", "B"), ("user", "C")).endswith("A [/INST]B</s><s>[INST] C [/INST]")


@pytest.mark.parametrize("roles", ["user user", "assistant", "user system user", "system system user", "user tool"])
def test_what_was_never_trained_is_refused(roles: str, tokenizer: Any) -> None:
    from jinja2.exceptions import TemplateError

    found = find_jinja(tokenizer, TEMPLATES["llama2"], None)
    assert found
    messages = [{"role": role, "content": "x"} for role in roles.split()]
    with pytest.raises(TemplateError, match="roles must be"):
        tokenizer.apply_chat_template(messages, chat_template=found[0])


def test_a_models_own_template_is_known_again(tokenizer: Any) -> None:
    tokenizer = deepcopy(tokenizer)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n"
        "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    found = find_named(tokenizer)
    assert found
    assert (found[0].name, found[1]) == ("chatml", "Be kind.")
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert find_named(tokenizer) is None
