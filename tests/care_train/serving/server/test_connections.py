"""Signals: what was begun is finished, or all ends at once. Clients that are too slow are cut off."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from care_train.serving.addresses import open_socket
from care_train.serving.server import connections, limits
from care_train.serving.server.connections import Connection, Server

LONG: Any = {"model": "toy", "prompt": "头痛", "max_tokens": 400, "extra_body": {"repetition_penalty": 0.01}}


def test_sigterm_finishes_what_was_begun(start: Callable[..., Any]) -> None:
    with start() as served:
        stream = iter(served.connect().completions.create(**LONG, n=3, stream=True))
        next(stream)
        served.process.send_signal(signal.SIGTERM)
        reasons = [reason for chunk in stream if (reason := chunk.choices[0].finish_reason)]
        assert reasons == ["length"] * 3
        assert served.process.wait(60) == 0
        assert "stopping: 1 requests are finished first, in at most 30 s" in served.lines
        assert any(" 200 POST /v1/completions 1+1200 tokens " in line for line in served.lines)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", served.port))


def test_a_second_signal_ends_it_at_once(start: Callable[..., Any]) -> None:
    with start() as served:
        stream = served.connect().completions.create(**{**LONG, "max_tokens": 2000}, n=16, stream=True)
        next(iter(stream))
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert served.process.poll() is None
        started = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(10) == 130
        assert time.monotonic() - started < 5
    assert served.lines[-1] == "care-train: stopped at once; answers that were being written are cut."


@contextmanager
def run(app: Any) -> Iterator[int]:
    """The port of a server in a thread."""
    listening, ready = open_socket("127.0.0.1", 0), threading.Event()
    config = uvicorn.Config(app, http=Connection, lifespan="off", log_config=None, log_level="critical")
    server = Server(config, "ready", lambda line: ready.set())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    port = listening.getsockname()[1]
    thread.start()
    assert ready.wait(20)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(20)


async def answer(_: Any, receive: Any, send: Any, size: int = 2) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(size // 2):
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_headers_that_do_not_come_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    with run(answer) as port:
        for begun in (b"", b"GET / HTTP/1.1\r\nHo"):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
                started = time.monotonic()
                one.sendall(begun)
                assert one.recv(100) == b""
                assert time.monotonic() - started > 0.2
        with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
            for _ in range(2):  # between two requests a connection may rest for longer
                one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                got = b""
                while not got.endswith(b"0\r\n\r\n"):
                    got += one.recv(1000)
                assert got.startswith(b"HTTP/1.1 200 OK")
                time.sleep(0.8)
            one.sendall(b"GET / HT")
            while one.recv(1000):
                pass


def test_a_body_that_does_not_come_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await answer(scope, receive, send)
        except limits.HTTPException as error:
            seen.append(error.status_code)
            await send({"type": "http.response.start", "status": error.status_code, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with run(limits.limit_sizes(app, 1000)) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234")
        assert one.recv(1000).startswith(b"HTTP/1.1 408")
    assert seen == [408]


def test_who_takes_nothing_of_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALL_SECONDS", 0.3)
    left = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    with run(app) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert left.wait(10)
