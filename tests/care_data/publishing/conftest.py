"""A release, the Hub's stand-in, and one publishing from the one to the other."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hubs.fixtures import HubClient
from hubs.reading import SIGNATURE
from hubs.server import WRITER, Hub

from care_data import publishing
from care_data.errors import CareError, Exit
from care_data.publishing.trees import write_tree
from care_data.release import INFO
from care_data.sources.hosts import Hosts
from care_data.store import MANIFEST, Manifest, read_manifest, sha256_file

ROOT = Path(__file__).resolve().parents[3]
REPO = "care/demo"


@dataclass
class Ended:
    """How a publishing ended: its exit code, its message (empty if none), the details below it, what was planned."""

    code: Exit
    text: str = ""
    details: tuple[str, ...] = ()
    plan: Any = None


@dataclass
class Publishing:
    """A release of a data folder of its own, and the Hub."""

    release: Path
    hub: Hub
    client: HubClient
    hosts: Hosts = field(default_factory=Hosts)

    def publish(self, **settings: Any) -> Ended:
        """Plan and publish in this process; and see that the message is fit to be shown."""
        ended = Ended(Exit.DONE)
        try:
            ended.plan = publishing.plan_repo(self.release, REPO, self.hosts, **settings)
            publishing.publish(ended.plan, self.hosts)
        except CareError as error:
            ended.code, ended.text, ended.details = error.code, str(error), error.details
            assert error.fix, f"{error} does not say what to do"  # noqa: PT017
        for text in (ended.text, *ended.details):
            assert text.isprintable(), ascii(text)
            assert WRITER not in text
            assert SIGNATURE not in text
        assert not any(call.authorized for call in self.hub.asked_for("lfs_put", "lfs_part", "lfs_complete", "store"))
        return ended

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The command in a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "CARE_"))}
        command = [sys.executable, "-m", "care_data.cli", "publish", str(self.release), "--repo", REPO, *words]
        return subprocess.Popen(
            [*command, "-y", "--send-token"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "PYTHONPATH": str(ROOT), **self.client.environment},
        )

    @property
    def tree(self) -> dict[str, bytes]:
        """What is to be on the Hub."""
        folder = publishing.place_tree(self.release, {})
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def changes(self) -> list[str]:
        """The titles of the commits on the branch that changed anything, the latest first."""
        return [one.title for one, before in pairwise(self.hub.commits(REPO)) if one.files != before.files]

    def check_published(self, changes: int = 1) -> None:
        """All of it is there, by so many changes, and one tag names it."""
        assert self.hub.files(REPO) == dict(sorted(self.tree.items()))
        assert len(self.changes()) == changes
        (tagged,) = self.hub.tags(REPO)
        assert self.hub.files(REPO, tagged) == self.hub.files(REPO)

    def check_nothing_was_sent(self) -> None:
        """The Hub was asked, and told nothing."""
        assert self.hub.asked_for("create", "preupload", "lfs_batch", "lfs_put", "xet_write", "commit", "tag") == []

    def alter(self, **changes: Any) -> None:
        """Another manifest for the release, and no tree made of it yet."""
        manifest = read_manifest(self.release)
        assert manifest is not None
        replace(manifest, **changes).write(self.release)
        shutil.rmtree(publishing.place_tree(self.release, {}), ignore_errors=True)

    def manifest(self) -> Manifest:
        """The release's."""
        found = read_manifest(self.release)
        assert found is not None
        return found

    def license(self, corpus: str, **terms: Any) -> None:
        """Other terms for a corpus."""
        sources = json.loads(json.dumps(self.manifest().sources))
        sources[corpus]["license"] |= terms
        self.alter(sources=sources)

    def rewrite(self, path: str, change: Callable[[pa.Table], pa.Table]) -> None:
        """Another shard, as the manifest of another release would list it."""
        shard = self.release / path
        with pa.ipc.open_stream(shard.read_bytes()) as stream:
            table = stream.read_all()
        changed = change(table)
        assert changed.schema == table.schema
        with pa.OSFile(str(shard), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(changed)
        info = json.loads((self.release / INFO).read_text("utf-8"))
        files = [
            {**line, "bytes": shard.stat().st_size, "sha256": sha256_file(shard)} if line["path"] == path else line
            for line in self.manifest().files
        ]
        assert path.partition("/")[0] in info
        self.alter(files=files)


@pytest.fixture(scope="session")
def written(demo: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo's release and its tree, which no test may change."""
    folder = tmp_path_factory.mktemp("written") / "data"
    shutil.copytree(demo[0] / "releases", folder / "releases")
    (release,) = (folder / "releases").iterdir()
    write_tree(release, publishing.place_tree(release, {}), workers=1)
    return folder


@pytest.fixture
def scene(
    written: Path, hub: Hub, hub_client: HubClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Publishing:
    """The demo's release, and a Hub where nothing is yet."""
    monkeypatch.setattr("care_data.publishing.hub.PAUSE", 0.0)
    shutil.copytree(written, tmp_path / "data")
    (release,) = (tmp_path / "data/releases").iterdir()
    assert (release / MANIFEST).is_file()
    return Publishing(release, hub, hub_client, Hosts(hub=hub.url, send_token=True))
