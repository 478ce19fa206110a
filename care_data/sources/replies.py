"""What a host's reply means: go on, try again, or give up and say why."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from care_data.errors import CareError, Exit
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


def address(url: str) -> str:
    """Host and path of a URL, for people: no user, no password, no query."""
    import httpx2

    with suppress(httpx2.InvalidURL):
        parsed = httpx2.URL(url)
        port = f":{parsed.port}" if parsed.port else ""
        return shown(f"{parsed.host}{port}{parsed.path}")
    return shown(url.partition("?")[0])


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


def redirect(source: "httpx2.URL", location: str) -> "httpx2.URL":
    """Where a redirect leads. Raises CareError for another scheme, a downgrade, or a way into the local network."""
    import httpx2

    try:
        target = source.join(location)
    except httpx2.InvalidURL as error:
        raise refuse(source, "it redirects to something that is not a URL") from error
    if not location or target.scheme not in {"http", "https"} or not target.host:
        raise refuse(source, f"it redirects to '{shown(target.scheme)}:', and only http and https are followed")
    if source.scheme == "https" and target.scheme == "http":
        raise refuse(source, "it redirects from https to http")
    if _is_local(target.host) and not _is_local(source.host):
        raise refuse(source, f"it redirects into the local network ({shown(target.host)})")
    return target


def _is_local(name: str) -> bool:
    """Whether a host's name or number is one of the local network; names are not looked up."""
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    import ipaddress

    try:
        return not ipaddress.ip_address(name.strip("[]")).is_global
    except ValueError:
        return False


def refuse(url: "httpx2.URL", finding: str) -> CareError:
    """The error for a host that is not dealt with further."""
    return CareError(f"{address(str(url))}: {finding}; nothing was taken from it", fix=MIRROR, code=Exit.NETWORK)


def judge(response: "httpx2.Response", url: "httpx2.URL") -> None:
    """Return if the status brings a body to read, else raise what it means."""
    status, where = response.status_code, address(str(url))
    if status in {200, 206, 416}:
        return
    spent = response.headers.get("x-ratelimit-remaining") == "0"
    if status in {404, 410}:
        raise Absent(f"{where} does not exist ({status})", fix="See whether upstream moved it.", code=Exit.NETWORK)
    if status in {401, 403} and not spent:
        raise CareError(
            f"{where} is closed to us ({status})",
            fix="Log in there or accept its terms and give a token; or fetch it by hand and use --mirror FOLDER.",
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


def is_certificate(error: BaseException) -> bool:
    """Whether a certificate is behind the error: then another try is of no use."""
    import ssl

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
