"""What a host's reply means: go on, try again, or give up and say why."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from care_data.errors import CareError, Exit
from care_data.sources.addresses import is_local
from care_data.sources.places import shown

if TYPE_CHECKING:
    import httpx2

MIRROR = "Use --mirror FOLDER where there is no network."
PASSING = {408, 425, 429}
REDIRECTS = {301, 302, 303, 307, 308}


class Passing(Exception):
    """Trouble that may pass. wait: seconds the host asks for. heard: the host answered at all."""

    def __init__(self, cause: str, *, wait: float | None = None, heard: bool = True) -> None:
        super().__init__(cause)
        self.cause, self.wait, self.heard = cause, wait, heard


class Absent(CareError):
    """The place has no file of that name."""


class Withheld(CareError):
    """The place may have it, but does not give it to us; a file that is optional is then done without."""


class Unchanged(CareError):
    """The host has nothing newer than what was asked about (304)."""


class Pointer(CareError):
    """A Git LFS pointer lies where data was looked for. text: the pointer, whole."""

    def __init__(self, where: str, text: bytes, fix: str) -> None:
        finding = "is a Git LFS pointer, not the file it points to; nothing was kept"
        super().__init__(f"{where} {finding}", fix=fix, code=Exit.MANUAL)
        self.text = text


def address(url: str) -> str:
    """Host and path of a URL, for people: no user, no password, no query."""
    import httpx2

    with suppress(httpx2.InvalidURL):
        parsed = httpx2.URL(url)
        port = f":{parsed.port}" if parsed.port else ""
        return shown(f"{parsed.host}{port}{parsed.path}")
    return shown(url.partition("?")[0])


@contextmanager
def naming(path: str, url: str) -> Iterator[None]:
    """Errors on the way name the upstream path, where the address does not: it is a number, or a store's."""
    try:
        yield
    except CareError as error:
        if not (error.where or address(url).endswith(shown(path))):
            error.where = shown(path)
        raise


def host(url: str) -> str:
    """The host a URL names, in lower case."""
    return parse_url(url).host


def parse_url(url: str) -> "httpx2.URL":
    """The URL, if it is one and http or https."""
    import httpx2

    try:
        target = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise CareError(f"'{shown(url.partition('?')[0])}' is not a URL", code=Exit.USAGE) from error
    if target.scheme not in {"http", "https"} or not target.host:
        raise refuse(target, "only http and https are fetched from")
    return target


def redirect(
    source: "httpx2.URL",
    location: str,
    leads_home: Callable[[str], bool] = is_local,
    *,
    first: "httpx2.URL | None" = None,
    word: str = "redirects",
) -> "httpx2.URL":
    """Where a redirect leads. Raises CareError for another scheme, a downgrade, or a way into the local network.

    leads_home: whether a host's name is one of the local network. first: what was asked for.
    """
    import httpx2

    try:
        target = source.join(location)
    except httpx2.InvalidURL as error:
        raise refuse(source, f"it {word} to something that is not a URL", first) from error
    if not location or target.scheme not in {"http", "https"} or not target.host:
        raise refuse(source, f"it {word} to '{shown(target.scheme)}:', and only http and https are followed", first)
    if source.scheme == "https" and target.scheme == "http":
        raise refuse(source, f"it {word} from https to http", first)
    if target.host != source.host and leads_home(target.host) and not leads_home(source.host):
        raise refuse(source, f"it {word} into the local network ({shown(target.host)})", first)
    return target


def passed_on(first: "httpx2.URL", url: "httpx2.URL") -> str:
    """What was asked for, for people, and the host that the question was passed on to, if it was."""
    there = f" (passed on to {shown(url.host)})" if url.host != first.host else ""
    return address(str(first)) + there


def refuse(url: "httpx2.URL", finding: str, first: "httpx2.URL | None" = None) -> CareError:
    """The error for a host that is not dealt with further. first: what was asked for, where it was passed on."""
    where = passed_on(first or url, url)
    return CareError(f"{where}: {finding}; nothing was taken from it", fix=MIRROR, code=Exit.NETWORK)


def judge(response: "httpx2.Response", first: "httpx2.URL", url: "httpx2.URL") -> None:
    """Return if the status brings a body to read, else raise what it means. first: what was asked for, url: by whom."""
    status, where = response.status_code, passed_on(first, url)
    if status in {200, 206, 416}:
        return
    if status == 304:
        raise Unchanged(f"{where} has not changed", code=Exit.NETWORK)
    spent = response.headers.get("x-ratelimit-remaining") == "0"
    if status in {404, 410}:
        raise Absent(f"{where} does not exist ({status})", fix="See whether upstream moved it.", code=Exit.NETWORK)
    if status in {401, 403} and not spent:
        raise Withheld(
            f"{where} is closed to us ({status})",
            fix="Log in there or accept its terms and give a token (HF_TOKEN for the Hub); or fetch it by hand and use"
            " --mirror FOLDER.",
            code=Exit.MANUAL,
        )
    if status == 511:
        raise CareError(
            f"{where}: the network between wants a login first ({status})",
            fix="Log in with a browser, then run again.",
            code=Exit.MANUAL,
        )
    if status in PASSING or status >= 500:
        raise Passing(f"the host answers {status}", wait=_retry_after(response.headers.get("retry-after", "")))
    finding = "the host's hourly limit is used up" if spent else "the host answers"
    raise CareError(f"{where}: {finding} ({status})", fix=f"Try again later. {MIRROR}", code=Exit.NETWORK)


def _retry_after(text: str) -> float | None:
    """Seconds a Retry-After asks for, as number or date; None where it says nothing of use."""
    if text.strip().isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def cause(error: BaseException) -> str:
    """What the network said, in one line, without the URL."""
    return shown(str(error)).strip() or type(error).__name__


def find_cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The error of that kind behind an error, if there is one."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, kind):
        seen = seen.__cause__ or seen.__context__
    return seen
