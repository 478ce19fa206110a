"""What the tests against upstream's samples share: where the samples lie, a run over a mirror, and how both compare."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from care_data import pipeline, registry
from care_data.parts import read_frames
from care_data.records import load_schema
from care_data.stages import Settings
from care_data.store import Manifest, Store

Row = dict[str, Any]
Told = list[tuple[str | None, Row]]
"""Every row of a file in order: the reason that drops it, or None and the record it makes."""

ROOT = Path(os.environ.get("CARE_SAMPLES", Path(__file__).resolve().parents[2].parent / "shared/corpora"))


@dataclass(frozen=True)
class Run:
    """What came of a run over a mirror: the manifests of its last stage, and the corpora that failed."""

    store: Store
    stage: str
    manifests: dict[str, Manifest]
    failures: dict[str, str]

    def records(self, corpus: str, output: str) -> list[Row]:
        """The records of an output in order, each held against its schema."""
        folder = self.store.folder(self.stage, corpus)
        parts = [f for f in self.manifests[corpus].files if f["output"] == output and f["kind"] == "records"]
        made = [row for part in parts for frame in read_frames(folder / part["path"]) for row in frame.to_dicts()]
        validator = Draft202012Validator(load_schema(registry.load(corpus).outputs[output].format))
        assert [error.message for row in made for error in validator.iter_errors(row)] == []
        return made

    def compare(self, corpus: str, output: str, told: Told) -> None:
        """Assert that the output read these rows, dropped them for these reasons, and made these records."""
        counts = self.manifests[corpus].counts[output]
        dropped = Counter(reason for reason, _ in told if reason)
        kept = [row for reason, row in told if reason is None]
        assert counts["read"] == len(told) > 0
        assert (counts["kept"], counts["dropped"]) == (len(kept), dict(dropped))
        assert counts["read"] == counts["kept"] + sum(counts["dropped"].values())
        license_id = registry.load(corpus).license["id"]
        expected = [{**row, "corpus": corpus, "license": license_id} for row in kept]
        made = self.records(corpus, output)
        assert [(row, shown) for row, shown in zip(made, expected, strict=True) if row != shown] == []


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of samples; a test that asks for it is skipped where there is none."""
    if not (ROOT / "mirror").is_dir():
        pytest.skip(f"no samples in {ROOT}")
    return ROOT


@pytest.fixture(scope="session")
def run_mirror(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """run_mirror(names, mirror, outputs, stage): the corpora fetched from a mirror and taken as far as the stage."""

    def run(names: Iterable[str], mirror: Path, outputs: Iterable[str] = (), stage: str = "convert") -> Run:
        store = Store(tmp_path_factory.mktemp("data"))
        settings = Settings(store, str(mirror), workers=1, outputs=frozenset(outputs))
        entries = [registry.load(name) for name in names]
        result = pipeline.run_stages(entries, settings, stage, lambda corpus, done: None)
        failures = {corpus: str(error) for corpus, error in result.failures.items()}
        return Run(store, stage, result.manifests.get(stage, {}), failures)

    return run
