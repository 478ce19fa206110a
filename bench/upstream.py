"""Files of the corpora at upstream's full size with its oddities, laid out as a mirror.

    python bench/upstream.py --list
    python bench/upstream.py CORPUS MIRROR REGISTRY SCALE

Prints JSON: how the files are read, their bytes, and by output what a conversion has to count. For a format that no
corpus has, an entry is written to REGISTRY.
"""

import json
import sys
from pathlib import Path

import tables
import texts
import trees

CASES = {**tables.CASES, **trees.CASES, **texts.CASES}

ENTRY = """
title    = "Generated for measuring: {name}"
from     = "manual:https://example.com/{name}"
license  = {{ id = "Apache-2.0", use = "commercial", redistribute = true }}
citation = "none"
"""

ENTRIES = {
    "csv": """
[files]
rows = { path = "rows.csv", format = "csv" }
[outputs.sft]
shape  = "pair"
blank  = ["无"]
fields = { instruction = "{title}\\n{ask}", output = "{answer}" }
[example]
files.rows = "department,title,ask,answer\\n内科,甲,无,乙\\n"
records.sft = [{ instruction = "甲", output = "乙" }]
""",
    "parquet": """
[files]
rows = { path = "rows.parquet", format = "parquet" }
[outputs.sft]
shape  = "pair"
fields = { instruction = "{question}", output = "{answer}" }
[example]
files.rows = ""
records.sft = []
""",
    "lines": """
[files]
rows = { path = "rows.gz", format = "lines" }
[outputs.pt]
shape  = "document"
fields = { text = "{_value}" }
[example]
files.rows = "甲\\n"
records.pt = [{ text = "甲" }]
""",
}
"""Entries by format, for those that no corpus of the registry has."""


def write_case(name: str, mirror: Path, registry: Path, scale: float) -> dict[str, object]:
    """A corpus's files in the mirror, and what is to be known of them."""
    case = CASES[name]
    if case.entry:
        (registry / f"{name}.toml").write_text(ENTRY.format(name=name) + ENTRIES[case.entry], encoding="utf-8")
    expected = case.make(mirror, scale)
    size = sum(path.stat().st_size for path in mirror.rglob("*") if path.is_file())
    return {"reader": case.reader, "bytes": size, "expected": expected}


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print(json.dumps(list(CASES)))
    else:
        name, mirror, registry, scale = sys.argv[1:]
        print(json.dumps(write_case(name, Path(mirror), Path(registry), float(scale)), ensure_ascii=False))
