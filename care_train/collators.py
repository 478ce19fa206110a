"""Examples of one batch to tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

IGNORED = -100  # what torch's cross entropy passes over


def make_padder(pad_id: int, multiple: int = 8) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    """A collator: pads on the right to the longest of the batch, rounded up to `multiple`.

    Gives input_ids, attention_mask and labels, int64 [batch, length]; padding is masked and never learned.
    """

    def pad(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
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
