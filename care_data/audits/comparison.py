"""What changed from one release to another: corpora, settings, inputs, counts, licences, records."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from care_data.audits.matching import Change, Match, match_records
from care_data.audits.shards import SUFFIXES, Shard
from care_data.release import read_release
from care_data.store import Manifest, safe_join

STAGES = ("release", "publish")
"""What is compared: a release and the same one as it is published."""

ABSENT = "absent"


@dataclass(frozen=True)
class Value:
    """Something stated by both releases that is not the same. of: the corpora, or the dataset and stage, it is of."""

    name: str
    before: Any
    after: Any
    of: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Names:
    """Names that only one release has, and those that are of something else in each."""

    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Move:
    """Records that went from one dataset to another, such as from training to validation."""

    before: str
    after: str
    records: int


@dataclass(frozen=True)
class Difference:
    """All that differs between two releases. records: of every dataset that either has.

    same_shards: all their shards are equal byte for byte. made_by: version and code; sources: licence, title, origin
    of the corpora that both have; settings and inputs: of these; counts: of the datasets that both have.
    """

    before: Path
    after: Path
    same_shards: bool
    made_by: list[Value]
    corpora: Names
    datasets: Names
    settings: list[Value]
    sources: list[Value]
    inputs: Names
    counts: list[Value]
    records: dict[str, Change]
    moved: list[Move]

    @property
    def differs(self) -> bool:
        """Whether anything but the encoding of the shards does."""
        lists = (self.made_by, self.settings, self.sources, self.counts)
        names = (self.corpora, self.datasets, self.inputs)
        return any(lists) or any(name != Names() for name in names) or self.has_other_records

    @property
    def has_other_records(self) -> bool:
        """Whether any record does."""
        return any(change.differs for change in self.records.values())

    def to_json(self) -> dict[str, Any]:
        """All of it, uncut, with the sums over the datasets."""
        changes = self.records.values()
        sums = {name: sum(getattr(one, name) for one in changes) for name in ("same", "added", "gone", "altered")}
        whole = {**asdict(self), "before": str(self.before), "after": str(self.after)}
        return {"differs": self.differs, "total": sums, **whole}


def compare(before: Path, after: Path) -> Difference:
    """What changed from one release to another; either may be a published one.

    CareError (2) where one of the folders holds no release, (4) where its manifest or a shard is damaged.
    """
    old, new = (read_release(folder, STAGES) for folder in (before, after))
    shards = [_shards(folder, one) for folder, one in [(before, old), (after, new)]]
    records, moved = _compare_records(*shards)
    sums = [sorted((name, shard.sha256) for name, each in side.items() for shard in each) for side in shards]
    both = sorted(old.sources.keys() & new.sources.keys())
    return Difference(
        before=before,
        after=after,
        same_shards=sums[0] == sums[1],
        made_by=_unlike({"version": old.version, "code": old.code}, {"version": new.version, "code": new.code}),
        corpora=_name(*(dict.fromkeys(side.sources) for side in (old, new))),
        datasets=_name(*(dict.fromkeys(side) for side in shards)),
        settings=_compare_settings(old.parameters, new.parameters, both),
        sources=[
            Value(value.name, value.before, value.after, [corpus])
            for corpus in both
            for value in _unlike(old.sources[corpus], new.sources[corpus])
        ],
        inputs=_name(_inputs(old, both), _inputs(new, both)),
        counts=list(_compare_counts(old, new)),
        records=records,
        moved=moved,
    )


def _shards(folder: Path, manifest: Manifest) -> dict[str, list[Shard]]:
    """The shards of each dataset, in order."""
    found: dict[str, list[Shard]] = {}
    for line in sorted(manifest.files, key=lambda line: str(line["path"])):
        if "dataset" in line and line["path"].endswith(SUFFIXES):
            shard = Shard(safe_join(folder, line["path"]), line["path"], line["rows"], line["sha256"])
            found.setdefault(line["dataset"], []).append(shard)
    return found


def _compare_records(
    before: dict[str, list[Shard]], after: dict[str, list[Shard]]
) -> tuple[dict[str, Change], list[Move]]:
    """By dataset what became of its records, and where those went that are in another now."""
    changes = {}
    ids: dict[str, list[pl.DataFrame]] = {"added": [], "gone": []}
    for name in sorted(before.keys() | after.keys()):
        match: Match = match_records(before.get(name, []), after.get(name, []))
        changes[name] = match.change
        for kind, hashed in [("added", match.added), ("gone", match.gone)]:
            ids[kind].append(pl.DataFrame({"id": hashed}).with_columns(pl.lit(name).alias(kind)))
    if not changes:
        return {}, []
    met = pl.concat(ids["gone"]).join(pl.concat(ids["added"]), on="id")
    moves = met.group_by("gone", "added").len().sort("gone", "added")
    return changes, [Move(*row) for row in moves.rows()]


def _name(before: dict[str, Any], after: dict[str, Any]) -> Names:
    return Names(
        added=sorted(after.keys() - before.keys()),
        gone=sorted(before.keys() - after.keys()),
        altered=sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    )


def _inputs(manifest: Manifest, corpora: list[str]) -> dict[str, str]:
    """The sha256 of every file that these corpora were made of."""
    return {f["path"]: f["sha256"] for f in manifest.inputs if f["path"].partition("/")[0] in corpora}


def _compare_settings(before: dict[str, Any], after: dict[str, Any], corpora: list[str]) -> list[Value]:
    """Parameters that differ, by their flat paths; one that differs alike in several corpora is one."""
    found: dict[str, Value] = {}
    for corpus in corpora:
        for value in _unlike(*(side.get("corpora", {}).get(corpus, {}) for side in (before, after))):
            key = json.dumps([value.name, value.before, value.after], ensure_ascii=False, sort_keys=True)
            found.setdefault(key, Value(value.name, value.before, value.after)).of.append(corpus)
    own = ({name: of for name, of in side.items() if name not in ("corpora", "release")} for side in (before, after))
    return [*_unlike(*own), *found.values()]


def _compare_counts(before: Manifest, after: Manifest) -> Iterator[Value]:
    """Counts that differ, by dataset and stage, and the sums of datasets whose stages are not told."""
    for name in sorted(before.counts.keys() & after.counts.keys()):
        stages = [{line["stage"]: line for line in side.funnel.get(name, [])} for side in (before, after)]
        if not all(stages):
            stages = [{"": side.counts[name]} for side in (before, after)]
        for stage in {**stages[0], **stages[1]}:
            of = [name, stage] if stage else [name]
            lines = [side.get(stage, {}).items() for side in stages]
            sides = [{key: value for key, value in line if key != "stage" and value != {}} for line in lines]
            # A reason that nothing was dropped for is not written down.
            yield from (Value(v.name, _zero(v.before), _zero(v.after), of) for v in _unlike(*sides))


def _zero(count: Any) -> Any:
    return 0 if count == ABSENT else count


def _unlike(before: dict[str, Any], after: dict[str, Any]) -> list[Value]:
    """What is not the same in both, by flat paths, in their order."""
    old, new = dict(_flatten(before)), dict(_flatten(after))
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path, ABSENT) != new.get(path, ABSENT))
    return [Value(path, old.get(path, ABSENT), new.get(path, ABSENT)) for path in paths]


def _flatten(value: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        path = f"{place}.{name}" if place else name
        if isinstance(part, dict) and part:
            yield from _flatten(part, path)
        else:
            yield path, part
