"""The numbers of a report in short form, as tables for a terminal."""

from typing import Any

from care_data.reports.funnels import COLUMNS

Table = tuple[list[str], list[list[str]], set[int]]
"""Header, rows, and the columns that stand to the right."""

MOST = 15
"""Lines of the tables that have no end."""


def short_tables(numbers: dict[str, Any]) -> list[Table]:
    """Stages not run for all, the funnel of each output, drops, what was masked, licences, benchmarks; none empty."""
    told = [
        _stages(numbers),
        _funnel(numbers),
        _reasons(numbers),
        _privacy(numbers),
        _licenses(numbers),
        _benchmarks(numbers),
    ]
    return [table for table in told if table[1]]


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _cut(rows: list[list[str]]) -> list[list[str]]:
    if len(rows) <= MOST:
        return rows
    return [*rows[:MOST], [f"and {len(rows) - MOST} more", *[""] * (len(rows[0]) - 1)]]


def _stages(numbers: dict[str, Any]) -> Table:
    rows = [
        [line["stage"], f"{line['done']:,}", _names(line["missing"]), _names(line["stale"])]
        for line in numbers["stages"]
        if line["missing"]
    ]
    return ["stage", "done for", "not for", "run again for"], rows, {1}


def _names(names: list[str]) -> str:
    return (", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")) or "–"


def _funnel(numbers: dict[str, Any]) -> Table:
    rows = [
        [f"{line['corpus']}/{line['output']}", *(_count(line[column]) for column in COLUMNS)]
        for line in numbers["funnel"]
    ]
    total = numbers["total"]
    if len(rows) > 1:
        rows.append([f"all {len(rows)}", *(_count(total.get(column, {}).get("records")) for column in COLUMNS)])
    return ["output", *COLUMNS], rows, set(range(1, len(COLUMNS) + 1))


def _reasons(numbers: dict[str, Any]) -> Table:
    rows = [[line["reason"], line["stage"], _count(line["records"])] for line in numbers["reasons"]]
    return ["dropped as", "in", "records"], _cut(rows), {2}


def _privacy(numbers: dict[str, Any]) -> Table:
    rows = [[line["type"], _count(line["values"])] for line in numbers["privacy"] if line["values"]]
    return ["masked", "values"], rows, {1}


def _licenses(numbers: dict[str, Any]) -> Table:
    sums: dict[tuple[str, str], int] = {}
    may = {True: "yes", False: "no", None: "?"}
    for line in numbers["licenses"]:
        key = (line["license"], may[line["redistribute"]])
        sums[key] = sums.get(key, 0) + line["records"]
    return ["licence", "republish", "records"], [[*key, _count(count)] for key, count in sums.items()], {2}


def _benchmarks(numbers: dict[str, Any]) -> Table:
    told = numbers["benchmarks"]
    rows = [[line["benchmark"], f"{line['corpora']:,} corpora", _count(line["found"])] for line in told["checked"]]
    rows += [[name, "not at hand", "–"] for name in told["missing"]]
    return ["benchmark", "checked for", "found in"], rows, {2}
