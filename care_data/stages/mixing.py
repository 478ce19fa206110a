"""What of the records goes into a release, and into which split: licences, shares, samples, weights, held-out records.

Every choice is by lot, and the lot of a record is drawn by its id: the same on every day and machine, and of two
samples the smaller is in the larger. Formats are trained apart, so samples and shares hold for each by itself. What is
held out is thinned as the training records of its corpus are, so that a split keeps its share of any sample.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.entries import Entry
from care_data.errors import CareError, Exit
from care_data.release import Dataset
from care_data.stages.splits import SPLITS, hold_out
from care_data.store import Store

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.inputs import Rules

USES = {"commercial": ("commercial",), "research": ("commercial", "research"), "any": ()}
"""What --licence asks for: the uses of a licence that allow it; all of them where none is named."""


@dataclass(frozen=True)
class Mix:
    """What a release is to hold, of each format.

    licence: a key of USES. shares: corpus, or * for every other one, to the highest share of the training records it
    may have. weights: corpus, or * for every other one, to how much more or less of it is taken, 1 where nothing is
    said; no record is taken twice, so where one is above 1 less is taken of the others. sample: so many training
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
            raise _refuse(f"--licence {self.licence} is not known", f"Write one of: {', '.join(USES)}.")
        for word, named in (("--max-share", self.shares), ("--weight", self.weights)):
            for corpus in named:
                if corpus != "*" and corpus not in corpora:
                    raise _refuse(f"{word} {corpus}: no such corpus here", f"They are: {', '.join(corpora)}.")
        for corpus, share in self.shares.items():
            if not 0 < share <= 1:
                raise _refuse(f"--max-share {corpus}={share:g} is not above 0 and at most 1", "Write CORPUS=0.3.")
        for corpus, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise _refuse(f"--weight {corpus}={weight:g} is no weight", "Write CORPUS=0.5, or 0 for none of it.")
        if self.sample is not None and not 0 < self.sample < math.inf:
            raise _refuse(f"--sample {self.sample:g} is no number of records", "Write 10000, or 0.1 for a tenth.")
        for split, share in self.splits.items():
            if split not in SPLITS:
                raise _refuse(f"--split {split}: no such split", f"Write one of: {', '.join(SPLITS)}.")
            if not 0 < share < 1:
                raise _refuse(f"--split {split}={share:g} is not between 0 and 1", f"Write {split}=0.02.")
        if sum(self.splits.values()) >= 1:
            raise _refuse("nothing would be left to train on", "Hold out less.")


def _refuse(what: str, fix: str) -> CareError:
    return CareError(what, fix=fix, code=Exit.USAGE)


def bar(entries: Sequence[Entry], licence: str) -> dict[str, str]:
    """The corpora that may not go into a release of this licence, each with the reason; CareError (7) for all of them.

    A corpus is barred before anything is compared with it, else its records would stay for those of others and not go
    in themselves.
    """
    barred = {}
    for entry in entries:
        if USES[licence] and entry.license["use"] not in USES[licence]:
            use = entry.license["use"]
            told = "what it may be used for is not clear" if use == "unclear" else f"it is for {use} use"
            barred[entry.name] = f"licence {entry.license['id']}: {told}"
    if barred and len(barred) == len(entries):
        fix = "See care-data show CORPUS for what each allows."
        each = tuple(f"{name}: {why}" for name, why in barred.items())
        raise CareError(f"no corpus may be used as --licence {licence} asks", fix=fix, code=Exit.POLICY, details=each)
    return barred


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

    Benchmarks stay as they are. Nothing asked for leaves all as it is. CareError where shares cannot be kept, and where
    nothing could be held out for a split.
    """
    from care_data.fingerprints.lots import draw_shares

    train = [each for each in datasets if each.role == "train" and each.format != "eval"]
    train.sort(key=lambda each: (each.corpus, each.output))  # the order of corpora on the command line means nothing
    if mix == Mix(licence=mix.licence):
        return datasets
    ids = {dataset.name: _read_ids(dataset) for dataset in train}
    held = hold_out(train, ids, mix.splits, mix.seed, rules, store, workers)
    made = [each for each in datasets if each.role != "train" or each.format == "eval"]
    by_format: dict[str, list[Dataset]] = defaultdict(list)
    for dataset in train:
        by_format[dataset.format].append(dataset)
    for name, group in by_format.items():
        lots = {dataset.name: draw_shares(ids[dataset.name], mix.seed) for dataset in group}
        left = {dataset.name: held[dataset.name] == 0 for dataset in group}
        try:
            cuts = _cut_off(group, lots, left, mix)
        except CareError as error:
            raise error.within(f"{name} records") from None
        for dataset in group:
            drawn = lots[dataset.name] < cuts[dataset.corpus]
            made.append(replace(dataset, chosen=_by_part(dataset, drawn & left[dataset.name])))
            for number, split in enumerate(SPLITS, start=1):
                own = drawn & (held[dataset.name] == number)
                if own.any():
                    made.append(replace(dataset, split=split, chosen=_by_part(dataset, own)))
    _require_splits(made, mix)
    return made


def _require_splits(made: list[Dataset], mix: Mix) -> None:
    """CareError where a split that was asked for has no record."""
    trained = sum(dataset.rows for dataset in made if dataset.role == "train" and not dataset.split)
    for split in mix.splits:
        if trained and not any(dataset.split == split for dataset in made):
            fix = "Hold out more, or take more corpora."
            raise CareError(f"nothing is held out for {split}: too few of {trained:,} records hang apart", fix=fix)


def _read_ids(dataset: Dataset) -> "pl.Series":
    import polars as pl

    parts = [pl.read_parquet(path, columns=["id"])["id"] for path in dataset.parts]
    return pl.concat([pl.Series("id", [], pl.String), *parts])


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
    return {corpus: _cut_at(each, quotas[corpus]) for corpus, each in drawn.items()}


def _cut_at(drawn: NDArray[np.float64], quota: int) -> float:
    """The lot below which so many of these are."""
    if quota >= len(drawn):
        return 1.0
    return float(drawn[quota]) if quota else 0.0


def share_out(rows: dict[str, int], mix: Mix) -> dict[str, int]:
    """How many records of each corpus are taken, of those it has."""
    weights = {corpus: mix.weights.get(corpus, mix.weights.get("*", 1.0)) for corpus in rows}
    most = max(1.0, *weights.values())
    pulls = {corpus: count * weights[corpus] / most for corpus, count in rows.items()}
    limits = {corpus: mix.shares.get(corpus, mix.shares.get("*", 1.0)) for corpus in rows}
    taken = _cap(pulls, limits)
    if mix.sample is not None:
        wanted = mix.sample if mix.sample >= 1 else mix.sample * sum(taken.values())
        tops = {corpus: min(count, limits[corpus] * wanted) for corpus, count in rows.items()}
        taken = _cap(_fill(pulls, tops, wanted), limits)
    return {corpus: round(count) for corpus, count in taken.items()}


def _fill(pulls: dict[str, float], tops: dict[str, float], wanted: float) -> dict[str, float]:
    """`wanted` records shared out by pull, none giving more than its top; what one cannot give the others do."""
    taken: dict[str, float] = {}
    open_ = {corpus: pull for corpus, pull in pulls.items() if pull > 0}
    while open_:
        each = (wanted - sum(taken.values())) / sum(open_.values())
        full = [corpus for corpus, pull in open_.items() if pull * each >= tops[corpus]]
        if not full:
            taken |= {corpus: pull * each for corpus, pull in open_.items()}
            break
        for corpus in full:
            taken[corpus] = tops[corpus]
            del open_[corpus]
    return {corpus: taken.get(corpus, 0.0) for corpus in pulls}


def _cap(taken: dict[str, float], limits: dict[str, float]) -> dict[str, float]:
    """None above its share of what is then left in all."""
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
        fix = "Name more corpora that have such records, or allow these more."
        raise _refuse(f"no mix keeps to the shares {named}, there being no others", fix)
    return now
