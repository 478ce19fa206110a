"""Sequences of tokens as a Trainer reads them: examples, and pairs of an answer preferred and one that is not."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from care_train.tokens import IGNORED


class Examples:
    """Examples for a Trainer: five bytes a token, however many there are, and none where they are mapped from a disk.

    Item i is {"input_ids": int64 array, "labels": int64 array}, labels being IGNORED where nothing is learned.
    ends: where each begins and the last one ends. order: which of them, in what order, where not all as they are.
    head: tokens in front of every one.
    """

    def __init__(
        self,
        ids: np.ndarray,
        learned: np.ndarray,
        ends: np.ndarray,
        order: np.ndarray | None = None,
        head: tuple[int, ...] = (),
    ) -> None:
        self._ids, self._learned, self._ends, self.head = ids, learned, ends, head
        self.order = np.arange(len(ends) - 1) if order is None else order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        ids, learned = self._read(int(self.order[index]))
        ids = ids.astype(np.int64)
        return {"input_ids": ids, "labels": np.where(learned, ids, IGNORED)}

    def _read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        span = slice(self._ends[number], self._ends[number + 1])
        ids, learned = self._ids[span], self._learned[span]
        if not self.head:
            return ids, learned
        head = np.array(self.head, ids.dtype)
        return np.concatenate([head, ids]), np.concatenate([np.ones(len(head), bool), learned])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example."""
        return self._ends[self.order + 1] - self._ends[self.order] + len(self.head)

    @property
    def tokens(self) -> int:
        """Tokens of all examples."""
        return int(self.lengths.sum())

    @property
    def ids(self) -> np.ndarray:
        """The tokens of all examples one after the other, copied."""
        return np.concatenate([np.zeros(0, np.int32), *(self._read(number)[0] for number in self.order.tolist())])

    @property
    def learned(self) -> np.ndarray:
        """Whether each of them is learned."""
        return np.concatenate([np.zeros(0, bool), *(self._read(number)[1] for number in self.order.tolist())])

    @property
    def ends(self) -> np.ndarray:
        """Where each begins among them, and the last one ends."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def take(self, order: np.ndarray) -> "Examples":
        """These examples in this order; the tokens stay where they are."""
        return Examples(self._ids, self._learned, self._ends, self.order[order], self.head)


class Pairs:
    """Pairs for a Trainer: item i is {"chosen": …, "rejected": …}, each an item of Examples after the same prompt."""

    def __init__(self, chosen: Examples, rejected: Examples) -> None:
        self.chosen, self.rejected = chosen, rejected

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of the longer answer of each pair, with its prompt."""
        return np.maximum(self.chosen.lengths, self.rejected.lengths)

    @property
    def tokens(self) -> int:
        """The tokens of all answers, prompts twice."""
        return self.chosen.tokens + self.rejected.tokens

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, dict[str, np.ndarray]]:
        return {"chosen": self.chosen[index], "rejected": self.rejected[index]}

    def take(self, order: np.ndarray) -> "Pairs":
        """These pairs in this order."""
        return Pairs(self.chosen.take(order), self.rejected.take(order))


class Block(NamedTuple):
    """Examples or pairs, the records they were made of, and how many of those were dropped.

    numbered: whether these are all records in their order, so that a number tells one of them.
    """

    examples: Examples | Pairs
    table: pa.Table
    dropped: int
    numbered: bool
