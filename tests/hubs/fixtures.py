"""The stand-in for a test, and the Hub's real client led to it: in this process and in those it starts."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hubs.server import WRITER, Hub
from standins.faults import running

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).resolve().parents[2]


class HubClient:
    """environment: what leads a process to the stand-in. waits: seconds that the client in this process meant to wait
    before it tried again; it waits none.
    """

    def __init__(self, hub: Hub, home: Path, patch: pytest.MonkeyPatch) -> None:
        from huggingface_hub import constants
        from huggingface_hub.utils import _http, _xet

        self.hub, self.patch = hub, patch
        self.waits: list[float] = []
        for name in [name for name in os.environ if name.startswith("HF_")]:
            patch.delenv(name)
        self.environment = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_TOKEN": WRITER,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_XET_CLIENT_RETRY_BASE_DELAY": "10ms",
            "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "2",
        }
        for name, value in self.environment.items():
            patch.setenv(name, value)
        # The client read the environment when it was imported, maybe by another test.
        places = {"HF_HUB_CACHE": "hub", "HF_XET_CACHE": "xet", "HF_ASSETS_CACHE": "assets", "HF_TOKEN_PATH": "token"}
        patch.setattr(constants, "HF_HOME", str(home))
        for name, place in places.items():
            patch.setattr(constants, name, str(home / place))
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        patch.setattr(_xet, "XET_CONNECTION_INFO_CACHE", {})
        patch.setattr(_xet, "_GLOBAL_XET_HOLDER", _xet.XetSessionHolder())
        patch.setattr(_http, "time", SimpleNamespace(sleep=self.waits.append, time=time.time))
        self.use_xet(True)

    def use_xet(self, on: bool) -> None:
        """Send and take large files over Xet, as the client does by default, or over Git LFS."""
        from huggingface_hub import constants

        self.patch.setattr(constants, "HF_HUB_DISABLE_XET", not on)
        self.patch.setenv("HF_HUB_DISABLE_XET", "0" if on else "1")
        self.environment["HF_HUB_DISABLE_XET"] = "0" if on else "1"

    def log_in(self, token: str) -> None:
        """Be somebody else; with an empty token, nobody."""
        self.patch.setenv("HF_TOKEN", token)
        self.environment["HF_TOKEN"] = token

    @property
    def api(self) -> "HfApi":
        """The client in this process."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.hub.url)

    def start(self, program: str, *words: object) -> "subprocess.Popen[str]":
        """A program in Python in a process of its own, with the client in it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "CARE_"))}
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "PYTHONPATH": str(ROOT), **self.environment},
        )

    def run(self, program: str, *words: object) -> str:
        """What the program prints; it has to end well."""
        with self.start(program, *words) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub of its own for each test, with Xet. A fault that was planned has to have come."""
    with running(Hub(tmp_path / "xet")) as it:
        yield it
    assert [fault for fault in it.faults if not fault.struck] == []


@pytest.fixture
def hub_client(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubClient:
    """The real client, as the writer, over Xet."""
    pytest.importorskip("huggingface_hub")
    pytest.importorskip("hf_xet")
    return HubClient(hub, tmp_path / "home", monkeypatch)
