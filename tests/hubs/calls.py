"""What the stand-in is asked and answers, and what may go wrong in between."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote


@dataclass
class Call:
    """One request. kind: the route that took it; authorized: whether a token came with it; status: 0 if unanswered."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    kind: str = ""
    names: dict[str, str] = field(default_factory=dict)
    status: int = 0

    @property
    def token(self) -> str:
        """The token that came with it; empty if none."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def authorized(self) -> bool:
        return "authorization" in self.headers

    @property
    def json(self) -> Any:
        """The body as JSON; an empty object where there is none."""
        return json.loads(self.body or b"{}")

    @property
    def lines(self) -> list[Any]:
        """The body as lines of JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    def name(self, part: str) -> str:
        """A part of the address, unquoted; empty if absent."""
        return unquote(self.names.get(part) or "")


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def telling(self, value: Any) -> "Reply":
        """The same answer with other JSON in it."""
        return replace(self, body=json.dumps(value).encode())


def tell(value: Any, status: int = 200, **headers: str) -> Reply:
    """An answer in JSON. headers: their names with _ for -."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Reply(status, json.dumps(value).encode(), {**kind, **{k.replace("_", "-"): v for k, v in headers.items()}})


class Refused(Exception):
    """The call is answered by a refusal. code: what the client reads in X-Error-Code, if anything."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        headers = {"X_Error_Message": text, **({"X_Error_Code": code} if code else {})}
        self.reply = tell({"error": text}, status, **headers)


@dataclass
class Fault:
    """What goes wrong with calls number `nth` to `nth + times - 1` of a kind, counted from when it was planned.

    reply: sent in place of the true one; None hangs up. after: the call's work is done first. act: called at that
    moment. change: makes another reply of the true one, and then nothing else goes wrong. delay: seconds before all.
    """

    kind: str
    nth: int = 1
    times: int = 1
    reply: Reply | None = None
    after: bool = False
    delay: float = 0.0
    act: Callable[[], object] | None = None
    change: Callable[[Reply], Reply] | None = None
    seen: int = 0

    def strikes(self, kind: str) -> bool:
        """Count a call; whether it is one of those."""
        self.seen += kind == self.kind
        return kind == self.kind and self.nth <= self.seen < self.nth + self.times

    @property
    def struck(self) -> bool:
        """Whether it went wrong as planned, at least once."""
        return self.seen >= self.nth
