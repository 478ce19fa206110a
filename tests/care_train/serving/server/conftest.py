"""Servers in processes of their own, on loopback ports that are free."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI

import care_train

ROOT = Path(care_train.__file__).parents[1]
QUESTION = [{"role": "user", "content": "头痛了怎么办？"}]
ENDLESS: dict[str, Any] = {"prompt": "头痛", "max_tokens": 1500, "extra_body": {"repetition_penalty": 0.01}}
"""A completion that says the same over and over, and never ends by itself."""


@dataclass
class Served:
    """A running server: its process, its address, and what it says."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self, **settings: Any) -> OpenAI:
        """OpenAI's own client, which never asks twice."""
        return OpenAI(**{"base_url": f"{self.url}/v1", "api_key": "none", "max_retries": 0, "timeout": 60, **settings})

    def load(self) -> tuple[int, int]:
        load = httpx2.get(f"{self.url}/health").json()["load"]
        return load["writing"], load["waiting"]

    def wait_for(self, load: tuple[int, int], seconds: float = 20) -> None:
        """Return when the engine writes and keeps waiting so many answers."""
        end = time.monotonic() + seconds
        while (seen := self.load()) != load:
            assert time.monotonic() < end, f"{seen}, not {load}"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def start(tiny: Path) -> Callable[..., Any]:
    """start(*flags, **environment): a context with a server of the tiny model."""

    @contextmanager
    def run(*flags: str, **environment: str) -> Iterator[Served]:
        line = [sys.executable, "-m", "care_train", "serve", "--model_name_or_path", str(tiny), "--template", "llama2"]
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        process = subprocess.Popen(
            [*line, "--port", "0", "--served_model_name", "toy", *flags],
            env={**os.environ, "PYTHONPATH": paths, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        served = Served(process)
        ready = threading.Event()

        def read() -> None:
            assert process.stderr is not None
            for text in process.stderr:
                served.lines.append(text.rstrip("\n"))
                if " answers at " in text:
                    served.url = text.split(" answers at ")[1].split("/v1")[0]
                    ready.set()
            ready.set()

        listener = threading.Thread(target=read, daemon=True)
        listener.start()
        try:
            assert ready.wait(120)
            assert served.url, served.lines
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(30)
            listener.join(10)

    return run


@pytest.fixture(scope="session")
def served(start: Callable[..., Any]) -> Iterator[Served]:
    """A server as it is by default."""
    with start() as one:
        yield one


@pytest.fixture(scope="session")
def client(served: Served) -> OpenAI:
    """OpenAI's client for it."""
    return served.connect()


@pytest.fixture(scope="session")
def guarded(start: Callable[..., Any]) -> Iterator[Served]:
    """A server with a key, one page that may ask, and little room."""
    flags = ("--cors_origins", "https://page.example", "--max_batch", "2", "--max_waiting", "2", "--max_body_mb", "0.1")
    with start(*flags, "--overlong", "truncate_history", "--no_notice", CARE_API_KEY="k-123") as one:
        yield one
