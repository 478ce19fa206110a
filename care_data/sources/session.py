"""A conversation with hosts: redirects, limits, retries, and what a refusal means. Every request passes here."""

import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from care_data.errors import CareError, Exit
from care_data.sources.addresses import leads_home
from care_data.sources.checksums import Pin
from care_data.sources.connections import open_client, send
from care_data.sources.hosts import Hosts
from care_data.sources.impostors import HEAD, refuse_impostor
from care_data.sources.limits import Limits, Pace
from care_data.sources.replies import (
    MIRROR,
    REDIRECTS,
    Passing,
    address,
    cause,
    judge,
    parse_url,
    redirect,
    refuse,
)

if TYPE_CHECKING:
    import httpx2

__all__ = ["Limits", "Pace", "Session"]

Result = TypeVar("Result")
AT_ONCE = 4  # answers of one host that are read at the same time, whatever the number of files and corpora

_gates: defaultdict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(AT_ONCE))


class Session:
    """One fetch's conversation. progress: called with upstream path, bytes there, bytes in all if known.

    token: the Hub's; each source says whether a request may carry it, and no other host ever sees it. crawl: the user
    may crawl the sites asked for. stop: once set, whatever is under way ends with CareError (130). stated: what
    listings say of files, by the path below the raw folder. notes: a folder for what a later fetch goes on from.
    """

    def __init__(
        self,
        progress: Callable[[str, int, int | None], None] | None = None,
        token: str | None = None,
        limits: Limits | None = None,
        *,
        hosts: Hosts | None = None,
        crawl: bool = False,
        stop: threading.Event | None = None,
        notes: Path | None = None,
    ) -> None:
        self.token, self.limits, self.hosts, self.crawl = token, limits or Limits(), hosts or Hosts(), crawl
        self.stop, self.notes = stop or threading.Event(), notes
        self.stated: dict[str, Pin] = {}
        self._progress = progress
        self._client: httpx2.Client | None = None
        self._listings: dict[str, tuple[Any, str]] = {}
        self._homes: dict[str, bool] = {}
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            self._client.close()

    def progress(self, path: str, there: int, total: int | None) -> None:
        """Tell how far a file is, one caller at a time. Raises CareError (130) once all is to stop."""
        if self.stop.is_set():
            raise stopped()
        if self._progress is not None:
            with self._lock:
                self._progress(path, there, total)

    @contextmanager
    def open(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        token: str | None = None,
        *,
        content: bytes | None = None,
        private: dict[str, str] | None = None,
        watch: Callable[["httpx2.Headers"], None] | None = None,
    ) -> Iterator["httpx2.Response"]:
        """The response, its body still unread: status 200, 206 or 416 and nothing else.

        content: makes it a POST, which only a 307 or 308 may send elsewhere. private: headers that no other host gets
        to see, as `token` is. watch: called with the headers of each answer of the host asked first, redirects too.
        Raises Passing for trouble worth another try, Absent for 404 and 410, CareError otherwise.
        """
        import httpx2

        first = target = parse_url(url)
        secrets = {**(private or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        for _ in range(self.limits.hops + 1):
            with _gates[target.host]:
                response = self._send(target, {**(headers or {}), **secrets}, content)
                try:
                    if watch is not None and _origin(target) == _origin(first):
                        watch(response.headers)
                    if response.status_code not in REDIRECTS:
                        judge(response, first, target)
                        yield response
                        return
                    if content is not None and response.status_code not in {307, 308}:
                        raise refuse(target, f"it answers a question with a redirect ({response.status_code})", first)
                    onward = self._follow(first, target, response.headers.get("location", ""))
                except httpx2.RequestError as error:
                    raise Passing(f"the connection broke: {cause(error)}") from error
                finally:
                    response.close()
            if _origin(onward) != _origin(target):
                secrets = {}
            target = onward
        raise refuse(target, f"more than {self.limits.hops} redirects", first)

    def _follow(self, first: "httpx2.URL", target: "httpx2.URL", location: str) -> "httpx2.URL":
        return redirect(target, location, self.leads_home, first=first)

    def leads_home(self, name: str) -> bool:
        """Whether a host is of the local network, by its name or by the addresses it stands for. Asked once each."""
        if name not in self._homes:
            self._homes[name] = leads_home(name, self.limits.connect)
        return self._homes[name]

    def read_json(self, url: str, token: str | None = None) -> tuple[Any, str]:
        """The JSON a host answers with, and the address of the next page ("" at the last). Asked once a session."""
        with self._reading:
            if url not in self._listings:
                self._listings[url] = self._read(url, {}, token, None)
            return self._listings[url]

    def post_json(self, url: str, question: Any, headers: dict[str, str]) -> Any:
        """The JSON a host answers a question with, which is JSON too."""
        return self._read(url, headers, None, json.dumps(question).encode())[0]

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
                self.wait(min(pause, limits.longest_pause) + jitter)

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises CareError (130) once all is to stop."""
        if self.stop.wait(seconds):
            raise stopped()

    def _read(self, url: str, headers: dict[str, str], token: str | None, content: bytes | None) -> tuple[Any, str]:
        """A short JSON answer and the address of the page that follows it."""

        def read() -> tuple[Any, str]:
            with self.open(url, headers, token, content=content) as response:
                body, pace = bytearray(), Pace(self.limits)
                for chunk in response.iter_bytes():
                    body += chunk
                    pace.add(len(chunk))
                    if len(body) > self.limits.answer:
                        raise CareError(f"{address(url)}: the answer is longer than {self.limits.answer} bytes")
                refuse_impostor(bytes(body[:HEAD]), "", address(url), response.headers.get("content-type", ""))
                return json.loads(body), response.links.get("next", {}).get("url", "")

        try:
            return self.persist(url, read, lambda: 0)
        except (ValueError, RecursionError) as error:
            raise CareError(f"{address(url)} does not answer with JSON", fix=MIRROR, code=Exit.NETWORK) from error

    def _send(self, url: "httpx2.URL", headers: dict[str, str], content: bytes | None) -> "httpx2.Response":
        """One request's response, from the client that is made when the first request needs one."""
        with self._lock:
            if self._client is None:
                self._client = open_client(self.limits)
        method = "GET" if content is None else "POST"
        headers = {"Accept-Encoding": "identity", **headers}
        request = self._client.build_request(method, url, headers=headers, content=content)
        return send(self._client, request, self.limits)


def _origin(url: "httpx2.URL") -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def stopped() -> CareError:
    """The error of work that ends because all is to end."""
    return CareError("stopped", fix="Run again to go on: what came so far is kept.", code=Exit.INTERRUPTED)
