"""Who may pass to the page, and what every reply says to the browser."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from care_train.serving.web.guard import LOCAL, Guard

LOGIN = "Basic " + b64encode("ärztin:geheim 密".encode()).decode()


def ask(method: str = "GET", login: tuple[str, str] | None = None, kind: str = "http", **headers: str) -> Any:
    """(status, headers, body) of a reply; or the messages of what is no HTTP."""
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-page", b"1")]})
        await send({"type": "http.response.body", "body": b"page"})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "localhost", **headers}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    guard = Guard(page, hosts=LOCAL, login=login)
    asyncio.run(guard({"type": kind, "method": method, "headers": pairs}, None, send))  # type: ignore[arg-type]
    return (sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]) if kind == "http" else sent


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:80", "[::1]:7860", "[::1]"])
def test_this_machines_names_are_answered_and_nothing_foreign_may_load(host: str) -> None:
    status, headers, body = ask(host=host)
    assert (status, body, headers[b"x-page"]) == (200, b"page", b"1")
    policy = headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'self'; ")
    assert "http" not in policy
    assert headers[b"referrer-policy"] == b"no-referrer"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "", "localhost.:7860"])
def test_a_foreign_name_that_leads_here_is_turned_away(host: str) -> None:
    assert ask(host=host)[0] == 421


def test_a_page_with_a_login_asks_for_it() -> None:
    login = ("ärztin", "geheim 密")
    status, headers, _ = ask(login=login)
    assert (status, headers[b"www-authenticate"]) == (401, b'Basic realm="care", charset="UTF-8"')
    assert ask(login=login, authorization="Basic " + b64encode("ärztin:falsch".encode()).decode())[0] == 401
    assert ask(login=login, authorization=LOGIN)[::2] == (200, b"page")


def test_bodies_are_of_known_and_modest_size() -> None:
    assert ask("POST")[0] == 411
    assert ask("POST", content_length="-1")[0] == 411
    assert ask("POST", content_length=str(5 << 20))[0] == 413
    assert ask("POST", content_length="100")[0] == 200


def test_there_is_no_websocket() -> None:
    assert ask(kind="websocket") == [{"type": "websocket.close", "code": 1008}]
