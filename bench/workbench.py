"""The place of one measurement: generated files, registry entries for them, a data folder, commands run in it."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from measure import Spent, run

HERE = Path(__file__).resolve().parent

ENTRY = """
title    = "Generated for measuring: {name}"
from     = "manual:https://example.com/{name}"
license  = {{ id = "Apache-2.0", use = "commercial", redistribute = true }}
citation = "none"
[files]
rows = {{ path = "rows.{form}", format = "{reader}" }}
[outputs.sft]
{mapping}
[example]
files.rows = '''
{example}
'''
records.sft = [{{ instruction = "甲", output = "乙" }}]
"""

MAPPINGS = {
    "pair": 'shape = "pair"\nfields = { instruction = "{question}", output = "{answer}" }',
    "marked": 'shape = "dialogue"\nturns = { in = "data", marks = "element" }\n'
    'roles = { "问：" = "user", "答：" = "assistant" }',
    "messages": 'shape = "dialogue"\nturns = { in = "messages", speaker = "{role}", text = "{content}" }\n'
    'roles = { user = "user", assistant = "assistant" }',
}
"""How the registry entry of a shape makes records of its rows."""

EXAMPLES = {
    ("pair", "jsonl"): '{"question": "甲", "answer": "乙"}',
    ("pair", "csv"): "question,answer\n甲,乙",
    ("marked", "jsonl"): '{"data": ["问：甲", "答：乙"]}',
    ("messages", "jsonl"): '{"messages": [{"role": "user", "content": "甲"}, {"role": "assistant", "content": "乙"}]}',
}


class Workbench:
    """Generated files in `folder`; registry entries, mirror and data folder of this run in `work`."""

    def __init__(self, folder: Path, work: Path, keep: bool) -> None:
        self.folder, self.work, self.keep = folder, work, keep
        self.data, self.registry = work / "data", work / "registry"
        self.scanned = work / "scanned.arrow"
        self.registry.mkdir()
        self.environment = {"CARE_REGISTRY": str(self.registry), "PYTHONPATH": str(HERE.parent)}

    def python(self, *words: object) -> Spent:
        """A Python program run to its end."""
        return run([sys.executable, *map(str, words)], self.work, self.environment)

    def timed(self, *words: object) -> Spent:
        """The same, once what others wrote is on the disk and not this program's to wait for."""
        os.sync()
        return self.python(*words)

    def command(self, *words: object) -> Spent:
        """The same of any program, without ours in its way."""
        os.sync()
        return run(list(map(str, words)), self.work)

    def care_data(self, *words: object) -> Spent:
        """The command run on this data folder."""
        return self.python("-m", "care_data.cli", *words, "--to", self.data)

    def generate(self, shape: str, form: str, rows: int) -> Path:
        """The file of these parameters; made by a process of its own, where it is not there yet."""
        code = b"".join((HERE / name).read_bytes() for name in ("generate.py", "phrases.py"))
        path = self.folder / f"{shape}-{rows}-{hashlib.sha256(code).hexdigest()[:8]}.{form}"
        if not path.exists():
            self.python(HERE / "generate.py", shape, form, rows, path)
        return path

    def prepare(self, name: str, shape: str, form: str, source: Path) -> None:
        """A registry entry for the file, and the file fetched."""
        text = ENTRY.format(
            name=name,
            form=form,
            reader={"jsonl": "json"}.get(form, form),
            mapping=MAPPINGS[shape],
            example=EXAMPLES[shape, form],
        )
        (self.registry / f"{name}.toml").write_text(text, encoding="utf-8")
        target = self.data / f"raw/{name}/manual/example.com/{name}/rows.{form}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(source, target)
        self.care_data("fetch", name)

    def scan(self, source: Path) -> Spent:
        """Side A, from the generated file."""
        self.scanned.unlink(missing_ok=True)
        return self.timed(HERE / "scan.py", source, self.scanned)

    def convert(self, name: str, *words: object) -> Spent:
        """Side B, from the fetched file on."""
        shutil.rmtree(self.data / "records" / name, ignore_errors=True)
        return self.timed("-m", "care_data.cli", "convert", name, *words, "--to", self.data)

    def require_rows(self, name: str, rows: int) -> None:
        """RuntimeError unless every row became a record."""
        counts = read_counts(self.data, name)["sft"]
        if (counts["read"], counts["kept"]) != (rows, rows):
            raise RuntimeError(f"{name}: {rows} rows were generated, and counted were {counts}")

    def require_equal(self, name: str, shape: str) -> None:
        """RuntimeError unless both sides hold the same texts, row by row."""
        (part,) = (self.data / "records" / name).glob("sft-*.parquet")
        self.python(HERE / "equality.py", shape, self.scanned, part)
        self.scanned.unlink()

    def clear(self, name: str, source: Path | None = None) -> None:
        """Take away a corpus's data, and the generated file unless it is to be kept."""
        for stage in ("raw", "records"):
            shutil.rmtree(self.data / stage / name, ignore_errors=True)
        if source and not self.keep:
            source.unlink()


def read_counts(data: Path, name: str) -> dict[str, Any]:
    """What the convert stage counted, by output."""
    return json.loads((data / "records" / name / "manifest.json").read_text(encoding="utf-8"))["counts"]
