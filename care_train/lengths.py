"""Conversations within the longest length there is, and the account of what became of all of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.spans import Ids, decode
from care_train.templates import Template
from care_train.tokens import Conversation, Encoded, encode_conversations, encode_ending, encode_pieces


@dataclass
class Budget:
    """What became of the records. read = kept + every count of `dropped`."""

    read: int = 0
    kept: int = 0
    tokens: int = 0
    supervised: int = 0
    longest: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    truncated: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Budget") -> None:
        """Count what became of other records too."""
        for name in ("read", "kept", "tokens", "supervised"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest = max(self.longest, other.longest)
        self.dropped += other.dropped
        self.truncated += other.truncated

    def describe(self) -> dict[str, Any]:
        """The same as plain values, with the share of learned tokens."""
        return {
            "records": self.read,
            "examples": self.kept,
            "dropped": dict(self.dropped),
            "truncated": dict(self.truncated),
            "tokens": self.tokens,
            "supervised": self.supervised,
            "supervised_share": round(self.supervised / self.tokens, 4) if self.tokens else 0.0,
            "longest": self.longest,
        }


class Fitted(NamedTuple):
    """A conversation as it is learned, and its turns in tokens."""

    talk: Conversation
    turns: list[Encoded]


def count_tokens(turns: list[Encoded]) -> int:
    return sum(len(part) for turn in turns for part in turn)


def fit(
    talks: list[Conversation], tokenizer: Any, template: Template, data: DataSettings, budget: Budget
) -> list[Fitted | None]:
    """Each conversation and its turns within `cutoff_len`, by the policy `overlong`; None where it is dropped."""
    done: list[Fitted | None] = [None] * len(talks)
    pending = dict(enumerate(talks))
    shortened: set[int] = set()
    while pending:
        coded = encode_conversations(tokenizer, template, list(pending.values()))
        again: dict[int, Conversation] = {}
        for (place, talk), turns in zip(pending.items(), coded, strict=True):
            length = count_tokens(turns)
            if length <= data.cutoff_len:
                done[place] = Fitted(talk, turns)
                if place in shortened:
                    budget.truncated["oldest turns dropped"] += 1
            elif data.overlong == "error":
                what = f"{length} tokens, more than --cutoff_len {data.cutoff_len}"
                raise CareError(what, where=talk.name, fix="Raise --cutoff_len or choose --overlong.")
            elif data.overlong == "drop" or (data.overlong == "truncate_history" and len(talk.exchanges) == 1):
                budget.dropped["overlong"] += 1
            elif len(talk.exchanges) > 1:
                shortened.add(place)
                again[place] = talk._replace(exchanges=talk.exchanges[_surplus(turns, data.cutoff_len) :])
            else:
                done[place] = _cut(talk, turns[0], tokenizer, template, data.cutoff_len, budget)
        pending = again
    return done


def _surplus(turns: list[Encoded], limit: int) -> int:
    """How many of the oldest turns to drop, at least one, at most all but the last."""
    length, count = count_tokens(turns), 0
    while count < len(turns) - 1 and (length > limit or not count):
        length -= count_tokens([turns[count]])
        count += 1
    return count


def _cut(
    talk: Conversation, turn: Encoded, tokenizer: Any, template: Template, limit: int, budget: Budget
) -> Fitted | None:
    """One exchange cut to `limit` tokens: the question loses its head, then the answer its end; both marks stay.

    None, counted as dropped, where the template alone (a long system prompt) leaves no room.
    """
    question = talk.exchanges[0][0]
    empty = encode_conversations(tokenizer, template, [talk._replace(exchanges=[("", "")])])[0][0]
    room = limit - len(empty.prompt)
    if room < len(empty.answer) + 2:
        budget.dropped["overlong"] += 1
        return None
    ids, tail = encode_pieces(tokenizer, template, [[question]])[0].tolist(), question
    share = max(room - len(turn.answer), room // 4)  # a long answer leaves the question a quarter
    keep = min(len(ids), share)
    prompt = turn.prompt
    while len(prompt) > len(empty.prompt) + share:  # ids of a tail differ at its head, so try until it fits
        tail = decode(tokenizer, ids[len(ids) - keep :]).lstrip("�")
        prompt = encode_conversations(tokenizer, template, [talk._replace(exchanges=[(tail, "")])])[0][0].prompt
        keep -= 1
    if len(prompt) < len(turn.prompt):
        budget.truncated["question heads cut"] += 1
    answer = cut_answer(turn.answer, encode_ending(tokenizer, template), limit - len(prompt), budget)
    return Fitted(talk._replace(exchanges=[(tail, talk.exchanges[0][1])]), [Encoded(prompt, answer)])


def cut_answer(answer: Ids, ending: list[int], room: int, budget: Budget) -> Ids:
    """An answer within `room` tokens, its ending kept."""
    if len(answer) <= room:
        return answer
    budget.truncated["answer ends cut"] += 1
    return np.concatenate([answer[: room - len(ending)], np.array(ending, np.int32)])
