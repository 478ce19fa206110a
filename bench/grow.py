"""Texts for measuring deduplication, as many as wanted, made of the sentences of a smaller set.

python bench/grow.py plain SOURCE ROWS TARGET
python bench/grow.py poisoned SOURCE ROWS TARGET

SOURCE and TARGET are Parquet with the columns id and text. Up to SOURCE's own number of rows `plain` takes the first of
them as they stand. Beyond it all texts are new: pieces of sentences drawn by chance up to a length drawn from SOURCE's,
and every third text a copy of one of these (never of a copy, so clusters stay as small as SOURCE's), altered as texts
are that were scraped again: a greeting or a closing, punctuation of the other width, some characters, the end cut
off, a sentence dropped. A piece is at most a third of its text, so that texts are not alike for one sentence's sake,
however many there are. Text i depends on i and the seed alone, so any number of rows is made in little memory.

`poisoned`: two records of five with one sentence in front of a text of their own, the others all one and the same
answer.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

SEED = 7
BLOCK = 100_000
COPIES = 3
"""One text of so many is a copy."""

GREETINGS = ["您好，", "医生您好，", "你好，请问", "大夫，", "您好！很高兴为您解答。"]
CLOSINGS = ["谢谢！", "祝您早日康复。", "以上建议仅供参考。", "麻烦医生了，谢谢。"]
WIDTHS = {"，": ",", "。": ".", "？": "?", "！": "!", "：": ":", "；": ";", "（": "(", "）": ")"}
BOILERPLATE = "感谢您使用在线健康咨询服务，以下内容由值班医师根据您的描述整理，不能代替当面诊疗，请结合自身情况阅读。"
ANSWER = "这种情况多半和近期作息不规律有关，先注意休息、清淡饮食，每天量两次体温并记录，三天后没有好转再到门诊复查。"

_SENTENCE_ENDS = np.array([ord(c) for c in "。！？!?\n"], np.uint32)
_FIRST, _LAST = 0x4E00, 0x9000
_STEP, _MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)

Strings = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""The characters of several texts one after the other, and where each begins and the last ends."""


def grow(source: pl.DataFrame, rows: int) -> Iterator[pl.Series]:
    """`rows` texts in blocks, as the module says."""
    if rows <= source.height:
        yield source["text"].head(rows)
        return
    sentences = source["text"].str.extract_all(r"[^。！？\n]+[。！？\n]*").explode().drop_nulls()
    pool = _encode(sentences.filter(sentences.str.len_chars() > 3))
    lengths = source["text"].str.len_chars().to_numpy().astype(np.int64)
    heads, tails = _encode(pl.Series(GREETINGS)), _encode(pl.Series(CLOSINGS))
    widths = np.array([[ord(full), ord(half)] for full, half in WIDTHS.items()], np.uint32)
    for start in range(0, rows, BLOCK):
        made = _grow(np.uint64(SEED), start, min(start + BLOCK, rows), *pool, lengths, *heads, *tails, widths)
        yield _decode(*made)


def poison(source: pl.DataFrame, rows: int) -> Iterator[pl.Series]:
    """`rows` texts in blocks, the two kinds mixed evenly."""
    own = rows * 2 // 5
    for texts in grow(source, own):
        headed = BOILERPLATE + texts
        filled = np.full(len(texts) * 5 // 2, -1)
        places = np.arange(len(texts)) * 5 // 2
        filled[places] = np.arange(len(texts))
        chosen = headed.gather(np.maximum(filled, 0))
        yield pl.select(pl.when(pl.Series(filled >= 0)).then(chosen).otherwise(pl.lit(ANSWER)).alias("text"))["text"]


def write(blocks: Iterator[pl.Series], target: Path) -> None:
    """The texts numbered, as Parquet; the file is there only when it is whole."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    partial, first = target.with_suffix(".part"), 0
    with pq.ParquetWriter(partial, schema, compression="lz4") as writer:
        for texts in blocks:
            ids = pa.array(np.arange(first, first + len(texts)))
            writer.write_table(pa.table([ids, texts.to_arrow().cast(pa.string())], schema=schema))
            first += len(texts)
    partial.rename(target)


def _encode(texts: pl.Series) -> Strings:
    codes = np.frombuffer("".join(texts.to_list()).encode("utf-32-le"), np.uint32)
    return codes, np.concatenate([[0], np.cumsum(texts.str.len_chars().to_numpy().astype(np.int64))])


def _decode(codes: NDArray[np.uint32], starts: NDArray[np.int64]) -> pl.Series:
    text = codes.tobytes().decode("utf-32-le")
    return pl.Series("text", [text[start:stop] for start, stop in pairwise(starts)])


@njit(cache=True)
def _random(state: NDArray, below: int) -> int:
    """The next number below `below` (SplitMix64; Steele et al. 2014)."""
    state[0] += _STEP
    value = state[0]
    value = (value ^ (value >> _SHIFT_1)) * _MIX_1
    value = (value ^ (value >> _SHIFT_2)) * _MIX_2
    return np.int64((value ^ (value >> _SHIFT_3)) % np.uint64(below))


@njit(cache=True)
def _begin(state: NDArray, seed: np.uint64, row: int) -> None:
    state[0] = (seed * _MIX_1) ^ (np.uint64(row + 1) * _MIX_2)
    _random(state, 2)


@njit(cache=True)
def _compose(state: NDArray, pool: NDArray, starts: NDArray, lengths: NDArray, text: NDArray) -> int:
    """A new text of pieces of sentences; returns its length."""
    length = lengths[_random(state, lengths.shape[0])]
    longest = max(4, length // 3)
    used = 0
    while used < length:
        sentence = _random(state, starts.shape[0] - 1)
        begin, size = starts[sentence], starts[sentence + 1] - starts[sentence]
        if size > longest:
            begin, size = begin + _random(state, size - longest + 1), longest
        size = min(size, length - used)
        text[used : used + size] = pool[begin : begin + size]
        used += size
    return used


@njit(cache=True)
def _insert(text: NDArray, used: int, at: int, pool: NDArray, start: int, stop: int) -> int:
    size = stop - start
    for place in range(used - 1, at - 1, -1):
        text[place + size] = text[place]
    text[at : at + size] = pool[start:stop]
    return used + size


@njit(cache=True)
def _remove(text: NDArray, used: int, start: int, stop: int) -> int:
    for place in range(stop, used):
        text[place - stop + start] = text[place]
    return used - stop + start


@njit(cache=True)
def _edit(state: NDArray, text: NDArray, used: int) -> int:
    """One to three characters, and one of a hundred, replaced, dropped or put in."""
    for _ in range(1 + _random(state, 3) + used // 100):
        at, kind = _random(state, used), _random(state, 3)
        character = np.array([_FIRST + _random(state, _LAST - _FIRST)], np.uint32)
        if kind == 0:
            text[at] = character[0]
        elif kind == 1 and used > 1:
            used = _remove(text, used, at, at + 1)
        else:
            used = _insert(text, used, at, character, 0, 1)
    return used


@njit(cache=True)
def _drop_sentence(state: NDArray, text: NDArray, used: int) -> int:
    """A sentence less, where the text has several."""
    ends = 0
    for at in range(used - 1):
        ends += (text[at] == _SENTENCE_ENDS).any()
    if ends == 0:
        return used
    dropped, seen, start = _random(state, ends + 1), 0, 0
    for at in range(used):
        if (text[at] == _SENTENCE_ENDS).any() or at == used - 1:
            if seen == dropped:
                return _remove(text, used, start, at + 1)
            seen, start = seen + 1, at + 1
    return used


@njit(cache=True)
def _alter(
    state: NDArray,
    text: NDArray,
    used: int,
    heads: NDArray,
    head_starts: NDArray,
    tails: NDArray,
    tail_starts: NDArray,
    widths: NDArray,
) -> int:
    kind = _random(state, 5)
    if kind == 0 and _random(state, 2):
        which = _random(state, head_starts.shape[0] - 1)
        return _insert(text, used, 0, heads, head_starts[which], head_starts[which + 1])
    if kind == 0:
        which = _random(state, tail_starts.shape[0] - 1)
        return _insert(text, used, used, tails, tail_starts[which], tail_starts[which + 1])
    if kind == 1:
        for at in range(used):
            for pair in range(widths.shape[0]):
                if text[at] == widths[pair, 0]:
                    text[at] = widths[pair, 1]
        return used
    if kind == 2:
        return _edit(state, text, used)
    if kind == 3:
        return max(1, used - _random(state, used // 4 + 1))
    return _drop_sentence(state, text, used)


@njit(cache=True)
def _grow(
    seed: np.uint64,
    first: int,
    last: int,
    pool: NDArray,
    starts: NDArray,
    lengths: NDArray,
    heads: NDArray,
    head_starts: NDArray,
    tails: NDArray,
    tail_starts: NDArray,
    widths: NDArray,
) -> tuple[NDArray, NDArray]:
    state = np.zeros(1, np.uint64)
    text = np.empty(2 * lengths.max() + 100, np.uint32)
    codes, ends = np.empty(1 << 16, np.uint32), np.zeros(last - first + 1, np.int64)
    for row in range(first, last):
        _begin(state, seed, row)
        # Of every three rows the last is a copy, of one of the two others of an earlier three.
        is_copy = row % COPIES == COPIES - 1
        if is_copy:
            original = _random(state, row // COPIES + 1) * COPIES + _random(state, COPIES - 1)
            _begin(state, seed, original)
        used = _compose(state, pool, starts, lengths, text)
        if is_copy:
            _begin(state, ~seed, row)
            used = _alter(state, text, used, heads, head_starts, tails, tail_starts, widths)
        end = ends[row - first]
        if end + used > codes.shape[0]:
            wider = np.empty(2 * (end + used), np.uint32)
            wider[:end] = codes[:end]
            codes = wider
        codes[end : end + used] = text[:used]
        ends[row - first + 1] = end + used
    return codes[: ends[last - first]], ends


KINDS = {"plain": grow, "poisoned": poison}

if __name__ == "__main__":
    kind, source, rows, target = sys.argv[1:]
    write(KINDS[kind](pl.read_parquet(source), int(rows)), Path(target))
