"""A web server on loopback that does what it is told to do wrong, and remembers what it was asked."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

BLOCK = 1 << 16


@dataclass
class Page:
    """What one address answers. faults: what goes wrong with the first, the second, ... request; then nothing does.

    make: called with the body of a request, returns the body of the answer, in place of `body`.
    """

    body: bytes
    etag: str = '"one"'
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    make: Callable[[bytes], tuple[int, bytes]] | None = None


class FaultServer(ThreadingHTTPServer):
    """pages: address to Page, where an address is a path, or a path and those query items it is for.

    log: (path, headers in lower case) of each request. calls: (method, path with query, body) of each.
    sent: bytes of bodies sent in all.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page] = {}
        self.log: list[tuple[str, dict[str, str]]] = []
        self.calls: list[tuple[str, str, bytes]] = []
        self.sent = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, body: bytes, **settings: Any) -> str:
        self.pages[path] = Page(body, **settings)
        return self.url + path

    def find(self, path: str, query: str) -> Page | None:
        """The page of an address; of several that fit, the one that asks for most of the query."""
        given = set(parse_qsl(query, keep_blank_values=True))
        fitting = [(0, self.pages[path])] if path in self.pages else []
        for address, page in list(self.pages.items()):
            start, _, items = address.partition("?")
            needed = set(parse_qsl(items, keep_blank_values=True))
            if start == path and needed and needed <= given:
                fitting.append((len(needed), page))
        return max(fitting, key=lambda each: each[0])[1] if fitting else None

    def asked(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers in self.log if asked == path]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def log_message(self, format: str, *values: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        path = unquote(asked.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        page = self.server.find(path, asked.query)
        with self.server.lock:
            self.server.log.append((path, {key.lower(): value for key, value in self.headers.items()}))
            self.server.calls.append((self.command, self.path, content))
            fault = page.faults.pop(0) if page is not None and page.faults else {}
        if page is None:
            self.answer(404, b"no such file", {})
        elif "slow_head" in fault:
            self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000, fault["slow_head"])
        elif "status" in fault:
            self.answer(fault["status"], fault.get("body", b"trouble"), fault.get("headers", {}))
        elif page.status != 200:
            self.answer(page.status, page.body, page.headers)
        elif page.make is not None:
            status, body = page.make(content)
            self.answer(status, fault.get("body", body), {"Content-Type": page.kind, **page.headers})
        else:
            self.serve(page, fault)

    do_HEAD = do_POST = do_GET

    def serve(self, page: Page, fault: dict[str, Any]) -> None:
        body, at, end, status = fault.get("body", page.body), 0, None, 200
        etag = fault.get("etag", page.etag)
        headers = {"Content-Type": page.kind, "ETag": etag, **page.headers}
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range", etag) == etag or fault.get("ignore_if_range")
        if asked and same and not fault.get("ignore_range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            at, end = int(first), int(last) + 1 if last else None
            if at >= len(body):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            at, status = at + fault.get("shift", 0), 206
            headers["Content-Range"] = f"bytes {at}-{min(end or len(body), len(body)) - 1}/{len(body)}"
        piece = body[at:end]
        if fault.get("chunked"):
            headers["Transfer-Encoding"] = "chunked"
        elif not fault.get("no_length"):
            headers["Content-Length"] = str(fault.get("length", len(piece)))
        self.head(status, headers)
        if fault.get("chunked"):
            return self.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece))
        if "drip" in fault:
            return self.drip(piece, fault["drip"], fault.get("size", 1), fault.get("behind"))
        self.send(piece[: fault.get("cut", len(piece))])
        if "stall" in fault:
            time.sleep(fault["stall"])
        while fault.get("endless"):
            self.send(bytes(BLOCK))
        if "cut" in fault or fault.get("no_length") or "length" in fault:
            self.hang_up()
        return None

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.head(status, {"Content-Length": str(len(body)), **headers})
        self.send(body)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def send(self, piece: bytes) -> None:
        if self.command == "HEAD":
            return
        self.wfile.write(piece)
        with self.server.lock:
            self.server.sent += len(piece)

    def drip(self, piece: bytes, pause: float, size: int = 1, behind: Callable[[int], bool] | None = None) -> None:
        """Send in small pieces. behind: whether the client has not yet taken so many bytes, which are waited for."""
        for at in range(0, len(piece), size):
            while behind is not None and behind(len(piece) - at):
                if self.is_left():
                    return
                time.sleep(0.001)
            self.send(piece[at : at + size])
            time.sleep(pause)

    def is_left(self) -> bool:
        """Whether the client has hung up."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, answering as long as the block lasts."""
    with server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
