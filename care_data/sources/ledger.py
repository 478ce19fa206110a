"""What a raw folder holds, written down in fetched.json, so that a second run need not read a byte of it."""

import json
import re
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from care_data.sources.checksums import Pin, Received, measure
from care_data.sources.partials import lock_folder
from care_data.store import write_json

NAME = "fetched.json"
FOUND = "found"


@dataclass(frozen=True)
class Line:
    """One file of the raw folder. origin: "network", "package", "mirror:<where>", or "found": it was there."""

    bytes: int
    mtime_ns: int
    sha256: str
    git: str
    verified: bool
    origin: str

    @property
    def received(self) -> Received:
        """The content alone."""
        return Received(self.bytes, self.sha256, self.git)


class Ledger:
    """The files of a raw folder, and the listings that can no longer change because their place is pinned."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self._lines: dict[str, Line] = {}
        self._listings: dict[str, list[str]] = {}
        self._changed, self._saved = False, time.monotonic()
        self._lines, self._listings = self._load()

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
        vouched = bool(pin) and pin.holds(file)
        if line is not None and file.sha256 != line.sha256 and line.origin != FOUND and not vouched:
            return None  # changed since it was fetched: not what it says, so it is fetched again
        return self.note(local, file, pin, line.origin if line is not None else FOUND)

    def note(self, local: str, file: Received, pin: Pin, origin: str) -> Line:
        """Write down a file that now lies under its final name."""
        mtime = (self.raw / local).stat().st_mtime_ns
        line = Line(file.bytes, mtime, file.sha256, file.git, bool(pin) and pin.holds(file), origin)
        self._lines[local], self._changed = line, True
        return line

    def listing(self, folder: str, pattern: str) -> list[str] | None:
        """The paths a pattern named in a place whose pin is a commit, if it was listed before."""
        return self._listings.get(f"{folder}/{pattern}")

    def note_listing(self, folder: str, pattern: str, paths: list[str]) -> None:
        """Write down a listing, where the place is pinned to a commit: it will never be another."""
        if paths and re.search(r"@[0-9a-f]{7,64}$", folder):
            self._listings[f"{folder}/{pattern}"], self._changed = paths, True

    def save(self, *, pause: float = 0.0) -> None:
        """Write the file, if anything is new and the last time was `pause` seconds ago.

        What other processes wrote in the meantime stays. What a kill leaves unwritten is read again, not fetched again.
        """
        if not self._changed or time.monotonic() < self._saved + pause:
            return
        with lock_folder(self.raw):
            lines, listings = self._load()
            content = {
                "files": {local: asdict(line) for local, line in (lines | self._lines).items()},
                "listings": listings | self._listings,
            }
            write_json(self.raw / NAME, content)
        self._changed, self._saved = False, time.monotonic()

    def _load(self) -> tuple[dict[str, Line], dict[str, list[str]]]:
        """What is written down. A file that cannot be read counts as empty: then every file is read once more."""
        try:
            content: Any = json.loads((self.raw / NAME).read_bytes())
            names = {field.name for field in fields(Line)}
            lines = {local: Line(**line) for local, line in content["files"].items() if set(line) == names}
            return lines, dict(content["listings"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return {}, {}
