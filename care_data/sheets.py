"""A corpus as a sheet for people: what it is, its licence and files, what is made of them, what is odd about it."""

import json
import re
from typing import TYPE_CHECKING, Any

from care_data.citations import LINKS
from care_data.sources.places import parse_source

if TYPE_CHECKING:
    from care_data.entries import Entry, File, Output
    from care_data.provenance import Story
    from care_data.publishing import Plan

Section = tuple[str, list[tuple[str, str]]]
"""A heading, empty for the first section, and its rows: a label and a text, which may have several lines."""

STATUS = {
    "verified": "verified: tried on upstream's own bytes",
    "described": "described: made from upstream's description, not tried on all of its bytes",
}
USE = {
    "commercial": "anyone may use it, commercially too",
    "research": "upstream allows research; nothing more is clearly allowed",
    "unclear": "unclear what it may be used for: nobody with the right to say has said",
}
AROUND = 30
"""Characters shown on both sides of what a step changed."""
EXAMPLE_LINES, EXAMPLE_CHARS = 6, 400
FILES_SHOWN = 40
"""Files of a release shown one by one."""
_COMMENT = re.compile(r"""((?:[^#"']|"(?:[^"\\]|\\.)*"|'[^']*')*)#\s?(.*)""")
_HEADING = re.compile(r"\[+([^\]]+)\]+")
_KEY = re.compile(r"""([\w."' -]+?)\s*=""")


def describe(entry: "Entry", record: dict[str, Any] | None) -> list[Section]:
    """The sections of a corpus's sheet; record: what the first output makes of the example."""
    own = [
        ("corpus", entry.name + (f", one of the group {entry.group}" if entry.group else "")),
        ("status", STATUS[entry.status]),
        ("language", ", ".join(sorted({output.language for output in entry.outputs.values()}))),
        ("licence", _licence(entry.license)),
        ("citation", entry.citation),
        ("source", _source(entry.source)),
    ]
    own += [("mirrors", "\n".join(entry.data["mirrors"]))] if entry.data.get("mirrors") else []
    own += [("republishes", f"{entry.mirror_of}, which keeps its own of two equal records")] if entry.mirror_of else []
    own += [("priority", f"{entry.priority} (50 is usual)")] if entry.priority != 50 else []
    notes = read_notes(entry.path.read_text(encoding="utf-8"))
    sections: list[Section] = [
        (entry.title, own),
        ("Files", [(name, _file(entry, file)) for name, file in entry.files.items()]),
        ("Outputs", [(name, _output(output)) for name, output in entry.outputs.items()]),
        ("Set aside, in the example", _oddities(entry)),
        ("Notes", notes),
        ("Example", _example(entry, record)),
    ]
    return [(heading, rows) for heading, rows in sections if rows]


def tell_story(story: "Story") -> list[Section]:
    """The chain of one record, from upstream's row to the releases that hold it."""
    file = story.file
    origin = [("file", file.get("source", "not fetched here") + " · " + file.get("upstream", file["path"]))]
    origin.append(("row", f"{story.row:,}"))
    if "sha256" in file:
        state = "as pinned" if file.get("verified") else "nothing pins it"
        origin.append(("sha256", f"{file['sha256']} ({state})"))
    origin.append(("licence", _licence(story.license)))
    sections: list[Section] = [(story.id, origin)]
    if story.record:
        shown = {name: value for name, value in story.record.items() if name not in ("id", "corpus", "license")}
        sections.append(("As converted", [(name, _value(value)) for name, value in shown.items() if value]))
    if story.changes:
        lines = [
            (f"{step}: {name}", "\n→ ".join(_cut_alike(_value(before), _value(after))))
            for step, name, before, after in story.changes
        ]
        sections.append(("Changed by cleaning", lines))
    sections.append(("What became of it", [(stage, _fate(stage, fate)) for stage, fate in story.fates.items()]))
    if story.copies:
        told = [(reason if share is None else f"{reason} {share:.2f}", name) for name, reason, share in story.copies]
        sections.append(("Went for it", told))
    if story.releases:
        sections.append(("In the releases", [("", ", ".join(story.releases))]))
    return sections


def tell_publication(plan: "Plan") -> list[Section]:
    """What would be published: the files, the corpora with their licences, what stays out, what would change there."""
    manifest = plan.manifest
    rows = sum(line.get("rows", 0) for line in manifest.files)
    size = sum(line["bytes"] for line in manifest.files)
    head = [("tree", str(plan.folder)), ("in all", f"{len(manifest.files)} files, {rows:,} rows, {size:,} bytes")]
    if plan.repo:
        seen = "everyone sees it" if plan.public else "private"
        head[:0] = [("repository", f"{plan.repo}, {seen}"), ("tag", plan.tag)]
    if manifest.private:
        head.append(("personal data", ", ".join(f"{count:,} {kind}" for kind, count in manifest.private.items())))
    corpora = [(corpus, _licence(source["license"])) for corpus, source in sorted(manifest.sources.items())]
    sections = [(manifest.name, head), ("Licences", corpora)]
    if plan.withheld:
        sections.append(("Left out", sorted(plan.withheld.items())))
    if plan.note:
        sections.append(("On the Hub", [("", plan.note)]))
    elif plan.changes is not None and plan.changes.removed:
        sections.append(("To be removed there", [("", "\n".join(plan.changes.removed))]))
    return sections


def list_published(plan: "Plan") -> list[list[str]]:
    """A line for each file that would be published, or for each folder of them where they are many; and the sum."""
    state = {} if plan.changes is None else {path: name for name, paths in vars(plan.changes).items() for path in paths}
    many = len(plan.manifest.files) > FILES_SHOWN
    lines: dict[tuple[str, str], list[int]] = {}
    for line in plan.manifest.files:
        folder, slash, _ = line["path"].partition("/")
        named = f"{folder}/*" if many and slash else line["path"]
        total = lines.setdefault((named, state.get(line["path"], "")), [0, 0])
        total[0] += line.get("rows", 0)
        total[1] += line["bytes"]
    rows = [[name, f"{rows:,}" if rows else "", f"{size:,}", told] for (name, told), (rows, size) in lines.items()]
    sums = [sum(total[at] for total in lines.values()) for at in (0, 1)]
    return [*rows, ["all", *(f"{total:,}" for total in sums), ""]]


def _fate(stage: str, fate: dict[str, Any] | None) -> str:
    if fate is None:
        return "not run yet"
    if not fate:
        return "kept"
    # What cleaning drops is shown above: its text as converted, and every change.
    told = [key for key in ("keeper", "item", "jaccard", "share", "detail") if fate.get(key) and stage != "clean"]
    return "\n".join([f"dropped: {fate['reason']}", *(f"{key}: {_value(fate[key])}" for key in told)])


def _cut_alike(before: str, after: str) -> tuple[str, str]:
    """Both without what they have in common at their ends, but for some characters around the difference."""
    start = _count_alike(before, after)
    end = _count_alike(before[start:][::-1], after[start:][::-1])
    first, last = max(0, start - AROUND), max(0, end - AROUND)
    head, tail = "…" * (first > 0), "…" * (last > 0)
    return head + before[first : len(before) - last] + tail, head + after[first : len(after) - last] + tail


def _count_alike(one: str, two: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _licence(license: dict[str, Any]) -> str:
    shared = "a cleaned copy may be published" if license["redistribute"] else "a cleaned copy may not be published"
    terms = [license["terms"]] if license.get("terms") else []
    return "\n".join([license["id"], *terms, USE[license["use"]], shared])


def _source(source: str) -> str:
    place = parse_source(source)
    lines = [f"{place.scheme}:{place.name}"]
    if place.scheme in LINKS:
        lines.append(LINKS[place.scheme].format(name=place.name))
    elif place.scheme == "package":
        lines.append("comes with this package")
    return "\n".join([*lines, *([f"pinned at {place.pin}"] if place.pin else [])])


def _file(entry: "Entry", file: "File") -> str:
    inside = f", in it {file.member}" if file.member else ""
    kind = f"{file.format}, {file.encoding}" if file.format not in ("parquet", "docx", "pickle") else file.format
    pins = entry.checksums.get(file.name, {})
    kinds = sorted({"sha256" if "sha256" in pin else "git blob id" for pin in pins.values()})
    known = f"checksum of {len(pins)} known ({', '.join(kinds)})" if pins else "no checksum known"
    size = sum(pin.get("bytes", 0) for pin in pins.values())
    lines = [f"{file.path}{inside}", "; ".join([kind, known, *([f"{size:,} bytes"] if size else [])])]
    lines += [f"from {file.source}"] if file.source != entry.source else []
    return "\n".join([*lines, *(["may be absent"] if file.optional else [])])


def _output(output: "Output") -> str:
    role = "a benchmark, never trained on" if output.role == "benchmark" else "for training"
    rows = f"{output.expect:,} rows expected" if output.expect is not None else "number of rows not known"
    joined = "".join(f", joined with {join.file}" for join in output.joins)
    lines = [f"{output.format}, {role}; {rows}", f"a {output.shape} from each row of {output.rows}{joined}"]
    lines += [f"only rows where {column} fits {regex}" for column, regex in output.where.items()]
    lines += [f"no rows where {column} fits {regex}" for column, regex in output.unless.items()]
    patterns = output.fields | ({"opening": output.opening} if output.opening else {}) | (output.turns or {})
    lines += [f"{field}: {json.dumps(pattern, ensure_ascii=False)}" for field, pattern in patterns.items()]
    lines += [f"roles: {', '.join(f'{mark} is {role}' for mark, role in output.roles.items())}"] if output.roles else []
    lines += [f"cleaned also by {' '.join(output.clean)}"] if output.clean else []
    return "\n".join([*lines, *([] if output.default else ["made only with --output"])])


def _oddities(entry: "Entry") -> list[tuple[str, str]]:
    rejects = entry.example.get("rejects", {})
    return [(name, ", ".join(f"{count} {why}" for why, count in counts.items())) for name, counts in rejects.items()]


def _example(entry: "Entry", record: dict[str, Any] | None) -> list[tuple[str, str]]:
    output = next(iter(entry.outputs.values()))
    text = str(entry.example["files"].get(output.rows, "")).strip("\r\n")
    lines = "\n".join(text.split("\n")[:EXAMPLE_LINES])[:EXAMPLE_CHARS]
    rows = [(output.rows, lines + ("…" if len(lines) < len(text) else ""))]
    if record is not None:
        kept = {name: value for name, value in record.items() if name not in ("id", "corpus", "license")}
        rows.append((f"→ {output.name}", json.dumps(kept, ensure_ascii=False, indent=1)))
    return rows


def read_notes(toml: str) -> list[tuple[str, str]]:
    """The comments of an entry before its example, each with the table or key it stands beside or above."""
    notes: list[tuple[str, str]] = []
    table, waiting = "", []  # type: tuple[str, list[str]]
    for line in toml.split("\n"):
        found = _COMMENT.fullmatch(line)
        code, comment = (found.group(1), found.group(2).strip()) if found else (line, "")
        heading, key = _HEADING.match(code), _KEY.match(code)
        if heading:
            table = heading.group(1)
            if table.startswith("example"):
                break
        if comment and not code.strip():
            waiting.append(comment)
        elif heading or key:
            name = key.group(1) if key else ""
            place = ".".join(part for part in (table, name) if part)
            notes += [(place, " ".join(text)) for text in (waiting, [comment]) if any(text)]
            waiting = []
    return notes + [(table, " ".join(waiting))] * bool(waiting)
