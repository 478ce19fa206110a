"""A web server of its own for each test, and a mirror folder."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the stand-ins of upstream's hosts: `from standins.hub import publish`

from standins.faults import FaultServer, running
from standins.scenes import Scene


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server of its own for each test."""
    with running(FaultServer()) as it:
        yield it


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The Hub, its store, and a raw folder with a file in it."""
    with running(FaultServer()) as front, running(FaultServer()) as store:
        yield Scene(tmp_path, front, store)


@pytest.fixture
def plant(tmp_path: Any) -> Callable[..., Any]:
    """plant(path, bytes): a file below a mirror folder; returns that folder."""

    def put(path: str = "", content: bytes = b"") -> Any:
        root = tmp_path / "mirror"
        root.mkdir(exist_ok=True)
        if path:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return root

    return put
