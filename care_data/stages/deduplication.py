"""The dedupe stage: records against records, within and across the corpora of a run.

Only training outputs are compared, each format for itself. What two records are compared by is their question (with
history and input) and their answers, each on its own, or the fields that an output names in `compare`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data import __version__, records, registry
from care_data.entries import Entry, Output
from care_data.parts import Part, PartWriter, open_part, read_frames
from care_data.stages import Settings, StageResult, finish, inputs_of, leave, renamed, require_stage, sum_counts
from care_data.store import Manifest, code_digest, sha256_json, writing

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.index import Index
    from care_data.duplicates.index.runs import Found
    from care_data.duplicates.inputs import Rules

PROMPT = ["history", "instruction", "input"]
COMPARED = {"pt": [["text"]], "sft": [PROMPT, ["output"]], "rw": [PROMPT, ["chosen"], ["rejected"]]}
"""Format to the groups of fields each of which must be alike."""


@dataclass(frozen=True)
class _Source:
    """A part of cleaned records of the format at hand."""

    entry: Entry
    output: Output
    path: Path


def dedupe_corpora(entries: list[Entry], settings: Settings) -> dict[str, StageResult]:
    """Keep one record of those alike; what goes is kept aside with the id of the record that stays.

    The work of a corpus depends on all corpora of the run, so its key does too.
    """
    from care_data.datafiles.parquet import unpacked_size
    from care_data.duplicates.estimates import estimate
    from care_data.duplicates.index.runs import has_run, hold

    before = {entry.name: require_stage("clean", entry, settings) for entry in entries}
    rules = make_rules(settings.dedupe)
    parameters = {**asdict(rules), "against": {e.name: rank(e) for e in sorted(entries, key=lambda e: e.name)}}
    parameters |= {"index": str(settings.index.resolve())} if settings.index else {}
    everything = sorted(
        ({"corpus": name, "key": manifest.key} for name, manifest in before.items()), key=lambda item: item["corpus"]
    )
    keys = {
        e.name: sha256_json(["dedupe", e.name, everything, parameters, _compared(e), code_digest()]) for e in entries
    }
    done = {name: settings.store.done("dedupe", name, key) for name, key in keys.items()}
    found_sources = {name: _find_sources(name, entries, before, settings) for name in COMPARED}
    by_format = {name: sources for name, sources in found_sources.items() if sources}
    runs = {name: sha256_json(["run", name, everything, parameters]) for name in by_format}
    if all(done.values()) and _is_indexed(runs, settings):
        return {
            name: leave(manifest, settings.store.folder("dedupe", name)) for name, manifest in done.items() if manifest
        }
    size = sum(unpacked_size(source.path) for sources in by_format.values() for source in sources)
    settings.say(f"dedupe   {estimate(size, settings.workers, rules.exhaustive)}")
    parts: dict[str, list[tuple[str, Part]]] = {entry.name: [] for entry in entries}
    overlaps: dict[str, dict[str, Counter[str]]] = {}
    for record_format, sources in by_format.items():
        run = runs[record_format]
        folder = settings.index / record_format if settings.index else None
        with hold(folder, rules, COMPARED[record_format]) as index, settings.store.scratch("dedupe") as scratch:
            found = _search(record_format, sources, rules, settings, scratch, index, run)
            for corpus, others in found.verdicts.overlaps.items():
                overlaps.setdefault(corpus, {})[record_format] = Counter(others)
            for source, part in _write_parts(sources, found, keys, settings):
                parts[source.entry.name].append((source.output.name, part))
            if index is not None and not has_run(index, run):
                found.keep(_read_ids(sources), settings.workers)
    results = {}
    for entry in entries:
        folder = settings.store.folder("dedupe", entry.name)
        manifest = Manifest(
            stage="dedupe",
            corpus=entry.name,
            key=keys[entry.name],
            version=__version__,
            code=code_digest(),
            inputs=inputs_of(before[entry.name]),
            parameters=parameters,
            counts=sum_counts(parts[entry.name]),
            overlaps=_sum_overlaps(overlaps.get(entry.name, {})),
            warnings=_doubt_mirror(entry, overlaps.get(entry.name, {}), parts[entry.name], set(keys)),
            files=[f for output, part in parts[entry.name] for f in part.describe(folder, output)],
            verified=before[entry.name].verified,
        )
        results[entry.name] = finish(manifest, folder)
    return results


def _is_indexed(runs: dict[str, str], settings: Settings) -> bool:
    """Whether the indexes have what these runs, one a format, keep."""
    from care_data.duplicates.index import INDEX, read_index
    from care_data.duplicates.index.runs import has_run

    if settings.index is None:
        return True
    folders = {name: settings.index / name for name in runs}
    return all((path / INDEX).is_file() and has_run(read_index(path), runs[name]) for name, path in folders.items())


def make_rules(asked: Mapping[str, Any]) -> "Rules":
    """The registry's rules for duplicates, and over them those that were asked for."""
    from care_data.duplicates.inputs import Rules

    return Rules(**{**registry.defaults()["dedupe"], **asked})


def rank(entry: Entry) -> int:
    """The entry's priority; a corpus that republishes another stands just below where it would."""
    return entry.priority - (1 if entry.mirror_of else 0)


def _compared(entry: Entry) -> dict[str, list[str] | None]:
    return {name: output.compare for name, output in entry.outputs.items()}


def _find_sources(
    record_format: str, entries: list[Entry], before: dict[str, Manifest], settings: Settings
) -> list[_Source]:
    """The parts of this format that are for training, in the order of their corpora's names."""
    return [
        _Source(entry, entry.outputs[f["output"]], settings.store.folder("clean", entry.name) / f["path"])
        for entry in sorted(entries, key=lambda entry: entry.name)
        for f in before[entry.name].files
        if f["kind"] == "records"
        and entry.outputs[f["output"]].format == record_format
        and entry.outputs[f["output"]].role == "train"
    ]


def _search(
    record_format: str,
    sources: list[_Source],
    rules: "Rules",
    settings: Settings,
    scratch: Path,
    index: "Index | None",
    run: str,
) -> "Found":
    from care_data.duplicates.index.runs import find
    from care_data.duplicates.inputs import Input

    inputs = [Input(partial(_read, source), label=source.entry.name, priority=rank(source.entry)) for source in sources]
    groups = len(COMPARED[record_format])
    return find(
        inputs, groups, rules, scratch, index, run, settings.workers,
        lambda step, done, total: settings.progress("dedupe", f"{record_format}: {step}", done, total),
        settings.engine, settings.address,
    )  # fmt: skip


def compared_fields(output: Output) -> list[list[str]]:
    """The groups of fields each of which must be alike, what is asked first."""
    groups = COMPARED[output.format]
    if named := output.compare:
        # A constant question says nothing: the named fields stand in for it, the last of them for the answer.
        return [named[:-1] or named, named[-1:], *groups[2:]][: len(groups)]
    return groups


def _read(source: _Source) -> "Iterator[pl.DataFrame]":
    """One text column for each group of fields the output is compared by, and the turns of dialogues."""
    from care_data.duplicates.fields import read_texts, read_turns
    from care_data.duplicates.inputs import TURNS

    groups = compared_fields(source.output)
    wanted = list(dict.fromkeys(name for group in groups for name in group))
    for frame in read_frames(source.path, columns=wanted):
        texts = read_texts(frame, groups)
        turns = None if source.output.compare else read_turns(frame)
        yield frame.select(*texts, *([turns.alias(TURNS)] if turns is not None else []))


def _write_parts(
    sources: list[_Source], found: "Found", keys: dict[str, str], settings: Settings
) -> "Iterator[tuple[_Source, Part]]":
    """Every source's records that stay; those that go are kept aside whole, with reason, keeper and Jaccard."""
    import polars as pl

    from care_data.duplicates.search import KEPT, REASONS

    verdicts = found.verdicts
    keepers = _read_keepers(sources, found)
    names = pl.Series(REASONS)
    for number, source in enumerate(sources):
        folder = settings.store.folder("dedupe", source.entry.name)
        path = folder / renamed(source.path.name, keys[source.entry.name])
        settings.progress("dedupe", "write", number, len(sources))
        if done := open_part(path):
            yield source, done
            continue
        writer = PartWriter(path, records.arrow_schema(source.output.format, source.output.extra))
        at, stop = found.starts[number], found.starts[number + 1]
        read = stop - at
        dropped: Counter[str] = Counter()
        with writing(path) as temporary:
            for frame in read_frames(source.path):
                here = slice(at, at + frame.height)
                reasons = verdicts.reasons[here]
                stays = pl.Series(reasons == KEPT)
                gone = frame.with_columns(
                    names.gather(reasons).alias("reason"),
                    pl.Series("keeper", verdicts.keepers[here]),
                    pl.Series("jaccard", verdicts.jaccards[here]).fill_nan(None),
                ).filter(~stays)
                gone = gone.with_columns(pl.col("keeper").replace_strict(*keepers, return_dtype=pl.String))
                dropped.update(dict(gone.get_column("reason").value_counts().iter_rows()))
                writer.write(frame.filter(stays), temporary)
                writer.set_aside(gone)
                at += frame.height
            assert at == stop, "every record has a verdict"  # noqa: S101
            writer.close({"read": read, "kept": writer.rows, "dropped": dict(dropped)}, temporary)
        part = open_part(path)
        assert part is not None, "a part is there once it was written"  # noqa: S101
        yield source, part
    settings.progress("dedupe", "write", len(sources), len(sources))


def _read_keepers(sources: list[_Source], found: "Found") -> "tuple[pl.Series, pl.Series]":
    """The rows that others went for, and their ids."""
    import numpy as np
    import polars as pl

    keepers = found.verdicts.keepers
    rows = np.unique(keepers[keepers >= 0])
    ids = [found.names["id"].gather(rows[rows < found.known])]
    for number, source in enumerate(sources):
        start, stop = np.searchsorted(rows, found.starts[number : number + 2])
        if start < stop:
            own = pl.read_parquet(source.path, columns=["id"])["id"]
            ids.append(own.gather(rows[start:stop] - found.starts[number]))
    return pl.Series(rows), pl.concat(ids)


def _read_ids(sources: list[_Source]) -> "pl.Series":
    """The ids of all records, in order."""
    import polars as pl

    return pl.concat([pl.read_parquet(source.path, columns=["id"])["id"] for source in sources])


def _sum_overlaps(by_format: dict[str, Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(by_format.values(), Counter[str]()).items()))


def _doubt_mirror(
    entry: Entry, overlaps: dict[str, Counter[str]], parts: list[tuple[str, Part]], corpora: set[str]
) -> list[str]:
    """What to say of an entry that is said to republish another of the run, where hardly anything of it is there."""
    read = sum(part.counts["read"] for _, part in parts)
    if not entry.mirror_of or entry.mirror_of not in corpora or not read:
        return []
    shared = _sum_overlaps(overlaps).get(entry.mirror_of, 0)
    if 2 * shared >= read:
        return []
    return [f"is said to republish {entry.mirror_of}, but only {shared:,} of its {read:,} records are in it"]
