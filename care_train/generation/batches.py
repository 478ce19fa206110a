"""Answers that are written side by side: rows join a running batch and leave it, each as if it were alone.

One cache of keys and values holds all rows, padded on the left, so that every row's next token stands in the same
column. What joins is read by itself first; what leaves gives its room back.
"""

from inspect import signature
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

ROOM = 64
"""Columns by which a full cache grows at least."""
ALIKE = 1.5
"""Prompts are read together while the longest is at most so many times the shortest: the rest would be padding."""


class GrowingLayer(DynamicLayer):
    """Keys and values [rows, heads, columns, size] with room to grow: a new token is written, the rest not copied."""

    room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        """Keys and values with the new columns at their end."""
        used = self.get_seq_length()
        self.load(key_states, value_states, used, used + key_states.shape[-2])
        return self.keys, self.values

    def load(self, keys: torch.Tensor, values: torch.Tensor, at: int, end: int) -> None:
        """Write columns at `at`; `end` is the number of columns from then on."""
        if self.room is None or self.room[0].shape[-2] < end or self.room[0].shape[0] != keys.shape[0]:
            self._grow(keys, values, at, end)
        assert self.room is not None  # noqa: S101  for the type checker
        self.room[0][:, :, at : at + keys.shape[-2]] = keys
        self.room[1][:, :, at : at + values.shape[-2]] = values
        self.keys, self.values = (one[:, :, :end] for one in self.room)

    def _grow(self, keys: torch.Tensor, values: torch.Tensor, at: int, end: int) -> None:
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        size = end + max(ROOM, end // 2)
        room = tuple(one.new_zeros((*one.shape[:2], size, one.shape[-1])) for one in (keys, values))
        if at and self.keys is not None and self.values is not None:
            room[0][:, :, :at] = self.keys[:, :, :at]
            room[1][:, :, :at] = self.values[:, :, :at]
        self.room = (room[0], room[1])


class Batch:
    """The rows being written, in the order they joined."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.joins = takes_company(model)
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.one_logit = {"logits_to_keep": 1} if "logits_to_keep" in signature(base.forward).parameters else {}
        self.lengths: list[int] = []  # columns each row fills, counted from the right
        self.cache: Any = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def columns(self) -> int:
        """Width of the cache."""
        return max(self.lengths, default=0)

    def admit(self, prompts: list[list[int]]) -> torch.Tensor:
        """Logits [new rows, vocabulary] that follow the prompts, which join as further rows."""
        return torch.cat([self._read(group) for group in group_by_length(prompts)])

    def step(self, tokens: list[int]) -> torch.Tensor:
        """Logits [rows, vocabulary] that follow one more token of each row."""
        self.lengths = [length + 1 for length in self.lengths]
        ids = torch.tensor(tokens, device=self.device)[:, None]
        places = torch.tensor(self.lengths, device=self.device)[:, None] - 1
        return self._run(ids, places, self.cache, self.lengths)

    def keep(self, rows: list[int]) -> None:
        """Only these rows go on; columns that were filled by others alone are given back."""
        before, self.lengths = self.columns, [self.lengths[row] for row in rows]
        if not rows:
            self.cache = None
            return
        if self.cache is None or not self.joins:
            return
        first = before - self.columns
        chosen = torch.tensor(rows, device=self.device)
        for layer in self.cache.layers:
            keys, values = (one.index_select(0, chosen)[:, :, first:] for one in (layer.keys, layer.values))
            layer.room = None
            layer.load(keys, values, 0, self.columns)

    def _read(self, prompts: list[list[int]]) -> torch.Tensor:
        """Logits after prompts of like length, whose rows have joined."""
        lengths = [len(prompt) for prompt in prompts]
        width = max(lengths)
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=self.device)
        shifts = torch.tensor([[width - length] for length in lengths], device=self.device)
        places = (torch.arange(width, device=self.device)[None] - shifts).clamp_min(0)
        cache = Cache(layer_class_to_replicate=GrowingLayer) if self.joins else DynamicCache(config=self.model.config)
        logits = self._run(ids, places, cache, lengths)
        if self.cache is None:
            self.cache = cache
        else:
            _join(self.cache, cache, self.columns, width)
        self.lengths += lengths
        return logits

    def _run(self, ids: torch.Tensor, places: torch.Tensor, cache: Any, lengths: list[int]) -> torch.Tensor:
        """Logits [rows, vocabulary] of the last column of `ids` [rows, columns]."""
        mask = None
        if min(lengths) < max(lengths):
            fills = torch.tensor(lengths, device=self.device)[:, None]
            mask = (torch.arange(max(lengths), 0, -1, device=self.device)[None] <= fills).long()
        with torch.inference_mode():
            return self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
                **self.one_logit,
            ).logits[:, -1]


def takes_company(model: Any) -> bool:
    """Whether rows may join and leave: attention's cache can be cut and joined, a recurrent state is left alone."""
    layers = DynamicCache(config=model.config).layers
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


def group_by_length(prompts: list[list[int]]) -> list[list[list[int]]]:
    """Prompts in their order, cut where the next would have to be padded, or would make others pad, too much."""
    groups: list[list[list[int]]] = []
    low = high = 0
    for prompt in prompts:
        low, high = min(low or len(prompt), len(prompt)), max(high, len(prompt))
        if groups and high <= ALIKE * low + ROOM:
            groups[-1].append(prompt)
        else:
            groups.append([prompt])
            low = high = len(prompt)
    return groups


def _join(cache: Any, new: Any, wide: int, width: int) -> None:
    """Put the rows of `new`, `width` columns, below those of `cache`, `wide` columns; both end in the last column."""
    end = max(wide, width)
    for layer, other in zip(cache.layers, new.layers, strict=True):
        both = []
        for one, two in ((layer.keys, other.keys), (layer.values, other.values)):
            rows = one.new_zeros((len(one) + len(two), one.shape[1], end, one.shape[-1]))
            rows[: len(one), :, end - wide :] = one
            rows[len(one) :, :, end - width :] = two
            both.append(rows)
        layer.room = None
        layer.load(both[0], both[1], 0, end)
