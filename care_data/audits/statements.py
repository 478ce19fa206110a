"""What a manifest and dataset_info.json state, held against itself and against the shards; a line for each untruth."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from care_data import records
from care_data.release import INFO


def check_counts(told: dict[str, Any]) -> Iterator[str]:
    """Every sum that the manifest states about itself."""
    for name, counts in told["counts"].items():
        yield from _check_sum(name, counts)
        lines = told.get("funnel", {}).get(name)
        if not lines:
            continue
        for before, line in zip([None, *lines], lines, strict=False):
            yield from _check_sum(f"{name}, {line['stage']}", line)
            if before and line["read"] != before["kept"]:
                stages = f"{line['stage']} read {line['read']:,}, but {before['stage']} kept {before['kept']:,}"
                yield f"{name}: {stages}"
        dropped = sum((Counter(line["dropped"]) for line in lines), Counter[str]())
        whole = {"read": lines[0]["read"], "kept": lines[-1]["kept"], "dropped": dict(dropped)}
        if any(counts[key] != whole[key] for key in whole):
            yield f"{name}: its counts are not those of its stages"


def _check_sum(name: str, counts: dict[str, Any]) -> Iterator[str]:
    total = counts["kept"] + sum(counts["dropped"].values())
    if counts["read"] != total:
        yield f"{name}: {counts['read']:,} read, but {total:,} kept and dropped"


def check_rows(told: dict[str, Any], rows: dict[str, int]) -> Iterator[str]:
    """Counted is what the shards hold. Of files without shards (fetched ones, any files deduplicated) nothing."""
    kept = {name: counts["kept"] for name, counts in told["counts"].items()}
    for name in sorted(kept.keys() | rows.keys()) if rows else ():
        if kept.get(name, 0) != rows.get(name, 0):
            yield f"{name}: {kept.get(name, 0):,} kept, but its shards hold {rows.get(name, 0):,}"


def check_info(folder: Path, rows: dict[str, int], schemas: dict[str, list[Any]]) -> Iterator[str]:
    """dataset_info.json tells of the shards that are there, and of their format."""
    try:
        info = json.loads((folder / INFO).read_bytes())
    except (ValueError, RecursionError) as error:
        yield f"no JSON ({error})"
        return
    if wrong := records.explain("dataset_info", info):
        yield cut(wrong)
        return
    for name in sorted(info.keys() | rows.keys()):
        care = info.get(name, {}).get("care", {})
        if name not in rows or name not in info:
            yield f"{name}: {'no shard is listed of it' if name in info else 'told nothing of, but there are shards'}"
        elif care.get("rows") != rows[name]:
            yield f"{name}: {care.get('rows')} rows, but its shards hold {rows[name]:,}"
        else:
            kind = care.get("format")
            for path, schema in schemas[name]:
                if kind not in records.FORMATS or schema != records.polars_schema(kind, tuple(schema)):
                    yield f"{name}: {path} has not the columns of {kind} records"


def cut(text: str, most: int = 300) -> str:
    """The text, or its beginning where it is long: an error of a schema may quote all that it is about."""
    return text if len(text) <= most else text[:most] + "…"
