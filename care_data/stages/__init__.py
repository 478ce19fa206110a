"""The stages for one corpus: what they read, what key their work has, what they write, how they count.

A stage whose folder already holds a manifest with the same key does nothing. Inside a stage the work is cut into parts,
one for each upstream file where that can be, and parts run side by side.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data import engines
from care_data.errors import CareError
from care_data.rows import MAX_BAD
from care_data.store import Manifest, Store, read_manifest, sweep

if TYPE_CHECKING:
    from care_data.entries import Entry, Output
    from care_data.parts import Part
    from care_data.sources.hosts import Hosts
    from care_data.stages.changes import Changes
    from care_data.stages.mixing import Mix

Progress = Callable[[str, str, int, int | None], None]
"""(stage, corpus, done, total): how far a stage is, fetch in bytes; the total is None where it is not known."""

Failed = Callable[[str, CareError], None]
"""Told of every corpus that is left out, and why, when it happens."""


def silent(stage: str, corpus: str, done: int, total: int | None) -> None:
    """No progress shown."""


def unheard(corpus: str, error: CareError) -> None:
    """Nobody told; the result of the run holds it."""


def mute(line: str) -> None:
    """Nothing said."""


@dataclass(frozen=True)
class Settings:
    """What a run is told. outputs: names wanted beyond the default ones, `corpus.output`.

    say: told lines for people, such as what a stage will take. hosts: who stands for upstream, by default what
    environment and config file say. accept_changed: a file that upstream changed since it was first fetched is taken as
    it is now. permitted: the user may crawl the sites that ask. changes: what cleaning does otherwise than registry and
    entries say. dedupe: what holds instead of the registry's [dedupe] (duplicates.inputs.Rules). index: a folder of
    indexes, one a format, whose records come first. pii: mask, keep or drop private values. against: files of test
    sets, beside the registry's. mix: what of the records goes into a release; by default all. engine, address: where
    the work is done, and of which cluster (engines.run_tasks).
    """

    store: Store
    mirror: str | None = None
    workers: int | None = None
    max_bad: float = MAX_BAD
    outputs: frozenset[str] = frozenset()
    progress: Progress = silent
    failed: Failed = unheard
    say: Callable[[str], None] = mute
    hosts: "Hosts | None" = None
    accept_changed: bool = False
    permitted: bool = False
    dedupe: dict[str, Any] = field(default_factory=dict)
    changes: "Changes | None" = None
    index: Path | None = None
    engine: str = "local"
    address: str | None = None
    pii: str = "mask"
    against: tuple[str, ...] = ()
    mix: "Mix | None" = None


@dataclass(frozen=True)
class StageResult:
    """A stage's manifest and whether the work was there already.

    The rest is of fetches, and of no manifest, since it is not the same however often a run is killed. brought: files
    that were added; notes: what to know of the way they came; origins: where they are from; stated: every one is what
    upstream states or the entry pins.
    """

    manifest: Manifest
    fresh: bool
    brought: int = 0
    seconds: float = 0.0
    origins: tuple[str, ...] = ()
    stated: bool = False
    notes: tuple[str, ...] = ()


def chosen_outputs(entry: "Entry", settings: Settings) -> "dict[str, Output]":
    """The outputs to make: the default ones and those asked for by name."""
    return {
        name: out for name, out in entry.outputs.items() if out.default or f"{entry.name}.{name}" in settings.outputs
    }


def manifest_key(folder: Path) -> str:
    """The key a folder's manifest has, empty where there is none."""
    manifest = read_manifest(folder)
    return manifest.key if manifest else ""


def require_stage(stage: str, entry: "Entry", settings: Settings) -> Manifest:
    """The manifest of an earlier stage; CareError says which command makes it."""
    folder = settings.store.folder(stage, entry.name)
    manifest = settings.store.done(stage, entry.name, manifest_key(folder))
    if manifest is None:
        raise CareError(f"nothing in {folder}", where=entry.name, fix=f"Run `care-data {stage} {entry.name}` first.")
    return manifest


def inputs_of(manifest: Manifest) -> list[dict[str, Any]]:
    """The records a manifest lists, as the inputs of the next stage."""
    return [
        {"path": f"{manifest.corpus}/{f['path']}", "bytes": f["bytes"], "sha256": f["sha256"], "rows": f["rows"]}
        for f in manifest.files
        if f["kind"] == "records"
    ]


def renamed(path: str, key: str) -> str:
    """A part's name with the key of the stage that writes it."""
    return f"{path.rsplit('-', 1)[0]}-{key[:12]}.parquet"


def run_parts(
    function: "Callable[[Any], Part]",
    tasks: list[Any],
    sources: list[Path],
    stage: str,
    corpus: str,
    settings: Settings,
) -> "list[Part]":
    """Parts of the tasks in order; work on small sources stays in this process."""
    small = sum(path.stat().st_size for path in sources) < engines.SMALL
    workers = 1 if small else settings.workers
    settings.progress(stage, corpus, 0, len(tasks))
    engine = "local" if small else settings.engine

    def told(done: int) -> None:
        settings.progress(stage, corpus, done, len(tasks))

    return engines.run_tasks(function, tasks, workers, told, engine, settings.address)


def sum_counts(parts: "list[tuple[str, Part]]") -> dict[str, dict[str, Any]]:
    """Counts by output: numbers add up, tables of numbers add up by name."""
    totals: dict[str, dict[str, Any]] = {}
    for output, part in parts:
        total = totals.setdefault(output, {})
        for name, value in part.counts.items():
            if isinstance(value, dict):
                total[name] = dict(sorted((Counter(total.get(name, {})) + Counter(value)).items()))
            else:
                total[name] = total.get(name, 0) + value
    return totals


def finish(manifest: Manifest, folder: Path) -> StageResult:
    """Write the manifest, then take away what earlier keys left."""
    manifest.write(folder)
    return StageResult(leave(manifest, folder).manifest, fresh=True)


def leave(manifest: Manifest, folder: Path) -> StageResult:
    """Leave finished work as it is, but for what a run killed while it tidied up did not take away."""
    sweep(folder, {"manifest.json", *(f["path"] for f in manifest.files)})
    return StageResult(manifest, fresh=False)
