"""From the rows read to the records written, for each output of each corpus, in counts that add up."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from care_data.errors import CareError, Exit
from care_data.reports.scopes import ORDER, Scope
from care_data.store import Manifest

STEPS = {"convert": "converted", "clean": "clean", "dedupe": "unique", "decontaminate": "decontaminated"}
"""Stage to the name of what is left after it."""

COLUMNS = ("read", *STEPS.values(), "written")


@dataclass
class Funnel:
    """An output's counts. left: column to count, None where the stage is not run or passes the output by.

    dropped: stage to reason to count, write for what a release leaves out.
    """

    corpus: str
    output: str
    format: str
    role: str
    language: str
    license: str
    left: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(COLUMNS))
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """corpus/output."""
        return f"{self.corpus}/{self.output}"

    @property
    def final(self) -> int:
        """Records there are of it now: those of the last stage that was run, whatever a release took of them."""
        known = [count for column, count in self.left.items() if count is not None and column != "written"]
        return known[-1] if known else 0


def find_funnels(scope: Scope) -> list[Funnel]:
    """A funnel for each output, sorted by name; CareError (70) where its counts do not add up."""
    funnels = []
    for corpus in scope.corpora:
        manifests = {stage: scope.made[stage].get(corpus) for stage in STEPS}
        outputs = sorted({output for manifest in manifests.values() if manifest for output in manifest.counts})
        funnels += [_follow(scope, corpus, output, manifests) for output in outputs]
    return funnels


def _follow(scope: Scope, corpus: str, output: str, manifests: dict[str, Manifest | None]) -> Funnel:
    funnel = _describe(scope, corpus, output)
    left: int | None = None
    for stage, column in STEPS.items():
        manifest = manifests[stage]
        if manifest is None or output not in manifest.counts:
            continue
        counts = manifest.counts[output]
        if left is None:
            funnel.left["read"] = left = counts["read"]
        if left != counts["read"]:
            _refuse(funnel, f"{left} records came to {stage}, which read {counts['read']}")
        if counts["read"] != counts["kept"] + sum(counts["dropped"].values()):
            _refuse(funnel, f"{stage} read {counts['read']}, kept {counts['kept']} and dropped {counts['dropped']}")
        funnel.left[column] = left = counts["kept"]
        funnel.dropped[stage] = dict(counts["dropped"])
    _add_release(funnel, scope.release, left)
    told = sum(count for reasons in funnel.dropped.values() for count in reasons.values())
    end = funnel.left["written"] if funnel.left["written"] is not None else left
    if (funnel.left["read"] or 0) != (end or 0) + told:
        _refuse(funnel, f"{funnel.left['read']} read, but {end} at the end and {told} dropped")
    return funnel


def _add_release(funnel: Funnel, release: Manifest | None, left: int | None) -> None:
    """What the release holds of it; nothing is said where the release is of other records than are there now."""
    if release is None or left is None:
        return
    if funnel.corpus in release.skipped:
        funnel.left["written"] = 0
        funnel.dropped["write"] = {"barred": left} if left else {}
        return
    counts = release.counts.get(f"{funnel.corpus}_{funnel.output}")
    if counts is None or counts["kept"] > left:
        return
    funnel.left["written"] = counts["kept"]
    if missing := left - counts["kept"]:
        before = [reason for reasons in funnel.dropped.values() for reason in reasons]
        own = {reason: count for reason, count in counts["dropped"].items() if reason not in before}
        funnel.dropped["write"] = own if sum(own.values()) == missing else {"left_out": missing}


def _describe(scope: Scope, corpus: str, output: str) -> Funnel:
    """Without counts yet: format, role, language and licence as the convert stage had them, else the registry."""
    converted, entry = scope.made["convert"].get(corpus), scope.entries.get(corpus)
    told: dict[str, Any] = converted.parameters["outputs"].get(output, {}) if converted else {}
    if not told and entry and output in entry.outputs:
        told = vars(entry.outputs[output])
    known = converted.parameters["license"] if converted else entry.license["id"] if entry else "unknown"
    own = {name: str(told.get(name, "?")) for name in ("format", "role", "language")}
    return Funnel(corpus, output, own["format"], own["role"], own["language"], known)


def _refuse(funnel: Funnel, what: str) -> None:
    raise CareError(what, where=funnel.name, fix="Please report this.", code=Exit.BUG)


def total(funnels: list[Funnel]) -> dict[str, dict[str, int]]:
    """Column to records, dropped and waiting (for their stage to be run) of all outputs; only columns one has come to.

    An output that a stage passes by, as a benchmark is not deduplicated, counts there with what it had. So in each
    column records, dropped and waiting are what the column before it had as records; CareError (70) where not.
    """
    reached = [column for column in COLUMNS if any(funnel.left[column] is not None for funnel in funnels)]
    sums = {column: {"records": 0, "dropped": 0, "waiting": 0} for column in reached}
    for funnel in funnels:
        known = [column for column in reached if funnel.left[column] is not None]
        left: int | None = funnel.left["read"]
        for number, column in enumerate(reached):
            passed = (funnel.role == "benchmark" and column != "written") or set(known) & set(reached[number:])
            if left is not None and not passed:
                sums[column]["waiting"] += left
                left = None
            left = left if funnel.left[column] is None else funnel.left[column]
            sums[column]["records"] += left or 0
        for stage, reasons in funnel.dropped.items():
            sums[STEPS.get(stage, "written")]["dropped"] += sum(reasons.values())
    for one, two in pairwise(reached):
        if sums[one]["records"] != sum(sums[two].values()):
            raise CareError(f"{one} {sums[one]}, but {two} {sums[two]}", fix="Please report this.", code=Exit.BUG)
    return sums


def stages_of(scope: Scope) -> list[dict[str, Any]]:
    """For each stage how many corpora it is done for, which it is not, and whose result is of other records."""
    return [
        {
            "stage": stage,
            "done": len(scope.made[stage]),
            "missing": [name for name in scope.corpora if name not in scope.made[stage]],
            "stale": scope.stale.get(stage, []),
        }
        for stage in ORDER
    ]
