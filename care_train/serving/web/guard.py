"""What stands before the page: who may ask, by which name, how much, and what a browser may load for it."""

import asyncio
import hmac
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_BODY = 4 << 20
"""Bytes of a request: a question with its settings is far smaller."""
LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names of this machine. Another name that leads here belongs to a page that is not ours."""
PORT = re.compile(r":\d+\Z")
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
        b"base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
"""Nothing is loaded from elsewhere, whatever gradio's page or a model's answer names."""


class Guard:
    """An ASGI application around another. hosts: names it answers to, None for any. login: (user, password)."""

    def __init__(self, app: App, *, hosts: frozenset[str] | None, login: tuple[str, str] | None) -> None:
        self.app, self.hosts = app, hosts
        self.login = b"Basic " + b64encode(":".join(login).encode()) if login else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        status, line = await self._judge(scope["method"], dict(scope["headers"]))
        if status:
            return await _refuse(send, status, line)

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        return await self.app(scope, receive, send_guarded)

    async def _judge(self, method: str, headers: dict[bytes, bytes]) -> tuple[int, bytes]:
        """(status, why) of a refusal, (0, nothing) where a request may pass."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self.hosts is not None and PORT.sub("", host).lower() not in self.hosts:
            return 421, b"This page is not known by that name."
        given = headers.get(b"authorization", b"")
        if self.login is not None and not hmac.compare_digest(given, self.login):
            await asyncio.sleep(1.0 if given else 0.0)  # guessing takes time
            return 401, b"Name and password, please."
        length = headers.get(b"content-length", b"")
        if method not in ("GET", "HEAD") and not length.isdigit():
            return 411, b"The length is missing."
        if length.isdigit() and int(length) > LONGEST_BODY:
            return 413, b"That is too much."
        return 0, b""


async def _refuse(send: Send, status: int, line: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(line)).encode()), *HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="care", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": line})
