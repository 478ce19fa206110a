"""The numbers of a report as plain dictionaries: what the page draws, the terminal shows and --json prints."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data import __version__
from care_data.reports.funnels import Funnel, stages_of, total
from care_data.reports.scopes import Scope

if TYPE_CHECKING:
    import polars as pl

FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "pt": {"text": ("text",)},
    "sft": {"question": ("history", "instruction", "input"), "answer": ("output",)},
    "rw": {"question": ("history", "instruction", "input"), "answer": ("chosen",), "rejected": ("rejected",)},
    "eval": {"question": ("question",), "answer": ("answer",)},
}
"""Format to what its lengths are told of, and the columns that make it up."""


def gather_numbers(scope: Scope, funnels: list[Funnel]) -> dict[str, Any]:
    """All numbers of the report, ready for JSON; the same for the same data folder."""
    return {
        "version": __version__,
        "release": scope.release.name if scope.release else None,
        "corpora": scope.corpora,
        "stages": stages_of(scope),
        "total": total(funnels),
        "funnel": [
            {
                **{key: getattr(funnel, key) for key in ("corpus", "output", "format", "role", "language", "license")},
                **funnel.left,
                "dropped": funnel.dropped,
            }
            for funnel in funnels
        ],
        "reasons": count_reasons(funnels),
        "changes": _count_changes(scope),
        "privacy": _count_masked(scope),
        "lengths": [length for funnel in funnels for length in _measure(scope, funnel)],
        "languages": _group(funnels, "language"),
        "licenses": _tell_licenses(scope, funnels),
        "duplicates": _tell_duplicates(scope, funnels),
        "benchmarks": _tell_benchmarks(scope),
        "warnings": _warnings(scope),
    }


def count_reasons(funnels: list[Funnel]) -> list[dict[str, Any]]:
    """Every reason for which records went: stage, reason, records, and records by output; most records first."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for funnel in funnels:
        for stage, reasons in funnel.dropped.items():
            for reason, count in reasons.items():
                found.setdefault((stage, reason), {})[funnel.name] = count
    told = [
        {"stage": stage, "reason": reason, "records": sum(by.values()), "outputs": by}
        for (stage, reason), by in found.items()
    ]
    return sorted(told, key=lambda line: (-line["records"], line["stage"], line["reason"]))


def _counted_by_cleaning(scope: Scope) -> list[tuple[str, str, int]]:
    """(corpus, what was counted, how often)."""
    return [
        (corpus, name, count)
        for corpus, manifest in scope.made["clean"].items()
        for counts in manifest.counts.values()
        for name, count in counts.get("changed", {}).items()
    ]


def _sum_named(scope: Scope, prefix: str, name: str, unit: str) -> list[dict[str, Any]]:
    sums: dict[str, Counter[str]] = {}
    for corpus, counted, count in _counted_by_cleaning(scope):
        if counted.startswith(prefix):
            sums.setdefault(counted.removeprefix(prefix), Counter())[corpus] += count
    told = [{name: what, unit: by.total(), "corpora": dict(sorted(by.items()))} for what, by in sums.items()]
    return sorted(told, key=lambda line: (-line[unit], line[name]))


def _count_changes(scope: Scope) -> list[dict[str, Any]]:
    """Records each cleaning step changed."""
    return _sum_named(scope, "changed_", "step", "records")


def _count_masked(scope: Scope) -> list[dict[str, Any]]:
    """Values each type of personal data was masked in."""
    return _sum_named(scope, "masked_", "type", "values")


def _measure(scope: Scope, funnel: Funnel) -> list[dict[str, Any]]:
    """Lengths in characters of an output's texts: quantiles, and how many have 0, 1, 2-3, 4-7, 8-15 … characters."""
    frame = read_last(scope, funnel)
    if frame is None or not funnel.final:
        return []
    told = []
    for name, columns in FIELDS.get(funnel.format, {}).items():
        here = frame.select(_characters(frame, columns).alias("chars")).group_by("chars").len()
        counts = sorted(here.collect(engine="streaming").iter_rows())
        bins = [0] * (counts[-1][0].bit_length() + 1)
        for chars, records in counts:
            bins[chars.bit_length()] += records
        told.append(
            {"corpus": funnel.corpus, "output": funnel.output, "field": name, **_quantiles(counts), "bins": bins}
        )
    return told


def _characters(frame: "pl.LazyFrame", columns: tuple[str, ...]) -> "pl.Expr":
    import polars as pl

    schema = frame.collect_schema()
    sizes = []
    for name in (name for name in columns if name in schema):
        nested = isinstance(schema[name], pl.List)
        text = pl.col(name).list.eval(pl.element().list.join("")).list.join("") if nested else pl.col(name)
        sizes.append(text.str.len_chars().fill_null(0))
    return pl.sum_horizontal(sizes).cast(pl.Int64)


def _quantiles(counts: list[tuple[int, int]]) -> dict[str, int]:
    """records, min, median, p95 and max of values with how often each is, ascending."""
    records = sum(often for _, often in counts)
    seen, median, high = 0, counts[0][0], counts[0][0]
    for value, often in counts:
        median = value if 2 * seen < records else median
        high = value if 100 * seen < 95 * records else high
        seen += often
    return {"records": records, "min": counts[0][0], "median": median, "p95": high, "max": counts[-1][0]}


def read_last(scope: Scope, funnel: Funnel) -> "pl.LazyFrame | None":
    """The records of an output after the last stage that was run, in order; None where there is no file of it."""
    import polars as pl

    manifest = scope.last(funnel.corpus, funnel.output)
    if manifest is None:
        return None
    paths = paths_of(scope, manifest.stage, funnel.corpus, funnel.output, "records")
    return pl.scan_parquet(paths) if paths else None


def paths_of(scope: Scope, stage: str, corpus: str, output: str, kind: str) -> list[Path]:
    """The files of an output's records or rejects after a stage."""
    manifest = scope.made[stage].get(corpus)
    folder = scope.store.folder(stage, corpus)
    files = manifest.files if manifest else []
    return [folder / f["path"] for f in files if f["kind"] == kind and f["output"] == output]


def _group(funnels: list[Funnel], key: str) -> list[dict[str, Any]]:
    """Records there are now, and in how many outputs, by one of the funnels' properties."""
    sums: Counter[str] = Counter()
    for funnel in funnels:
        sums[getattr(funnel, key)] += funnel.final
    return [
        {key: name, "records": count, "outputs": sum(getattr(funnel, key) == name for funnel in funnels)}
        for name, count in sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    ]


def _tell_licenses(scope: Scope, funnels: list[Funnel]) -> list[dict[str, Any]]:
    """A line for each licence and its terms: its use, may a cleaned copy be published (None: not known), records."""
    lines: dict[tuple[str, str, str, bool | None], dict[str, int]] = {}
    for funnel in funnels:
        entry = scope.entries.get(funnel.corpus)
        own = entry.license if entry else {}
        key = (funnel.license, own.get("terms", ""), own.get("use", "unclear"), own.get("redistribute"))
        line = lines.setdefault(key, {})
        line[funnel.corpus] = line.get(funnel.corpus, 0) + funnel.final
    told = [
        {"license": name, "terms": terms, "use": use, "redistribute": may, "records": sum(by.values()), "corpora": by}
        for (name, terms, use, may), by in lines.items()
    ]
    return sorted(told, key=lambda line: (-line["records"], line["license"], line["terms"], line["use"]))


def _tell_duplicates(scope: Scope, funnels: list[Funnel]) -> dict[str, Any]:
    """What counts as one, what went for it, and which of a corpus's records stand in another too."""
    made = scope.made["dedupe"]
    reads = {name: sum(counts["read"] for counts in manifest.counts.values()) for name, manifest in made.items()}
    gone: Counter[str] = Counter()
    for funnel in funnels:
        gone.update(funnel.dropped.get("dedupe", {}))
    return {
        "run": bool(made),
        "thresholds": sorted({manifest.parameters["threshold"] for manifest in made.values()}),
        "reasons": dict(sorted(gone.items())),
        "reads": reads,
        "overlaps": {name: dict(manifest.overlaps) for name, manifest in made.items() if manifest.overlaps},
    }


def _tell_benchmarks(scope: Scope) -> dict[str, Any]:
    """The benchmarks looked for: in how many corpora, and how many records held an item of each; those not at hand."""
    import polars as pl

    made = scope.made["decontaminate"]
    checked: dict[str, int] = Counter(
        shown_source(name) for manifest in made.values() for name in manifest.parameters["benchmarks"]
    )
    found: dict[str, Counter[str]] = {name: Counter() for name in checked}
    for corpus, manifest in made.items():
        folder = scope.store.folder("decontaminate", corpus)
        for path in (folder / f["path"] for f in manifest.files if f["kind"] == "rejects"):
            for item in pl.scan_parquet(path).select("item").collect()["item"]:
                found.setdefault(source_of(item, checked), Counter())[corpus] += 1
    missing = sorted({name for manifest in made.values() for name in manifest.parameters["missing"]} - set(checked))
    return {
        "run": bool(made),
        "checked": [
            {"benchmark": name, "corpora": checked.get(name, 0), "found": by.total(), "in": dict(sorted(by.items()))}
            for name, by in sorted(found.items(), key=lambda line: (-line[1].total(), line[0]))
        ],
        "missing": missing,
    }


def shown_source(name: str) -> str:
    """A benchmark's name: a corpus, or of a file the last part of its path, which is no affair of a reader's."""
    return name.replace("\\", "/").rpartition("/")[2]


def source_of(item: str, sources: dict[str, int]) -> str:
    """The benchmark that an item is of: `corpus/output/path#row`, or `file#row` of a file given by path and field."""
    corpus = item.partition("/")[0]
    file = shown_source(item.rpartition("#")[0])
    return corpus if corpus in sources else next((name for name in sources if name.startswith(file)), corpus)


def _warnings(scope: Scope) -> list[dict[str, str]]:
    """What the stages warned of."""
    return [
        {"stage": stage, "corpus": corpus, "text": text}
        for stage, manifests in scope.made.items()
        for corpus, manifest in manifests.items()
        for text in manifest.warnings
    ]
