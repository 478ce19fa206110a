"""Padding of a batch."""

import numpy as np

from care_train.collators import make_padder


def test_pads_right_to_a_multiple_of_eight() -> None:
    batch = make_padder(9)(
        [
            {"input_ids": np.arange(10), "labels": np.full(10, 3)},
            {"input_ids": np.array([1, 2]), "labels": np.array([-100, 2])},
        ]
    )
    assert {name: tuple(values.shape) for name, values in batch.items()} == {
        "input_ids": (2, 16),
        "attention_mask": (2, 16),
        "labels": (2, 16),
    }
    assert batch["input_ids"][1].tolist() == [1, 2] + [9] * 14
    assert batch["attention_mask"].sum(1).tolist() == [10, 2]
    assert batch["labels"][1].tolist() == [-100, 2] + [-100] * 14
    assert batch["labels"][0].tolist() == [3] * 10 + [-100] * 6


def test_a_full_length_is_not_padded() -> None:
    batch = make_padder(0)([{"input_ids": np.arange(8), "labels": np.arange(8)}])
    assert batch["input_ids"].tolist() == [list(range(8))]
