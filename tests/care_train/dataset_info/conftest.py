"""Folders with a dataset_info.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_train.config import DataSettings
from care_train.dataset_info import Dataset, load_datasets

Rows = list[dict[str, Any]]


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, Rows], Path]:
    """A function that writes rows as a JSON file below the test's folder."""

    def write(name: str, rows: Rows) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def load() -> Callable[..., Dataset]:
    """A function that loads datasets of a folder: their names, a stage, settings."""

    def read(folder: Path, wanted: str, stage: str, *, seed: int = 42, **settings: Any) -> Dataset:
        return load_datasets(folder, stage, DataSettings(dataset=wanted, **settings), seed=seed)

    return read
