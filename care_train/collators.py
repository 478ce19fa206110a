"""Examples of one batch to tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

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


def make_pair_padder(pad_id: int, multiple: int = 8) -> Callable[[list[dict[str, Any]]], Batch]:
    """The same for pairs: a batch of twice as many rows, the better answers first, then the worse ones."""
    pad = make_padder(pad_id, multiple)

    def pad_pairs(pairs: list[dict[str, Any]]) -> Batch:
        return pad([pair[side] for side in ("chosen", "rejected") for pair in pairs])

    return pad_pairs
