"""Files that come with the installed package: the embedded demo corpus."""

import hashlib
from typing import TYPE_CHECKING

from care_data.errors import CareError, Exit
from care_data.sources.checksums import CHUNK, Pin, Received, measure
from care_data.sources.partials import Partial
from care_data.sources.places import Place, match_paths
from care_data.sources.replies import Absent
from care_data.sources.session import Session

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PACKAGE = "care_data"


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the package's folder of that name."""
    return match_paths(pattern, _list(_root(place), ""))


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the package, copied. Raises CareError (4) if it is not the one the entry pins."""
    source = _root(place).joinpath(*path.split("/"))
    if not source.is_file():
        raise Absent(f"the package holds no {place.name}/{path}", fix="Install it again.")
    part.drop()
    state = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            part.write(chunk)
            state.update(chunk)
    copied = measure(part.path, pin, state.hexdigest())
    if not pin.holds(copied):
        part.drop()
        raise CareError(
            f"{path} of the installed package is not what was pinned: {pin.differs(copied)}",
            fix="Install the package again.",
            code=Exit.INTEGRITY,
        )
    session.progress(path, copied.bytes, copied.bytes)
    return copied


def _root(place: Place) -> "Traversable":
    from importlib import resources

    return resources.files(PACKAGE).joinpath(*place.name.split("/"))


def _list(folder: "Traversable", prefix: str) -> list[str]:
    """All files below a folder of the package, as paths."""
    if not folder.is_dir():
        return []
    paths: list[str] = []
    for each in folder.iterdir():
        paths += _list(each, f"{prefix}{each.name}/") if each.is_dir() else [prefix + each.name]
    return paths
