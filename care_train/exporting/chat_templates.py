"""Our templates as Jinja, for transformers, vLLM and llama.cpp; proven by equal ids before they are given away.

Jinja writes one text, which a tokenizer then cuts as it likes, while training encodes what lies between two tokens
in pieces. SentencePiece puts a space before a piece, so that a space between two pieces in the text gives the same ids;
where neither a space nor nothing does, there is no equal Jinja and none is written.
"""

import json
import re
from itertools import product
from typing import Any, NamedTuple

from care_train.generation.prompts import Message, Talk
from care_train.templates import TEMPLATES, Template
from care_train.tokens import encode_prompt

MARKS = re.compile(r"(\{(?:bos|eos|cut|system|question|answer|round)\})")
REFUSAL = "roles must be: at most one system message first, then user and assistant in turn"


class Joints(NamedTuple):
    """What stands between two pieces: at a {cut}, before an answer, before a later question, after {bos} and {eos}."""

    cut: str = ""
    answer: str = ""
    turn: str = ""
    mark: str = ""


ANSWERS = (
    "多喝水，早点睡。",
    "Rest, and drink water.",
    "1. 休息\n2. 喝水",
    "“可以。”先观察。",
    "**Rest** first.",
    "🙂 好的",
    "（一）别急",
    "您好！",
    "Yes, you can.",
    "The cause is unclear.",
    "- water",
)
TALKS = [
    *(
        Talk(system, [], question)
        for system in (None, "Answer briefly.\nNo more.", "")
        for question in ("头痛？", "Ill")
    ),
    *(Talk(None, [("咳嗽怎么办？", answer)], "Why?") for answer in ANSWERS),
    Talk("请简短回答。", list(zip(["一天了。", "Since today.", "还有呢？"], ANSWERS, strict=False)), "（急）怎么办"),
    Talk("", list(zip(["1", "**How**?", "“好”吗？", "?"], ANSWERS[3:], strict=False)), "谢谢🙂"),
]
"""Invented talks: a system prompt of their own, the default one, none; questions and answers of many beginnings."""


def find_jinja(tokenizer: Any, template: Template, system: str | None) -> tuple[str, Joints] | None:
    """A Jinja chat template that gives the ids the model was trained on, and its joints; None where there is none.

    system: the system prompt of conversations without their own; None takes the template's.
    """
    if template.own:
        jinja = tokenizer.get_chat_template()
        return None if find_difference(tokenizer, template, jinja, system) else (jinja, Joints())
    default = template.default_system if system is None else system
    for joints in map(Joints._make, product(("", " "), repeat=4)):
        jinja = write_jinja(template, default, joints, bos=writes_bos(tokenizer, template))
        if not find_difference(tokenizer, template, jinja, system):
            return jinja, joints
    return None


def find_difference(tokenizer: Any, template: Template, jinja: str, system: str | None) -> Talk | None:
    """The first talk to which the Jinja gives other ids than training; None where all are equal.

    The tokenizer's own template knows no default but its own: there a system prompt trained with is said as a message.
    """
    for talk in TALKS:
        if template.own:
            talk = talk._replace(system=(talk.system or None) if system is None else talk.system or system)
        told = system if talk.system is None else talk.system
        ours = encode_prompt(tokenizer, template, talk.question, talk.history, told)
        theirs = tokenizer.apply_chat_template(list_messages(talk), chat_template=jinja, add_generation_prompt=True)
        if list(theirs["input_ids"]) != ours:
            return talk
    return None


def list_messages(talk: Talk) -> list[Message]:
    """A conversation as other tools take it."""
    first = [] if talk.system is None else [("system", talk.system)]
    turns = [(role, text) for pair in talk.history for role, text in zip(("user", "assistant"), pair, strict=True)]
    return [{"role": role, "content": text} for role, text in [*first, *turns, ("user", talk.question)]]


def write_jinja(template: Template, default: str, joints: Joints, *, bos: bool) -> str:
    """The template as Jinja. default: the system prompt of conversations without one; bos: whether {bos} is written."""
    content = "message['content']"
    mark = f" + {_quote(joints.mark)}" if joints.mark else ""

    def express(layout: str, number: str = "", text: str = content) -> str:
        known = {
            "{bos}": f"bos_token{mark}" if bos else "",
            "{eos}": f"eos_token{mark}",
            "{cut}": _quote(joints.cut),
            "{question}": content,
            "{answer}": content,
            "{round}": number,
            "{system}": text,
        }
        parts = [known[part] if MARKS.fullmatch(part) else _quote(part) for part in MARKS.split(layout)]
        return " + ".join(filter(None, parts)).removesuffix(mark or "\n") or _EMPTY

    shown = f'({express(template.system, text="ns.system")} if ns.system else "")'
    lines = [
        f"{{%- set ns = namespace(system={_quote(default) or _EMPTY}, turn=0, last='') -%}}",
        "{%- for message in messages -%}",
        "{%- if message['role'] == 'system' and loop.first -%}{%- set ns.system = message['content'] -%}",
    ]
    for roles, user in (("['user']", template.user), ("['tool', 'observation']", template.observation)):
        if user:
            first = express(template.prefix + user, '"1"', shown)
            later = express(template.between + user.replace("{system}", ""), "(ns.turn + 1) | string")
            later = " + ".join(filter(None, [_quote(joints.turn), later]))
            lines += [
                f"{{%- elif message['role'] in {roles} and ns.last != 'asked' -%}}",
                f"{{%- if ns.turn == 0 -%}}{{{{- {first} -}}}}{{%- else -%}}{{{{- {later} -}}}}{{%- endif -%}}",
                "{%- set ns.turn = ns.turn + 1 -%}{%- set ns.last = 'asked' -%}",
            ]
    answer = " + ".join(filter(None, [_quote(joints.answer), express(template.assistant)]))
    lines += [
        "{%- elif message['role'] == 'assistant' and ns.last == 'asked' -%}",
        f"{{{{- {answer} -}}}}{{%- set ns.last = 'answered' -%}}",
        f"{{%- else -%}}{{{{- raise_exception({_quote(REFUSAL)}) -}}}}{{%- endif -%}}",
        "{%- endfor -%}",
    ]
    return "\n".join(lines) + "\n"


def writes_bos(tokenizer: Any, template: Template) -> bool:
    """Whether {bos} stands for a token here."""
    added = template.bos == "present" or getattr(tokenizer, "add_bos_token", True)
    return bool(added and tokenizer.bos_token_id is not None)


def find_named(tokenizer: Any) -> tuple[Template, str] | None:
    """The template of ours that writes the same text as the tokenizer's own, with the system prompt it begins with."""
    for template in TEMPLATES.values():
        if template.own:
            continue
        jinja = write_jinja(template, "", Joints(), bos=writes_bos(tokenizer, template))

        def write(talk: Talk, chat_template: str | None = None) -> str:
            told = {"chat_template": chat_template} if chat_template else {}
            return str(
                tokenizer.apply_chat_template(list_messages(talk), tokenize=False, add_generation_prompt=True, **told)
            )

        try:
            if any(write(talk) != write(talk, jinja) for talk in TALKS if talk.system):
                continue
            plain = write(Talk(None, [], "?"))
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "jinja2":  # it refuses a talk that ours takes
                raise
            continue
        before, _, after = write(Talk("\ufdd0", [], "?"), jinja).partition("\ufdd0")
        found = plain[len(before) : len(plain) - len(after)]
        for system in (found, ""):
            if write(Talk(system, [], "?"), jinja) == plain:
                return template, system
    return None


def _quote(text: str) -> str:
    """Text as Jinja writes it; nothing for none."""
    return json.dumps(text, ensure_ascii=False) if text else ""


_EMPTY = '""'
