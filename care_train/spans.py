"""Texts to token ids, many in one call of the tokenizer, and ids put together from those of their parts.

Of several threads one at a time is in the tokenizer: it takes every core itself, and its switches are set for a call.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, pairwise
from threading import RLock
from typing import Any

import numpy as np
import pyarrow as pa

ANCHOR = "\ufdd0\ufdd1\ufdd0"
"""Stands for the token before a text; noncharacters, which no text is to hold."""

Span = tuple[str, bool]
"""A text, and whether a token stands right before it."""
Ids = np.ndarray
"""Token ids, int32."""

_inside = RLock()


def _begin_alone() -> None:
    """In a process that was forked: the tokenizer's threads stayed behind, and perhaps one that held the lock."""
    global _inside
    _inside = RLock()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


os.register_at_fork(after_in_child=_begin_alone)


def encode_all(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Token ids of each text without any special token, in one call on all cores."""
    if tokenizer.is_fast:
        return _encode_batch(tokenizer.backend_tokenizer, texts)
    with _inside:
        return tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"] if texts else []


def encode_spans(tokenizer: Any, spans: Iterable[Span]) -> dict[Span, list[int]]:
    """Ids of each distinct span; what follows a token is encoded as it would be inside the whole text."""
    known = dict.fromkeys(spans)
    with _inside:
        joiner = _make_joiner(tokenizer, len(tokenizer)) if tokenizer.is_fast else None
    joined = [span for span in known if joiner and span[1] and ANCHOR not in span[0]]
    inside = set(joined)
    alone = [span for span in known if span not in inside]
    ids = dict(zip(alone, encode_all(tokenizer, [text for text, _ in alone]), strict=True))
    if joined:
        anchored = _encode_batch(joiner, [ANCHOR + text for text, _ in joined])
        ids |= {span: one[1:] for span, one in zip(joined, anchored, strict=True)}
    return ids


def decode(tokenizer: Any, ids: list[int]) -> str:
    """The text of ids."""
    with _inside:
        return tokenizer.decode(ids)


def join(parts: list[list[int]]) -> tuple[Ids, np.ndarray]:
    """The ids of all parts one after the other, and a leading 0 and where each part ends."""
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return np.fromiter(chain.from_iterable(parts), np.int32, count=ends[-1]), ends


def gather(parts: list[list[int]], rows: list[list[int]]) -> list[Ids]:
    """Of each row, which names parts by their numbers, the ids of its parts one after the other."""
    pool, starts = join(parts)
    order = np.fromiter(chain.from_iterable(rows), np.int64)
    taken = pa.ListArray.from_arrays(starts.astype(np.int32), pool).take(pa.array(order))
    ids, offsets = taken.values.to_numpy(), taken.offsets.to_numpy()
    ends = offsets[np.cumsum([0, *map(len, rows)])].tolist()
    return [ids[start:end] for start, end in pairwise(ends)]


def _encode_batch(backend: Any, texts: list[str]) -> list[list[int]]:
    with _inside:
        backend.no_truncation()
        backend.no_padding()
        before, backend.encode_special_tokens = backend.encode_special_tokens, True  # special tokens' texts stay text
        try:
            encoded = backend.encode_batch_fast(texts, add_special_tokens=False)
        finally:
            backend.encode_special_tokens = before
    return [one.ids for one in encoded]


@lru_cache(maxsize=4)
def _make_joiner(tokenizer: Any, size: int) -> Any:
    """A copy of the tokenizer with ANCHOR as a token, None where the place of a text does not change its ids.

    SentencePiece models put a space before a text, but none after a token. `size` tells of tokens added later.
    """
    from tokenizers import AddedToken, Tokenizer

    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = False
    probe = [backend.encode(text, add_special_tokens=False).ids for text in (f"{tokenizer.eos_token}a", "a")]
    if probe[0][1:] == probe[1]:
        return None
    copy = Tokenizer.from_str(backend.to_str())
    copy.add_tokens([AddedToken(ANCHOR, special=False, normalized=False)])
    return copy
