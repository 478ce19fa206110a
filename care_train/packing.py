"""Examples side by side in rows of one length, none of which sees another."""

from typing import Any

import numpy as np
import torch

from care_train.errors import CareError
from care_train.sequences import Examples
from care_train.tokens import IGNORED

NOISE = 0.05
"""What a neighbour may change in a sequence's logits, as a share of what it changes where the sequence may see it. On
the CPU that is 0, also in 4 and 8 bits; on a GPU 8-bit layers round the numbers of a batch together."""


class Packed:
    """Rows of examples for a Trainer: item i holds their input_ids and labels one after the other, and position_ids.

    rows: the numbers of the examples in each row. Positions begin at 0 in each example; its first label is IGNORED, as
    nothing in front of it may foretell it.
    """

    def __init__(self, examples: Examples, rows: list[np.ndarray]) -> None:
        self.examples, self.rows = examples, rows
        self._lengths = examples.lengths

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return join([self.examples[number] for number in self.rows[index]])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.array([self._lengths[row].sum() for row in self.rows])

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return self.examples.tokens


def join(examples: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Examples, or rows of them, as one row."""
    positions = [example.get("position_ids", np.arange(len(example["input_ids"]))) for example in examples]
    labels = [np.where(at == 0, IGNORED, example["labels"]) for at, example in zip(positions, examples, strict=True)]
    return {
        "input_ids": np.concatenate([example["input_ids"] for example in examples]),
        "labels": np.concatenate(labels),
        "position_ids": np.concatenate(positions),
    }


def pack(examples: Examples, size: int) -> Packed:
    """The examples in as few rows of at most `size` tokens as best-fit decreasing finds; rows by their first example.

    The longest example comes first, and each goes where it leaves the least room (Johnson 1973). The same lengths give
    the same rows. Raises CareError for an example longer than a row.
    """
    lengths = examples.lengths
    if len(lengths) and lengths.max() > size:
        raise CareError(f"an example of {lengths.max():,} tokens fits no row of {size:,}", fix="Raise --cutoff_len.")
    rows: list[list[int]] = []
    waiting: list[list[int]] = [[] for _ in range(size + 1)]  # rows by the room they have left
    rooms = 0  # bit r is set where a row with room r waits
    for number in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[number])
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = waiting[room].pop()
            if not waiting[room]:
                rooms ^= 1 << room
            rows[row].append(number)
        else:
            room, row = size, len(rows)
            rows.append([number])
        if room > length:
            waiting[room - length].append(row)
            rooms |= 1 << (room - length)
    ordered = sorted((sorted(row) for row in rows), key=lambda row: row[0])
    return Packed(examples, [np.array(row) for row in ordered])


def describe_rows(packed: Packed, size: int) -> str:
    """How well the rows are filled, in one line."""
    share = packed.tokens / (len(packed) * size)
    return f"packing: {len(packed.examples):,} examples in {len(packed):,} rows of {size:,}, {share:.1%} filled"


def check_isolation(model: Any, rows: int = 2) -> None:
    """Raise unless a sequence's logits stay the same whatever its neighbours in the row are.

    Asked of the model itself as the Trainer will call it, in a batch of so many rows: whether it keeps sequences apart
    depends on its architecture, its attention and its cache, and one that does not says nothing.
    """
    learning, size = model.training, 8
    ids = (torch.arange(2 * rows * size).view(rows, -1) * 7 + 3) % min(model.config.vocab_size, 1000)
    other = ids.clone()
    other[:, :size] = ids[:, :size].flip(-1)  # the first sequence of each row
    positions = torch.arange(size).repeat(rows, 2).to(model.device)

    def change(**told: torch.Tensor) -> float:
        one, two = (model(input_ids=each.to(model.device), **told).logits.float() for each in (ids, other))
        return float((one - two)[:, size:].abs().max())

    model.eval()
    try:
        with torch.no_grad():
            apart, together = change(position_ids=positions), change()
    except TypeError as error:
        raise _refuse(model, f"takes no positions ({error})") from error
    finally:
        model.train(learning)
    if not apart <= NOISE * together:
        raise _refuse(model, "lets examples in a row see each other")


def _refuse(model: Any, what: str) -> CareError:
    kind = f"{model.config.model_type} with attention {model.config._attn_implementation}"
    return CareError(f"{kind} {what}", fix="Leave out --packing and --padding_free.")
