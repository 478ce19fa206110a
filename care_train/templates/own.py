"""The tokenizer's own chat template: conversations as it writes them, and which of their text is an answer.

Texts of a conversation that read like a special token stay text: they are hidden while the template is rendered.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from care_train.errors import CareError
from care_train.templates.layouts import Piece, Token

Message = dict[str, str]
GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
HIDDEN = re.compile("\ufdd2([0-9]+)\ufdd3")  # around a number; noncharacters, which no text is to hold
OTHERWISE = "Name a template with --template, for instance chatml or plain."
# Templates of Llama 3.1 and 3.2 write today's date unless told one; the same data are to give the same ids tomorrow.
DATE = "26 Jul 2024"
PROBES = ("甲", "乙", "丙")


def render_prompt(tokenizer: Any, messages: list[Message], name: str) -> str:
    """The text that a model is asked to go on from; special tokens in the messages are hidden."""
    return _render(tokenizer, _hide(tokenizer, messages), name, ask=True)


def render_parts(tokenizer: Any, messages: list[Message], name: str) -> list[str]:
    """The whole text in parts, by turns what is given and what an answer is, its end included.

    By the template's generation marks where it has them, else by what each answer adds to the prompt before it. An
    answer that the template leaves without an end gets the token that would come next. Raises where an answer is left
    empty or cannot be told from the rest. name: the record, for errors.
    """
    messages = _hide(tokenizer, messages)
    whole = _render(tokenizer, messages, name)
    marked = GENERATION.search(tokenizer.get_chat_template())
    spans = _read_marks(tokenizer, messages, name) if marked else _compare(tokenizer, messages, whole, name)
    parts, at = [], 0
    for start, end in spans:
        if end <= start:
            raise _refuse("gives an answer no text, so nothing would be learned", name)
        if not _ends(tokenizer, whole[start:end]):
            token = _find_specials(tokenizer, len(tokenizer)).match(whole, end)
            end = token.end() if token else end
        parts += [whole[at:start], whole[start:end]]
        at = end
    if parts[-1].rstrip().endswith(messages[-1]["content"].strip()) and not _ends(tokenizer, parts[-1]):
        parts[-1] += _find_end(tokenizer, tokenizer.get_chat_template())
    return parts


def render_ending(tokenizer: Any) -> str:
    """What the template writes after the words of an answer."""
    messages = [{"role": "user", "content": PROBES[0]}, {"role": "assistant", "content": PROBES[1]}]
    return render_parts(tokenizer, messages, "")[-1].rpartition(PROBES[1])[2]


def split_specials(tokenizer: Any, text: str) -> list[Piece]:
    """A rendered text cut at its special tokens, what was hidden put back as text."""
    pieces: list[Piece] = []
    at = 0
    for found in _find_specials(tokenizer, len(tokenizer)).finditer(text):
        pieces += [_show(tokenizer, text[at : found.start()]), Token(found[found.lastindex or 0])]
        at = found.end()
    pieces.append(_show(tokenizer, text[at:]))
    return [piece for piece in pieces if piece]


def _compare(tokenizer: Any, messages: list[Message], whole: str, name: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each answer: what the last adds to its prompt, and the same of earlier ones."""
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _render(tokenizer, messages[:place], name, ask=True)
        last = place == len(messages) - 1
        alone = whole if last else _render(tokenizer, messages[: place + 1], name)
        if whole.startswith(prompt) and alone.startswith(prompt) and whole.startswith(alone):
            yield len(prompt), len(alone)
        elif message["content"].strip() not in whole:
            raise _refuse("leaves words of an answer out", name)
        elif last:
            raise _refuse("writes an answer elsewhere than where it asks for one", name)
        else:  # it shows reasoning, or an end of all, of the last answer only
            before = len(_render(tokenizer, messages[:place], name))
            yield _search(tokenizer, whole, message["content"].strip(), before, prompt, name)


def _search(tokenizer: Any, whole: str, words: str, before: int, prompt: str, name: str) -> tuple[int, int]:
    """(start, end) of the words in the whole text from `before` on, after no more than the prompt's own header."""
    start = whole.find(words, before)
    if words and start >= 0 and prompt[before:].startswith(whole[before:start]):
        token = _find_specials(tokenizer, len(tokenizer)).search(whole, start + len(words))
        if token and not whole[start + len(words) : token.start()].strip():
            return start, token.end()
    raise _refuse("writes an answer differently once others follow", name)


def _read_marks(tokenizer: Any, messages: list[Message], name: str) -> list[tuple[int, int]]:
    """(start, end) of each answer by the generation marks."""
    from transformers.utils.chat_template_utils import render_jinja_template

    _, marked = render_jinja_template(
        conversations=[messages],
        chat_template=tokenizer.get_chat_template(),
        return_assistant_tokens_mask=True,
        date_string=DATE,
        **tokenizer.special_tokens_map,
    )
    answers = sum(message["role"] == "assistant" for message in messages)
    if len(marked[0]) != answers:
        raise _refuse(f"marks {len(marked[0])} texts to learn in a conversation of {answers} answers", name)
    return marked[0]


def _ends(tokenizer: Any, text: str) -> bool:
    """Whether a text has a special token at its end."""
    return text.rstrip().endswith(tuple(_list_specials(tokenizer, len(tokenizer))))


@lru_cache(maxsize=4)
def _find_end(tokenizer: Any, chat_template: str) -> str:
    """The special token that comes after an answer once another question follows; the end of text where none does."""
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": text} for role, text in zip(roles, PROBES, strict=True)]
    text = _render(tokenizer, messages, "")
    token = _find_specials(tokenizer, len(tokenizer)).search(text, text.find(PROBES[1]))
    return token[token.lastindex or 0] if token else tokenizer.eos_token


def _render(tokenizer: Any, messages: list[Message], name: str, *, ask: bool = False) -> str:
    from jinja2.exceptions import TemplateError

    if not tokenizer.chat_template:
        raise CareError("the tokenizer has no chat template", where=tokenizer.name_or_path, fix=OTHERWISE)
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask, date_string=DATE)
    except TemplateError as error:
        raise _refuse(f"refuses the conversation ({str(error).strip().rstrip('.')})", name) from error


def _refuse(why: str, name: str) -> CareError:
    return CareError(f"the tokenizer's chat template {why}", where=name, fix=OTHERWISE)


def _hide(tokenizer: Any, messages: list[Message]) -> list[Message]:
    """The messages with special tokens replaced by their numbers."""
    texts = _list_specials(tokenizer, len(tokenizer))
    find = _find_specials(tokenizer, len(tokenizer), spaces=False)

    def number(found: re.Match[str]) -> str:
        return f"\ufdd2{texts[found[0]]}\ufdd3"

    return [{**one, "content": find.sub(number, one["content"])} for one in messages]


def _show(tokenizer: Any, text: str) -> str:
    if "\ufdd2" not in text:
        return text
    texts = {str(number): text for text, number in _list_specials(tokenizer, len(tokenizer)).items()}
    return HIDDEN.sub(lambda found: texts.get(found[1], found[0]), text)


@lru_cache(maxsize=4)
def _list_specials(tokenizer: Any, size: int) -> dict[str, int]:
    """Texts of the special tokens with their ids; `size` tells of tokens added later."""
    return {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


@lru_cache(maxsize=8)
def _find_specials(tokenizer: Any, size: int, *, spaces: bool = True) -> re.Pattern[str]:
    """Finds special tokens as the tokenizer does: the longest, with white space beside those that swallow it."""
    tokens = [token for token in tokenizer.added_tokens_decoder.values() if token.special]
    tokens.sort(key=lambda token: len(token.content), reverse=True)
    beside = {True: r"\s*", False: ""}
    each = [
        f"{beside[spaces and one.lstrip]}({re.escape(one.content)}){beside[spaces and one.rstrip]}" for one in tokens
    ]
    return re.compile("|".join(each) or "(?!)")
