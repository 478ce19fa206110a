"""A dataset_info.json written by a test, with files beside it, and what the check says of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_data.dataset_info import InfoReport, check_info

PAIRS = '{"instruction": "头晕怎么办？", "input": "", "output": "先坐下休息。"}\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a file of pairs, whose columns are the usual ones."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "pairs.jsonl").write_text(PAIRS, encoding="utf-8")
    return folder


@pytest.fixture
def check(data: Path) -> Callable[[Any], InfoReport]:
    """check(info): the report on it, given as text, bytes or what becomes JSON."""

    def write(info: Any) -> InfoReport:
        text = info if isinstance(info, str | bytes) else json.dumps(info, ensure_ascii=False)
        (data / "dataset_info.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        return check_info(data)

    return write


@pytest.fixture
def told(check: Callable[[Any], InfoReport]) -> Callable[[Any], list[str]]:
    """told(info): the lines of its problems."""
    return lambda info: [str(problem) for problem in check(info).problems]
