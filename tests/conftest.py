"""What several tests share: the command in a process of its own, one run of the demo, small corpora made up here."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "care_data/sources")]  # the stand-ins

from hubs.fixtures import hub, hub_client  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
PIN = "0123456789abcdef0123456789abcdef01234567"

ENTRY = """
title    = "Invented questions"
from     = "github:test/{name}@{pin}"
license  = {{ id = "MIT", use = "commercial", redistribute = true }}
citation = "none"
priority = {priority}
[files]
pairs = {{ path = "*.jsonl", format = "json" }}
{files}
[outputs.sft]
shape  = "pair"
rows   = "pairs"
fields = {{ instruction = "{{q}}", output = "{{a}}" }}
{more}
[example]
files.pairs = '{{"q": "甲？", "a": "乙。"}}'
records.sft = [{{ instruction = "甲？", output = "乙。" }}]
{examples}
"""


@dataclass(frozen=True)
class Ended:
    """A command that ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shelf:
    """Corpora made up by a test: entries in `registry`, upstream's files in `mirror`, the data folder at `data`."""

    root: Path
    names: list[str] = field(default_factory=list)

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def mirror(self) -> Path:
        return self.root / "mirror"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def upstream(self, name: str) -> Path:
        return self.mirror / f"github/test/{name}"

    def add(
        self,
        name: str,
        *files: list[tuple[str, str]],
        priority: int = 50,
        more: str = "",
        extra_files: str = "",
        examples: str = "",
    ) -> None:
        """An entry, with one upstream file for each list of (question, answer)."""
        self.registry.mkdir(parents=True, exist_ok=True)
        text = ENTRY.format(name=name, pin=PIN, priority=priority, files=extra_files, more=more, examples=examples)
        (self.registry / f"{name}.toml").write_text(text, encoding="utf-8")
        self.upstream(name).mkdir(parents=True, exist_ok=True)
        for number, rows in enumerate(files):
            lines = [json.dumps({"q": q, "a": a}, ensure_ascii=False) + "\n" for q, a in rows]
            (self.upstream(name) / f"{number}.jsonl").write_text("".join(lines), encoding="utf-8")
        self.names.append(name)


def words(seed: object, length: int = 24) -> str:
    """A text of Han characters that resembles no other seed's."""
    digest = b"".join(hashlib.sha256(f"{seed}/{block}".encode()).digest() for block in range(-(-length // 32)))
    return "".join(chr(0x4E00 + byte) for byte in digest[:length])


def clean_environment() -> dict[str, str]:
    """This process's environment without what changes the command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARE_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def distinct() -> Callable[..., list[tuple[str, str]]]:
    """distinct(name, n): n pairs of question and answer, no two of them alike."""
    return lambda name, count, start=0: [
        (words(f"{name} q {n}") + "？", words(f"{name} a {n}") + "。") for n in range(start, start + count)
    ]


@pytest.fixture(scope="session")
def care_data() -> Callable[..., Ended]:
    """care_data(*words, **environment): run the command and say how it ended."""

    def run(*words: object, program: str = "", **environment: object) -> Ended:
        environment = {**clean_environment(), **{name: str(value) for name, value in environment.items()}}
        start = ["-c", program] if program else ["-m", "care_data.cli"]
        done = subprocess.run(
            [sys.executable, *start, *map(str, words)], capture_output=True, text=True, env=environment, timeout=120
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def demo(care_data: Callable[..., Ended], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The data folder of one run of the demo, which no test may change, and how that run ended."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    return folder, care_data("run", "demo", "--to", folder, "--json")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """An empty shelf, whose entries are found in this process."""
    from care_data import registry

    made = Shelf(tmp_path)
    monkeypatch.setenv("CARE_REGISTRY", str(made.registry))
    registry.groups.cache_clear()
    return made


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, str]]:
    """snapshot(folder): the path of every file below it, but the lock's, and the sha256 of its bytes."""

    def take(folder: Path) -> dict[str, str]:
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    return take
