"""Files of a data set on ModelScope, at the revision the entry pins; only those whose size and sha256 it states."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received
from care_data.sources.impostors import BY_HAND
from care_data.sources.partials import Partial
from care_data.sources.places import Place, match_listed, shown
from care_data.sources.replies import MIRROR, Absent, address
from care_data.sources.session import Session
from care_data.sources.transfer import Source, take

PAGES = 1000  # of a listing
PAGE = 200  # files of a page asked for; a host may send fewer


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the revision's tree."""
    listed = _list(place, session)
    session.stated.update({place.at(path): stated for path, stated in listed.items()})
    return match_listed(pattern, list(listed))


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One file of the revision, held to what the tree says of it. Raises Absent where the tree has no such file."""
    if place.at(path) not in session.stated:
        session.stated.update({place.at(each): stated for each, stated in _list(place, session).items()})
    stated = session.stated.get(place.at(path))
    if stated is None:
        raise Absent(f"{shown(place.folder)} has no '{shown(path)}'", fix="See whether upstream moved it.")
    if not (stated and stated.bytes is not None):
        raise CareError(
            f"{shown(place.folder)} does not state size and sha256 of '{shown(path)}'", fix=BY_HAND, code=Exit.INTEGRITY
        )
    query = urlencode({"Revision": _revision(place), "FilePath": path})
    return take(session, Source(f"{_base(place, session)}?{query}", path, stated=stated), part, pin)


def _list(place: Place, session: Session) -> dict[str, Pin]:
    """What the tree says of each file, from all of its pages."""
    listed: dict[str, Pin] = {}
    told = 0
    for number in range(1, PAGES + 1):
        query = {"Revision": _revision(place), "Recursive": "true", "PageSize": PAGE, "PageNumber": number}
        url = f"{_base(place, session)}/tree?{urlencode(query)}"
        answer, _ = session.read_json(url)
        try:
            nodes, total = _nodes(answer, place, url)
            page = {str(node["Path"]): _stated(node) for node in nodes if node["Type"] != "tree"}
        except (TypeError, KeyError, AttributeError) as error:
            raise CareError(f"{shown(place.folder)}: the listing is no ModelScope tree", code=Exit.NETWORK) from error
        told += len(nodes)
        repeated = page and page.keys() <= listed.keys()  # a host that does not know of pages sends the first for each
        listed |= page
        if not nodes or repeated or (total is not None and told >= total):
            return listed
    raise CareError(f"{shown(place.folder)}: the listing has more than {PAGES} pages", code=Exit.NETWORK)


def _nodes(answer: Any, place: Place, url: str) -> tuple[list[dict[str, Any]], int | None]:
    """The lines of one page and how many there are in all, if told. A refusal may come with status 200."""
    if answer.get("Success") is False or answer.get("Code", 200) != 200:
        code = answer.get("Code")
        finding = f"{address(url)} answers: {shown(str(answer.get('Message', '')))[:200]} ({shown(str(code))})"
        if code == 404:
            raise Absent(finding, fix="See whether upstream moved it.", code=Exit.NETWORK)
        raise CareError(finding, fix=f"Look at {shown(place.name)} in a browser. {MIRROR}", code=Exit.NETWORK)
    total = answer["Data"].get("TotalCount")
    return list(answer["Data"]["Files"] or []), total if type(total) is int else None


def _stated(node: dict[str, Any]) -> Pin:
    """Size and sha256 of a line of the tree, empty where one of them is missing."""
    sha256, size = str(node.get("Sha256") or "").lower(), node.get("Size")
    if re.fullmatch(r"[0-9a-f]{64}", sha256) and type(size) is int and size >= 0:
        return Pin(sha256, "", size, by="stated")
    return Pin()


def _base(place: Place, session: Session) -> str:
    return f"{session.hosts.modelscope}/api/v1/datasets/{quote(place.name)}/repo"


def _revision(place: Place) -> str:
    return place.pin or "master"
