"""Conversations to token ids, many in one call of the tokenizer.

What a person or a model said is text: `</s>` or `<|im_end|>` inside it is encoded letter by letter, never as the token
that ends an answer. Only templates write tokens. (Tokens that a tokenizer adds without calling them special, such as
<think>, are part of what models say and stay tokens.)
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from care_train.errors import CareError
from care_train.spans import Ids, Span, encode_spans, gather
from care_train.templates import Piece, Special, Template, Token, write_answer, write_ending, write_prompt
from care_train.templates.own import Message, render_ending, render_parts, render_prompt, split_specials

IGNORED = -100
"""The label that torch's cross entropy passes over."""
Part = Span | Special | Token


class Conversation(NamedTuple):
    """One record: system prompt (None: the template's), questions with their answers, and a name for errors.

    roles: who asks in the last so many exchanges, user or tool; empty where users ask all.
    """

    system: str | None
    exchanges: list[tuple[str, str]]
    name: str
    roles: tuple[str, ...] = ()


class Encoded(NamedTuple):
    """Token ids of one exchange."""

    prompt: Ids
    answer: Ids


def encode_pieces(tokenizer: Any, template: Template, lists: list[list[Piece]]) -> list[Ids]:
    """Token ids of each list of pieces, all texts of all lists in one call of the tokenizer."""
    numbers: dict[Part, int] = {}
    rows = [[numbers.setdefault(part, len(numbers)) for part in _list_parts(pieces)] for pieces in lists]
    ids = encode_spans(tokenizer, (part for part in numbers if not isinstance(part, (Special, Token))))
    parts = [
        _find_token(tokenizer, template, part) if isinstance(part, (Special, Token)) else ids[part] for part in numbers
    ]
    return gather(parts, rows)


def encode_conversations(tokenizer: Any, template: Template, talks: list[Conversation]) -> list[list[Encoded]]:
    """Every exchange of every conversation as ids of its prompt and its answer."""
    if template.own:
        rows = _encode_parts(tokenizer, template, [render_parts(tokenizer, *_list_messages(talk)) for talk in talks])
        return [[Encoded(*pair) for pair in zip(row[::2], row[1::2], strict=True)] for row in rows]
    lists = [
        pieces
        for talk in talks
        for turn, (question, answer) in enumerate(talk.exchanges)
        for pieces in (_write_prompt(template, talk, turn, question), write_answer(template, answer))
    ]
    ids = iter(encode_pieces(tokenizer, template, lists))
    return [[Encoded(next(ids), next(ids)) for _ in talk.exchanges] for talk in talks]


def encode_answers(tokenizer: Any, template: Template, talks: list[Conversation], texts: list[str]) -> list[Ids]:
    """Ids of other last answers: each text in the place of the last answer of its conversation."""
    if template.own:
        others = [
            talk._replace(exchanges=[*talk.exchanges[:-1], (talk.exchanges[-1][0], text)])
            for talk, text in zip(talks, texts, strict=True)
        ]
        return [turns[-1].answer for turns in encode_conversations(tokenizer, template, others)]
    return encode_pieces(tokenizer, template, [write_answer(template, text) for text in texts])


def encode_ending(tokenizer: Any, template: Template) -> list[int]:
    """Ids of what follows the words of every answer."""
    pieces = split_specials(tokenizer, render_ending(tokenizer)) if template.own else write_ending(template)
    return encode_pieces(tokenizer, template, [pieces])[0].tolist()


def encode_prompt(
    tokenizer: Any, template: Template, question: str, history: list[tuple[str, str]], system: str | None = None
) -> list[int]:
    """Ids that a model is asked to go on from: the conversation so far and the question."""
    talk = Conversation(system, [*history, (question, "")], "chat")
    if template.own:
        messages, name = _list_messages(talk)
        return _encode_parts(tokenizer, template, [[render_prompt(tokenizer, messages[:-1], name)]])[0][0].tolist()
    turns = encode_conversations(tokenizer, template, [talk])[0]
    return np.concatenate([*(part for turn in turns[:-1] for part in turn), turns[-1].prompt]).tolist()


def check_template(tokenizer: Any, template: Template) -> None:
    """CareError where the tokenizer has not all tokens that the template writes, or for `auto` no template."""
    for text in template.tokens:
        _find_token(tokenizer, template, Token(text))
    encode_ending(tokenizer, template)


def list_ends(tokenizer: Any, template: Template) -> frozenset[int]:
    """Ids that end an answer: the end-of-text token, the template's own end, its stop words that are tokens."""
    pieces = split_specials(tokenizer, render_ending(tokenizer)) if template.own else write_ending(template)
    named = [piece.text for piece in pieces if isinstance(piece, Token)][:1]
    ids = [_look_up(tokenizer, text) for text in (*named, *template.stop_words)]
    return frozenset({tokenizer.eos_token_id, *ids} - {None})


def _list_parts(pieces: list[Piece]) -> Iterator[Part]:
    """Tokens as they are, texts as spans."""
    follows = False
    for piece in pieces:
        yield (piece, follows) if isinstance(piece, str) else piece
        follows = isinstance(piece, Token)


def _find_token(tokenizer: Any, template: Template, piece: Special | Token) -> list[int]:
    """The id of a token; none for a cut, and for {bos} where it is not to be written."""
    if piece is Special.CUT:
        return []
    if piece is Special.BOS:
        added = template.bos == "present" or getattr(tokenizer, "add_bos_token", True)
        return [tokenizer.bos_token_id] if added and tokenizer.bos_token_id is not None else []
    if piece is Special.EOS:
        return [tokenizer.eos_token_id]
    found = _look_up(tokenizer, piece.text)
    if found is None:
        what = f"template {template.name} writes {piece.text}, which is no token of this tokenizer"
        fix = "Choose the template of this model; --template auto takes the one that comes with it, plain fits any."
        raise CareError(what, where=tokenizer.name_or_path, fix=fix)
    return [found]


def _look_up(tokenizer: Any, text: str) -> int | None:
    found = tokenizer.convert_tokens_to_ids(text)
    return None if found == tokenizer.unk_token_id and text != tokenizer.unk_token else found


def _write_prompt(template: Template, talk: Conversation, turn: int, question: str) -> list[Piece]:
    try:
        return write_prompt(template, question, talk.system, turn=turn, role=_find_role(talk, turn))
    except CareError as error:
        raise CareError(error.what, where=talk.name, fix=error.fix, code=error.code) from error


def _find_role(talk: Conversation, turn: int) -> str:
    return talk.roles[turn - len(talk.exchanges)] if talk.roles else "user"


def _list_messages(talk: Conversation) -> tuple[list[Message], str]:
    """Messages of a conversation, and its name."""
    messages = [{"role": "system", "content": talk.system}] if talk.system else []
    for turn, (question, answer) in enumerate(talk.exchanges):
        role = _find_role(talk, turn)
        messages.append({"role": "tool" if role == "observation" else role, "content": question})
        messages.append({"role": "assistant", "content": answer})
    return messages, talk.name


def _encode_parts(tokenizer: Any, template: Template, rows: list[list[str]]) -> list[list[Ids]]:
    """Ids of the consecutive parts of each row: what each adds to the ids of the text before it.

    Where a token would reach over the border of two parts, the later one is encoded by itself, as a model has to write
    it that is given the part before.
    """
    steps = [_list_steps(tokenizer, parts) for parts in rows]
    texts = [step for row in steps for part in row for step in part if not isinstance(step, Token)]
    wholes = [(before + text, follows) for before, text, follows in texts]
    ids = encode_spans(tokenizer, [*wholes, *((before, follows) for before, _, follows in texts if before)])

    def encode(step: "Token | Step") -> list[int]:
        if isinstance(step, Token):
            return _find_token(tokenizer, template, step)
        head = ids[step.before, step.follows] if step.before else []
        whole = ids[step.before + step.text, step.follows]
        if whole[: len(head)] == head:
            return whole[len(head) :]
        return encode_spans(tokenizer, [(step.text, True)])[step.text, True]

    return [[np.array([token for step in part for token in encode(step)], np.int32) for part in row] for row in steps]


class Step(NamedTuple):
    """A text, what comes before it since the last token, and whether there was one."""

    before: str
    text: str
    follows: bool


def _list_steps(tokenizer: Any, parts: list[str]) -> list[list[Token | Step]]:
    before, follows = "", False
    steps: list[list[Token | Step]] = []
    for part in parts:
        steps.append([])
        for piece in split_specials(tokenizer, part):
            if isinstance(piece, Token):
                steps[-1].append(piece)
                before, follows = "", True
            elif isinstance(piece, str):
                steps[-1].append(Step(before, piece, follows))
                before += piece
    return steps
