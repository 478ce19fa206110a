"""The order of the stages, what is already done, what to do again."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data import __version__, registry, release
from care_data.entries import Entry
from care_data.errors import CareError
from care_data.release import Dataset
from care_data.stages import Settings, StageResult, manifest_key, require_stage
from care_data.stages.cleaning import check_pii, clean_corpus
from care_data.stages.clusters import read_clusters
from care_data.stages.conversion import convert_corpus
from care_data.stages.decontamination import decontaminate_corpora
from care_data.stages.deduplication import compared_fields, dedupe_corpora, make_rules
from care_data.stages.downloads import Outcome, fetch_corpora, fetch_corpus
from care_data.stages.mixing import Mix, bar, mix
from care_data.stages.plans import refuse_full_disk
from care_data.store import MANIFEST, Manifest, Store, code_digest, disk_error, read_manifest, sha256_json

if TYPE_CHECKING:
    import polars as pl

    from care_data.duplicates.showcase import Cluster

Report = Callable[[str, StageResult], None]
"""Told of every finished stage: (corpus or release name, result)."""

STAGES = ("fetch", "convert", "clean", "dedupe", "decontaminate", "write")
"""The stages in order, by the name of their command."""

_ONE_CORPUS = {"convert": convert_corpus, "clean": clean_corpus}


@dataclass
class RunResult:
    """What a run did. manifests: by stage, then corpus; failures: corpus to error; fresh: whether anything was done.

    fetched: what the fetch stage says of each corpus. clusters: where dedupe came last, some to look at.
    """

    manifests: dict[str, dict[str, Manifest]] = field(default_factory=dict)
    failures: dict[str, CareError] = field(default_factory=dict)
    fetched: dict[str, StageResult] = field(default_factory=dict)
    fresh: bool = False
    release: Path | None = None
    clusters: "list[Cluster]" = field(default_factory=list)

    def add(self, stage: str, name: str, result: StageResult) -> None:
        """Note a finished stage."""
        self.manifests.setdefault(stage, {})[name] = result.manifest
        self.fresh = self.fresh or result.fresh


def run_stages(
    entries: list[Entry],
    settings: Settings,
    last: str,
    report: Report,
    name: str | None = None,
    result: RunResult | None = None,
) -> RunResult:
    """All stages up to `last` for the corpora, doing only what is not done.

    A corpus that fails is noted and left out of the later stages; the others go on, but for an error that is fatal.
    result: where given, it is filled as the run goes, so that who gives it knows what was done before an error.
    """
    if name:
        settings.store.folder("release", name)  # a name that cannot be is told before the work, not after
    check_pii(settings.pii)
    barred = _bar(entries, settings) if last == "write" else {}
    entries = [entry for entry in entries if entry.name not in barred or _holds_benchmark(entry)]
    result = RunResult() if result is None else result
    alive = _fetch_all(entries, settings, result, report, last)
    for stage in STAGES[1 : STAGES.index(last) + 1]:
        if stage == "dedupe":
            alive = [entry for entry in alive if entry.name not in barred]
        if stage == "dedupe" and alive:
            for corpus, done in dedupe_corpora(alive, settings).items():
                result.add(stage, corpus, done)
                report(corpus, done)
            if last == "dedupe":
                result.clusters = read_clusters(list(result.manifests[stage].values()), settings.store)
        elif stage == "decontaminate" and alive:
            for corpus, done in decontaminate_corpora(alive, settings).items():
                result.add(stage, corpus, done)
                report(corpus, done)
        elif stage == "write" and alive:
            released, folder = write_release(alive, settings, name, barred)
            result.add(stage, released.manifest.name, released)
            result.release = folder
            report(released.manifest.name, released)
        else:
            alive = [entry for entry in alive if _run_one(stage, entry, settings, result, report)]
    return result


def _bar(entries: list[Entry], settings: Settings) -> dict[str, str]:
    """The corpora that the release's licence bars, and why; CareError for a mix that cannot be, before any work."""
    chosen = settings.mix or Mix()
    chosen.check([entry.name for entry in entries])
    return bar(entries, chosen.licence)


def _holds_benchmark(entry: Entry) -> bool:
    return any(output.role == "benchmark" for output in entry.outputs.values())


def _fetch_all(entries: list[Entry], settings: Settings, result: RunResult, report: Report, last: str) -> list[Entry]:
    """Fetch the corpora; those that are there. They end in any order, and are noted in that of the entries."""

    def told(entry: Entry, outcome: Outcome) -> None:
        if isinstance(outcome, StageResult):
            result.fetched[entry.name] = outcome
            result.add("fetch", entry.name, outcome)
            report(entry.name, outcome)
        else:
            _fail(entry, outcome, settings, result)

    again = last == "fetch"
    refuse_full_disk([entry for entry in entries if again or not _is_fetched(entry, settings.store)], settings)
    fetch_corpora(entries, settings, told, again=again)
    order = {entry.name: number for number, entry in enumerate(entries)}
    for noted in (result.fetched, result.failures, result.manifests.get("fetch", {})):
        for name in sorted(noted, key=lambda name: order.get(name, -1)):
            noted[name] = noted.pop(name)  # type: ignore[assignment]  # of three types, each its own
    return [entry for entry in entries if entry.name in result.fetched]


def _is_fetched(entry: Entry, store: Store) -> bool:
    return store.done("fetch", entry.name, manifest_key(store.folder("fetch", entry.name))) is not None


def _run_one(stage: str, entry: Entry, settings: Settings, result: RunResult, report: Report) -> bool:
    try:
        done = _ONE_CORPUS[stage](entry, settings)
    except (CareError, OSError) as problem:
        _fail(entry, problem, settings, result)
        return False
    result.add(stage, entry.name, done)
    report(entry.name, done)
    return True


def _fail(entry: Entry, problem: BaseException, settings: Settings, result: RunResult) -> None:
    """Note and tell that a corpus is left out; raise what is no corpus's own affair."""
    if not isinstance(problem, CareError | OSError):
        raise problem
    error = problem if isinstance(problem, CareError) else disk_error(problem, settings.store.root)
    if error.fatal:
        raise error from problem
    result.failures[entry.name] = error if entry.name in error.where else error.within(entry.name)
    result.failures[entry.name].__cause__ = problem
    settings.failed(entry.name, result.failures[entry.name])


def write_release(
    entries: list[Entry], settings: Settings, name: str | None = None, barred: dict[str, str] | None = None
) -> tuple[StageResult, Path]:
    """The release of the corpora: deduplicated training records, and benchmark records apart under their own names.

    barred: corpora that were asked for too and are not in it, and why.
    """
    store, chosen = settings.store, settings.mix or Mix()
    made = {
        stage: {e.name: require_stage(stage, e, settings) for e in entries}
        for stage in ("fetch", "convert", "clean", "dedupe", "decontaminate")
    }
    parameters: dict[str, Any] = {
        "corpora": {
            entry.name: {
                stage: _stated(made[stage][entry.name]) for stage in ("convert", "clean", "dedupe", "decontaminate")
            }
            for entry in entries
        },
        **({"mix": asdict(chosen)} if chosen != Mix() else {}),
    }
    keys = {
        entry.name: {stage: made[stage][entry.name].key for stage in ("clean", "decontaminate")} for entry in entries
    }
    sources = {entry.name: _describe(entry) for entry in entries}
    key = sha256_json(["release", keys, parameters, sources, code_digest()])
    corpora = sorted(entry.name for entry in entries)
    name = name or f"{_common_name(corpora)}-{key[:8]}"
    folder = store.folder("release", name)
    if done := store.done("release", name, key):
        os.utime(folder / MANIFEST)  # the trainer takes the newest release unless told otherwise
        return StageResult(done, fresh=False), folder
    _refuse_other(folder, parameters)
    datasets = [dataset for entry in entries for dataset in _datasets(entry, made, store)]
    datasets = mix(datasets, chosen, make_rules(settings.dedupe), store, settings.workers)
    funnels = _funnels(datasets, made)
    manifest = Manifest(
        stage="release",
        name=name,
        key=key,
        version=__version__,
        code=code_digest(),
        inputs=[
            {"path": f"{corpus}/{f['path']}", "bytes": f["bytes"], "sha256": f["sha256"]}
            for corpus in corpora
            for f in made["fetch"][corpus].files
        ],
        parameters=parameters,
        counts={name: _add_up(funnel) for name, funnel in funnels.items()},
        funnel=funnels,
        sources=sources,
        files=[],
        verified=all(made["fetch"][corpus].verified for corpus in corpora),
        missing=[f"{corpus}: {what}" for corpus in corpora for what in made["fetch"][corpus].missing],
        skipped={
            **(barred or {}),
            **{f"{c}_{output}": why for c in corpora for output, why in made["convert"][c].skipped.items()},
        },
        warnings=[
            f"{corpus}: {text}"
            for corpus in corpora
            for stage in ("fetch", "convert")
            for text in made[stage][corpus].warnings
        ],
    )
    return StageResult(release.write(folder, datasets, manifest, settings.workers), fresh=True), folder


def _refuse_other(folder: Path, parameters: dict[str, Any]) -> None:
    """CareError where a release of this name is made of other corpora: it would be lost."""
    before = read_manifest(folder)
    if before and set(before.parameters["corpora"]) != set(parameters["corpora"]):
        held = ", ".join(sorted(before.parameters["corpora"]))
        raise CareError(f"a release {folder.name!r} of {held} is there", fix="Choose another --name, or remove it.")


def _common_name(corpora: list[str]) -> str:
    """A word for the corpora of a release: their group, their names where they are few, or their number."""
    group = next((group for group, members in registry.groups().items() if sorted(members) == corpora), None)
    return group or ("-".join(corpora) if len(corpora) <= 3 else f"{len(corpora)}-corpora")


def _stated(manifest: Manifest) -> dict[str, Any]:
    """A stage's parameters without what another corpus of the run adds to them."""
    return {name: value for name, value in manifest.parameters.items() if name != "against"}


def _datasets(entry: Entry, made: dict[str, dict[str, Manifest]], store: Store) -> list[Dataset]:
    """The entry's outputs: training records as deduplicated, benchmark records as cleaned."""
    found = []
    for output_name in made["clean"][entry.name].counts:
        output = entry.outputs[output_name]
        trained = output.role == "train" and output.format != "eval"
        stage = "decontaminate" if trained else "clean"
        files = [f for f in made[stage][entry.name].files if f["output"] == output_name and f["kind"] == "records"]
        found.append(
            Dataset(
                corpus=entry.name,
                output=output_name,
                format=output.format,
                role=output.role,
                license=entry.license["id"],
                language=output.language,
                extra=output.extra,
                parts=[store.folder(stage, entry.name) / f["path"] for f in files],
                asked=tuple(compared_fields(output)[0]) if trained else (),
            )
        )
    return found


def _funnels(datasets: list[Dataset], made: dict[str, dict[str, Manifest]]) -> dict[str, list[dict[str, Any]]]:
    """By dataset what each stage read, kept and dropped, from the first row read to the last record written.

    Records held out of a dataset make one of their own, which begins where they come.
    """
    funnels = {}
    for dataset in datasets:
        lines = [] if dataset.split else [
            {"stage": stage, **made[stage][dataset.corpus].counts[dataset.output]}
            for stage in ("convert", "clean", "dedupe", "decontaminate")
            if dataset.output in made[stage][dataset.corpus].counts
        ]  # fmt: skip
        read = lines[-1]["kept"] if lines else dataset.rows
        own = (dataset.corpus, dataset.output)
        held = sum(other.rows for other in datasets if other.split and (other.corpus, other.output) == own)
        held = 0 if dataset.split else held
        dropped = Counter({"held_out": held, "not_chosen": read - dataset.rows - held})
        lines.append({"stage": "write", "read": read, "kept": dataset.rows, "dropped": dict(+dropped)})
        funnels[dataset.name] = lines
    return funnels


def _add_up(funnel: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts from the first row read to the last record kept, with the drops of every stage."""
    dropped: Counter[str] = Counter()
    for line in funnel:
        dropped.update(line["dropped"])
    return {"read": funnel[0]["read"], "kept": funnel[-1]["kept"], "dropped": dict(sorted(dropped.items()))}


def _describe(entry: Entry) -> dict[str, Any]:
    """What a release says of a corpus."""
    return {
        "title": entry.title,
        "from": entry.source,
        "citation": entry.citation,
        "languages": sorted({output.language for output in entry.outputs.values()}),
        "license": entry.license,
    }


def load_corpus(
    name: str, output: str = "sft", *, to: str | Path = "data", mirror: str | None = None
) -> "pl.LazyFrame":
    """The records of one output of a corpus as a polars LazyFrame; fetched and converted once, then read from disk."""
    import polars as pl

    entry = registry.load(name)
    if output not in entry.outputs:
        raise CareError(f"no output named {output!r}", where=name, fix=f"Outputs are: {', '.join(entry.outputs)}.")
    store = Store(Path(to))
    settings = Settings(store, mirror=mirror, outputs=frozenset({f"{name}.{output}"}))
    with store.lock():
        fetch_corpus(entry, settings, again=False)
        manifest = convert_corpus(entry, settings).manifest
    if output in manifest.skipped:
        raise CareError(manifest.skipped[output], where=f"{name}/{output}", fix="Fetch the missing file.")
    folder = store.folder("convert", name)
    return pl.scan_parquet(
        [folder / f["path"] for f in manifest.files if f["output"] == output and f["kind"] == "records"]
    )
