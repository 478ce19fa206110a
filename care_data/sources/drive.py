"""Files that somebody shared on Google Drive: `drive:ID`, the id of one file or of a folder of files.

Drive gives no checksum and no version: an id may serve another file tomorrow, which only a pin can tell. A file too
large for its virus scan comes behind a page with a form; refusals come as pages too, in words.
"""

import re
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import quote
from weakref import WeakKeyDictionary

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received
from care_data.sources.pages import Page, is_page, read_body
from care_data.sources.partials import Partial
from care_data.sources.places import Place, check_path, match_paths, shown
from care_data.sources.refusals import BY_HAND, absent, refuse
from care_data.sources.replies import Absent, Passing, Withheld, parse_url
from care_data.sources.session import Session
from care_data.sources.transfer import Source, take

if TYPE_CHECKING:
    import httpx2

FOLDERS = 1000  # of one place
DEPTH = 20
GOOGLE = (".google.com", ".googleusercontent.com")
ENGLISH = {"Accept-Language": "en"}  # in which refusals are told apart
ONE_BYTE = {"Range": "bytes=0-0"}


@dataclass(frozen=True)
class _Entry:
    """One line of a folder's listing."""

    id: str
    name: str
    folder: bool


_LISTINGS: WeakKeyDictionary[Session, dict[str, list[_Entry]]] = WeakKeyDictionary()  # asked once a session


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The paths a pattern names in the folder and those inside it, or the name of the file that the place is.

    Google's own documents are no files.
    """
    top = _check_id(place)
    try:
        return match_paths(pattern, [path for path, _ in _walk(session, top)])
    except (Absent, Withheld) as error:
        try:
            _, name = _find_file(session, top, "")
        except CareError:
            raise error from None  # neither a folder nor a file
        return match_paths(pattern, [_check_name(name, top)] if name else [])


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """The place itself, if that is a file (`path` is then only its name), else the file of that path in the folder."""
    top, refusal = _check_id(place), None
    if "/" not in path and top not in _LISTINGS.get(session, {}):
        try:
            return _download(session, top, path, part, pin)
        except CareError as error:  # Drive gives no folder as a file, and does not say that it is one
            silent = isinstance(error.__cause__, Passing) and not error.__cause__.heard
            if part.held or silent or error.code not in {Exit.MANUAL, Exit.NETWORK}:
                raise
            refusal = error
    try:
        found = [id for each, id in _walk(session, top) if each == path]
    except CareError as error:
        raise (error if refusal is None or error.code == Exit.INTEGRITY else refusal) from error
    if len(found) > 1:
        raise CareError(
            f"{_named(place.name, path)} is the name of {len(found)} files",
            fix="Give the id of the one meant: drive:ID.",
            code=Exit.INTEGRITY,
        )
    if not found:
        raise Absent(f"{_named(place.name, path)} is not in that folder", fix="Correct its path.", code=Exit.NETWORK)
    return _download(session, found[0], path, part, pin)


def _check_id(place: Place) -> str:
    if not re.fullmatch(r"[\w-]+", place.name, re.ASCII):
        raise CareError(f"'{shown(place.name)}' is not a Drive id", fix="Write drive:ID, the long word of its address.")
    return place.name


def _named(id: str, path: str) -> str:
    return f"drive:{id} ({shown(path)})" if path else f"drive:{id}"


def _download(session: Session, id: str, path: str, part: Partial, pin: Pin) -> Received:
    """The file's bytes, from where Drive's form leads if there is one."""
    url, _ = _find_file(session, id, path)
    # Each page of the form leads to another address of the same file, so its bytes go by the id; If-Range guards them.
    return take(session, Source(url, path, key=f"drive:{id}"), part, pin)


def _find_file(session: Session, id: str, path: str) -> tuple[str, str]:
    """The address of a file's bytes, behind Drive's form if there is one, and the name it has there."""
    named = _named(id, path)
    url = f"{session.hosts.drive}/download?id={quote(id)}&export=download&confirm=t"
    found = _look(session, url, ONE_BYTE, named)
    if isinstance(found, Page):
        url = _answer_form(session, found, id, named)
        found = _look(session, url, ONE_BYTE, named)
        if isinstance(found, Page):
            raise refuse(found, id, named)
    return url, found


def _look(session: Session, url: str, headers: dict[str, str], named: str) -> Page | str:
    """The page at an address, or the name of the file there. What goes wrong names the id."""

    def look() -> Page | str:
        with session.open(url, {**headers, **ENGLISH}) as response:
            if not is_page(response):
                told = Message()
                told["Content-Disposition"] = response.headers.get("content-disposition", "")
                return told.get_filename("")
            if response.status_code == 200:
                return read_body(session, response)
        return _look(session, url, {}, named)  # one byte of a page is of no use

    try:
        return session.persist(url, look, lambda: 0)
    except Absent as error:
        raise absent(named) from error
    except CareError as error:
        if error.code != Exit.MANUAL:
            raise
        finding = f"{named} is closed to us: not shared with everybody, or downloaded too often lately"
        raise Withheld(finding, fix=f"Ask its owner, or wait a day; or {BY_HAND}", code=Exit.MANUAL) from error


def _answer_form(session: Session, page: Page, id: str, named: str) -> str:
    """The address that the page's download form leads to. Raises what the page says if it has none, or not for us."""
    form = page.tree.css_first("form#download-form, form#downloadForm")
    if form is None:
        raise refuse(page, id, named)
    inputs = {str(each.attributes["name"]): each.attributes.get("value") or "" for each in form.css("input[name]")}
    target = parse_url(str(page.url.join(form.attributes.get("action") or "").copy_merge_params(inputs)))
    if target.params.get("id") != id or not _is_drives(session, target):
        raise Withheld(
            f"{named}: Drive's form leads to {shown(target.host)}, not to this file at Google",
            fix=f"Nothing was sent there; {BY_HAND}",
            code=Exit.MANUAL,
        )
    return str(target)


def _is_drives(session: Session, url: "httpx2.URL") -> bool:
    """Whether a URL is at the configured hosts, or at Google's by https."""
    bases = [parse_url(base) for base in (session.hosts.drive, session.hosts.drive_pages)]
    ours = any((url.scheme, url.host, url.port) == (base.scheme, base.host, base.port) for base in bases)
    return ours or (url.scheme == "https" and f".{url.host}".endswith(GOOGLE))


def _walk(session: Session, top: str) -> list[tuple[str, str]]:
    """(path, id) of every file below a folder, each folder once, the shallow ones first."""
    left, seen, files = [("", top, 0)], {top}, []
    while left:
        start, id, depth = left.pop(0)
        for entry in _list_folder(session, id):
            path = start + entry.name
            if not entry.folder:
                files.append((path, entry.id))
            elif entry.id not in seen:
                seen.add(entry.id)
                if depth == DEPTH or len(seen) > FOLDERS:
                    raise CareError(
                        f"{_named(top, path)}: more than {FOLDERS} folders, or {DEPTH} inside one another",
                        fix="Give the id of a folder further in: drive:ID.",
                        code=Exit.LIMIT,
                    )
                left.append((path + "/", entry.id, depth + 1))
    return files


def _list_folder(session: Session, id: str) -> list[_Entry]:
    """What a folder's embedded view lists."""
    known = _LISTINGS.setdefault(session, {})
    if id not in known:
        url = f"{session.hosts.drive_pages}/embeddedfolderview?id={quote(id)}"

        page = _look(session, url, {}, _named(id, ""))
        if not isinstance(page, Page):
            raise CareError(
                f"drive:{id}: the folder's listing is not a page", fix=f"Instead {BY_HAND}", code=Exit.NETWORK
            )
        known[id] = _read_entries(page, id)
    return known[id]


def _read_entries(page: Page, id: str) -> list[_Entry]:
    """The lines of a listing. Raises CareError (4) for a name that would leave its folder."""
    lines = page.tree.css(".flip-entry")
    if not lines and page.tree.css_first(".flip-entries, .flip-list-header") is None:
        raise refuse(page, id, _named(id, ""))
    entries = []
    for line in lines:
        link, title = line.css_first("a[href]"), line.css_first(".flip-entry-title")
        found = re.search(r"/(folders|file/d)/([\w-]+)", link.attributes["href"] or "") if link is not None else None
        if found is None or title is None:
            continue  # a document of Google's own has no bytes to fetch
        entries.append(_Entry(found[2], _check_name(title.text().strip(), id), found[1] == "folders"))
    return entries


def _check_name(name: str, id: str) -> str:
    """A name that Drive gives, if it is one that stays in its folder."""
    if "/" in name:
        raise CareError(
            f"the name '{shown(name)}' in drive:{id} holds a slash and is refused",
            fix="Give the ids of the files meant: drive:ID.",
            code=Exit.INTEGRITY,
        )
    return check_path(name)
