"""Some clusters with their texts, for a person to judge by what was taken for the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from care_data.duplicates.inputs import Input
from care_data.duplicates.search import EXACT, KEPT, REASONS, Verdicts

if TYPE_CHECKING:
    import polars as pl

_REACH = 50_000
_MEMBERS = 3


@dataclass(frozen=True)
class Member:
    """A record of a cluster. jaccard: with the keeper, None where it is contained in that; texts: one a group."""

    id: str
    reason: str
    jaccard: float | None
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Cluster:
    """Records that are one: so many as `size` says, of which some are shown, the keeper first."""

    size: int
    members: list[Member]


def show_clusters(
    inputs: Sequence[Input], verdicts: Verdicts, groups: int, known: "pl.Series | None" = None, count: int = 3
) -> list[Cluster]:
    """Clusters of more than exact copies, among the first rows: the largest, then those that hang together the least.

    Their texts are read from the inputs again, no further than they reach. Ids are label#row, but for the first rows,
    an index's, of which `known` holds them.
    """
    rows = np.flatnonzero((verdicts.reasons[:_REACH] != KEPT) & (verdicts.keepers[:_REACH] < _REACH))
    keepers = verdicts.keepers[rows]
    near = verdicts.reasons[rows] != EXACT
    heads = np.unique(keepers[near])
    if not len(heads):
        return []
    sizes = np.bincount(np.searchsorted(heads, keepers[near]), minlength=len(heads))
    least = np.full(len(heads), np.inf)
    np.minimum.at(least, np.searchsorted(heads, keepers[near]), np.nan_to_num(verdicts.jaccards[rows[near]], nan=1))
    chosen = [int(np.argmax(sizes)), *(int(at) for at in np.argsort(least, kind="stable"))]
    shown: dict[int, list[int]] = {}
    for head in [int(heads[at]) for at in dict.fromkeys(chosen)][:count]:
        own = rows[(keepers == head) & near]
        shown[head] = [
            head,
            *own[np.argsort(np.nan_to_num(verdicts.jaccards[own], nan=1), kind="stable")][:_MEMBERS].tolist(),
        ]
    texts = _read_texts(inputs, verdicts, groups, sorted(row for cluster in shown.values() for row in cluster))

    def describe(row: int) -> Member:
        number = int(np.searchsorted(verdicts.starts, row, side="right")) - 1
        name = f"{inputs[number].label}#{row - verdicts.starts[number] + 1}"
        if known is not None and row < len(known):
            name = known[row]
        jaccard = float(verdicts.jaccards[row])
        return Member(name, REASONS[verdicts.reasons[row]], None if np.isnan(jaccard) else jaccard, texts[row])

    return [
        Cluster(int((verdicts.keepers == head).sum()) + 1, [describe(row) for row in cluster])
        for head, cluster in shown.items()
    ]


def _shown(text: str) -> str:
    """The text without what parts the texts of one value."""
    return text.replace("\x1e", "\n").strip()


def _read_texts(
    inputs: Sequence[Input], verdicts: Verdicts, groups: int, rows: list[int]
) -> dict[int, tuple[str, ...]]:
    """The texts of these rows (ascending), by row."""
    found: dict[int, tuple[str, ...]] = {}
    columns = [f"group{group}" for group in range(groups)]
    for number, each in enumerate(inputs):
        at, stop = verdicts.starts[number], verdicts.starts[number + 1]
        if not any(at <= row < stop for row in rows):
            continue
        for frame in each.read():
            here = [row for row in rows if at <= row < at + frame.height]
            for row, texts in zip(here, frame[[row - at for row in here]].select(columns).rows(), strict=True):
                found[row] = tuple(_shown(text or "") for text in texts)
            at += frame.height
            if len(found) == len(rows):
                return found
    return found
