"""`care-data fetch` as a user runs it: a process of its own, an entry of its own, hosts named in a config file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from standins.faults import FaultServer
from standins.scenes import TOKEN

ROOT = Path(__file__).resolve().parents[4]
ROWS = "".join(f'{{"q": "第{number}问？", "a": "{number * 7919 % 100003:06}。"}}\n' for number in range(50000)).encode()
AHEAD = 1 << 16  # bytes the server may be ahead of what the client has on disk, so that no load changes the sums
ENTRY = """
title    = "Invented questions"
from     = "{source}"
license  = {{ id = "MIT", use = "commercial", redistribute = true }}
citation = "none"
{top}
[files]
pairs = {{ path = "{path}", format = "json" }}
[outputs.sft]
shape  = "pair"
rows   = "pairs"
fields = {{ instruction = "{{q}}", output = "{{a}}" }}
{tables}
[example]
files.pairs = '{{"q": "甲？", "a": "乙。"}}'
records.sft = [{{ instruction = "甲？", output = "乙。" }}]
"""


class Command:
    """The command with one entry, `one`, and one server for all hosts."""

    def __init__(self, folder: Path, server: FaultServer) -> None:
        self.folder, self.server, self.data = folder, server, folder / "data"
        names = ("hub", "github", "github_raw", "github_api", "modelscope", "drive", "drive_pages")
        lines = ["[hosts]", *(f'{name} = "{server.url}"' for name in names), "send_token = true"]
        (folder / "config.toml").write_text("\n".join(lines))

    def throttle(self) -> dict[str, Any]:
        """The fault of a slow line: the server waits for what the client writes."""

        def behind(left: int) -> bool:
            parts = (self.data / "raw/one/.partial").glob("*.part")
            return len(ROWS) - left - sum(path.stat().st_size for path in parts) > AHEAD

        return {"drip": 0.001, "size": 1 << 14, "behind": behind}

    def describe(self, source: str, path: str = "data/x.jsonl", top: str = "", tables: str = "") -> None:
        """Write the entry."""
        (self.folder / "registry").mkdir(exist_ok=True)
        text = ENTRY.format(source=source, path=path, top=top, tables=tables)
        (self.folder / "registry/one.toml").write_text(text, encoding="utf-8")

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The running command."""
        taken = ("CARE_", "HF_", "HTTP_PROXY", "http_proxy", "MODELSCOPE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(taken)}
        ours = {
            "PYTHONPATH": str(ROOT),
            "CARE_CONFIG": str(self.folder / "config.toml"),
            "CARE_REGISTRY": str(self.folder / "registry"),
            "HF_TOKEN": TOKEN,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "care_data.cli", "fetch", "one", "--to", str(self.data), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, **ours},
            cwd=self.folder,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the command run to its end."""
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def kill(self, *words: str, at: int, after: float = 0.0) -> bool:
        """Start, and kill -9 once the server has sent `at` bytes and so many seconds passed; whether it still ran."""
        process = self.start(*words)
        until = time.monotonic() + 30
        while self.server.sent < at and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def files(self) -> dict[str, bytes]:
        """Every file under a final name below the corpus's raw folder."""
        raw = self.data / "raw/one"
        return {
            path.relative_to(raw).as_posix(): path.read_bytes()
            for path in raw.rglob("*")
            if path.is_file() and ".partial" not in path.parts and path.suffix != ".json" and ".tmp-" not in path.name
        }
