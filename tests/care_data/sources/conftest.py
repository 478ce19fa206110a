"""A web server on loopback that does what it is told to do wrong, and remembers what it was asked."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest


@dataclass
class Page:
    """A file of the server. faults: what goes wrong with the first, the second, ... request; then nothing does."""

    body: bytes
    etag: str = '"one"'
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)


class FaultServer(ThreadingHTTPServer):
    """pages: path to Page. log: (path, headers in lower case) of each request. sent: bytes of bodies sent in all."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page] = {}
        self.log: list[tuple[str, dict[str, str]]] = []
        self.sent = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, body: bytes, **settings: Any) -> str:
        self.pages[path] = Page(body, **settings)
        return self.url + path

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
        path = unquote(urlsplit(self.path).path)
        page = self.server.pages.get(path)
        with self.server.lock:
            self.server.log.append((path, {key.lower(): value for key, value in self.headers.items()}))
            fault = page.faults.pop(0) if page is not None and page.faults else {}
        if page is None:
            self.answer(404, b"no such file", {})
        elif "slow_head" in fault:
            self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000, fault["slow_head"])
        elif "status" in fault:
            self.answer(fault["status"], fault.get("body", b"trouble"), fault.get("headers", {}))
        else:
            self.serve(page, fault)

    def serve(self, page: Page, fault: dict[str, Any]) -> None:
        body, at, status = fault.get("body", page.body), 0, 200
        etag = fault.get("etag", page.etag)
        headers = {"Content-Type": page.kind, "ETag": etag, **page.headers}
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range", etag) == etag or fault.get("ignore_if_range")
        if asked and same and not fault.get("ignore_range"):
            at = int(asked.removeprefix("bytes=").removesuffix("-"))
            if at >= len(body):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            at, status = at + fault.get("shift", 0), 206
            headers["Content-Range"] = f"bytes {at}-{len(body) - 1}/{len(body)}"
        piece = body[at:]
        if fault.get("chunked"):
            headers["Transfer-Encoding"] = "chunked"
        elif not fault.get("no_length"):
            headers["Content-Length"] = str(fault.get("length", len(piece)))
        self.head(status, headers)
        if fault.get("chunked"):
            return self.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece))
        if "drip" in fault:
            return self.drip(piece, fault["drip"], fault.get("size", 1))
        self.send(piece[: fault.get("cut", len(piece))])
        if "stall" in fault:
            time.sleep(fault["stall"])
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
        self.wfile.write(piece)
        with self.server.lock:
            self.server.sent += len(piece)

    def drip(self, piece: bytes, pause: float, size: int = 1) -> None:
        for at in range(0, len(piece), size):
            self.send(piece[at : at + size])
            time.sleep(pause)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server of its own for each test."""
    with FaultServer() as it:
        threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield it
        it.shutdown()


@pytest.fixture
def plant(tmp_path: Any) -> Callable[..., Any]:
    """plant(path, bytes): a file below a mirror folder; returns that folder."""

    def put(path: str = "", content: bytes = b"") -> Any:
        root = tmp_path / "mirror"
        root.mkdir(exist_ok=True)
        if path:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return root

    return put
