"""A server on loopback that stands for upstream's hosts, for tests of whole stages and commands."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "sources"))  # the stand-ins: `from standins.github import publish`

from standins.faults import FaultServer, running
from standins.github import publish

ROOT = Path(__file__).resolve().parents[2]
PIN = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Upstream:
    """The hosts of a shelf's corpora, and the command that asks them."""

    shelf: Any
    server: FaultServer

    @property
    def environment(self) -> dict[str, str]:
        """What leads the command to the shelf and to the server."""
        return {
            "CARE_REGISTRY": str(self.shelf.registry),
            "CARE_CONFIG": str(self.shelf.root / "config.toml"),
            "HF_ENDPOINT": "",
            "CARE_CRAWL": "",
        }

    def publish(self, name: str) -> dict[str, bytes]:
        """Put the files that the shelf's mirror has of a corpus on the server; their bytes by path."""
        folder = self.shelf.upstream(name)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jsonl")}
        publish(self.server, f"test/{name}", PIN, files)
        return files

    def page(self, name: str, path: str = "0.jsonl") -> Any:
        """The server's page of a file."""
        return self.server.pages[f"/test/{name}/{PIN}/{path}"]

    def asked(self, name: str) -> int:
        """How often files of a corpus were asked for."""
        return sum(path.startswith(f"/test/{name}/") for path, _ in self.server.log)

    def interrupt(self, *words: str, after: int, number: int = signal.SIGINT) -> tuple[int, str, float]:
        """Run the command, and end it once so many bytes were sent; exit code, stderr, seconds that it took to end."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARE_", "HF_"))}
        environment = {**kept, "PYTHONPATH": str(ROOT), **self.environment}
        command = [sys.executable, "-m", "care_data.cli", *words, "--to", str(self.shelf.data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
            last = time.monotonic() + 60
            while self.server.sent < after and process.poll() is None and time.monotonic() < last:
                time.sleep(0.01)
            started = time.monotonic()
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        return process.returncode, err.decode(), time.monotonic() - started


@pytest.fixture
def upstream(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """A server that this process and its commands take for all of upstream's hosts."""
    with running(FaultServer()) as server:
        names = ("hub", "github", "github_raw", "github_api", "modelscope", "drive", "drive_pages")
        lines = ["[hosts]", *(f'{name} = "{server.url}"' for name in names)]
        (shelf.root / "config.toml").write_text("\n".join(lines), encoding="utf-8")
        it = Upstream(shelf, server)
        for name, value in it.environment.items():
            monkeypatch.setenv(name, value)
        yield it


class Nodes:
    """A Ray cluster of three nodes on this machine: ours, which runs no tasks, and two that run one each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        # A node that does not answer is given up after 2 s; by default it takes 15.
        often = {"initial_delay_ms": 0, "period_ms": 500, "failure_threshold": 4}
        checks = {f"health_check_{name}": value for name, value in often.items()}
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 << 20, "_system_config": checks}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.workers: list[Any] = []

    @property
    def address(self) -> str:
        """Where it is joined."""
        return str(self.cluster.address)

    def mend(self) -> None:
        """Have both working nodes again."""
        while len(self.workers) < 2:
            self.workers.append(self.cluster.add_node(num_cpus=1, object_store_memory=100 << 20))

    def lose(self) -> None:
        """Kill a working node, with all that runs and lies there."""
        self.cluster.remove_node(self.workers.pop(0), allow_graceful=False)


@pytest.fixture(scope="session")
def started_nodes() -> Iterator[Nodes]:
    """The cluster of the session, ended with it."""
    ray = pytest.importorskip("ray")
    nodes = Nodes()
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()


@pytest.fixture
def nodes(started_nodes: Nodes) -> Nodes:
    """The cluster, whole."""
    started_nodes.mend()
    return started_nodes
