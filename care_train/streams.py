"""Examples made while training, for data that is read and never all at once in memory."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, count, islice
from typing import Any

import pyarrow as pa
from torch.utils.data import IterableDataset, get_worker_info

from care_train.dataset_info import Stream
from care_train.errors import CareError, Nothing
from care_train.lengths import Budget
from care_train.sequences import Block

Encode = Callable[[pa.Table], tuple[Any, Budget]]


class ExampleStream(IterableDataset[Any]):
    """Examples or pairs of a Stream, made block by block, pass after pass without end, as the steps are counted.

    Each pass has an order of its own, the same for a seed; so a resumed run passes over exactly what it had learned.
    budget: the account of what was read so far, by this process. tokens: of the whole run, foretold from the first
    records. recent: what was read last, of which a step that is being learned is made.

    step: the examples that a step takes; steps: of the run.
    """

    def __init__(self, stream: Stream, encode: Encode, step: int, steps: int) -> None:
        examples, self.first = encode(stream.head.table)
        self.tokens = round(examples.tokens / len(examples) * step * steps)
        self.stream, self.encode, self.budget, self.step = stream, encode, Budget(), step
        self.recent: deque[Block] = deque()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The examples; of several loaders each takes every so many-th. CareError where a whole pass has none."""
        worker = get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        return islice(chain.from_iterable(map(self._make, count())), start, None, step)

    def _make(self, epoch: int) -> Iterator[dict[str, Any]]:
        made = 0
        for table in self.stream.read(epoch):
            try:
                examples, budget = self.encode(table)
            except Nothing:
                self.budget.read += table.num_rows
                self.budget.dropped["in a block with nothing to learn"] += table.num_rows
                continue
            self.budget.add(budget)
            self._remember(Block(examples, table, budget.dropped.total(), numbered=False))
            for number in range(len(examples)):
                made += 1
                yield examples[number]
        if not made:
            raise CareError("nothing to learn in the stream", fix="Raise --cutoff_len or check the columns.")

    def _remember(self, block: Block) -> None:
        """Keep a block, and of those before it what two steps are made of: loaders read ahead by less than one."""
        self.recent.append(block)
        while sum(len(one.examples) for one in self.recent) - len(self.recent[0].examples) >= 2 * self.step:
            self.recent.popleft()
