"""Chat templates as data: how a question becomes a prompt, and where an answer ends.

A template is text with marks: {system}, {question}, {answer} and {round} (1 for the first question) are filled in;
{bos} and {eos} stand for the tokenizer's own tokens, `tokens` for further ones. What lies between two tokens is
encoded as one piece, question and answer apart; {cut} ends a piece where no token does.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from care_train.errors import CareError, Exit


class Special(Enum):
    """A token that each tokenizer names itself; CUT is none, but ends a piece of text."""

    BOS = "{bos}"
    EOS = "{eos}"
    CUT = "{cut}"


class Token(NamedTuple):
    """A token by its text, such as <|im_end|>."""

    text: str


Piece = str | Special | Token
SPECIALS = {special.value for special in Special}
MARKS = (*SPECIALS, "{system}", "{question}", "{answer}", "{round}")


@dataclass(frozen=True)
class Template:
    """One chat format.

    user: a question, in every turn. observation: what a tool said, where the model knows of tools. assistant: an
    answer, all of it learned. system: how a system prompt is written; it fills {system} of the first turn and nothing
    in later ones. prefix: once, before the first turn. between: before every later one.
    bos: "present" writes {bos} where the tokenizer has one, "added" only where it adds one by itself.
    tokens: texts of the layouts that are one token each; a tokenizer without one of them is refused.
    stop_words: texts that end an answer besides its own end and the end-of-text token.
    own: the tokenizer's chat template is asked instead of these layouts.
    origin: what the ids are equal to. unchecked: the models whose own tokenizer was not at hand for a check.
    """

    name: str
    user: str
    assistant: str = "{answer}{eos}"
    system: str = "{system}"
    prefix: str = ""
    between: str = ""
    observation: str = ""
    default_system: str = ""
    bos: str = "present"
    tokens: tuple[str, ...] = ()
    stop_words: tuple[str, ...] = ()
    own: bool = False
    origin: str = ""
    unchecked: str = ""


def write_prompt(
    template: Template, question: str, system: str | None, *, turn: int, role: str = "user"
) -> list[Piece]:
    """Pieces of one question. system: None takes the template's own, "" none; only turn 0 shows it.

    role: user, or tool (also called observation); another, or one the template has no place for, raises.
    """
    words = (template.default_system if system is None else system) if turn == 0 else ""
    layout = (template.between if turn else template.prefix) + _find_layout(template, role)
    layout = layout.replace("{system}", template.system if words else "")
    return _fill(template, layout, {"{system}": words, "{question}": question, "{round}": str(turn + 1)})


def write_answer(template: Template, answer: str) -> list[Piece]:
    """Pieces of one answer, its end included."""
    return _fill(template, template.assistant, {"{answer}": answer})


def write_ending(template: Template) -> list[Piece]:
    """Pieces of what follows the words of an answer."""
    return _fill(template, template.assistant.partition("{answer}")[2], {})


def describe(template: Template) -> str:
    """One line for people: what its ids are equal to, and what could not be checked."""
    unchecked = f"; not checked with the tokenizer of {template.unchecked} itself" if template.unchecked else ""
    return f"template {template.name}: {template.origin}{unchecked}"


def _find_layout(template: Template, role: str) -> str:
    layouts = {"user": template.user, "tool": template.observation, "observation": template.observation}
    if layouts.get(role):
        return layouts[role]
    known = "user, tool" if template.observation else "user"
    fix = f"It knows {known}, answers of the assistant, and one system prompt at the start."
    raise CareError(f"template {template.name} has no place for the role {role}", fix=fix, code=Exit.DATA)


def _fill(template: Template, layout: str, texts: dict[str, str]) -> list[Piece]:
    """Layout cut at its tokens, marks replaced in one pass, so that no text is taken for a mark or a token."""
    pieces: list[Piece] = []
    for part in _split(layout, template.tokens):
        if not isinstance(part, str):
            pieces.append(part)
            continue
        text = texts.get(part, part)
        if text and pieces and isinstance(pieces[-1], str):
            pieces[-1] += text
        elif text:
            pieces.append(text)
    return pieces


@lru_cache(maxsize=256)
def _split(layout: str, tokens: tuple[str, ...]) -> tuple[Piece, ...]:
    """Tokens, marks and what is between them."""
    longest_first = sorted((*MARKS, *tokens), key=len, reverse=True)
    parts = filter(None, re.split(f"({'|'.join(map(re.escape, longest_first))})", layout))
    return tuple(Special(part) if part in SPECIALS else Token(part) if part in tokens else part for part in parts)
