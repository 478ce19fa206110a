"""Perplexity of texts, long ones in windows that overlap, so that every token is foretold from enough before it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from care_train.spans import encode_all

LARGEST = 4096
"""Tokens of a window where none is named, if the model takes so many."""


@dataclass(frozen=True)
class Surprise:
    """What a text cost. nats: the sum over its counted tokens; tokens: those counted."""

    nats: float
    tokens: int
    characters: int
    bytes: int

    @property
    def perplexity(self) -> float:
        """Of a token: e to the mean of nats."""
        return math.exp(self.nats / self.tokens) if self.tokens else math.nan

    @property
    def character_perplexity(self) -> float:
        """Of a character: the same whatever the tokenizer cuts."""
        return math.exp(self.nats / self.characters) if self.characters else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Bits to store a byte of its UTF-8."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan


class Window(NamedTuple):
    """Tokens that go through the model together; those from `first` on are counted."""

    text: int
    ids: list[int]
    first: int


def measure_texts(
    model: Any,
    tokenizer: Any,
    texts: list[str],
    *,
    window: int,
    overlap: float,
    batch_size: int,
    tick: Callable[[int, int], None] = lambda done, tokens: None,
) -> list[Surprise]:
    """Each text's surprise. Texts begin with the tokenizer's first token if it has one (bos, else eos), never counted.

    window: tokens at once; overlap: the share of a window that was counted before and only serves the rest.
    """
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    encoded = [[start, *map(int, ids)] for ids in encode_all(tokenizer, texts)]
    windows = [one for number, ids in enumerate(encoded) for one in cut_windows(number, ids, window, overlap)]
    left = [0] * len(texts)
    for one in windows:
        left[one.text] += 1
    nats, counted = [0.0] * len(texts), [0] * len(texts)
    order = sorted(windows, key=lambda one: -len(one.ids))
    for at in range(0, len(order), batch_size):
        batch = order[at : at + batch_size]
        for one, sums in zip(batch, _read(model, batch), strict=True):
            nats[one.text] += sums
            counted[one.text] += len(one.ids) - one.first
            left[one.text] -= 1
            tick(left[one.text] == 0, len(one.ids) - one.first)
    sizes = [(len(text), len(text.encode())) for text in texts]
    return [Surprise(cost, count, *size) for cost, count, size in zip(nats, counted, sizes, strict=True)]


def cut_windows(text: int, ids: list[int], window: int, overlap: float) -> Iterator[Window]:
    """Windows that count every token but the first once, each with at least the overlap before it."""
    before = min(int(window * overlap), window - 1)
    done = 1
    while done < len(ids):
        begin = max(0, min(done - before, len(ids) - window)) if done > 1 else 0
        end = min(begin + window, len(ids))
        yield Window(text, ids[begin:end], done - begin)
        done = end


def _read(model: Any, windows: list[Window]) -> list[float]:
    """The nats of each window's counted tokens."""
    device = next(model.parameters()).device
    width = max(len(one.ids) for one in windows)
    ids = torch.tensor([one.ids + [0] * (width - len(one.ids)) for one in windows], device=device)
    mask = torch.tensor([[1] * len(one.ids) + [0] * (width - len(one.ids)) for one in windows], device=device)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    sums = []
    for row, one in enumerate(windows):
        logs = logits[row, one.first - 1 : len(one.ids) - 1].float().log_softmax(-1)
        taken = logs.gather(1, ids[row, one.first : len(one.ids), None])
        sums.append(-float(taken.double().sum()))
    return sums
