"""What was found as people read it: a line on a folder that is whole, a card and a table of what changed."""

from typing import TYPE_CHECKING

from care_data.audits.comparison import Difference, Names, Value
from care_data.audits.matching import as_text, cut_apart

if TYPE_CHECKING:
    from care_data.audits.matching import Change, Example
    from care_data.audits.verification import Verification
    from care_data.sheets import Section

LINES = 20
"""Lines at most of one section; the whole is in the JSON."""

RECORD_HEADER = ["dataset", "before", "after", "same", "added", "gone", "altered"]


def tell_whole(found: "Verification") -> str:
    """What was looked at, of a folder without a problem, and what could not be."""
    line = f"verify   {found.files:,} files, {found.bytes:,} bytes, all as they were written: {found.folder}"
    return "\n".join([line, *(f"         note: {note}" for note in found.notes)])


def record_cells(difference: Difference) -> list[list[str]]:
    """A row for every dataset, and one for all of them, for a table under RECORD_HEADER."""
    names = RECORD_HEADER[1:]
    rows = [[name, *(getattr(change, part) for part in names)] for name, change in difference.records.items()]
    if len(rows) > 1:
        rows.append(["all", *(sum(row[at] for row in rows) for at in range(1, len(RECORD_HEADER)))])
    return [[name, *(f"{count:,}" if count else "–" for count in counts)] for name, *counts in rows]


def tell_difference(difference: Difference) -> "list[Section]":
    """The sections of a card, those without a difference left out; the first says in a line how it stands."""
    own = [(value.name, _arrow(value)) for value in difference.made_by]
    names = {"corpora": difference.corpora, "datasets": difference.datasets, "inputs": difference.inputs}
    own += [(label, _cut("\n".join(_mark(each)).split("\n"))) for label, each in names.items() if each != Names()]
    sections = [
        (f"{difference.before} → {difference.after}", [("in short", _sum_up(difference)), *own]),
        ("Licences and sources", _tell(difference.sources)),
        ("Settings", _tell(difference.settings)),
        ("Counts", _tell_counts(difference.counts)),
        ("Moved", [("", _cut([f"{m.records:,}: {m.before} → {m.after}" for m in difference.moved]))]),
        *(section for name, change in difference.records.items() for section in _tell_records(name, change)),
    ]
    return [(heading, rows) for heading, rows in sections if any(text for _, text in rows)]


def _sum_up(difference: Difference) -> str:
    if difference.same_shards:
        return "the same records: all shards are equal byte for byte"
    if not difference.has_other_records:
        return "no record differs"
    kinds = ("added", "gone", "altered")
    counts = {kind: sum(getattr(change, kind) for change in difference.records.values()) for kind in kinds}
    moved = sum(move.records for move in difference.moved)
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    return told + (f"; {moved:,} of those added and of those gone moved to another dataset" if moved else "")


def _mark(names: Names) -> list[str]:
    marks = (("+", names.added), ("−", names.gone), ("≠", names.altered))
    return [f"{mark} {name}" for mark, each in marks for name in each]


def _tell(values: list[Value]) -> list[tuple[str, str]]:
    return [
        ("", _cut([f"{value.name}: {_arrow(value)}  ({', '.join(value.of)})".replace("  ()", "") for value in values]))
    ]


def _tell_counts(values: list[Value]) -> list[tuple[str, str]]:
    """A line for each stage of each dataset."""
    lines: dict[str, list[str]] = {}
    for value in values:
        lines.setdefault(" ".join(value.of), []).append(f"{value.name.removeprefix('dropped.')} {_arrow(value)}")
    return [("", _cut([f"{name}: {', '.join(each)}" for name, each in lines.items()]))]


def _tell_records(name: str, change: "Change") -> "list[Section]":
    """Some records that differ, of a dataset that both releases have."""
    if not (change.before and change.after):
        return []
    told = []
    for kind, examples in change.examples.items():
        more = getattr(change, kind) - len(examples)
        lines = [_tell_example(example) for example in examples] + ([f"… and {more:,} more"] if more else [])
        told.append((kind, "\n".join(lines)))
    return [(name, [(kind, text) for kind, text in told if text])]


def _tell_example(example: "Example") -> str:
    if not example.fields:
        return example.id
    fields = [f"{name}: {_one_line(before)}\n   → {_one_line(after)}" for name, before, after in example.fields]
    return "\n".join([example.id, *(f"  {text}" for text in fields)])


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n") or "empty"


def _arrow(value: Value) -> str:
    before, after = cut_apart(as_text(value.before), as_text(value.after))
    return f"{before} → {after}"


def _cut(lines: list[str]) -> str:
    more = [f"… and {len(lines) - LINES:,} more"] if len(lines) > LINES else []
    return "\n".join([*lines[:LINES], *more])
