"""Records held out of training: which, so that what hangs together is never parted."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.release import Dataset
from care_data.store import Store

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.inputs import Rules

SPLITS = ("validation", "test")
TOGETHER = (("pt",), ("sft", "rw"))
"""Formats whose records are compared with each other: preferences ask what instructions do."""

LARGE = 0.5
"""The share of the smallest split above which records that hang together stay in training: no fair test is of one."""


def hold_out(
    train: list[Dataset],
    ids: "dict[str, pl.Series]",
    splits: Mapping[str, float],
    seed: int,
    rules: "Rules",
    store: Store,
    workers: int | None,
) -> dict[str, NDArray[np.int64]]:
    """Per dataset and record the number of the split it is held out for, from 1 as in SPLITS, or 0 for training.

    What hangs together by what it is asked (or, of passages, its text) goes together, by the lot of its first record.
    """
    from care_data.fingerprints.lots import draw_shares

    held = {dataset.name: np.zeros(len(ids[dataset.name]), np.int64) for dataset in train}
    if not splits:
        return held
    for formats in TOGETHER:
        group = [dataset for dataset in train if dataset.format in formats]
        if not group:
            continue
        roots = _find_roots(group, rules, store, workers)
        lots = np.concatenate([draw_shares(ids[dataset.name], seed + 1) for dataset in group])[roots]
        sizes = np.bincount(roots, minlength=len(roots))[roots]
        lots[sizes > max(1, LARGE * min(splits.values()) * len(roots))] = 1.0
        # From both ends, so that neither split moves when the other is changed.
        chosen = np.zeros(len(roots), np.int64)
        chosen[(lots >= 1 - splits.get("validation", 0.0)) & (lots < 1)] = 1 + SPLITS.index("validation")
        chosen[lots < splits.get("test", 0.0)] = 1 + SPLITS.index("test")
        at = 0
        for dataset in group:
            held[dataset.name] = chosen[at : at + len(ids[dataset.name])]
            at += len(ids[dataset.name])
    return held


def _find_roots(group: list[Dataset], rules: "Rules", store: Store, workers: int | None) -> NDArray[np.int64]:
    from care_data.duplicates.components import find_components
    from care_data.duplicates.inputs import Input

    inputs = [Input(partial(_ask, dataset)) for dataset in group]
    with store.scratch("release") as scratch:
        return find_components(inputs, 1, rules, scratch, workers)


def _ask(dataset: Dataset) -> "Iterator[pl.DataFrame]":
    """What a record is asked, or a passage's text."""
    from care_data.duplicates.fields import read_texts
    from care_data.parts import read_frames

    fields = list(dataset.asked)
    for path in dataset.parts:
        for frame in read_frames(path, columns=fields):
            yield frame.select(read_texts(frame, [fields])[0])
