"""Connections that do not wait for ever, and a server that ends what it began before it stops."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from care_train.errors import Exit

HEADER_SECONDS = 10.0
"""A request's headers have to be here by then."""
STALL_SECONDS = 30.0
"""Who takes nothing of an answer for so long is cut off."""


class Connection(H11Protocol):
    """A connection that is cut where headers do not come or an answer is not taken."""

    headers_due: asyncio.TimerHandle | None = None
    stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is open: headers are awaited."""
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed: nothing is awaited any more."""
        super().connection_lost(exc)
        for timer in (self.headers_due, self.stalled):
            if timer:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Something came: from its first byte on, the rest of the headers is awaited."""
        super().data_received(data)
        self._await_headers()

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        self.stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self.stalled:
            self.stalled.cancel()

    def _await_headers(self) -> None:
        awaited = self.cycle is None or self.cycle.response_complete
        if awaited and not self.headers_due:
            self.headers_due = self.loop.call_later(HEADER_SECONDS, self._cut)
        elif not awaited and self.headers_due:
            self.headers_due.cancel()
            self.headers_due = None

    def _cut(self) -> None:
        self.headers_due = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


class Server(uvicorn.Server):
    """SIGTERM ends it when what it began has ended; a second one, or Ctrl-C, ends the process at once.

    ready: what is said once it listens.
    """

    def __init__(self, config: uvicorn.Config, ready: str, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self.ready, self.say = ready, say

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.say(self.ready)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear the signals as long as it runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Any] = {one: signal.signal(one, self._hear) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.should_exit or number == signal.SIGINT:
            # Nothing is on its way to the disk, and the engine's thread may be deep in a long prompt.
            os.write(2, b"care-train: stopped at once; answers that were being written are cut.\n")
            os._exit(Exit.INTERRUPTED)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, and wait for what was begun as long as allowed."""
        busy, allowed = len(self.server_state.tasks), self.config.timeout_graceful_shutdown
        self.say(f"stopping: {busy} requests are finished first, in at most {allowed} s")
        await super().shutdown(sockets)
