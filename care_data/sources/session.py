"""A conversation with hosts: redirects, limits, retries, and what a refusal means. Every request passes here."""

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from care_data.errors import CareError, Exit
from care_data.sources.places import shown
from care_data.sources.replies import (
    MIRROR,
    REDIRECTS,
    Passing,
    address,
    cause,
    is_certificate,
    judge,
    parse_url,
    redirect,
    refuse,
)

if TYPE_CHECKING:
    import httpx2

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """How patient a conversation is. Seconds, bytes, and bytes per second."""

    connect: float = 8.0  # name lookup, connection and handshake, all addresses of the host together
    head: float = 30.0  # status and headers
    stall: float = 30.0  # between two pieces of a body
    window: float = 60.0  # a body is slower than `floor` for this long: it is given up
    floor: int = 1024
    tries: int = 5  # failures in a row with less than `gain` bytes won between them
    gain: int = 1 << 20
    blind_tries: int = 2  # the same, where the host never said a word: so a dead network is told in 20 s
    pause: float = 1.0  # before the second try; doubles
    longest_pause: float = 60.0  # whatever Retry-After asks for
    hops: int = 10
    answer: int = 64 << 20  # of a listing


class Pace:
    """A body's speed. `add` raises Passing when a whole window was slower than the floor."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._since, self._got = limits, time.monotonic(), 0

    def add(self, size: int) -> None:
        """Count bytes that just came."""
        self._got += size
        passed = time.monotonic() - self._since
        if passed >= self._limits.window:
            if self._got < self._limits.floor * passed:
                raise Passing(f"the host sends fewer than {self._limits.floor} bytes a second")
            self._since, self._got = time.monotonic(), 0


class Session:
    """One fetch's conversation. progress: called with upstream path, bytes there, bytes in all if known.

    token: the Hub's; each source says whether a request may carry it, and no other host ever sees it.
    """

    def __init__(
        self,
        progress: Callable[[str, int, int | None], None] | None = None,
        token: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.progress = progress or (lambda path, there, total: None)
        self.token, self.limits = token, limits or Limits()
        self._client: httpx2.Client | None = None
        self._listings: dict[str, tuple[Any, str]] = {}

    def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            self._client.close()

    @contextmanager
    def open(
        self, url: str, headers: dict[str, str] | None = None, token: str | None = None
    ) -> Iterator["httpx2.Response"]:
        """The response to GET, its body still unread: status 200, 206 or 416 and nothing else.

        Raises Passing for trouble worth another try, Absent for 404 and 410, CareError otherwise.
        """
        import httpx2

        target, carried = parse_url(url), token
        for _ in range(self.limits.hops + 1):
            secret = {"Authorization": f"Bearer {carried}"} if carried else {}
            response = self._send(str(target), {"Accept-Encoding": "identity", **(headers or {}), **secret})
            try:
                if response.status_code not in REDIRECTS:
                    judge(response, target)
                    yield response
                    return
                onward = redirect(target, response.headers.get("location", ""))
            except httpx2.RequestError as error:
                raise Passing(f"the connection broke: {cause(error)}") from error
            finally:
                response.close()
            if (onward.scheme, onward.host, onward.port) != (target.scheme, target.host, target.port):
                carried = None
            target = onward
        raise refuse(target, f"more than {self.limits.hops} redirects")

    def read_json(self, url: str, token: str | None = None) -> tuple[Any, str]:
        """The JSON a host answers with, and the address of the next page ("" at the last). Asked once a session."""
        if url in self._listings:
            return self._listings[url]

        def read() -> tuple[Any, str]:
            with self.open(url, token=token) as response:
                body, pace = bytearray(), Pace(self.limits)
                for chunk in response.iter_bytes():
                    body += chunk
                    pace.add(len(chunk))
                    if len(body) > self.limits.answer:
                        raise CareError(f"{address(url)}: the listing is longer than {self.limits.answer} bytes")
                return json.loads(body), response.links.get("next", {}).get("url", "")

        try:
            self._listings[url] = self.persist(url, read, lambda: 0)
        except ValueError as error:
            raise CareError(f"{address(url)} does not answer with JSON", fix=MIRROR, code=Exit.NETWORK) from error
        return self._listings[url]

    def persist(self, url: str, work: Callable[[], Result], held: Callable[[], int]) -> Result:
        """The result of `work`, tried again while its trouble is passing. held: bytes won so far, for the counting."""
        limits, failures, heard, mark = self.limits, 0, False, held()
        while True:
            try:
                return work()
            except Passing as trouble:
                heard = heard or trouble.heard
                if held() >= mark + limits.gain:
                    failures, mark = 0, held()
                failures += 1
                if failures >= (limits.tries if heard else limits.blind_tries):
                    there = f"; {held()} bytes are kept" if held() else ""
                    fix = "Run again to go on, or use --mirror FOLDER." if held() else f"Try again later. {MIRROR}"
                    raise CareError(f"{address(url)}: {trouble.cause}{there}", fix=fix, code=Exit.NETWORK) from trouble
                pause = limits.pause * 2 ** (failures - 1) if trouble.wait is None else trouble.wait
                jitter = 0.0 if trouble.wait == 0 else random.uniform(0, limits.pause / 2)  # noqa: S311
                time.sleep(min(pause, limits.longest_pause) + jitter)

    def _send(self, url: str, headers: dict[str, str]) -> "httpx2.Response":
        """The head of the response, within the limits whatever is slow.

        A timeout of the client holds for one address, or for one byte; a name lookup has none. So the request runs in a
        thread of its own, which is left behind when the time is up.
        """
        import httpx2

        client, answers = self._open_client(), queue.SimpleQueue["httpx2.Response | Exception"]()
        connected, given_up = threading.Event(), threading.Event()

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith("send_request_headers.started"):
                connected.set()

        def send() -> None:
            try:
                request = client.build_request("GET", url, headers=headers, extensions={"trace": trace})
                response = client.send(request, stream=True)
            except Exception as error:  # handed over, not swallowed
                answers.put(error)
            else:
                answers.put(response)
                if given_up.is_set():
                    _close_late(answers)
            connected.set()

        threading.Thread(target=send, daemon=True).start()
        try:
            if not connected.wait(self.limits.connect):
                raise Passing(f"no connection within {self.limits.connect:g} s", heard=False)
            answer = answers.get(timeout=self.limits.head)
        except (Passing, queue.Empty, KeyboardInterrupt) as error:
            given_up.set()
            _close_late(answers)
            if not isinstance(error, queue.Empty):
                raise
            raise Passing(f"no answer within {self.limits.head:g} s", heard=False) from None
        if isinstance(answer, httpx2.RequestError):
            if is_certificate(answer):
                raise refuse(httpx2.URL(url), f"its certificate is not trusted ({cause(answer)})") from answer
            if isinstance(answer, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
                raise Passing(f"no connection ({cause(answer)})", heard=False) from answer
            silent = isinstance(answer, httpx2.TimeoutException)
            raise Passing(f"no answer ({cause(answer)})", heard=not silent) from answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _open_client(self) -> "httpx2.Client":
        """The client, made when the first request needs one."""
        if self._client is None:
            import httpx2

            timeout = httpx2.Timeout(self.limits.stall, connect=self.limits.connect)
            try:
                self._client = httpx2.Client(timeout=timeout, headers={"User-Agent": "care-data"})
            except (ValueError, httpx2.InvalidURL) as error:
                raise CareError(
                    f"no connection can be set up: {shown(str(error))}",
                    fix="Look at the proxy settings (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY).",
                    code=Exit.NETWORK,
                ) from error
        return self._client


def _close_late(answers: "queue.SimpleQueue[httpx2.Response | Exception]") -> None:
    """Close a response that came when nobody waited any more. Called from both sides, so that one of them finds it."""
    with suppress(queue.Empty):
        answer = answers.get_nowait()
        if not isinstance(answer, Exception):
            answer.close()
