"""Conversations to token ids, many in one call of the tokenizer."""

from typing import Any, NamedTuple

from care_train.templates import Piece, Special, Template, write_answer, write_prompt

IGNORED = -100
"""The label that torch's cross entropy passes over."""


class Conversation(NamedTuple):
    """One record: system prompt (None: the template's), questions with their answers, and a name for errors."""

    system: str | None
    exchanges: list[tuple[str, str]]
    name: str


class Encoded(NamedTuple):
    """Token ids of one exchange."""

    prompt: list[int]
    answer: list[int]


def encode_all(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Token ids of each text without any special token, in one call on all cores."""
    if not tokenizer.is_fast:
        return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return [one.ids for one in backend.encode_batch_fast(texts, add_special_tokens=False)]


def encode_pieces(tokenizer: Any, template: Template, lists: list[list[Piece]]) -> list[list[int]]:
    """Token ids of each list of pieces, all texts of all lists in one call of the tokenizer."""
    encoded = iter(encode_all(tokenizer, [piece for pieces in lists for piece in pieces if isinstance(piece, str)]))
    added = template.bos == "present" or getattr(tokenizer, "add_bos_token", True)
    bos = [tokenizer.bos_token_id] if added and tokenizer.bos_token_id is not None else []
    special = {Special.BOS: bos, Special.EOS: [tokenizer.eos_token_id]}
    return [
        [token for piece in pieces for token in (special[piece] if isinstance(piece, Special) else next(encoded))]
        for pieces in lists
    ]


def encode_conversations(tokenizer: Any, template: Template, talks: list[Conversation]) -> list[list[Encoded]]:
    """Every exchange of every conversation as ids of its prompt and its answer."""
    lists = [
        pieces
        for talk in talks
        for turn, (question, answer) in enumerate(talk.exchanges)
        for pieces in (
            write_prompt(template, question, talk.system, first=turn == 0),
            write_answer(template, answer),
        )
    ]
    ids = iter(encode_pieces(tokenizer, template, lists))
    return [[Encoded(next(ids), next(ids)) for _ in talk.exchanges] for talk in talks]


def encode_prompt(
    tokenizer: Any, template: Template, question: str, history: list[tuple[str, str]], system: str | None = None
) -> list[int]:
    """Ids that a model is asked to go on from: the conversation so far and the question."""
    turns = encode_conversations(tokenizer, template, [Conversation(system, [*history, (question, "")], "chat")])[0]
    return [token for turn in turns[:-1] for part in turn for token in part] + turns[-1].prompt
