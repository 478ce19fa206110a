"""Chat templates as data: how a question becomes a prompt, and where an answer ends.

A template is text with marks: {system}, {question}, {answer} are filled in; {bos} and {eos} stand for the tokenizer's
own tokens. What lies between two such tokens is encoded as one piece, question and answer apart.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from care_train.errors import CareError, Exit


class Special(Enum):
    """A token of the tokenizer's own."""

    BOS = "{bos}"
    EOS = "{eos}"


Piece = str | Special
MARKS = re.compile(r"(\{bos\}|\{eos\}|\{system\}|\{question\}|\{answer\})")


@dataclass(frozen=True)
class Template:
    """One chat format.

    user: a question, in every turn. assistant: an answer, all of it learned. system: how a system prompt is written;
    it fills {system} in the first turn and nothing in later ones. prefix: once, before the first turn.
    bos: "present" writes {bos} where the tokenizer has one, "added" only where it adds one by itself.
    stop_words: texts that end an answer besides the end-of-text token. origin: what the ids were checked against.
    """

    name: str
    user: str
    assistant: str = "{answer}{eos}"
    system: str = "{system}"
    prefix: str = ""
    default_system: str = ""
    bos: str = "present"
    stop_words: tuple[str, ...] = ()
    origin: str = ""


def find_template(name: str) -> Template:
    """The template of this name; an unknown one raises with the nearest name and all names."""
    if name in TEMPLATES:
        return TEMPLATES[name]
    near = get_close_matches(name, TEMPLATES, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    fix = f"{hint}There are: {', '.join(TEMPLATES)}."
    raise CareError(f"template {name} is unknown", fix=fix, code=Exit.USAGE)


def write_prompt(template: Template, question: str, system: str | None, *, first: bool) -> list[Piece]:
    """Pieces of one question. system: None takes the template's own, "" none; only the first turn shows it."""
    words = template.default_system if system is None else system
    header = template.system.replace("{system}", words) if words and first else ""
    layout = (template.prefix if first else "") + template.user
    return _fill(layout, {"{system}": header, "{question}": question})


def write_answer(template: Template, answer: str) -> list[Piece]:
    """Pieces of one answer, end-of-text included."""
    return _fill(template.assistant, {"{answer}": answer})


def _fill(layout: str, texts: dict[str, str]) -> list[Piece]:
    """Layout cut at its special tokens, marks replaced in one pass, so that no text is taken for a mark."""
    pieces: list[Piece] = []
    for part in MARKS.split(layout):
        if part in (Special.BOS.value, Special.EOS.value):
            pieces.append(Special(part))
            continue
        text = texts.get(part, part)
        if text and pieces and isinstance(pieces[-1], str):
            pieces[-1] += text
        elif text:
            pieces.append(text)
    return pieces


# The system prompt Meta published with Llama 2; the 2023 adapters were trained with it.
LLAMA2_SYSTEM = (
    "You are a helpful, respectful and honest assistant. "
    "Always answer as helpfully as possible, while being safe.  "
    "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. "
    "Please ensure that your responses are socially unbiased and positive in nature.\n"
    "If a question does not make any sense, or is not factually coherent, "
    "explain why instead of answering something not correct. "
    "If you don't know the answer to a question, please don't share false information."
)

TEMPLATES = {
    template.name: template
    for template in (
        Template(
            name="llama2",
            user="{bos}[INST] {system}{question} [/INST]",
            system="<<SYS>>\n{system}\n<</SYS>>\n\n",
            origin="LLaMA-Factory 0.9.5, template llama2",
        ),
        Template(
            name="llama2_care",
            user="{bos}[INST] {system}{question} [/INST] ",
            system="<<SYS>>\n{system}\n<</SYS>>\n\n",
            default_system=LLAMA2_SYSTEM,
            bos="added",
            origin="CareLlama 2023, template llama2",
        ),
        Template(
            name="plain",
            prefix="{bos}",
            user="{system}Question: {question}\nAnswer: ",
            assistant="{answer}{eos}\n",
            system="{system}\n",
            stop_words=("\nQuestion:",),
            origin="our own, for models without a chat format",
        ),
    )
}
