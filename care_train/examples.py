"""Records to input_ids and labels: prompts masked, every answer with its end learned, nothing cut unseen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from care_train.ahead import work_ahead
from care_train.cache import Cache, Tokens, keep_tokens
from care_train.config import DataSettings
from care_train.errors import CareError, Nothing
from care_train.keys import make_key
from care_train.lengths import Budget, count_tokens, cut_answer, fit
from care_train.sequences import Examples, Pairs
from care_train.spans import encode_all, join
from care_train.templates import Template
from care_train.tokens import Conversation, Encoded, encode_answers, encode_ending

BATCH = 1000  # records to one call of the tokenizer


def encode_records(
    table: pa.Table, tokenizer: Any, template: Template, data: DataSettings, cache: Cache | None = None
) -> tuple[Examples, Budget]:
    """Tokens of every record of `table` (columns of `shards.TYPES`) and the account of what was kept and cut.

    Raises CareError where nothing is left to learn, or for an overlong record under `--overlong error`.
    """

    def encode(batch: pa.RecordBatch, budget: Budget) -> Tokens:
        talks = list(_read_batch(batch, template, data, budget))
        fitted = [one.turns for one in fit(talks, tokenizer, template, data, budget) if one]
        budget.kept = len(fitted)
        return _mask(fitted, data)

    tokens, budget = _encode(table, encode, cache, partial(make_key, "sft", table, tokenizer, template, data))
    return Examples(*tokens), _close(budget)


def encode_pairs(
    table: pa.Table, tokenizer: Any, template: Template, data: DataSettings, cache: Cache | None = None
) -> tuple[Pairs, Budget]:
    """The same of preferences: both answers after one prompt, only the answers learned.

    The longer of the two decides what has to go of the history and the question.
    """
    last_only = replace(data, mask_history=True, train_on_prompt=False)

    def encode(batch: pa.RecordBatch, budget: Budget) -> Tokens:
        pairs = list(_fit_pairs(batch, tokenizer, template, data, budget))
        budget.kept = len(pairs)
        return _mask([turns for pair in pairs for turns in pair], last_only)

    tokens, budget = _encode(table, encode, cache, partial(make_key, "rw", table, tokenizer, template, data))
    both = Examples(*tokens)
    return Pairs(both.take(np.arange(0, len(both), 2)), both.take(np.arange(1, len(both), 2))), _close(budget)


def encode_texts(
    table: pa.Table, tokenizer: Any, data: DataSettings, cache: Cache | None = None
) -> tuple[Examples, Budget]:
    """Texts, each with its end, one after the other in blocks of `cutoff_len`; the last block is what is left.

    A record that crosses a block's end is learned in two. With `packing` a text is an example of its own, cut only
    where it is longer than a block. Blocks, or with `packing` examples, begin with the token that the tokenizer begins
    texts with, if any. A last token that would stand alone is left out: it foretells nothing, nor does anything it.
    """

    def encode(batch: pa.RecordBatch, budget: Budget) -> Tokens:
        texts = [text for text in batch.column("text").to_pylist() if (text or "").strip()]
        budget.dropped["no text"] = batch.num_rows - len(texts)
        budget.kept = len(texts)
        ids, ends = join([[*one, tokenizer.eos_token_id] for one in encode_all(tokenizer, texts)])
        return Tokens(ids, np.ones(len(ids), bool), ends)

    tokens, budget = _encode(table, encode, cache, partial(make_key, "pt", table, tokenizer, None, data))
    begin = (tokenizer.bos_token_id,) if getattr(tokenizer, "add_bos_token", False) else ()
    size = data.cutoff_len - len(begin)
    ends = _cut_texts(tokens.ends, size) if data.packing else np.arange(0, len(tokens.ids) + size, size)
    blocks = Examples(tokens.ids, tokens.learned, np.minimum(ends, len(tokens.ids)), head=begin)
    blocks = blocks.take(np.flatnonzero(blocks.lengths > 1))
    budget.tokens = budget.supervised = blocks.tokens
    return blocks, _close(budget)


def _cut_texts(ends: np.ndarray, size: int) -> np.ndarray:
    """The ends of texts, and in longer ones a cut after every `size` tokens."""
    pieces = -(-np.diff(ends) // size)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return np.concatenate([np.repeat(ends[:-1], pieces) + within * size, ends[-1:]])


def _encode(
    table: pa.Table,
    encode: Callable[[pa.RecordBatch, Budget], Tokens],
    cache: Cache | None,
    find_key: Callable[[], str],
) -> tuple[Tokens, Budget]:
    """Tokens of all records, from the cache or made and put there; in memory without one."""

    def count(batch: pa.RecordBatch) -> tuple[Tokens, Budget]:
        counted = Budget(read=batch.num_rows)
        block = encode(batch, counted)
        counted.tokens, counted.supervised = len(block.ids), int(block.learned.sum())
        counted.longest = int(np.diff(block.ends).max(initial=0))
        return block, counted

    def make(budget: Budget) -> Iterator[Tokens]:
        for block, counted in work_ahead(count, table.slice(budget.read).to_batches(max_chunksize=BATCH)):
            budget.add(counted)
            yield block

    if cache and table.num_rows:
        try:
            return keep_tokens(cache, find_key(), table.num_rows, make)
        except OSError as error:
            cache.say(f"cache: tokens are not kept for the next run: {error}")
    budget = Budget()
    blocks = [_mask([], DataSettings()), *make(budget)]
    ids, learned = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("ids", "learned"))
    ends = np.cumsum(np.concatenate([[0], *(np.diff(block.ends) for block in blocks)]), dtype=np.int64)
    return Tokens(ids, learned, ends), budget


def _close(budget: Budget) -> Budget:
    """The account, whose sums hold; CareError where nothing is left to learn."""
    if budget.read != budget.kept + budget.dropped.total():
        raise AssertionError("records are not all accounted for")
    if not budget.supervised:
        reasons = ", ".join(f"{count} {reason}" for reason, count in budget.dropped.items()) or "no records"
        raise Nothing(f"nothing to learn: {reasons}", fix="Raise --cutoff_len or check the columns.")
    return budget


def _fit_pairs(
    batch: pa.RecordBatch, tokenizer: Any, template: Template, data: DataSettings, budget: Budget
) -> Iterator[tuple[list[Encoded], list[Encoded]]]:
    """(chosen, rejected) of each pair that stays, as turns of tokens that differ in the last answer alone."""
    answers, talks = [], []
    for talk, pair in _read_pairs(batch, template, data, budget):
        longer = max(pair, key=len)
        talks.append(talk._replace(exchanges=[*talk.exchanges[:-1], (talk.exchanges[-1][0], longer)]))
        answers.append(pair)
    endings = encode_ending(tokenizer, template)
    fitted = fit(talks, tokenizer, template, data, budget)
    kept = [(one, pair) for one, pair in zip(fitted, answers, strict=True) if one is not None]
    talks = [one.talk for one, pair in kept for _ in pair]
    coded = iter(encode_answers(tokenizer, template, talks, [text for _, pair in kept for text in pair]))
    for one, _ in kept:
        *before, last = one.turns
        room = data.cutoff_len - count_tokens(before) - len(last.prompt)
        chosen, rejected = (cut_answer(next(coded), endings, room, budget) for _ in range(2))
        yield [*before, Encoded(last.prompt, chosen)], [*before, Encoded(last.prompt, rejected)]


def _read_pairs(
    batch: pa.RecordBatch, template: Template, data: DataSettings, budget: Budget
) -> Iterator[tuple[Conversation, tuple[str, str]]]:
    """Each record's conversation, its last answer still empty, with the better and the worse answer."""
    for row in batch.to_pylist():
        if row["unfit"]:
            budget.dropped[row["unfit"]] += 1
            continue
        better, worse = row["chosen"] or "", row["rejected"] or ""
        missing = next((name for name, text in (("chosen", better), ("rejected", worse)) if not text.strip()), "")
        question = _read_question(row)
        if not question.strip() or missing:
            budget.dropped[f"no {missing} answer" if missing else "no question"] += 1
        elif better == worse:
            budget.dropped["equal answers"] += 1
        else:
            yield _read_talk(row, [*_read_history(row), (question, "")], template, data), (better, worse)


def _read_batch(
    batch: pa.RecordBatch, template: Template, data: DataSettings, budget: Budget
) -> Iterator[Conversation]:
    """Conversations of a batch; one without question or answer is counted and left out."""
    for row in batch.to_pylist():
        if row["unfit"]:
            budget.dropped[row["unfit"]] += 1
            continue
        exchanges, question = _read_history(row), _read_question(row)
        if not question.strip() or not (row["response"] or "").strip():
            budget.dropped["no question" if not question.strip() else "no answer"] += 1
            continue
        yield _read_talk(row, [*exchanges, (question, row["response"])], template, data)


def _read_talk(
    row: dict[str, Any], exchanges: list[tuple[str, str]], template: Template, data: DataSettings
) -> Conversation:
    """The conversation, with who asks where tools do. What the model may call stands under its system prompt."""
    system = row["system"] or data.system
    if (row["tools"] or "").strip() not in ("", "[]"):
        above = template.default_system if system is None else system
        system = f"{above}\n\n{row['tools']}".strip()
    return Conversation(system, exchanges, _name(row), tuple((row["roles"] or [])[: 2 * len(exchanges) : 2]))


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


def _mask(talks: list[list[Encoded]], data: DataSettings) -> Tokens:
    """The ids of conversations, and whether each is learned."""
    parts = [part for turns in talks for turn in turns for part in turn]
    lengths = np.fromiter(map(len, parts), np.int64)
    last = np.cumsum([2 * len(turns) for turns in talks], dtype=np.int64) - 1
    flags = np.tile([data.train_on_prompt, not data.mask_history], len(parts) // 2)
    flags[last] = True
    ends = np.concatenate([[0], np.cumsum(lengths)[last]])
    return Tokens(np.concatenate([np.zeros(0, np.int32), *parts]), np.repeat(flags, lengths), ends)
