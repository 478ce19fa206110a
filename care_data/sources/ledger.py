"""What a raw folder holds, written down in fetched.json, so that a second run need not read a byte of it."""

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from care_data.sources.checksums import Pin, Received, measure
from care_data.sources.partials import lock_folder
from care_data.store import write_json

NAME = "fetched.json"
FOUND = "found"
GIVEN = ("sha256", "git", "bytes")  # of what a listing states


@dataclass(frozen=True)
class Line:
    """One file of the raw folder.

    origin: "network", "package", "hand", "mirror:<where>", "found" (it was there), a mirror of the entry
    ("modelscope:OWNER/NAME@REV"), or "proxy <host>".
    """

    bytes: int
    mtime_ns: int
    sha256: str
    git: str
    verified: bool
    origin: str
    stated: bool = False

    @property
    def received(self) -> Received:
        """The content alone."""
        return Received(self.bytes, self.sha256, self.git, self.stated)

    @property
    def served_by(self) -> str:
        """Who served it, empty for the source itself; "mirror" for the one that stands for all sources."""
        if self.origin in {FOUND, "network", "package", "hand"}:
            return ""
        return "mirror" if self.origin.startswith("mirror:") else self.origin

    @property
    def binds(self) -> bool:
        """Whether this is what upstream had when the file was fetched first: then it cannot change unnoticed."""
        return self.origin not in {FOUND, "package", "hand"} and not self.origin.startswith("mirror:")


class Ledger:
    """The files of a raw folder, and the listings that can no longer change because their place is pinned.

    Several threads may use it at the same time.
    """

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self._changed, self._saved, self._lock = False, time.monotonic(), threading.Lock()
        self._lines, self._listings = self._load()

    def record(self, local: str) -> Line | None:
        """What was written down of a file, whether or not it is still there."""
        return self._lines.get(local)

    def find(self, local: str, pin: Pin) -> Line | None:
        """The line of a file that is there, as it is now; None where there is no such file.

        Size and time of change are compared; the bytes are read only where these differ, where nothing is written down
        yet, or where a git blob id is asked for the first time.
        """
        path, line = self.raw / local, self._lines.get(local)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        same = line is not None and (line.bytes, line.mtime_ns) == (found.st_size, found.st_mtime_ns)
        if line is not None and same and (line.git or not pin.git):
            return line
        file = measure(path, pin, line.sha256 if line is not None and same else "")
        file = replace(file, stated=line is not None and line.stated and line.sha256 == file.sha256)
        vouched = bool(pin) and pin.holds(file)
        if line is not None and file.sha256 != line.sha256 and line.origin != FOUND and not vouched:
            return None  # changed since it was fetched: not what it says, so it is fetched again
        return self.note(local, file, pin, line.origin if line is not None else FOUND)

    def note(self, local: str, file: Received, pin: Pin, origin: str) -> Line:
        """Write down a file that now lies under its final name."""
        mtime = (self.raw / local).stat().st_mtime_ns
        line = Line(file.bytes, mtime, file.sha256, file.git, bool(pin) and pin.holds(file), origin, file.stated)
        with self._lock:
            self._lines[local], self._changed = line, True
        return line

    def listing(self, folder: str, pattern: str) -> list[str] | None:
        """The paths a pattern named in a place whose pin is a commit, if it was listed before."""
        listed = self._listings.get(f"{folder}/{pattern}")
        return None if listed is None else list(listed)

    def statements(self, folder: str, pattern: str) -> dict[str, Pin]:
        """What that listing stated of each path."""
        listed = self._listings.get(f"{folder}/{pattern}", {})
        return {path: Pin(**pin, by="stated") for path, pin in listed.items()}

    def note_listing(self, folder: str, pattern: str, listed: Mapping[str, Pin]) -> None:
        """Write down a listing, where the place is pinned to a commit: it will never be another."""
        if listed and re.search(r"@[0-9a-f]{7,64}$", folder):
            pins = {path: {name: getattr(pin, name) for name in GIVEN} for path, pin in listed.items()}
            short = {path: {name: value for name, value in pin.items() if value} for path, pin in pins.items()}
            with self._lock:
                self._listings[f"{folder}/{pattern}"], self._changed = short, True

    def save(self, *, pause: float = 0.0) -> None:
        """Write the file, if anything is new and the last time was `pause` seconds ago.

        What other processes wrote in the meantime stays. What a kill leaves unwritten is read again, not fetched again.
        """
        if not self._changed or time.monotonic() < self._saved + pause:
            return
        with self._lock, lock_folder(self.raw):
            lines, listings = self._load()
            content = {
                "files": {local: asdict(line) for local, line in (lines | self._lines).items()},
                "listings": listings | self._listings,
            }
            write_json(self.raw / NAME, content)
            self._changed, self._saved = False, time.monotonic()

    def _load(self) -> tuple[dict[str, Line], dict[str, dict[str, Any]]]:
        """What is written down. A file that cannot be read counts as empty: then every file is read once more."""
        try:
            content: Any = json.loads((self.raw / NAME).read_bytes())
            names = {field.name for field in fields(Line)}
            lines = {local: Line(**line) for local, line in content["files"].items() if set(line) == names}
            listings = {key: listed for key, listed in content["listings"].items() if isinstance(listed, dict)}
            return lines, listings
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return {}, {}
