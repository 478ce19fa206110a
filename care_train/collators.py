"""Examples of one batch to tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from care_train.config import DataSettings
from care_train.packing import join
from care_train.tokens import IGNORED

Batch = dict[str, torch.Tensor]


def make_padder(pad_id: int, multiple: int = 8) -> Callable[[list[dict[str, Any]]], Batch]:
    """A collator: pads on the right to the longest of the batch, rounded up to `multiple`.

    Gives input_ids, attention_mask and labels, int64 [batch, length]; padding is masked and never learned.
    """

    def pad(examples: list[dict[str, Any]]) -> Batch:
        longest = max(len(example["input_ids"]) for example in examples)
        length = -(-longest // multiple) * multiple
        batch = {
            "input_ids": np.full((len(examples), length), pad_id, np.int64),
            "attention_mask": np.zeros((len(examples), length), np.int64),
            "labels": np.full((len(examples), length), IGNORED, np.int64),
        }
        for row, example in enumerate(examples):
            size = len(example["input_ids"])
            batch["input_ids"][row, :size] = example["input_ids"]
            batch["labels"][row, :size] = example["labels"]
            batch["attention_mask"][row, :size] = 1
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    return pad


def choose_collator(data: DataSettings, pad_id: int) -> Callable[[list[dict[str, Any]]], Batch]:
    """The collator that the settings ask for: one row, rows of several examples, or padding."""
    if data.padding_free:
        return join_batch
    return make_row_padder(pad_id) if data.packing else make_padder(pad_id)


def join_batch(examples: list[dict[str, Any]]) -> Batch:
    """All examples one after the other, [1, tokens]: input_ids, labels and position_ids that begin at 0 in each.

    There is no attention_mask: models read from the positions what belongs together, and only where there is none.
    """
    return {name: torch.from_numpy(values)[None] for name, values in join(examples).items()}


def make_row_padder(pad_id: int, multiple: int = 8) -> Callable[[list[dict[str, Any]]], Batch]:
    """A collator of rows that may hold several examples: the same three, [batch, length].

    What fills up a row is one more sequence of its own, of which nothing is learned.
    """

    def pad_rows(rows: list[dict[str, Any]]) -> Batch:
        joined = [join([row]) for row in rows]
        length = -(-max(len(row["input_ids"]) for row in joined) // multiple) * multiple
        filled = []
        for row in joined:
            rest = length - len(row["input_ids"])
            padding = {"input_ids": np.full(rest, pad_id), "labels": np.full(rest, IGNORED)}
            filled.append(join([row, padding]))
        return {name: torch.from_numpy(np.stack([row[name] for row in filled])) for name in filled[0]}

    return pad_rows


def make_pair_padder(pad_id: int, multiple: int = 8) -> Callable[[list[dict[str, Any]]], Batch]:
    """The same for pairs: a batch of twice as many rows, the better answers first, then the worse ones."""
    pad = make_padder(pad_id, multiple)

    def pad_pairs(pairs: list[dict[str, Any]]) -> Batch:
        return pad([pair[side] for side in ("chosen", "rejected") for pair in pairs])

    return pad_pairs
