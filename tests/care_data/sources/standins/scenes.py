"""One fetch from stand-ins of the Hub and its store, in a raw folder that holds something already."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standins import github, hub
from standins.faults import FaultServer, Page

from care_data.errors import CareError, Exit
from care_data.sources import FetchResult, Want, fetch
from care_data.sources.hosts import Hosts
from care_data.sources.session import Limits

PIN = "607a104f8f2bdc1db8e9515d325a83c6aa35d4c1"
PLACE = f"hub:o/n@{PIN}"
PATH = "data/x.csv"
TOKEN = "hf_tokenthatnobodysees"
BODY = bytes(range(256)) * 1200  # 307,200 bytes
SHA = hashlib.sha256(BODY).hexdigest()
PINNED = {"sha256": SHA, "bytes": len(BODY)}
QUICK = Limits(connect=3.0, head=5.0, stall=5.0, pause=0.01, longest_pause=0.05)


@dataclass
class Ended:
    """How a fetch ended: the exit code it stands for, its message (empty if none), what it brought, what to do."""

    code: Exit
    text: str = ""
    result: FetchResult = field(default_factory=lambda: FetchResult([], [], []))
    advice: str = ""


class Scene:
    """The Hub with its store on a host of its own, the hosts as configured, and the raw folder."""

    def __init__(self, folder: Path, front: FaultServer, store: FaultServer) -> None:
        self.raw, self.hub, self.store = folder / "raw", front, store
        self.hosts = Hosts(hub=front.url, send_token=True)
        self.neighbour = self.raw / f"hub/o/n@{PIN}/data/before.bin"
        self.neighbour.parent.mkdir(parents=True)
        self.neighbour.write_bytes(b"fetched before")

    @property
    def final(self) -> Path:
        """Where the file belongs."""
        return self.raw / f"hub/o/n@{PIN}/{PATH}"

    def offer(self, *faults: dict[str, Any], body: bytes = BODY, sent: bytes | None = None) -> Page:
        """The page of the store that hands out `body`, as the Hub announces it. sent: what it sends in its place."""
        hub.publish(self.hub, "o/n", PIN, {PATH: body}, lfs=(PATH,), store=self.store)
        page = self.store.pages[hub.stored_at(body)]
        page.body, page.faults = body if sent is None else sent, list(faults)
        return page

    @property
    def front(self) -> Page:
        """The page of the Hub that leads to the store."""
        return self.hub.pages[f"/datasets/o/n/resolve/{PIN}/{PATH}"]

    def ranges(self) -> list[str | None]:
        """The Range of each request for the file's bytes."""
        return [headers.get("range") for path, headers in self.store.log if path == hub.stored_at(BODY)]

    def take(self, *wants: Want, limits: Limits = QUICK, **settings: Any) -> Ended:
        """Fetch, by default the one file, unpinned; and see that the invariants hold whatever happened."""
        before = read_all(self.raw)
        settings = {"hosts": self.hosts, "token": TOKEN, **settings}
        try:
            ended = Ended(Exit.DONE, "", fetch(list(wants) or [want()], self.raw, limits=limits, **settings))
        except CareError as error:
            ended = Ended(error.code, str(error), advice=error.fix)
        after = read_all(self.raw)
        assert before.items() <= after.items(), "a raw file was changed or removed"
        check_text(ended, self.raw)
        for file in ended.result.files:
            assert hashlib.sha256((self.raw / file.local).read_bytes()).hexdigest() == file.sha256
        return ended


def want(path: str = PATH, source: str = PLACE, pin: dict[str, Any] | None = None, **settings: Any) -> Want:
    """One file, pinned or not."""
    return Want("rows", source, path, False, {path: pin} if pin else {}, **settings)


def read_all(raw: Path) -> dict[str, bytes]:
    """Every file of a raw folder but its ledger and what is on its way."""
    return {
        path.relative_to(raw).as_posix(): path.read_bytes()
        for path in raw.rglob("*")
        if path.is_file() and path.parent.name != ".partial" and path.name != "fetched.json"
    }


def check_text(ended: Ended, raw: Path) -> None:
    """A message is one line that names the want; neither it nor the ledger holds a secret."""
    if ended.code:
        assert "rows" in ended.text
        assert ended.advice, "the message does not say what to do"
        assert ended.text.isprintable(), ascii(ended.text)
    ledger = raw / "fetched.json"
    for text in (ended.text, ledger.read_text("utf-8") if ledger.exists() else ""):
        assert TOKEN not in text
        assert "Signature" not in text
        assert github.SIGNED not in text


def held(raw: Path) -> int:
    """Bytes that wait for the next run."""
    return sum(path.stat().st_size for path in raw.glob(".partial/*.part"))
