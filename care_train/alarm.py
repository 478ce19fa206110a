"""An alarm: training that has gone dead stops before the step is taken, and says where and on what."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from transformers import Trainer

from care_train.errors import CareError
from care_train.sequences import Block, Examples, Pairs

Batch = dict[str, torch.Tensor]
NAMED = 8
"""Records of a batch that are named; of more it is said how many."""


class WatchedTrainer(Trainer):
    """The Trainer that looks at every step's losses and gradients before the weights learn from them.

    `name` tells what a batch holds. `rests`: a loss of zero, and with it gradients of zero, means that there is nothing
    left to learn of a batch, not that something is broken. Costs one wait for the device a step.
    """

    rests = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name: Callable[[list[Batch]], str] = lambda batches: ""
        self._seen: list[tuple[Batch, torch.Tensor]] = []

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._seen.append((inputs, loss))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The Trainer asks for it after the last batch of a step and before its optimizer."""
        norm = super()._get_grad_norm(model, grad_norm)
        seen, self._seen = self._seen, []
        losses = torch.stack([loss for _, loss in seen]).tolist()
        fault = find_fault(losses, None if norm is None else float(norm), mixed=self.args.fp16, rests=self.rests)
        if fault:
            what, fix, at = fault
            names = self.name([seen[number][0] for number in at])
            raise CareError(what, where=f"step {self.state.global_step + 1}{names and f', {names}'}", fix=fix)
        return norm


def find_fault(
    losses: list[float], norm: float | None, *, mixed: bool, rests: bool
) -> tuple[str, str, list[int]] | None:
    """(what is wrong, what to do, the numbers of the batches at fault) of a step, None where all is well.

    losses: of its batches; norm: of its gradients. mixed: in fp16 the scaler passes over steps of endless gradients.
    """
    at = [number for number, loss in enumerate(losses) if not math.isfinite(loss)]
    if at:
        return f"loss is {losses[at[0]]}", "Lower --learning_rate, train in --bf16, or look at these records.", at
    at = [number for number, loss in enumerate(losses) if loss == 0.0]
    if at and not rests:
        return "loss is 0.0", "Nothing is left to learn, or the model is broken: try another precision.", at
    everywhere = list(range(len(losses)))
    if norm == 0.0 and not (rests and len(at) == len(losses)):
        fix = "Nothing is being learned: check --lora_target and the precision flags."
        return "gradient norm is 0.0", fix, everywhere
    if norm is not None and not math.isfinite(norm) and not mixed:
        fix = "Lower --learning_rate, train in another precision, or look at these records."
        return f"gradient norm is {norm}", fix, everywhere
    return None


def name_batches(batches: list[Batch], blocks: Sequence[Block], decode: Callable[[list[int]], str]) -> str:
    """What batches hold, by the ids of their records, else by the records' numbers or words; of texts, their blocks.

    blocks: what is trained on, or of a stream what was read last.
    """
    found: dict[tuple[int, int], list[int]] = {}
    for row in (row for batch in batches for row in list_rows(batch)):
        for place in islice(_find_places(blocks, row), 1):
            found[place] = row.tolist()
    names = [_name_place(blocks[number], place, decode(ids)) for (number, place), ids in sorted(found.items())[:NAMED]]
    return ", ".join(names) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _find_places(blocks: Sequence[Block], row: np.ndarray) -> Iterator[tuple[int, int]]:
    """(number of a block, place of the record in it) of each block that has an example of these ids."""
    for number, block in enumerate(blocks):
        pool, sides = (block.examples.chosen, 2) if isinstance(block.examples, Pairs) else (block.examples, 1)
        for example in find_example(pool, row):
            yield number, int(pool.order[example]) // sides  # of one pool, in turns


def _name_place(block: Block, place: int, text: str) -> str:
    if block.table.column("prompt").null_count < block.table.num_rows:
        return name_record(block, place, text)
    return f"block {place + 1}" if block.numbered else f"the block that begins {text[:36]!r}"


def name_record(block: Block, place: int, text: str) -> str:
    """The record that became the example at `place`, whose decoded text is `text`.

    It is the one at that place, or where records were dropped before it one of those after, told by its words.
    """
    words, dropped = "".join(text.split()), block.dropped
    for number, row in enumerate(block.table.slice(place, dropped + 1).to_pylist(), place):
        said = [row["prompt"], row["response"] or row["chosen"]]
        if not dropped or all("".join((part or "").split()) in words for part in said):
            return row["id"] or f"record {number + 1 if block.numbered else repr((row['prompt'] or '')[:36])}"
    if block.numbered:
        return f"record {place + 1} or one of the {dropped} after it"
    return f"the record that reads {text[:36]!r}"


def list_rows(batch: Batch) -> list[np.ndarray]:
    """The token ids of each example of a batch; of pairs, of each chosen answer and each rejected one."""
    ids = batch["input_ids"].cpu().numpy()
    if "attention_mask" in batch:
        masks = batch["attention_mask"].cpu().numpy().astype(bool)
        return [row[mask] for row, mask in zip(ids, masks, strict=True)]
    positions = batch["position_ids"].cpu().numpy()
    return [part for row, at in zip(ids, positions, strict=True) for part in np.split(row, np.flatnonzero(at == 0)[1:])]


def find_example(examples: Examples, ids: np.ndarray) -> list[int]:
    """The number of the first example of these ids, in a list; none where there is none, as of padding."""
    for number in np.flatnonzero(examples.lengths == len(ids)).tolist():
        if np.array_equal(examples[number]["input_ids"], ids):
            return [number]
    return []
