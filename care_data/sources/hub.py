"""Files of a data set on the Hugging Face Hub, at the revision the entry pins."""

import os
from urllib.parse import quote

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received
from care_data.sources.partials import Partial
from care_data.sources.places import Place, match_paths, shown
from care_data.sources.replies import host
from care_data.sources.session import Session
from care_data.sources.transfer import download

HUB = "https://huggingface.co"
PAGES = 1000  # of a listing; a page holds up to 1000 files


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the revision's tree (the Hub's tree API, all pages)."""
    start = url = f"{_endpoint()}/api/datasets/{quote(place.name)}/tree/{_revision(place)}?recursive=true"
    paths: list[str] = []
    for _ in range(PAGES):
        page, url = session.read_json(url, _token(session, url))
        try:
            paths += [str(node["path"]) for node in page if node["type"] == "file"]
        except (TypeError, KeyError) as error:
            raise CareError(f"{shown(place.folder)}: the listing is not a Hub tree", code=Exit.NETWORK) from error
        if not url:
            return match_paths(pattern, paths)
        if host(url) != host(start):
            raise CareError(f"{shown(place.folder)}: the listing goes on at another host", code=Exit.NETWORK)
    raise CareError(f"{shown(place.folder)}: the listing has more than {PAGES} pages", code=Exit.NETWORK)


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the revision; the Hub resolves large ones to its store by a redirect."""
    url = f"{_endpoint()}/datasets/{quote(place.name)}/resolve/{_revision(place)}/{quote(path)}"
    return download(session, url, path, part, pin, token=_token(session, url))


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _revision(place: Place) -> str:
    return quote(place.pin, safe="") or "main"


def _token(session: Session, url: str) -> str | None:
    """The token for the Hub itself; HF_ENDPOINT may name a mirror, which has no business with it."""
    return session.token if url.startswith(HUB + "/") else None
