"""Records to look at: some dropped for each reason, some changed by each cleaning step, some duplicates, a sample."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data.reports.funnels import Funnel
from care_data.reports.scopes import Scope
from care_data.reports.statistics import paths_of, read_last
from care_data.reports.texts import IDENTITY, fields_of

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.showcase import Cluster

SHOWN = 5
"""Examples of each reason and of each step."""
CLUSTERS = 12
SAMPLE = 1_000
TRIED = 400
"""Records of each output that the cleaning steps are run over again for examples."""


@dataclass(frozen=True)
class Drop:
    """A record that went. notes: what is known of why (keeper or item, jaccard or share); other: texts of it."""

    id: str
    fields: list[tuple[str, str]]
    notes: dict[str, Any] = field(default_factory=dict)
    other: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """A field of a record before and after a cleaning step."""

    id: str
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Specimens:
    """What the page shows of the records. drops: (stage, reason); changes: step; sample: (output, record)."""

    drops: dict[tuple[str, str], list[Drop]]
    changes: dict[str, list[Change]]
    clusters: "list[Cluster]"
    sample: list[tuple[str, str, list[tuple[str, str]]]]


def gather_specimens(scope: Scope, funnels: list[Funnel]) -> Specimens:
    """All that is shown; what is chosen depends on the data alone."""
    from care_data.stages.clusters import read_clusters

    deduped = list(scope.made["dedupe"].values())
    return Specimens(
        _find_drops(scope, funnels),
        _find_changes(scope, funnels),
        read_clusters(deduped, scope.store, CLUSTERS, scope.whole),
        _draw_sample(scope, funnels),
    )


def texts_of(specimens: Specimens) -> list[str]:
    """Every text in them once, in order."""
    drops = [drop for drops in specimens.drops.values() for drop in drops]
    texts = [text for drop in drops for _, text in [*drop.fields, *drop.other]]
    texts += [
        text for found in specimens.changes.values() for change in found for text in (change.before, change.after)
    ]
    texts += [text for cluster in specimens.clusters for member in cluster.members for text in member.texts]
    texts += [text for _, _, fields in specimens.sample for _, text in fields]
    return list(dict.fromkeys(texts))


def read_rows(frame: "pl.LazyFrame", rows: list[int]) -> "pl.DataFrame":
    """These rows of the frame, in order; only they come into memory."""
    import polars as pl

    wanted = pl.Series(rows, dtype=pl.UInt32)
    numbered = frame.with_row_index("__row").filter(pl.col("__row").is_in(wanted.implode()))
    return numbered.collect(engine="streaming").sort("__row").drop("__row")


def spread(total: int, count: int) -> list[int]:
    """At most `count` rows of `total`, at equal distances."""
    count = min(total, count)
    return [(2 * number + 1) * total // (2 * count) for number in range(count)]


def share_out(sizes: list[int], count: int) -> list[int]:
    """How many of `count` each gets: as even as can be, none more than it has, those in front the odd ones."""
    given = [0] * len(sizes)
    while count > 0 and (open_ := [at for at, size in enumerate(sizes) if given[at] < size]):
        each, odd = divmod(count, len(open_))
        for place, at in enumerate(open_):
            more = min(sizes[at] - given[at], each or int(place < odd))
            given[at] += more
            count -= more
    return given


def _find_drops(scope: Scope, funnels: list[Funnel]) -> dict[tuple[str, str], list[Drop]]:
    """For each stage and reason up to SHOWN records, of as many outputs as can be."""
    counts: dict[tuple[str, str], list[tuple[Funnel, int]]] = {}
    for funnel in funnels:
        for stage, reasons in funnel.dropped.items():
            for reason, count in reasons.items() if stage != "write" else ():
                counts.setdefault((stage, reason), []).append((funnel, count))
    wanted: dict[tuple[str, str], dict[str, int]] = {}
    for (stage, reason), holders in counts.items():
        shares = share_out([count for _, count in holders], SHOWN)
        for (funnel, _), share in zip(holders, shares, strict=True):
            if share:
                wanted.setdefault((stage, funnel.name), {})[reason] = share
    drops: dict[tuple[str, str], list[Drop]] = {key: [] for key in counts}
    for (stage, name), reasons in wanted.items():
        corpus, _, output = name.partition("/")
        for record in _read_rejects(paths_of(scope, stage, corpus, output, "rejects"), reasons):
            notes = {key: record[key] for key in ("keeper", "jaccard", "item", "share") if record.get(key) is not None}
            drops[stage, record["reason"]].append(Drop(record["id"], fields_of(record), notes))
    texts = _look_up(scope, {_other(drop) for found in drops.values() for drop in found} - {""})
    return {key: [replace(drop, other=texts.get(_other(drop), [])) for drop in found] for key, found in drops.items()}


def _other(drop: Drop) -> str:
    """The record for which it went, empty where there is none."""
    return str(drop.notes.get("item") or drop.notes.get("keeper") or "")


def _read_rejects(paths: list[Path], reasons: dict[str, int]) -> list[dict[str, Any]]:
    """So many records of each reason, at equal distances; two passes, for the texts are large and the reasons small."""
    import polars as pl

    if not paths:
        return []
    frame = pl.scan_parquet(paths)
    told = frame.select("reason").collect()["reason"]
    rows: list[int] = []
    for reason, count in reasons.items():
        places = (told == reason).arg_true()
        rows += [places[at] for at in spread(len(places), count)]
    return read_rows(frame, sorted(rows)).to_dicts()


def _look_up(scope: Scope, names: set[str]) -> dict[str, list[tuple[str, str]]]:
    """The texts of the records of these ids, of any corpus, as cleaned; what is not there is left out."""
    import polars as pl

    from care_data.store import read_manifest

    found: dict[str, list[tuple[str, str]]] = {}
    by_output: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names):
        corpus, _, rest = name.partition("/")
        by_output.setdefault((corpus, rest.partition("/")[0]), []).append(name)
    for (corpus, output), ids in by_output.items():
        folder = scope.store.root / "clean" / corpus
        manifest = read_manifest(folder)
        files = [f for f in manifest.files if f["kind"] == "records" and f["output"] == output] if manifest else []
        if paths := [folder / f["path"] for f in files]:
            rows = pl.scan_parquet(paths).filter(pl.col("id").is_in(ids)).collect(engine="streaming")
            found |= {row["id"]: fields_of(row) for row in rows.to_dicts()}
    return found


def _find_changes(scope: Scope, funnels: list[Funnel]) -> dict[str, list[Change]]:
    """For each step up to SHOWN changes of as many outputs as can be, among the first records of each."""
    found: dict[str, list[list[Change]]] = {}
    for funnel in funnels:
        manifest = scope.made["clean"].get(funnel.corpus)
        paths = paths_of(scope, "convert", funnel.corpus, funnel.output, "records")
        if not manifest or not paths or funnel.output not in manifest.parameters:
            continue
        steps = manifest.parameters[funnel.output]["steps"]
        changed = manifest.counts[funnel.output].get("changed", {})
        if any(changed.get(f"changed_{step}") for step in steps):
            for step, changes in _run_steps(paths, steps).items():
                found.setdefault(step, []).append(changes)
    return {
        step: [
            change
            for changes, count in zip(lists, share_out([len(changes) for changes in lists], SHOWN), strict=True)
            for change in changes[:count]
        ]
        for step, lists in sorted(found.items())
    }


def _run_steps(paths: list[Path], steps: list[str]) -> dict[str, list[Change]]:
    """What each step changes, one field of a record, in records at equal distances."""
    import polars as pl

    from care_data import cleaners

    whole = pl.scan_parquet(paths)
    size = whole.select(pl.len()).collect().item()
    frame = read_rows(whole, spread(size, TRIED))
    depths = {name: cleaners.text_depth(kind) for name, kind in frame.schema.items()}
    texts = {name: depth for name, depth in depths.items() if depth is not None and name not in IDENTITY}
    found: dict[str, list[Change]] = {}
    for step in (step for step in cleaners.STEPS if step in steps):
        after = frame.with_columns(
            cleaners.lift(cleaners.STEPS[step], depth)(pl.col(name)).alias(name) for name, depth in texts.items()
        )
        seen: set[str] = set()
        for name in texts:
            places = after[name].ne_missing(frame[name]).arg_true().head(SHOWN)
            for at in places:
                if frame["id"][at] not in seen:
                    seen.add(frame["id"][at])
                    before, now = (dict(fields_of(each[[at]].select(name).to_dicts()[0])) for each in (frame, after))
                    change = Change(frame["id"][at], name, before.get(name, ""), now.get(name, ""))
                    found.setdefault(step, []).append(change)
        frame = after
    return {step: changes[:SHOWN] for step, changes in found.items()}


def _draw_sample(scope: Scope, funnels: list[Funnel]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(output, id, fields) of SAMPLE records, as even over the outputs as can be."""
    sample = []
    for funnel, count in zip(funnels, share_out([funnel.final for funnel in funnels], SAMPLE), strict=True):
        frame = read_last(scope, funnel) if count else None
        if frame is not None:
            for record in read_rows(frame, spread(funnel.final, count)).to_dicts():
                sample.append((funnel.name, record["id"], fields_of(record)))
    return sample
