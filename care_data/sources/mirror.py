"""A mirror of upstream, laid out by source: a folder, or the address of one that a web server hands out.

`<scheme>/<place>[@<pin prefix>]/<upstream path>`: the folder of the pin is looked in first, then the plain one. Files
that are not what was pinned are taken all the same, and it is left to the caller to say so: a mirror may hold samples.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

from care_data.errors import CareError, Exit
from care_data.sources.checksums import CHUNK, Pin, Received, measure
from care_data.sources.impostors import HEAD, refuse_impostor
from care_data.sources.partials import BAD, Partial
from care_data.sources.places import Place, match_paths, shown
from care_data.sources.replies import Absent
from care_data.sources.session import Session
from care_data.sources.transfer import download

BUNDLE, UNFINISHED = "bundle.json", "bundle.part.json"
"""What `fetch --bundle` writes into a folder last, and what stands there until then."""

SHORTEST_PIN = 4  # digits, as git has it
PREFIXES = (12, 8, 7)  # how pins are usually cut; a web server cannot be asked for a list


def is_url(mirror: str) -> bool:
    """Whether a mirror is an address, not a folder. Raises CareError (2) for an address of another scheme."""
    scheme, separator, _ = mirror.partition("://")
    if separator and scheme.lower() not in {"http", "https"}:
        raise CareError(
            f"a mirror is a folder or an http address, not '{shown(scheme)}://'",
            fix="Give --mirror FOLDER or --mirror https://...",
            code=Exit.USAGE,
        )
    return bool(separator)


def open_folder(mirror: str) -> Path:
    """The mirror's folder. Raises CareError where there is none."""
    root = Path(mirror).expanduser().resolve()
    if not root.is_dir():
        raise CareError(f"the mirror {shown(mirror)} is not a folder", fix="Look at the path given to --mirror.")
    if (root / UNFINISHED).exists() and not (root / BUNDLE).exists():
        raise CareError(
            f"the bundle {shown(mirror)} was never finished", fix="Run the fetch --bundle that began it once more."
        )
    return root


def find_in_folder(root: Path, place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the first folder of the place that has any."""
    for folder in _folders(root, place):
        if paths := match_paths(pattern, list(_walk(root, folder))):
            return paths
    return []


def locate(root: Path, place: Place, path: str) -> Path | None:
    """The mirror's file of an upstream path, in the first folder of the place that has it."""
    for folder in _folders(root, place):
        if os.path.lexists(folder / path):
            source = _inside(root, folder / path)
            if not source.is_file():
                raise CareError(f"{shown(str(folder / path))} is not a regular file", fix="Remove it from the mirror.")
            return source
    return None


def copy_from_folder(root: Path, place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the mirror, copied and hashed. Raises Absent where no folder of the place has it."""
    source = locate(root, place, path)
    if source is None:
        raise Absent(f"{shown(path)} is not in the mirror {shown(str(root))}")
    copied = _copy(source, path, part, pin, session)
    packed = _bundled(root).get(source.relative_to(root).as_posix())
    if packed not in (None, copied.sha256):
        part.drop()
        raise CareError(
            f"{shown(str(source))} is not what was packed: sha256 is {copied.sha256}, {BUNDLE} has {packed}",
            fix="Pack the bundle again, or copy it once more.",
            code=Exit.INTEGRITY,
        )
    return copied


@cache
def _bundled(root: Path) -> dict[str, str]:
    """Path to sha256 of the files of a mirror that `fetch --bundle` made; empty for any other."""
    try:
        files = json.loads((root / BUNDLE).read_bytes())["files"]
        return {path: str(file["sha256"]) for path, file in files.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CareError(f"{shown(str(root / BUNDLE))} cannot be read", fix="Pack the bundle again.") from error


def find_at_address(base: str, place: Place, pattern: str, session: Session) -> list[str]:
    """Nothing: a web server has no listing, so only paths that an entry spells out, or pins, can be fetched."""
    return []


def download_from_address(base: str, place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the mirror, downloaded. Raises Absent where no folder of the place has it."""
    pins = dict.fromkeys([place.pin, *(place.pin[:length] for length in PREFIXES)]) if place.pin else {}
    for folder in [*(f"{place.plain}@{each}" for each in pins), place.plain]:
        try:
            return download(session, f"{base}/{quote(folder)}/{quote(path)}", path, part, pin, tolerant=True)
        except Absent:
            continue  # the next folder may have it
    raise Absent(f"{shown(path)} is not in the mirror")


def _folders(root: Path, place: Place) -> list[Path]:
    """The folders of a place in a mirror, the longest pin first, the plain one last."""
    plain = root / place.plain
    try:
        names = os.listdir(_inside(root, plain.parent))
    except (FileNotFoundError, NotADirectoryError):
        return []
    pinned = [name for name in names if name.startswith(f"{plain.name}@") and _is_pin(name, place.pin)]
    return [plain.with_name(name) for name in [*sorted(pinned, key=lambda name: (-len(name), name)), plain.name]]


def _is_pin(name: str, pin: str) -> bool:
    """Whether a folder's pin and the entry's begin alike, to the end of the shorter one."""
    given = name.rpartition("@")[2]
    return min(len(given), len(pin)) >= SHORTEST_PIN and (pin.startswith(given) or given.startswith(pin))


def _walk(root: Path, folder: Path) -> Iterator[str]:
    """The paths of all files below a folder. Links to folders are followed inside the mirror, each folder once."""
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        real = str(_inside(root, Path(here)))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in (name for name in files if not BAD.search(name)):
            yield Path(here, name).relative_to(folder).as_posix()


def _unreadable(error: OSError) -> None:
    """A folder that is not there has no files; one that cannot be read is an error."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _inside(root: Path, path: Path) -> Path:
    """The path with its links followed. Raises CareError (4) if they lead out of the mirror."""
    real = path.resolve()
    if not real.is_relative_to(root):
        raise CareError(
            f"{shown(str(path))} is a link that leaves the mirror and is refused",
            fix="Put the file itself there.",
            code=Exit.INTEGRITY,
        )
    return real


def _copy(source: Path, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """The file's bytes in `part`. A copy, not a link: what is in the raw folder must not change with the mirror."""
    part.drop()
    state, size, there = hashlib.sha256(), source.stat().st_size, 0
    part.require(size)
    with source.open("rb") as file:
        refuse_impostor(file.read(HEAD), path, shown(str(source)))
        file.seek(0)
        while chunk := file.read(CHUNK):
            part.write(chunk)
            state.update(chunk)
            there += len(chunk)
            session.progress(path, there, size)
    return measure(part.path, pin, state.hexdigest())
