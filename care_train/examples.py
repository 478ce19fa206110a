"""Records to input_ids and labels: prompts masked, every answer with its end learned, nothing cut unseen."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.lengths import Budget, count_tokens, cut_answer, fit
from care_train.templates import Template, write_answer
from care_train.tokens import IGNORED, Conversation, Encoded, encode_all, encode_pieces

BATCH = 1000  # records to one call of the tokenizer


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


class Pairs:
    """Pairs for a Trainer: item i is {"chosen": …, "rejected": …}, each an item of Examples after the same prompt."""

    def __init__(self, chosen: Examples, rejected: Examples) -> None:
        self.chosen, self.rejected = chosen, rejected

    @property
    def ids(self) -> np.ndarray:
        """The tokens of all answers, prompts twice."""
        return np.concatenate([self.chosen.ids, self.rejected.ids])

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, dict[str, np.ndarray]]:
        return {"chosen": self.chosen[index], "rejected": self.rejected[index]}

    def take(self, order: np.ndarray) -> "Pairs":
        """These pairs in this order."""
        return Pairs(self.chosen.take(order), self.rejected.take(order))


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
        for fitted in filter(None, fit(talks, tokenizer, template, data, budget)):
            one, mask = _mask(fitted.turns, data)
            ids.append(one)
            learned.append(mask)
            budget.longest = max(budget.longest, len(one))
    examples = _join(ids, learned)
    _close(budget, len(examples), [examples])
    return examples, budget


def encode_pairs(table: pa.Table, tokenizer: Any, template: Template, data: DataSettings) -> tuple[Pairs, Budget]:
    """The same of preferences: both answers after one prompt, only the answers learned.

    The longer of the two decides what has to go of the history and the question.
    """
    budget = Budget(read=table.num_rows)
    sides: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {"chosen": ([], []), "rejected": ([], [])}
    last_only = replace(data, mask_history=True, train_on_prompt=False)
    for batch in table.to_batches(max_chunksize=BATCH):
        for pair in _fit_pairs(batch, tokenizer, template, data, budget):
            for side, turns in zip(sides, pair, strict=True):
                one, mask = _mask(turns, last_only)
                sides[side][0].append(one)
                sides[side][1].append(mask)
                budget.longest = max(budget.longest, len(one))
    pairs = Pairs(*(_join(ids, learned) for ids, learned in sides.values()))
    _close(budget, len(pairs), [pairs.chosen, pairs.rejected])
    return pairs, budget


def encode_texts(table: pa.Table, tokenizer: Any, data: DataSettings) -> tuple[Examples, Budget]:
    """Texts, each with its end, one after the other in blocks of `cutoff_len`; the last block is what is left.

    A record that crosses a block's end is learned in two. Blocks begin with the token that the tokenizer begins texts
    with, if any.
    """
    budget = Budget(read=table.num_rows)
    begin = [tokenizer.bos_token_id] if getattr(tokenizer, "add_bos_token", False) else []
    size = data.cutoff_len - len(begin)
    streams: list[np.ndarray] = []
    for batch in table.to_batches(max_chunksize=BATCH):
        texts = [text for text in batch.column("text").to_pylist() if (text or "").strip()]
        budget.dropped["no text"] += batch.num_rows - len(texts)
        for ids in encode_all(tokenizer, texts):
            streams.append(np.array([*ids, tokenizer.eos_token_id], np.int32))
            budget.longest = max(budget.longest, len(ids) + 1)
    budget.dropped = +budget.dropped
    stream = np.concatenate([np.zeros(0, np.int32), *streams])
    head = np.array(begin, np.int32)
    blocks = [np.concatenate([head, stream[start : start + size]]) for start in range(0, len(stream), size)]
    examples = _join(blocks, [np.ones(len(block), bool) for block in blocks])
    _close(budget, len(streams), [examples])
    return examples, budget


def _close(budget: Budget, kept: int, made: list[Examples]) -> None:
    """The sums of the account; CareError where nothing is left to learn."""
    budget.kept = kept
    budget.tokens = sum(len(examples.ids) for examples in made)
    budget.supervised = sum(int(examples.learned.sum()) for examples in made)
    if budget.read != budget.kept + budget.dropped.total():
        raise AssertionError("records are not all accounted for")
    if not budget.supervised:
        reasons = ", ".join(f"{count} {reason}" for reason, count in budget.dropped.items()) or "no records"
        raise CareError(f"nothing to learn: {reasons}", fix="Raise --cutoff_len or check the columns.")


def _fit_pairs(
    batch: pa.RecordBatch, tokenizer: Any, template: Template, data: DataSettings, budget: Budget
) -> Iterator[tuple[list[Encoded], list[Encoded]]]:
    """(chosen, rejected) of each pair that stays, as turns of tokens that differ in the last answer alone."""
    answers, talks = [], []
    for talk, pair in _read_pairs(batch, data, budget):
        longer = max(pair, key=len)
        talks.append(talk._replace(exchanges=[*talk.exchanges[:-1], (talk.exchanges[-1][0], longer)]))
        answers.append(pair)
    endings = encode_pieces(tokenizer, template, [write_answer(template, "")])[0]
    fitted = fit(talks, tokenizer, template, data, budget)
    kept = [(one, pair) for one, pair in zip(fitted, answers, strict=True) if one is not None]
    coded = iter(
        encode_pieces(tokenizer, template, [write_answer(template, text) for _, pair in kept for text in pair])
    )
    for one, _ in kept:
        *before, last = one.turns
        room = data.cutoff_len - count_tokens(before) - len(last.prompt)
        chosen, rejected = (cut_answer(next(coded), endings, room, budget) for _ in range(2))
        yield [*before, Encoded(last.prompt, chosen)], [*before, Encoded(last.prompt, rejected)]


def _read_pairs(
    batch: pa.RecordBatch, data: DataSettings, budget: Budget
) -> Iterator[tuple[Conversation, tuple[str, str]]]:
    """Each record's conversation, its last answer still empty, with the better and the worse answer."""
    for row in batch.to_pylist():
        better, worse = row["chosen"] or "", row["rejected"] or ""
        missing = next((name for name, text in (("chosen", better), ("rejected", worse)) if not text.strip()), "")
        question = _read_question(row)
        if not question.strip() or missing:
            budget.dropped[f"no {missing} answer" if missing else "no question"] += 1
        elif better == worse:
            budget.dropped["equal answers"] += 1
        else:
            talk = Conversation(row["system"] or data.system, [*_read_history(row), (question, "")], _name(row))
            yield talk, (better, worse)


def _read_batch(batch: pa.RecordBatch, data: DataSettings, budget: Budget) -> Iterator[Conversation]:
    """Conversations of a batch; one without question or answer is counted and left out."""
    for row in batch.to_pylist():
        exchanges, question = _read_history(row), _read_question(row)
        if not question.strip() or not (row["response"] or "").strip():
            budget.dropped["no question" if not question.strip() else "no answer"] += 1
            continue
        yield Conversation(row["system"] or data.system, [*exchanges, (question, row["response"])], _name(row))


def _name(row: dict[str, Any]) -> str:
    return row["id"] or f"record {row['prompt'] or ''!r:.40}"


def _read_question(row: dict[str, Any]) -> str:
    return "\n".join(part for part in (row["prompt"], row["query"]) if part)


def _read_history(row: dict[str, Any]) -> list[tuple[str, str]]:
    exchanges = []
    for pair in row["history"] or []:
        if pair is None or len(pair) != 2 or None in pair:
            raise CareError("a history item is no pair of texts", where=_name(row), fix="Write [question, answer].")
        exchanges.append((pair[0], pair[1]))
    return exchanges


def _mask(turns: list[Encoded], data: DataSettings) -> tuple[np.ndarray, np.ndarray]:
    """Ids and, of the same length, whether each is learned."""
    ids: list[int] = []
    learned: list[bool] = []
    for number, turn in enumerate(turns):
        answered = not data.mask_history or number == len(turns) - 1
        ids += turn.prompt + turn.answer
        learned += [data.train_on_prompt] * len(turn.prompt) + [answered] * len(turn.answer)
    return np.array(ids, np.int32), np.array(learned, bool)
