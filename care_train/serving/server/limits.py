"""What stands before every request: its log line, the key, whose page may ask, how much and how long may be sent."""

import asyncio
import hmac
import time
import traceback
from collections.abc import Callable, Iterable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from care_train.serving.server.refusals import Refusal, respond

BODY_SECONDS = 30
"""A body has to be here by then."""
MOST_HEADERS = 128
OPEN = ("/health",)
"""Paths that need no key."""
AT_HOME = ("localhost", "127.0.0.1", "[::1]")
"""What a client on this machine calls it."""


def log_requests(app: ASGIApp, say: Callable[[str], None], *, debug: bool = False) -> ASGIApp:
    """One line a request, with time, status, path, tokens and seconds, never a text; an error stays in here."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.monotonic(), 0
        scope["state"] = state = dict(scope.get("state") or {})

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await app(scope, receive, note)
        except Exception as error:  # answered already, by the handler of errors
            state["note"] = f"our bug: {type(error).__name__}"
            if debug:
                say(traceback.format_exc())
        finally:
            tokens = ""
            if writing := state.get("writing"):
                writing.cancel()  # whatever made the request end: nobody hears the rest
                tokens = f"{state['prompt_tokens']}+{writing.completion_tokens} tokens"
                state.setdefault("note", writing.failure or ("" if writing.is_done else "cut"))
            path = scope.get("raw_path", b"").decode("ascii", "replace")[:60]
            words = [time.strftime("%Y-%m-%dT%H:%M:%S"), str(status or 499), scope["method"], path]
            words += [tokens, f"{time.monotonic() - started:.2f} s", state.get("note", "")]
            say(" ".join(filter(None, words)))

    return run


def require_key(app: ASGIApp, key: str) -> ASGIApp:
    """Refuse who does not send the key as bearer; how long that takes tells nothing about it."""
    expected = key.encode()

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, sent = _find_header(scope, b"authorization").partition(b" ")
        right = hmac.compare_digest(sent.strip(), expected) and scheme.lower() == b"bearer"
        if right or scope["path"] in OPEN:
            await app(scope, receive, send)
            return
        what = "the key is wrong" if sent else "a key is needed: send the header Authorization: Bearer KEY"
        await respond(Refusal(401, what, code="invalid_api_key"))(scope, receive, send)

    return run


def require_host(app: ASGIApp, names: Iterable[str]) -> ASGIApp:
    """Refuse who calls this machine by another name: a page whose own name was made to point here."""
    known = {name.encode() for name in names}

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        called = _find_header(scope, b"host").lower()
        name = called.rpartition(b":")[0] if called.rpartition(b":")[2].isdigit() else called
        if name in known:
            await app(scope, receive, send)
            return
        what = "this server answers only to the names of its own machine; give it a key to be called otherwise"
        await respond(Refusal(403, what, code="unknown_host"))(scope, receive, send)

    return run


def limit_sizes(app: ASGIApp, most: int) -> ASGIApp:
    """Refuse bodies of more than `most` bytes, however they are sent, those that take too long, and many headers.

    What is too much is still read, up to eight times the limit, as else a client never sees the answer; none is kept.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if len(scope["headers"]) > MOST_HEADERS:
            await respond(Refusal(431, f"there are more than {MOST_HEADERS} headers"))(scope, receive, send)
            return
        stated = _find_header(scope, b"content-length")
        too_long = HTTPException(413, f"the body is longer than {most:,} bytes")
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        size, whole = 0, False

        async def read(longest: int) -> Message:
            nonlocal size, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, f"the body took longer than {BODY_SECONDS} seconds") from error
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > longest:
                raise too_long
            return message

        async def read_body() -> Message:
            if size <= most and int(stated or 0) <= most:
                message = await read(8 * most)
                if size <= most:
                    return message
            while not whole and int(stated or 0) <= 8 * most:
                await read(8 * most)
            raise too_long

        await app(scope, read_body, send)

    return run


def _find_header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
