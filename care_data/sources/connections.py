"""The head of a reply within the limits, whatever is slow, and what stands behind a connection that fails."""

import queue
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from care_data.errors import CareError, Exit
from care_data.sources.limits import Limits
from care_data.sources.places import shown
from care_data.sources.replies import Passing, address, cause, find_cause, refuse

if TYPE_CHECKING:
    import httpx2


def open_client(limits: Limits) -> "httpx2.Client":
    """A client that keeps its connections. Raises CareError (6) where the environment's settings are of no use."""
    import httpx2

    timeout = httpx2.Timeout(limits.stall, connect=limits.connect)
    try:
        return httpx2.Client(timeout=timeout, headers={"User-Agent": "care-data"})
    except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
        raise CareError(
            f"no connection can be set up: {shown(str(error))}",
            fix="Look at the settings HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE.",
            code=Exit.NETWORK,
        ) from error


def send(client: "httpx2.Client", request: "httpx2.Request", limits: Limits) -> "httpx2.Response":
    """The response, its body unread. Raises Passing where another try may help, CareError where it will not.

    A timeout of the client holds for one address, or for one byte; a name lookup has none. So the request runs in a
    thread of its own, which is left behind when the time is up.
    """
    answers = queue.SimpleQueue["httpx2.Response | Exception"]()
    connected, given_up = threading.Event(), threading.Event()

    def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            connected.set()

    def work() -> None:
        try:
            response = client.send(request, stream=True)
        except Exception as error:  # handed over, not swallowed
            answers.put(error)
        else:
            answers.put(response)
            if given_up.is_set():
                _close_late(answers)
        connected.set()

    request.extensions = {**request.extensions, "trace": trace}
    threading.Thread(target=work, daemon=True).start()
    try:
        if not connected.wait(limits.connect):
            raise Passing(f"no connection{_through(request.url)} within {limits.connect:g} s", heard=False)
        answer = answers.get(timeout=limits.head)
    except (Passing, queue.Empty, KeyboardInterrupt) as error:
        given_up.set()
        _close_late(answers)
        if not isinstance(error, queue.Empty):
            raise
        raise Passing(f"no answer within {limits.head:g} s", heard=False) from None
    if isinstance(answer, Exception):
        raise _explain(answer, request.url) from answer
    return answer


def _explain(error: Exception, url: "httpx2.URL") -> Exception:
    """What an error of the client means."""
    import ssl

    import httpx2

    if not isinstance(error, httpx2.RequestError):
        return error
    if find_cause(error, ssl.SSLCertVerificationError):
        return refuse(url, f"its certificate is not trusted ({cause(error)})")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        through = _through(url)
        if find_cause(error, socket.gaierror):
            name = through.rpartition(" ")[2] or url.host
            return Passing(f"no connection{through}: the name {shown(name)} is not known ({cause(error)})", heard=False)
        return Passing(f"no connection{through} ({cause(error)})", heard=False)
    return Passing(f"no answer ({cause(error)})", heard=not isinstance(error, httpx2.TimeoutException))


def _through(url: "httpx2.URL") -> str:
    """The proxy that the environment puts between, worded to follow "no connection"; its password is not shown."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    chosen = "" if proxy_bypass(url.host) else proxies.get(url.scheme) or proxies.get("all") or ""
    return f" through the proxy {address(chosen if '://' in chosen else f'//{chosen}').rstrip('/')}" if chosen else ""


def _close_late(answers: "queue.SimpleQueue[httpx2.Response | Exception]") -> None:
    """Close a response that came when nobody waited any more. Called from both sides, so that one of them finds it."""
    with suppress(queue.Empty):
        answer = answers.get_nowait()
        if not isinstance(answer, Exception):
            answer.close()
