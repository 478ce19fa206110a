"""What a report is about: the corpora named, and what each stage left of them in the data folder."""

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.stages import inputs_of, manifest_key
from care_data.store import MANIFEST, STAGES, Manifest, Store, read_manifest

if TYPE_CHECKING:
    from care_data.entries import Entry

ORDER = ("fetch", "convert", "clean", "dedupe", "decontaminate")
"""The stages of a corpus, in order."""


@dataclass(frozen=True)
class Scope:
    """What is told of. corpora: sorted; made: stage to corpus to manifest; stale: stage to corpora of other records.

    entries: of those the registry knows. release: the one named, or the newest that holds one of the corpora. whole:
    the dedupe stage's manifests of all corpora in the folder, for a keeper may be in any.
    """

    store: Store
    corpora: list[str]
    made: dict[str, dict[str, Manifest]]
    stale: dict[str, list[str]]
    entries: "dict[str, Entry]" = field(default_factory=dict)
    release: Manifest | None = None
    whole: list[Manifest] = field(default_factory=list)

    def last(self, corpus: str, output: str) -> Manifest | None:
        """The manifest of the last stage that made records of this output: what a release would take."""
        made = [self.made[stage].get(corpus) for stage in reversed(ORDER[1:])]
        return next((manifest for manifest in made if manifest and output in manifest.counts), None)


def find_scope(names: list[str], store: Store) -> Scope:
    """The scope of these corpora, groups or one release; of all that is in the data folder where none is named.

    Raises CareError where the folder holds nothing of a name.
    """
    there = sorted({path.parent.name for stage in ORDER for path in store.root.glob(f"{STAGES[stage]}/*/{MANIFEST}")})
    releases = {
        path.parent.name: manifest
        for path in sorted(store.root.glob(f"{STAGES['release']}/*/{MANIFEST}"), key=_age)
        if (manifest := read_manifest(path.parent))
    }
    if not there:
        fix = "Name another with --to, or begin with `care-data run`."
        raise CareError("no corpus is in the data folder", where=str(store.root), fix=fix)
    named = next((name for name in names if name in releases and name not in there), None)
    if named and len(names) > 1:
        raise CareError(f"{named} is a release", fix="Name it alone, or name corpora.", code=Exit.USAGE)
    wanted = _taken(releases[named]) if named else set(_corpora(names, there, list(releases)))
    corpora = [name for name in there if name in wanted]
    held = [manifest for manifest in releases.values() if _taken(manifest) & set(corpora)]
    made, stale = _find_made(corpora, store)
    whole = [_done("dedupe", name, store) for name in there]
    return Scope(
        store,
        corpora,
        made,
        stale,
        entries={entry.name: entry for entry in registry.select([n for n in corpora if n in registry.names()], {})},
        release=releases[named] if named else held[-1] if held else None,
        whole=[manifest for manifest in whole if manifest],
    )


def _taken(release: Manifest) -> set[str]:
    """The corpora that a release was to be made of, those its licence bars included."""
    return {*release.parameters.get("corpora", ()), *release.skipped}


def _age(path: Path) -> tuple[int, str]:
    """When a release was finished, then its name: a trainer takes the newest as well."""
    return path.stat().st_mtime_ns, path.parent.name


def _corpora(names: list[str], there: list[str], releases: list[str]) -> list[str]:
    """The corpora that the names stand for; CareError for a name of which nothing is there."""
    groups = registry.groups()
    found = []
    for name in names:
        members = [member for member in groups.get(name, [name]) if member in there]
        if not members:
            known = [*there, *(group for group, own in groups.items() if set(own) & set(there)), *releases]
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {nearest[0]}? " if nearest else ""
            fix = f"{hint}Without a name all that is there is told."
            raise CareError(f"nothing of {name!r} is in the data folder", fix=fix, code=Exit.USAGE)
        found += members
    return sorted(set(found)) if names else there


def _find_made(corpora: list[str], store: Store) -> tuple[dict[str, dict[str, Manifest]], dict[str, list[str]]]:
    """The manifests by stage, and which corpora's are of other records than the stage before holds now."""
    made: dict[str, dict[str, Manifest]] = {stage: {} for stage in ORDER}
    stale: dict[str, list[str]] = {}
    for corpus in corpora:
        before: Manifest | None = None
        for stage in ORDER:
            manifest = _done(stage, corpus, store)
            if manifest and before and stage not in ORDER[:2] and manifest.inputs != inputs_of(before):
                stale.setdefault(stage, []).append(corpus)
                break
            if manifest:
                made[stage][corpus] = manifest
            before = manifest
    return made, stale


def _done(stage: str, corpus: str, store: Store) -> Manifest | None:
    return store.done(stage, corpus, manifest_key(store.folder(stage, corpus)))
