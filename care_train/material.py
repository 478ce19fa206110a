"""The records of a run: said what they are, as plain texts, divided, and what became of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from care_train.config import usage
from care_train.dataset_info import Dataset
from care_train.lengths import Budget


def tell_data(data: Dataset, say: Callable[[str], None], *, what: str = "data", streaming: bool = False) -> None:
    """Say what was read, and what a person should know of how."""
    listed = ", ".join(f"{name} {rows:,}" for name, rows in data.rows.items())
    if streaming:
        say(f"{what}: streaming from {data.folder} ({', '.join(data.rows)}), the first {data.table.num_rows:,} read")
    else:
        say(f"{what}: {data.table.num_rows:,} records from {data.folder} ({listed})")
    for note in data.notes:
        say(f"{what}: {note}")


def split(examples: Any, size: float, seed: int) -> tuple[Any, Any]:
    """(training, evaluation or None) of Examples or Pairs: `size` of them, or that share below 1, drawn by the seed."""
    count = round(len(examples) * size) if size < 1 else int(size)
    if not count:
        return examples, None
    if count >= len(examples):
        raise usage(f"--val_size {size:g} leaves nothing to train on", f"There are {len(examples)} examples.")
    order = np.random.default_rng(seed).permutation(len(examples))
    return examples.take(np.sort(order[count:])), examples.take(np.sort(order[:count]))


def list_texts(data: Dataset) -> list[str]:
    """Every text, or question with its answers, as plain text: what the tiny base model reads."""
    texts = []
    for row in data.table.to_pylist():
        question = "\n".join(part for part in (row["prompt"], row["query"]) if part)
        answers = [row[name] for name in ("response", "chosen", "rejected") if row[name]]
        pairs = [*(row["history"] or []), *([question, answer] for answer in answers)]
        texts += ["\n".join(part or "" for part in pair) for pair in pairs] + ([row["text"]] if row["text"] else [])
    return texts


def describe_budget(budget: Budget) -> str:
    """The token budget in one line."""
    counts = budget.describe()
    notes = [f"{count:,} {what}" for what, count in {**counts["dropped"], **counts["truncated"]}.items()]
    return (
        f"tokens: {budget.kept:,} of {budget.read:,} records, {budget.tokens:,} tokens, "
        f"{counts['supervised_share']:.1%} learned, longest {budget.longest:,}; {', '.join(notes) or 'nothing cut'}"
    )
