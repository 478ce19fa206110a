"""Files of a GitHub repository, at the commit the entry pins: raw, through a proxy, or from Git LFS."""

from urllib.parse import quote

from care_data.errors import CareError, Exit
from care_data.sources import lfs
from care_data.sources.checksums import Pin, Received
from care_data.sources.impostors import HEAD, refuse_impostor
from care_data.sources.partials import Partial
from care_data.sources.places import Place, match_listed, shown
from care_data.sources.replies import Pointer, address
from care_data.sources.session import Session
from care_data.sources.transfer import Source, take

PIN = "Pin it in [checksums]: then proxies are asked too."


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the commit's tree (git trees API). Links and submodules are no files."""
    url = f"{session.hosts.github_api}/repos/{_repository(place)}/git/trees/{_commit(place)}?recursive=1"
    tree, _ = session.read_json(url)
    try:
        whole = not tree["truncated"]
        nodes = [node for node in tree["tree"] if node["type"] == "blob" and node["mode"] != "120000"]
        listed = {str(node["path"]): Pin("", str(node["sha"]), by="stated") for node in nodes}
    except (TypeError, KeyError) as error:
        raise CareError(f"{shown(place.folder)}: the listing is not a git tree", code=Exit.NETWORK) from error
    if not whole:
        raise CareError(
            f"{shown(place.folder)} has more files than GitHub lists at once",
            fix="Name the files in [checksums]: then no listing is needed.",
            code=Exit.NETWORK,
        )
    paths = match_listed(pattern, list(listed))
    session.stated.update({place.at(path): listed[path] for path in paths})
    return paths


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the commit. What lies in Git LFS comes from there; the pointer is never taken for it."""
    return _bring("", place, path, part, pin, session)


def bring_by_proxy(prefix: str, place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the commit from a proxy, whose address is put before GitHub's. It has to be pinned or listed."""
    if not (pin or session.stated.get(place.at(path))):
        raise CareError(f"{shown(path)} is not pinned, so no proxy is believed", fix=PIN, code=Exit.NETWORK)
    return _bring(f"{prefix}/", place, path, part, pin, session)


def _bring(prefix: str, place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """The file from the commit's raw address behind a prefix, or from Git LFS if a pointer lies there."""
    listed = session.stated.get(place.at(path), Pin())
    url = f"{prefix}{session.hosts.github_raw}/{_repository(place)}/{_commit(place)}/{quote(path)}"
    try:
        if str(part.read_state().get("url", "")).startswith(lfs.KEY):
            _look(session, url, path)  # else the pointer would take the place of what is there already
        return take(session, Source(url, path, stated=listed), part, pin or (listed if prefix else pin))
    except Pointer as pointer:
        return lfs.bring_object(session, _repository(place), pointer, path, part, pin, listed)


def _look(session: Session, url: str, path: str) -> None:
    """Raise Pointer if one lies at the address."""

    def look() -> bytes:
        with session.open(url) as response:
            return next(response.iter_bytes(HEAD), b"")

    refuse_impostor(session.persist(url, look, lambda: 0), path, address(url))


def _repository(place: Place) -> str:
    if place.name.count("/") != 1:
        raise CareError(f"'{shown(place.name)}' is not a repository", fix="Write github:OWNER/REPO@PIN.")
    return quote(place.name)


def _commit(place: Place) -> str:
    return quote(place.pin, safe="") or "HEAD"
