"""What of the records goes into a release, and into which split: licences, shares, samples, weights, held-out records.

Every choice is by lot, and the lot of a record is drawn by its id: the same on every day and machine, and of two
samples the smaller is in the larger.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.errors import CareError, Exit
from care_data.release import Dataset
from care_data.store import STAGES, Store

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.inputs import Rules

USES = {"commercial": ("commercial",), "research": ("commercial", "research"), "any": ()}
"""What --licence asks for: the uses of a licence that allow it; all of them where none is named."""

SPLITS = ("validation", "test")
LARGE = 0.01
"""The share of records from which those that hang together stay in training: no fair test is made of one cluster."""

_SCALE = float(1 << 64)


@dataclass(frozen=True)
class Mix:
    """What a release is to hold, of each format.

    licence: a key of USES. shares: corpus, or * for every other one, to the highest share of the training records it
    may have. weights: corpus to how much more or less of it is taken, 1 where nothing is said. sample: so many training
    records, or below 1 that share of them. splits: validation and test to the share of records held out.
    """

    licence: str = "any"
    shares: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    sample: float | None = None
    splits: dict[str, float] = field(default_factory=dict)
    seed: int = 0

    def check(self, corpora: Sequence[str]) -> None:
        """CareError (2) for what cannot be meant."""
        if self.licence not in USES:
            raise _refuse(f"--licence {self.licence}", f"Write one of: {', '.join(USES)}.")
        for word, named in (("--max-share", self.shares), ("--weight", self.weights)):
            for corpus in named:
                if corpus != "*" and corpus not in corpora:
                    raise _refuse(f"{word} {corpus}: no such corpus here", f"They are: {', '.join(corpora)}.")
        if not all(0 < share <= 1 for share in self.shares.values()):
            raise _refuse("a share is not above 0 and at most 1", "Write --max-share CORPUS=0.3.")
        if not all(weight >= 0 for weight in self.weights.values()) or set(self.weights) == {"*"}:
            raise _refuse("a weight is below 0, or of all", "Write --weight CORPUS=2.")
        if self.sample is not None and self.sample <= 0:
            raise _refuse("nothing would be sampled", "Write --sample 10000 or --sample 0.1.")
        if set(self.splits) - set(SPLITS) or not all(0 < share < 1 for share in self.splits.values()):
            raise _refuse("no such split", "Write --split validation=0.02 or --split test=0.02.")
        if sum(self.splits.values()) >= 1:
            raise _refuse("nothing would be left to train on", "Hold out less.")


def _refuse(what: str, fix: str) -> CareError:
    return CareError(what, fix=fix, code=Exit.USAGE)


def parse_numbers(texts: Sequence[str], word: str) -> dict[str, float]:
    """NAME=NUMBER of an option that may come several times."""
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError as error:
            raise _refuse(f"{word} {text}: no number", f"Write {word} NAME=NUMBER.") from error
    return found


def mix(datasets: list[Dataset], mix: Mix, rules: "Rules", store: Store, workers: int | None) -> list[Dataset]:
    """The datasets with what is chosen of each, and those held out as datasets of their own.

    Benchmarks stay as they are. Nothing asked for leaves all as it is.
    """
    train = [dataset for dataset in datasets if dataset.role == "train"]
    if mix == Mix(licence=mix.licence):
        return datasets
    ids = {dataset.name: _read_ids(dataset) for dataset in train}
    held = _hold_out(train, ids, mix, rules, store, workers)
    made = [dataset for dataset in datasets if dataset.role != "train"]
    by_format: dict[str, list[Dataset]] = defaultdict(list)
    for dataset in train:
        by_format[dataset.format].append(dataset)
    for group in by_format.values():
        lots = {dataset.name: _draw(ids[dataset.name], mix.seed) for dataset in group}
        left = {dataset.name: held[dataset.name] == 0 for dataset in group}
        cuts = _cut_off(group, lots, left, mix)
        for dataset in group:
            chosen = left[dataset.name] & (lots[dataset.name] < cuts[dataset.corpus])
            made.append(replace(dataset, chosen=_by_part(dataset, chosen)))
            for number, split in enumerate(SPLITS, start=1):
                if split in mix.splits:
                    own = held[dataset.name] == number
                    if own.any():
                        made.append(replace(dataset, split=split, chosen=_by_part(dataset, own)))
    return made


def _read_ids(dataset: Dataset) -> "pl.Series":
    import polars as pl

    parts = [pl.read_parquet(path, columns=["id"])["id"] for path in dataset.parts]
    return pl.concat([pl.Series("id", [], pl.String), *parts])


def _draw(ids: "pl.Series", seed: int) -> NDArray[np.float64]:
    """A lot from 0 to below 1 for each id."""
    from care_data.fingerprints.lots import draw
    from care_data.fingerprints.normalisation import pack

    return (draw(pack(ids), seed) >> np.uint64(11)).astype(np.float64) / (_SCALE / (1 << 11))


def _by_part(dataset: Dataset, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    import pyarrow.parquet as pq

    ends = np.cumsum([pq.read_metadata(path).num_rows for path in dataset.parts])
    return tuple(np.split(chosen, ends[:-1]))


# Quotas


def _cut_off(
    group: list[Dataset], lots: dict[str, NDArray[np.float64]], left: dict[str, NDArray[np.bool_]], mix: Mix
) -> dict[str, float]:
    """The lot of each corpus below which its records are taken."""
    own: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for dataset in group:
        own[dataset.corpus].append(lots[dataset.name][left[dataset.name]])
    drawn = {corpus: np.sort(np.concatenate(each)) for corpus, each in own.items()}
    quotas = share_out({corpus: len(each) for corpus, each in drawn.items()}, mix)
    return {
        corpus: 1.0 if quotas[corpus] >= len(each) else float(each[quotas[corpus]]) for corpus, each in drawn.items()
    }


def share_out(rows: dict[str, int], mix: Mix) -> dict[str, int]:
    """How many records of each corpus are taken, of those it has."""
    weights = {corpus: mix.weights.get(corpus, mix.weights.get("*", 1.0)) for corpus in rows}
    most = max(weights.values(), default=1.0) or 1.0
    taken = {corpus: count * weights[corpus] / most for corpus, count in rows.items()}
    if mix.sample is not None:
        wanted = mix.sample if mix.sample >= 1 else mix.sample * sum(taken.values())
        taken = _fill({corpus: count * weights[corpus] for corpus, count in rows.items()}, rows, wanted)
    return {corpus: round(count) for corpus, count in _cap(taken, mix.shares).items()}


def _fill(pulls: dict[str, float], rows: dict[str, int], wanted: float) -> dict[str, float]:
    """`wanted` records shared out by pull, none giving more than it has; what one cannot give the others do."""
    taken: dict[str, float] = {}
    open_ = {corpus: pull for corpus, pull in pulls.items() if pull > 0}
    while open_:
        each = (wanted - sum(taken.values())) / sum(open_.values())
        full = [corpus for corpus, pull in open_.items() if pull * each >= rows[corpus]]
        if not full:
            taken |= {corpus: pull * each for corpus, pull in open_.items()}
            break
        for corpus in full:
            taken[corpus] = rows[corpus]
            del open_[corpus]
    return {corpus: taken.get(corpus, 0.0) for corpus in pulls}


def _cap(taken: dict[str, float], shares: dict[str, float]) -> dict[str, float]:
    """None above its share of what is then left in all."""
    limits = {corpus: shares.get(corpus, shares.get("*", 1.0)) for corpus in taken}
    capped: set[str] = set()
    while True:
        free = sum(count for corpus, count in taken.items() if corpus not in capped)
        room = 1 - sum(limits[corpus] for corpus in capped)
        total = free / room if room > 0 else 0.0
        now = {corpus: limits[corpus] * total if corpus in capped else count for corpus, count in taken.items()}
        over = {c for c in taken if c not in capped and limits[c] < 1 and now[c] > limits[c] * sum(now.values()) + 1e-6}
        if not over:
            break
        capped |= over
    if sum(taken.values()) and not sum(now.values()):
        named = ", ".join(f"{corpus}={limits[corpus]:g}" for corpus in sorted(capped))
        raise _refuse(f"shares of {named} leave no release", "Name more corpora, or allow them more.")
    return now


# Splits


def _hold_out(
    train: list[Dataset], ids: "dict[str, pl.Series]", mix: Mix, rules: "Rules", store: Store, workers: int | None
) -> dict[str, NDArray[np.int64]]:
    """Per dataset and record the number of the split it is held out for, 0 for training.

    What hangs together by its question (or, of passages, its text) goes together, by the lot of its first record.
    """
    held = {dataset.name: np.zeros(len(ids[dataset.name]), np.int64) for dataset in train}
    if not mix.splits:
        return held
    for formats in (("pt",), ("sft", "rw")):
        group = [dataset for dataset in train if dataset.format in formats]
        if not group:
            continue
        roots = _find_roots(group, rules, store, workers)
        lots = np.concatenate([_draw(ids[dataset.name], mix.seed + 1) for dataset in group])[roots]
        sizes = np.bincount(roots, minlength=len(roots))[roots]
        lots[sizes > max(1, LARGE * len(roots))] = 1.0
        chosen, low = np.zeros(len(roots), np.int64), 0.0
        for number, split in enumerate(SPLITS, start=1):
            high = low + mix.splits.get(split, 0.0)
            chosen[(lots >= low) & (lots < high)] = number
            low = high
        at = 0
        for dataset in group:
            held[dataset.name] = chosen[at : at + len(ids[dataset.name])]
            at += len(ids[dataset.name])
    return held


def _find_roots(group: list[Dataset], rules: "Rules", store: Store, workers: int | None) -> NDArray[np.int64]:
    from care_data.duplicates.components import find_components
    from care_data.duplicates.inputs import Input

    inputs = [Input(partial(_ask, dataset)) for dataset in group]
    folder = store.root / STAGES["release"]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".search.tmp-") as scratch:
        return find_components(inputs, 1, rules, Path(scratch), workers)


def _ask(dataset: Dataset) -> "Iterator[pl.DataFrame]":
    """What a record is asked, or a passage's text."""
    from care_data.duplicates.fields import read_texts
    from care_data.parts import read_frames

    fields = ["text"] if dataset.format == "pt" else ["history", "instruction", "input"]
    for path in dataset.parts:
        for frame in read_frames(path, columns=fields):
            yield frame.select(read_texts(frame, [fields])[0])
