"""Files of a GitHub repository, at the commit the entry pins."""

from urllib.parse import quote

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received
from care_data.sources.partials import Partial
from care_data.sources.places import Place, match_paths, shown
from care_data.sources.session import Session
from care_data.sources.transfer import download

RAW = "https://raw.githubusercontent.com"
API = "https://api.github.com"


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the commit's tree (git trees API). Links and submodules are no files."""
    tree, _ = session.read_json(f"{API}/repos/{_repository(place)}/git/trees/{_commit(place)}?recursive=1")
    try:
        whole = not tree["truncated"]
        paths = [str(node["path"]) for node in tree["tree"] if node["type"] == "blob" and node["mode"] != "120000"]
    except (TypeError, KeyError) as error:
        raise CareError(f"{shown(place.folder)}: the listing is not a git tree", code=Exit.NETWORK) from error
    if not whole:
        raise CareError(
            f"{shown(place.folder)} has more files than GitHub lists at once",
            fix="Name the files in [checksums]: then no listing is needed.",
            code=Exit.NETWORK,
        )
    return match_paths(pattern, paths)


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the commit, raw."""
    return download(session, f"{RAW}/{_repository(place)}/{_commit(place)}/{quote(path)}", path, part, pin)


def _repository(place: Place) -> str:
    if place.name.count("/") != 1:
        raise CareError(f"'{shown(place.name)}' is not a repository", fix="Write github:OWNER/REPO@PIN.")
    return quote(place.name)


def _commit(place: Place) -> str:
    return quote(place.pin, safe="") or "HEAD"
