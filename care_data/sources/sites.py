"""Visits to a site that offers pages, not downloads: permission first, robots.txt next, then one request at a time."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING
from urllib.parse import quote
from weakref import WeakKeyDictionary

from care_data import __version__
from care_data.errors import CareError, Exit
from care_data.sources.pages import Page, read_body
from care_data.sources.places import shown
from care_data.sources.replies import Absent, Passing, Withheld, parse_url
from care_data.sources.session import Session

if TYPE_CHECKING:
    import httpx2
    from protego import Protego

NAME = "care-data"  # what robots.txt calls us
BY_HAND = "or fetch the pages by hand and use --mirror FOLDER."


@dataclass
class _Turn:
    """Whose turn it is at a host. One for all fetches of this process: they come from one address."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    last: float = float("-inf")


@dataclass
class Site:
    """What one fetch knows of a site. closed: why no more is asked of it. asked: requests so far."""

    host: str
    robots: "Protego | None" = None
    closed: CareError | None = None
    asked: int = 0


_TURNS: defaultdict[str, _Turn] = defaultdict(_Turn)
_SITES: WeakKeyDictionary[Session, dict[str, Site]] = WeakKeyDictionary()


def find_site(session: Session, host: str) -> Site:
    """The site of a host, the same one throughout a session."""
    if "/" in host:
        raise CareError(f"'{shown(host)}' is not a host", fix="Write web:HOST; folders belong into path.")
    return _SITES.setdefault(session, {}).setdefault(host, Site(host))


def ask(
    session: Session, site: Site, path: str, judge: Callable[[Page], None], headers: dict[str, str] | None = None
) -> Page:
    """The page at a path. Waits for its turn. judge: raises for a page that is none, before anybody else has a turn.

    Raises Withheld for what the user, robots.txt or the site does not allow (5, 7), Absent and Unchanged as the host
    says, CareError (8) at the limit of pages.
    """
    with _TURNS[session.hosts.web_base(site.host)].lock:
        if site.closed is not None:
            raise site.closed
        if not (session.crawl or os.environ.get("CARE_CRAWL") == "yes"):
            site.closed = Withheld(
                f"{shown(site.host)} is a site of pages whose terms are not known: it is crawled with permission only",
                fix=f"Ask whoever runs https://{shown(site.host)}/, then give --i-have-permission or set"
                f" CARE_CRAWL=yes; {BY_HAND}",
                code=Exit.POLICY,
            )
            raise site.closed
        if site.robots is None:
            site.robots = _read_robots(session, site)
        if not allows(site, path):
            raise Withheld(
                f"robots.txt of {shown(site.host)} forbids /{shown(path)}",
                fix=f"Ask whoever runs the site for another way; {BY_HAND}",
                code=Exit.POLICY,
            )
        if site.asked >= session.limits.pages:
            raise CareError(
                f"{shown(site.host)}: {site.asked} pages were asked for, as many as one run may; all that came is kept",
                fix="Run again to go on.",
                code=Exit.LIMIT,
            )
        site.asked += 1
        page = _get(session, site, path, headers or {})
        judge(page)
        return page


def allows(site: Site, path: str) -> bool:
    """Whether robots.txt lets us have a path; known once anything was asked of the site."""
    return site.robots is None or site.robots.can_fetch(f"/{quote(path)}", NAME)


def name_us() -> str:
    """The User-Agent: name, version, and the project's page where the package names one."""
    with suppress(PackageNotFoundError):
        for each in metadata("care-llm").get_all("Project-URL") or []:
            return f"{NAME}/{__version__} (+{each.rpartition(' ')[2]})"
    return f"{NAME}/{__version__}"


def _read_robots(session: Session, site: Site) -> "Protego":
    """The site's rules; none where it has no robots.txt. A site that keeps them from us is left alone."""
    try:
        from protego import Protego
    except ImportError as error:
        raise CareError(
            "protego is not installed, which reads robots.txt", fix='pip install "care-llm[crawl]"', code=Exit.USAGE
        ) from error
    try:
        rules = Protego.parse(_get(session, site, "robots.txt", {}).body.decode(errors="replace"))
    except Absent:
        return Protego.parse("")
    except CareError as error:
        if error.code != Exit.MANUAL:
            raise
        site.closed = Withheld(
            f"robots.txt of {shown(site.host)} is closed to us, so no page is asked for",
            fix=f"Ask whoever runs the site; {BY_HAND}",
            code=Exit.MANUAL,
        )
        raise site.closed from error
    if (delay := _delay(session, rules)) > session.limits.longest_pause:
        site.closed = Withheld(
            f"robots.txt of {shown(site.host)} asks for {delay:g} s between two pages, which no crawl can keep",
            fix=f"Ask whoever runs the site for another way; {BY_HAND}",
            code=Exit.POLICY,
        )
        raise site.closed
    return rules


def _delay(session: Session, rules: "Protego | None") -> float:
    """Seconds between two requests: ours, or what robots.txt asks for if that is more."""
    asked = [session.limits.courtesy]
    if rules is not None:
        rate = rules.request_rate(NAME)
        asked += [rules.crawl_delay(NAME) or 0.0, rate.seconds / rate.requests if rate and rate.requests else 0.0]
    return max(asked)


def _get(session: Session, site: Site, path: str, headers: dict[str, str]) -> Page:
    """One page, tried again while trouble passes, each try in its turn."""
    base = session.hosts.web_base(site.host)
    turn, url = _TURNS[base], f"{base}/{quote(path)}"

    def stay(answer: "httpx2.Headers") -> None:
        if "location" in answer:
            _refuse_leaving(site, parse_url(url), answer["location"])

    def look() -> Page:
        session.wait(max(0.0, turn.last + _delay(session, site.robots) - time.monotonic()))
        try:
            with session.open(url, {"User-Agent": name_us(), **headers}, watch=stay) as response:
                _refuse_leaving(site, parse_url(url), str(response.url))  # by way of https, say
                page = read_body(session, response)
                sure = {"content-length", "transfer-encoding"} & {*response.headers}
        finally:
            turn.last = time.monotonic()
        if not sure and b"</html" not in page.body[-1024:].lower() and path != "robots.txt":
            raise Passing("the page ends in the middle")
        return page

    return session.persist(url, look, lambda: 0)


def _refuse_leaving(site: Site, url: "httpx2.URL", location: str) -> None:
    """Raise Withheld if a redirect leads to another host, or where robots.txt does not let us go."""
    import httpx2

    with suppress(httpx2.InvalidURL):  # the session itself tells what is no URL
        target = url.join(location)
        if target.host != url.host:
            finding = f"redirects to another host ({shown(target.host)})"
        elif not allows(site, target.path.removeprefix("/")):
            finding = f"redirects to /{shown(target.path.removeprefix('/'))}, which robots.txt forbids"
        else:
            return
        raise Withheld(
            f"{shown(site.host)}{shown(url.path)} {finding}; nothing was taken from there",
            fix=f"See whether the site moved; {BY_HAND}",
            code=Exit.MANUAL,
        )
