"""The search for duplicates on a cluster: search(), with the same verdicts, by tasks that pass fragments to each other.

Inputs are read where there is room, in shards of some inputs each, and what grows with them stays where it was made:
digests are shuffled to find equal records, the keys of bands to find alike ones; then sketches, and of the pairs left
the keys of one side, travel to the shard that has the other. This process sees numbers: of the pairs found alike, of
crowded records (with their keys), of dialogues, and in the end the verdicts. What a lost node held is made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from care_data.duplicates.dialogues import Dialogues
from care_data.duplicates.distinct import Advance
from care_data.duplicates.distributed import meetings, shards
from care_data.duplicates.distributed.fragments import Fragment, append_texts, join
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.keepers import Alike, Decisions, decide
from care_data.duplicates.overlaps import Overlaps, spread_marks
from care_data.duplicates.ranking import Bests, order_classes, stand
from care_data.duplicates.search import Verdicts, silent, tell_work
from care_data.engines.ray import collect, connect, scatter, share, submit, wait
from care_data.fingerprints.bands import Plan
from care_data.fingerprints.normalisation import Texts, take
from care_data.fingerprints.prefixes import Sets, arrange

SHARDS_A_CORE = 4
MOST_SHARDS = 4096
"""Each shuffle makes as many fragments as the square of the shards."""


@dataclass(frozen=True)
class _Shards:
    """Results to come, one a shard. before: the rows before each; firsts: the classes before each, and all of them."""

    inputs: list[Any]
    labels: list[list[str]]
    rows: list[Any]
    digests: list[Any]
    dialogues: list[Any]
    sketches: list[Any]
    keys: list[Any]
    starts: list[int]
    before: list[int]
    firsts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class _Pairs:
    """Pairs of homes found alike, the crowded homes (sorted), and the counts of the way there."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    jaccards: NDArray[np.float64]
    crowded: NDArray[np.int64]
    compared: int
    verified: int
    largest: int


def search_shards(
    inputs: Sequence[Input],
    groups: int,
    rules: Rules,
    workers: int | None = None,
    advance: Advance = silent,
    address: str | None = None,
    pieces: int | None = None,
) -> Verdicts:
    """What search() says, found on the cluster at `address`, or on one of this machine's own (see connect()).

    An input is read by one task, on any node, so the functions that read them travel there, and a large file is best
    given as several inputs. pieces: how many shards, by default four a core; the verdicts do not depend on it.
    """
    bands = rules.plan()
    cores = connect(workers, address)
    found = _fold(inputs, groups, rules, bands, min(pieces or SHARDS_A_CORE * cores, MOST_SHARDS), advance)
    names = sorted({each.label for each in inputs})
    roles, unique = _unite(found, stand(inputs), names, advance)
    pairs = _take_all(found, roles) if rules.exhaustive else _pair(found, roles, rules, bands, advance)
    advance("keep", 0, 1)
    involved, bests, decisions, marks = _settle(found, roles, pairs, rules, bands)
    advance("keep", 1, 1)
    report = tell_work(
        rules,
        bands,
        unique=unique,
        candidates=pairs.compared,
        verified=pairs.verified,
        alike=len(pairs.first),
        crowded=len(pairs.crowded),
        largest_bucket=pairs.largest,
    )
    gone = np.flatnonzero(decisions.keepers >= 0)
    keepers = bests.rows[decisions.keepers[gone]]
    verdict = keepers, decisions.jaccards[gone], decisions.contained[gone]
    told = _tell(found, roles, names, shards.Gone(involved[gone], *verdict, involved, marks))
    return Verdicts(*told[:3], found.starts, told[3], report)


def _fold(inputs: Sequence[Input], groups: int, rules: Rules, bands: Plan, pieces: int, advance: Advance) -> _Shards:
    ends = np.linspace(0, len(inputs), max(1, min(pieces, len(inputs))) + 1).astype(int)
    cuts = [list(inputs[start:stop]) for start, stop in pairwise(ends)]
    given = [share(cut) for cut in cuts]
    results = [scatter(6, shards.fold_shard, cut, groups, rules, bands) for cut in given]
    sizes, rows, digests, dialogues, sketches, keys = (list(column) for column in zip(*results, strict=True))
    counts = collect(sizes, lambda done: advance("read", done, len(cuts)))
    *before, total = np.cumsum([0, *(starts[-1] for starts, _ in counts)]).tolist()
    starts = [ahead + start for ahead, (own, _) in zip(before, counts, strict=True) for start in own[:-1]]
    firsts = np.cumsum([0, *(classes for _, classes in counts)])
    labels = [[each.label for each in cut] for cut in cuts]
    parts = rows, digests, dialogues, sketches, keys
    return _Shards(given, labels, *parts, [*starts, total], before, firsts)


def _unite(found: _Shards, standing: list[int], names: list[str], advance: Advance) -> tuple[list[Any], int]:
    """The roles of the classes of each shard, and how many different classes there are."""
    total, fragments, seen = len(found), [], 0
    for at in range(total):
        here, seen = standing[seen : seen + len(found.labels[at])], seen + len(found.labels[at])
        own = found.inputs[at], here, names, found.rows[at], found.digests[at], found.before[at]
        fragments.append(scatter(total, shards.rank_shard, *own, int(found.firsts[at]), total))
    united = _exchange(fragments, total, shards.unite_classes)
    roles = [submit(shards.gather_roles, *column) for column in zip(*united, strict=True)]
    wait(roles, lambda done: advance("unite", done, total))
    unique = sum(collect([submit(_count_homes, *each) for each in zip(roles, found.firsts[:-1], strict=True)]))
    return roles, unique


def _count_homes(roles: shards.Roles, first: int) -> int:
    return len(shards.list_homes(roles, first))


def _exchange(fragments: list[list[Any]], returns: int, function: Any, *arguments: Any) -> list[list[Any]]:
    """function(*arguments, *what all sent to it) of every receiver."""
    wait([sent[0] for sent in fragments])
    return [scatter(returns, function, *arguments, *column) for column in zip(*fragments, strict=True)]


def _take_all(found: _Shards, roles: list[Any]) -> _Pairs:
    """All classes as crowded: they are compared by prefixes, which miss none."""
    homes = collect([submit(_name_homes, *each) for each in zip(roles, found.firsts[:-1], strict=True)])
    crowded, none = np.concatenate(homes), np.zeros(0, np.int64)
    return _Pairs(none, none, np.zeros(0), crowded, 0, 0, len(crowded))


def _name_homes(roles: shards.Roles, first: int) -> NDArray[np.int64]:
    return first + shards.list_homes(roles, first)


def _pair(found: _Shards, roles: list[Any], rules: Rules, bands: Plan, advance: Advance) -> _Pairs:
    total, firsts = len(found), found.firsts
    banded = [
        scatter(total, meetings.band_shard, found.sketches[at], roles[at], int(firsts[at]), bands, total)
        for at in range(total)
    ]
    buckets = _exchange(banded, total + 1, meetings.fill_buckets, firsts, rules.crowd)
    del banded
    largest = collect([bucket[0] for bucket in buckets], lambda done: advance("bands", done, total))
    sent = [bucket[1:] for bucket in buckets]
    attached = [
        scatter(total + 1, meetings.attach_sketches, found.sketches[at], int(firsts[at]), firsts, *column)
        for at, column in enumerate(zip(*sent, strict=True))
    ]
    del buckets, sent
    crowded = np.concatenate(collect([each[0] for each in attached]))
    screened = [
        scatter(
            total + 1,
            meetings.screen_pairs,
            found.sketches[at],
            found.keys[at],
            int(firsts[at]),
            firsts,
            bands,
            *column,
        )
        for at, column in enumerate(zip(*(each[1:] for each in attached), strict=True))
    ]
    counts = collect([each[0] for each in screened], lambda done: advance("screen", done, total))
    checked = [
        submit(meetings.verify_shard, found.keys[at], int(firsts[at]), rules.threshold, *column)
        for at, column in enumerate(zip(*(each[1:] for each in screened), strict=True))
    ]
    alike = collect(checked, lambda done: advance("verify", done, total))
    first, second, jaccards = (np.concatenate(column) for column in zip(*alike, strict=True))
    compared, verified = (sum(column) for column in zip(*counts, strict=True))
    return _Pairs(first, second, jaccards, crowded, compared, verified, max(largest))


def _settle(
    found: _Shards, roles: list[Any], pairs: _Pairs, rules: Rules, bands: Plan
) -> tuple[NDArray[np.int64], Bests, Decisions, NDArray[np.uint64]]:
    """Homes that are in a pair, crowded or in a dialogue, in order; their best rows, decisions on them, their marks.

    All others stay. In their own numbers, from 0, these are decided upon as all classes are on one machine.
    """
    dialogues = _gather_dialogues(found, roles)
    involved = np.unique(np.concatenate([pairs.first, pairs.second, pairs.crowded, dialogues[0]]))
    own = _cut(involved, found.firsts)
    looked = [
        submit(shards.look_up, roles[at], found.dialogues[at], int(found.firsts[at]), own[at]) for at in range(len(own))
    ]
    rows, ranks, ties, marks, counts = (np.concatenate(column) for column in zip(*collect(looked), strict=True))
    bests = Bests(rows, ranks, ties)
    first, second = (np.searchsorted(involved, side) for side in (pairs.first, pairs.second))
    alike = Alike(first, second, pairs.jaccards)
    order = order_classes(bests, _place_dialogues(involved, counts, dialogues))
    is_crowded = np.isin(involved, pairs.crowded)
    crowded = order.classes[is_crowded[order.classes]]
    sets, sketches = _arrange_crowded(found, pairs.crowded, involved, crowded)
    screen = None if rules.exhaustive else (sketches, bands)
    decisions = decide(order.classes, order.settled, alike, order.contained, rules.threshold, crowded, sets, screen)
    return involved, bests, decisions, spread_marks(marks, alike, decisions)


def _gather_dialogues(found: _Shards, roles: list[Any]) -> Fragment:
    """Homes of several exchanges, and those of one with which any of these begins: numbers, counts, exchanges."""
    places = list(zip(found.dialogues, roles, found.firsts[:-1].tolist(), strict=True))
    long = join(collect([submit(shards.find_dialogues, *each) for each in places]))
    if not len(long[0]):
        return long
    openings = share(np.unique(long[2][np.cumsum(long[1]) - long[1]]))
    single = collect([submit(shards.find_openings, *each, openings) for each in places])
    return join([long, *single])


def _place_dialogues(involved: NDArray[np.int64], counts: NDArray[np.int64], dialogues: Fragment) -> Dialogues:
    """The dialogues of the homes involved; of one that no dialogue can hold the exchange is 0, as nothing begins so."""
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    exchanges = np.zeros(starts[-1], np.uint64)
    numbers, sizes, values = dialogues
    begins = starts[np.searchsorted(involved, numbers)]
    exchanges[np.repeat(begins - (np.cumsum(sizes) - sizes), sizes) + np.arange(len(values))] = values
    return Dialogues(exchanges, starts)


def _arrange_crowded(
    found: _Shards, numbers: NDArray[np.int64], involved: NDArray[np.int64], crowded: NDArray[np.int64]
) -> tuple[Sets | None, NDArray]:
    """The shingle sets of the crowded homes in their order, and sketches in which the crowded have their own."""
    if not len(numbers):
        return None, np.zeros((0, 0), np.uint8)
    own = _cut(numbers, found.firsts)
    taken = collect(
        [
            submit(shards.take_keys, found.keys[at], found.sketches[at], int(found.firsts[at]), own[at])
            for at in range(len(own))
        ]
    )
    sketches = np.concatenate([part for part, _ in taken])
    spread = np.zeros((len(involved), sketches.shape[1]), sketches.dtype)
    if len(sketches):
        spread[np.searchsorted(involved, numbers)] = sketches
    texts = [append_texts(column) for column in zip(*(keys for _, keys in taken), strict=True)]

    def read(records: NDArray, group: int) -> Texts:
        return take(texts[group], np.searchsorted(numbers, involved[records]))

    return arrange(crowded, read, len(texts)), spread


def _cut(numbers: NDArray[np.int64], firsts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The sorted numbers, a piece for each shard."""
    return np.split(numbers, np.searchsorted(numbers, firsts[1:-1]))


def _tell(
    found: _Shards, roles: list[Any], names: list[str], gone: shards.Gone
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8], Overlaps]:
    shared = share(gone)
    told = collect(
        [
            submit(shards.tell_shard, found.labels[at], names, found.rows[at], roles[at], found.before[at], shared)
            for at in range(len(found))
        ]
    )
    overlaps: Overlaps = {}
    for *_, table in told:
        for label, line in table.items():
            own = overlaps.setdefault(label, {})
            for other, count in line.items():
                own[other] = own.get(other, 0) + count
    keepers, jaccards, reasons = (np.concatenate([each[at] for each in told]) for at in range(3))
    in_order = {label: dict(sorted(overlaps[label].items())) for label in sorted(overlaps)}
    return keepers, jaccards, reasons, in_order
