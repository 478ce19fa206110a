"""How patient a conversation with a host is, and how slow a body may be."""

import time
from dataclasses import dataclass

from care_data.sources.replies import Passing


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
    courtesy: float = 1.0  # between two requests to a host whose pages are crawled
    pages: int = 2000  # of such a host in one fetch
    recrawl: float = 7 * 86400.0  # how long the list of its pages is taken as it was found


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
