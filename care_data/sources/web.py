"""Pages of a site whose layout is known: `web:HOST`, and a path such as books/*/whole.html.

The lists that lead to the pages are read from the pattern's literal head on: books/, its further pages, and those of
the folders below it that the pattern names. What was found so far lies in a file, the frontier, so that a crawl that
was killed goes on where it was. The pages themselves are kept like any other file and never asked for again.
"""

import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received, measure
from care_data.sources.pages import UNSEEN, Page
from care_data.sources.partials import Partial
from care_data.sources.places import Place, check_path, has_star, match_paths, shown
from care_data.sources.replies import Absent, Unchanged, Withheld
from care_data.sources.session import Session
from care_data.sources.sites import BY_HAND, Site, ask, find_site
from care_data.sources.transfer import CHANGED
from care_data.store import write_json

SHORT = 600  # characters of a page that says nothing but why it is none
LEAST = 20  # characters of a page's own words
_WALL = r"验证码|安全验证|人机验证|滑动验证|访问过于频繁|访问受限|captcha|are you (a )?(human|robot)|just a moment"
_GONE = r"\b404\b|not found|页面没有找到|找不到(该|您|此|页)|(内容|文章|页面|书籍)(不存在|已(被)?删除)|已下架"


@dataclass
class _Frontier:
    """How far a crawl is.

    left: lists still to be read, in order. read: lists read in this round, and the links each had that count for us.
    marks: what each answered with, to ask later whether it changed. finished: when the last round ended, 0 before.
    """

    left: list[str]
    read: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    marks: dict[str, dict[str, str]] = field(default_factory=dict)
    finished: float = 0.0

    @property
    def links(self) -> list[str]:
        """All links found in this round."""
        return list(dict.fromkeys(link for links in self.read.values() for link in links))


def find_paths(place: Place, pattern: str, session: Session) -> list[str]:
    """The pages of a pattern that the site's lists lead to; asked again only when the last crawl is a while ago."""
    site, start = find_site(session, place.name), _head(pattern)
    name = hashlib.sha256(f"{site.host}/{pattern}".encode()).hexdigest()[:32]
    file = session.notes / f"{name}.json" if session.notes is not None else None
    frontier = _load(file, start)
    if frontier.finished and not 0 <= time.time() - frontier.finished < session.limits.recrawl:
        frontier = _Frontier([start], before=frontier.read, marks=frontier.marks)
    while frontier.left:
        path = frontier.left[0]
        links = _read_list(session, site, path, pattern, frontier)
        frontier.left.pop(0)
        frontier.read[path] = links
        known = {*frontier.left, *frontier.read}
        frontier.left += [link for link in links if link not in known and _is_list(link, pattern)]
        if not frontier.left:
            frontier.finished = time.time()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, asdict(frontier))
        session.progress(path, len(frontier.read), len(frontier.read) + len(frontier.left))
    return match_paths(pattern, frontier.links)


def bring_file(place: Place, path: str, part: Partial, pin: Pin, session: Session) -> Received:
    """One page, as the site sent it."""
    site = find_site(session, place.name)
    page = ask(session, site, path, partial(_refuse_blank, site, path))
    part.drop()
    part.write(page.body)
    session.progress(path, len(page.body), len(page.body))
    file = measure(part.path, pin)
    if not pin.holds(file):
        aside = shown(part.quarantine(file.sha256))
        finding = f"{shown(site.host)}/{shown(path)} is not what was pinned: {pin.differs(file)}; kept aside as {aside}"
        raise CareError(finding, fix=CHANGED, code=Exit.INTEGRITY)
    return file


def _head(pattern: str) -> str:
    """The folder above a pattern's first star, with a slash at its end: where the site's lists begin."""
    folders = pattern.split("/")[:-1]
    literal = next((at for at, part in enumerate(folders) if has_star(part)), len(folders))
    return "".join(f"{part}/" for part in folders[:literal])


def _load(file: Path | None, start: str) -> _Frontier:
    """The frontier as it was left; a new one where there is none, or none that can be read."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        if file is None:
            return _Frontier([start])
        content: dict[str, Any] = json.loads(file.read_bytes())
        return _Frontier(**content)
    return _Frontier([start])


def _read_list(session: Session, site: Site, path: str, pattern: str, frontier: _Frontier) -> list[str]:
    """The links of a list that are pages of the pattern, or lists like it. One that is gone or forbidden has none."""
    mark = frontier.marks.get(path, {})
    try:
        judge = partial(_refuse_wall, site, path)
        page = ask(session, site, path, judge, mark if path in frontier.before else None)
    except Unchanged:
        return frontier.before[path]
    except (Absent, Withheld):
        if path == _head(pattern) or site.closed is not None:
            raise
        return []
    told = {"If-None-Match": page.headers.get("etag", ""), "If-Modified-Since": page.headers.get("last-modified", "")}
    frontier.marks[path] = {name: value for name, value in told.items() if value}
    links = [_local(site, page, anchor.attributes.get("href") or "") for anchor in page.tree.css("a[href]")]
    counting = [link for link in links if link and (match_paths(pattern, [link]) or _is_list(link, pattern))]
    return list(dict.fromkeys(counting))


def _local(site: Site, page: Page, href: str) -> str:
    """The path of a link on the same host, without its first slash; "" for any other, and for one with a query."""
    import httpx2

    with suppress(httpx2.InvalidURL, UnicodeDecodeError, CareError):
        url = page.url.join(href.strip())
        path = unquote_to_bytes(url.raw_path.partition(b"?")[0]).decode().removeprefix("/")
        if url.scheme in {"http", "https"} and url.host in {page.url.host, site.host} and not url.query:
            check_path(path.removesuffix("/"))
            return path
    return ""


def _is_list(path: str, pattern: str) -> bool:
    """Whether a path is a list the pattern's folders lead to: a folder itself, or its index page, or a further one."""
    *folders, name = path.split("/")
    wanted = pattern.split("/")[:-1]
    if not (name == "" or name.startswith("index")) or not path.startswith(_head(pattern)):
        return False
    if "**" in wanted:
        return True
    return len(folders) <= len(wanted) and all(
        match_paths(part, [folder]) for part, folder in zip(wanted, folders, strict=False)
    )


def _refuse_wall(site: Site, path: str, page: Page) -> None:
    """Raise Withheld, and leave the site alone from then on, if it wants a person to prove to be one."""
    asks = page.tree.css_first("iframe[src*=captcha i], img[src*=captcha i], form[action*=captcha i], #challenge-form")
    said = f"{page.title} {page.text}" if len(page.text) < SHORT else page.title
    if asks is not None or re.search(_WALL, said, re.IGNORECASE):
        site.closed = Withheld(
            f"{shown(site.host)} answers /{shown(path)} with a test for robots (captcha); it is asked for nothing more",
            fix=f"Wait a day and run again to go on; {BY_HAND}",
            code=Exit.MANUAL,
        )
        raise site.closed


def _refuse_blank(site: Site, path: str, page: Page) -> None:
    """Raise Withheld if a page is none: a wall, another one in its place, word that it is gone, a frame of nothing."""
    _refuse_wall(site, path, page)
    said = f"{page.title} {page.text}" if len(page.text) < SHORT else page.title
    there = page.url.path.removeprefix("/")
    if there != path:
        finding = f"leads to /{shown(there)}: the page is gone"
    elif re.search(_GONE, said, re.IGNORECASE):
        finding = "says that there is no such page, though it answers 200"
    elif len(_own_words(page)) < LEAST:
        finding = "is an empty frame: it has no text but links"
    else:
        return
    raise Withheld(
        f"{shown(site.host)}/{shown(path)} {finding}; nothing was kept",
        fix="Look at it with a browser; run again to ask for it once more.",
        code=Exit.MANUAL,
    )


def _own_words(page: Page) -> str:
    """The page's text without what links and frames say."""
    from selectolax.lexbor import LexborHTMLParser

    left = LexborHTMLParser(page.tree.html or "")
    for node in left.css(f"{UNSEEN}, head, a, nav, header, footer, form"):
        node.decompose()
    return "".join(left.body.text().split()) if left.body is not None else ""
