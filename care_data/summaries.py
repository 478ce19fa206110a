"""What a fetch would do, or did, as JSON for machines and as the cells of a table for people."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from care_data.entries import Entry
    from care_data.errors import CareError
    from care_data.stages import StageResult
    from care_data.stages.file_deduplication import FilesResult
    from care_data.stages.plans import Plan

PLAN_HEADER = ["corpus", "files", "bytes", "there", "licence", "share", "from", "needs"]
COUNT_HEADER = ["dataset", "read", "kept", "dropped", "by reason"]
OVERLAP_HEADER = ["of", "records", "share", "are in"]
FETCH_HEADER = ["corpus", "files", "bytes", "new", "state", "from", "seconds"]


def plan_json(
    plans: "list[Plan]", entries: "list[Entry]", failures: "dict[str, CareError]", free: int
) -> dict[str, Any]:
    """The plans, what is known of their bytes, and what is free on the disk."""
    licenses = {entry.name: entry.license for entry in entries}
    return {
        "corpora": {
            plan.corpus: {
                "files": [
                    {"name": f.name, "path": f.path, "from": f.address, "bytes": f.bytes, "there": f.there,
                     "optional": f.optional, "needs": f.needs or None}
                    for f in plan.files
                ],
                "bytes_known": plan.known,
                "complete": plan.complete,
                "bytes_there": plan.there,
                "bytes_missing": plan.missing,
                "sources": plan.sources,
                "needs": plan.needs,
                "license": licenses[plan.corpus],
            }
            for plan in plans
        },
        "bytes_known": sum(plan.known for plan in plans),
        "bytes_missing": sum(plan.missing for plan in plans),
        "complete": all(plan.complete for plan in plans),
        "free": free,
        "failures": failures_json(failures),
    }  # fmt: skip


def plan_cells(plans: "list[Plan]", entries: "list[Entry]") -> list[list[str]]:
    """The plans as cells under PLAN_HEADER, the last line for all of them. A star: files that a pattern names."""
    licenses = {entry.name: entry.license for entry in entries}
    rows = [
        [
            plan.corpus,
            " + ".join([*([str(len(plan.named))] if plan.named else []), *(["*"] if plan.patterns else [])]),
            _size(plan.known, plan.complete),
            _there(plan),
            licenses[plan.corpus]["id"],
            "yes" if licenses[plan.corpus]["redistribute"] else "no",
            " ".join(plan.sources),
            ", ".join(plan.needs).replace("(optional)", "(opt.)") or "–",
        ]
        for plan in plans
    ]
    if len(plans) > 1:
        patterns = any(plan.patterns for plan in plans)
        files = sum(len(plan.named) for plan in plans)
        waiting = sum(not need.endswith("(optional)") for plan in plans for need in plan.needs)
        rows.append(
            [
                f"all {len(plans)}",
                f"{files:,}" + (" + *" if patterns else ""),
                _size(sum(plan.known for plan in plans), all(plan.complete for plan in plans)),
                _size(sum(plan.there for plan in plans), True) if any(plan.there for plan in plans) else "–",
                "",
                f"{sum(row[5] == 'yes' for row in rows)} yes",
                "",
                f"{waiting} need you" if waiting else "–",
            ]
        )
    return rows


def fetched_json(fetched: "dict[str, StageResult]") -> dict[str, Any]:
    """What a fetch brought, by corpus."""
    return {
        name: {
            "files": len(_paths(done)),
            "bytes": sum(_paths(done).values()),
            "new": done.brought,
            "verified": done.manifest.verified,
            "stated": done.stated,
            "from": list(done.origins),
            "seconds": round(done.seconds, 3),
        }
        for name, done in fetched.items()
    }


def fetched_cells(
    fetched: "dict[str, StageResult]", failures: "dict[str, CareError]", seconds: float
) -> list[list[str]]:
    """What a fetch brought as cells under FETCH_HEADER, what it did not bring, and the sum."""
    told = fetched_json(fetched)
    rows = [
        [
            name,
            f"{each['files']:,}",
            _size(each["bytes"], True),
            f"{each['new']:,}",
            "verified" if each["verified"] else "as stated" if each["stated"] else "unverified",
            " ".join(each["from"]),
            f"{each['seconds']:.1f}",
        ]
        for name, each in told.items()
    ]
    rows += [[name, "–", "–", "–", f"left out ({int(error.code)})", "–", "–"] for name, error in failures.items()]
    if len(rows) > 1:
        sums = [sum(each[key] for each in told.values()) for key in ("files", "bytes", "new")]
        verified = f"{sum(each['verified'] for each in told.values())} of {len(rows)} verified"
        rows.append(
            [f"all {len(rows)}", f"{sums[0]:,}", _size(sums[1], True), f"{sums[2]:,}", verified, "", f"{seconds:.1f}"]
        )
    return rows


def files_json(result: "FilesResult", out: "Path", seconds: float) -> dict[str, Any]:
    """What became of files without duplicates."""
    found = result.manifest.parameters["found"]
    return {
        "out": str(out),
        "fresh": result.fresh,
        "seconds": round(seconds, 3),
        "counts": result.manifest.counts,
        "fields": result.manifest.parameters["fields"],
        "found": found,
        "overlaps": result.manifest.parameters["overlaps"],
        "clusters": [asdict(cluster) for cluster in result.clusters],
    }


def count_cells(counts: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Counts by name as cells under COUNT_HEADER, the last line for all of them."""
    rows, total = [], [0, 0]
    for name, each in counts.items():
        dropped = sorted(each["dropped"].items(), key=lambda item: (-item[1], item[0]))
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped)
        total = [total[0] + each["read"], total[1] + each["kept"]]
        rows.append(
            [name, f"{each['read']:,}", f"{each['kept']:,}", f"{each['read'] - each['kept']:,}", reasons or "–"]
        )
    if len(rows) > 1:
        rows.append(["all", f"{total[0]:,}", f"{total[1]:,}", f"{total[0] - total[1]:,}", "read = kept + dropped"])
    return rows


def overlap_cells(overlaps: dict[str, dict[str, int]], reads: dict[str, int]) -> list[list[str]]:
    """Which of the records of one corpus are in another, as cells under OVERLAP_HEADER, the largest share first."""
    rows = [
        (count / reads[name], name, other, count) for name, line in overlaps.items() for other, count in line.items()
    ]
    return [
        [name, f"{count:,} of {reads[name]:,}", f"{share:.1%}", other]
        for share, name, other, count in sorted(rows, key=lambda row: (-row[0], row[1:]))
    ]


def failures_json(failures: "dict[str, CareError]") -> dict[str, Any]:
    """The errors of corpora left out."""
    return {
        name: {"error": str(error), "code": int(error.code), "details": list(error.details)}
        for name, error in failures.items()
    }


def _paths(done: "StageResult") -> dict[str, int]:
    """The corpus's files, each once, and their bytes: several files of an entry may be one upstream."""
    return {file["path"]: file["bytes"] for file in done.manifest.files}


def _size(size: int, complete: bool) -> str:
    """Bytes for people; a question mark for what is not known."""
    from rich.filesize import decimal

    known = decimal(size) if size or complete else ""
    return " + ".join([*([known] if known else []), *([] if complete else ["?"])])


def _there(plan: "Plan") -> str:
    if plan.files and all(file.there for file in plan.files):
        return "all"
    return _size(plan.there, True) if plan.there else "–"
