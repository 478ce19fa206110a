"""Places no program fetches from: what to get, where from, and where to put it."""

from pathlib import Path

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received, measure
from care_data.sources.partials import BAD, Partial
from care_data.sources.places import Place, match_paths, shown
from care_data.sources.replies import Absent
from care_data.sources.session import Session

ADDRESSES = {"manual": "https://{}"}  # where a person finds the place of each scheme


def find_in_raw(raw: Path, place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names among the files somebody put into the raw folder."""
    folder = raw / place.folder
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return match_paths(pattern, [path for path in paths if not BAD.search(path)])


def refuse_file(raw: Path, place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """Never a file: raises Absent (5), or CareError (4) where one lies that is not the one pinned."""
    target = raw / place.folder / path
    if not target.is_file():
        raise Absent(f"'{shown(path)}' has to be fetched by hand", code=Exit.MANUAL)
    raise CareError(
        f"{shown(str(target))} is not what was pinned: {pin.differs(measure(target, pin))}",
        fix="Fetch it again by hand and replace it.",
        code=Exit.INTEGRITY,
    )


def ask(wanted: list[tuple[Place, str]], raw: Path) -> CareError:
    """The error (5) that names the files to fetch by hand, their address, and the folder they belong in."""
    by_place: dict[Place, list[str]] = {}
    for place, path in wanted:
        by_place.setdefault(place, []).append(path)
    steps = [
        f"get {', '.join(shown(path) for path in dict.fromkeys(paths))} from"
        f" {shown(ADDRESSES[place.scheme].format(place.name))} into {shown(str(raw / place.folder))}"
        for place, paths in by_place.items()
    ]
    return CareError(
        f"some files have to be fetched by hand: {'; '.join(steps)}",
        fix="Then run again; or use --mirror FOLDER, where a folder laid out by source holds them.",
        code=Exit.MANUAL,
    )
