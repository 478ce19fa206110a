"""Files of a data set on the Hugging Face Hub, at the revision the entry pins."""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received
from care_data.sources.hosts import HUB
from care_data.sources.partials import Partial
from care_data.sources.places import Place, match_listed, shown
from care_data.sources.replies import host
from care_data.sources.session import Session
from care_data.sources.transfer import Source, take

if TYPE_CHECKING:
    import httpx2

PAGES = 1000  # of a listing; a page holds up to 1000 files


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the revision's tree (the Hub's tree API, all pages)."""
    start = url = f"{session.hosts.hub}/api/datasets/{quote(place.name)}/tree/{_revision(place)}?recursive=true"
    listed: dict[str, Pin] = {}
    for _ in range(PAGES):
        page, url = session.read_json(url, choose_token(session))
        try:
            listed |= {str(node["path"]): _listed(node) for node in page if node["type"] == "file"}
        except (TypeError, KeyError, AttributeError) as error:
            raise CareError(f"{shown(place.folder)}: the listing is not a Hub tree", code=Exit.NETWORK) from error
        if not url:
            paths = match_listed(pattern, list(listed))
            session.stated.update({place.at(path): listed[path] for path in paths})
            return paths
        if host(url) != host(start):
            raise CareError(f"{shown(place.folder)}: the listing goes on at another host", code=Exit.NETWORK)
    raise CareError(f"{shown(place.folder)}: the listing has more than {PAGES} pages", code=Exit.NETWORK)


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the revision; the Hub resolves large ones to its store by a redirect.

    The body is held to the sha256 or git blob id, and the size, that the Hub states in its headers or its listing.
    """
    url = f"{session.hosts.hub}/datasets/{quote(place.name)}/resolve/{_revision(place)}/{quote(path)}"
    listed = session.stated.get(place.at(path), Pin())
    source = Source(url, path, choose_token(session), stated=listed, read=lambda headers: _stated(place, headers))
    return take(session, source, part, pin)


def _listed(node: dict[str, Any]) -> Pin:
    """What a line of the tree says of a file."""
    large = node.get("lfs") or {}
    return _statement(str(large.get("oid") or node.get("oid") or ""), str(large.get("size", node.get("size", ""))))


def _stated(place: Place, headers: "httpx2.Headers") -> Pin:
    """What the Hub's headers say of a file. Raises CareError (4) where they speak of another commit."""
    commit = headers.get("x-repo-commit", "")
    if re.fullmatch(r"[0-9a-f]{7,40}", place.pin) and commit and not commit.startswith(place.pin):
        raise CareError(
            f"{shown(place.folder)}: the Hub answers with commit {shown(commit)}",
            fix="Use another endpoint, or --mirror FOLDER.",
            code=Exit.INTEGRITY,
        )
    tag = headers.get("x-linked-etag") or headers.get("etag") or ""
    return _statement(tag.removeprefix("W/").strip('"'), headers.get("x-linked-size", ""))


def _statement(checksum: str, size: str) -> Pin:
    """A checksum told apart by its length, 64 digits of sha256 or 40 of a git blob id; else nothing."""
    known = int(size) if re.fullmatch(r"[0-9]{1,18}", size, re.ASCII) else None
    if re.fullmatch(r"[0-9a-f]{64}", checksum):
        return Pin(checksum, "", known, by="stated")
    if re.fullmatch(r"[0-9a-f]{40}", checksum):
        return Pin("", checksum, known, by="stated")
    return Pin()


def _revision(place: Place) -> str:
    return quote(place.pin, safe="") or "main"


def choose_token(session: Session) -> str | None:
    """The token for the Hub itself. Another endpoint is a mirror, which has no business with it unless so told."""
    return session.token if session.hosts.hub == HUB or session.hosts.send_token else None
