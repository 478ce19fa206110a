"""Records to input_ids and labels: prompts masked, every answer with its end learned, nothing cut unseen."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.templates import Piece, Special, Template, write_answer, write_prompt

IGNORED = -100  # what torch's cross entropy passes over
BATCH = 1000  # records to one call of the tokenizer


class Conversation(NamedTuple):
    """One record: system prompt (None: the template's), questions with their answers, and a name for errors."""

    system: str | None
    exchanges: list[tuple[str, str]]
    name: str


class Encoded(NamedTuple):
    """Token ids of one exchange."""

    prompt: list[int]
    answer: list[int]


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


class Examples:
    """Examples for a Trainer: five bytes a token, however many there are.

    Item i is {"input_ids": int64 array, "labels": int64 array}, labels being IGNORED where nothing is learned.
    """

    def __init__(self, ids: np.ndarray, learned: np.ndarray, ends: np.ndarray) -> None:
        self.ids, self.learned, self.ends = ids, learned, ends

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        span = slice(self.ends[index], self.ends[index + 1])
        ids = self.ids[span].astype(np.int64)
        return {"input_ids": ids, "labels": np.where(self.learned[span], ids, IGNORED)}

    def take(self, order: np.ndarray) -> "Examples":
        """These examples in this order."""
        ids = [self.ids[self.ends[i] : self.ends[i + 1]] for i in order]
        learned = [self.learned[self.ends[i] : self.ends[i + 1]] for i in order]
        return _join(ids, learned)


def _join(ids: list[np.ndarray], learned: list[np.ndarray]) -> Examples:
    ends = np.cumsum([0, *(len(part) for part in ids)], dtype=np.int64)
    empty = np.zeros(0, np.int32)
    return Examples(np.concatenate([empty, *ids]), np.concatenate([empty.astype(bool), *learned]), ends)


def encode_records(table: pa.Table, tokenizer: Any, template: Template, data: DataSettings) -> tuple[Examples, Budget]:
    """Tokens of every record of `table` (columns of `shards.TYPES`) and the account of what was kept and cut.

    Raises CareError where nothing is left to learn, or for an overlong record under `--overlong error`.
    """
    budget = Budget(read=table.num_rows)
    ids: list[np.ndarray] = []
    learned: list[np.ndarray] = []
    for batch in table.to_batches(max_chunksize=BATCH):
        talks = list(_read_batch(batch, data, budget))
        for turns in _fit(talks, tokenizer, template, data, budget):
            one, mask = _mask(turns, data)
            ids.append(one)
            learned.append(mask)
            budget.longest = max(budget.longest, len(one))
    examples = _join(ids, learned)
    budget.kept, budget.tokens, budget.supervised = len(examples), len(examples.ids), int(examples.learned.sum())
    if budget.read != budget.kept + budget.dropped.total():
        raise AssertionError("records are not all accounted for")
    if not budget.supervised:
        reasons = ", ".join(f"{count} {reason}" for reason, count in budget.dropped.items()) or "no records"
        raise CareError(f"nothing to learn: {reasons}", fix="Raise --cutoff_len or check the columns.")
    return examples, budget


def _read_batch(batch: pa.RecordBatch, data: DataSettings, budget: Budget) -> Iterator[Conversation]:
    """Conversations of a batch; one without question or answer is counted and left out."""
    for row in batch.to_pylist():
        name = row["id"] or f"record {row['prompt'] or ''!r:.40}"
        exchanges = []
        for pair in row["history"] or []:
            if pair is None or len(pair) != 2 or None in pair:
                raise CareError("a history item is no pair of texts", where=name, fix="Write [question, answer].")
            exchanges.append((pair[0], pair[1]))
        question = "\n".join(part for part in (row["prompt"], row["query"]) if part)
        if not question.strip() or not (row["response"] or "").strip():
            budget.dropped["no question" if not question.strip() else "no answer"] += 1
            continue
        yield Conversation(row["system"] or data.system, [*exchanges, (question, row["response"])], name)


def encode_pieces(tokenizer: Any, template: Template, lists: list[list[Piece]]) -> list[list[int]]:
    """Token ids of each list of pieces, all texts of all lists in one call of the tokenizer."""
    texts = [piece for pieces in lists for piece in pieces if isinstance(piece, str)]
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        encoded = iter([one.ids for one in backend.encode_batch_fast(texts, add_special_tokens=False)])
    else:
        encoded = iter(tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
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


def _length(turns: list[Encoded]) -> int:
    return sum(len(part) for turn in turns for part in turn)


def _fit(
    talks: list[Conversation], tokenizer: Any, template: Template, data: DataSettings, budget: Budget
) -> Iterator[list[Encoded]]:
    """Each conversation's turns within `cutoff_len`, by the policy `overlong`; order is kept."""
    done: list[list[Encoded] | None] = [None] * len(talks)
    pending = dict(enumerate(talks))
    shortened: set[int] = set()
    while pending:
        coded = encode_conversations(tokenizer, template, list(pending.values()))
        again: dict[int, Conversation] = {}
        for (place, talk), turns in zip(pending.items(), coded, strict=True):
            length = _length(turns)
            if length <= data.cutoff_len:
                done[place] = turns
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
    yield from (turns for turns in done if turns is not None)


def _surplus(turns: list[Encoded], limit: int) -> int:
    """How many of the oldest turns to drop, at least one, at most all but the last."""
    length, count = _length(turns), 0
    while count < len(turns) - 1 and (length > limit or not count):
        length -= _length([turns[count]])
        count += 1
    return count


def _cut(
    talk: Conversation, turn: Encoded, tokenizer: Any, template: Template, limit: int, budget: Budget
) -> list[Encoded] | None:
    """One exchange cut to `limit` tokens: the question loses its head, then the answer its end; both marks stay.

    None, counted as dropped, where the template alone (a long system prompt) leaves no room.
    """
    question = talk.exchanges[0][0]
    empty = encode_conversations(tokenizer, template, [talk._replace(exchanges=[("", "")])])[0][0]
    room = limit - len(empty.prompt)
    if room < len(empty.answer) + 2:
        budget.dropped["overlong"] += 1
        return None
    ids = encode_pieces(tokenizer, template, [[question]])[0]
    share = max(room - len(turn.answer), room // 4)  # a long answer leaves the question a quarter
    keep = min(len(ids), share)
    prompt = turn.prompt
    while len(prompt) > len(empty.prompt) + share:  # ids of a tail differ at its head, so try until it fits
        tail = tokenizer.decode(ids[len(ids) - keep :]).lstrip("�")
        prompt = encode_conversations(tokenizer, template, [talk._replace(exchanges=[(tail, "")])])[0][0].prompt
        keep -= 1
    coded, ends = turn.answer, limit - len(prompt)
    if len(prompt) < len(turn.prompt):
        budget.truncated["question heads cut"] += 1
    if len(coded) > ends:
        coded = [*coded[: ends - len(empty.answer)], *empty.answer]
        budget.truncated["answer ends cut"] += 1
    return [Encoded(prompt, coded)]


def _mask(turns: list[Encoded], data: DataSettings) -> tuple[np.ndarray, np.ndarray]:
    """Ids and, of the same length, whether each is learned."""
    ids: list[int] = []
    learned: list[bool] = []
    for number, turn in enumerate(turns):
        answered = not data.mask_history or number == len(turns) - 1
        ids += turn.prompt + turn.answer
        learned += [data.train_on_prompt] * len(turn.prompt) + [answered] * len(turn.answer)
    return np.array(ids, np.int32), np.array(learned, bool)
