"""Bodies, headers, keys, pages and hosts that are not let in; the process lives on."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest

GOOD = json.dumps({"model": "toy", "messages": [{"role": "user", "content": "头痛"}], "max_tokens": 1}).encode()
CHAT = "/v1/chat/completions"


def send(port: int, data: bytes, *more: bytes) -> tuple[int, bytes]:
    """(status, body) of what raw bytes get."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        for part in (data, *more):
            one.sendall(part)
        answer = one.makefile("rb")
        status = int(answer.readline().split()[1])
        length = 0
        while (line := answer.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, answer.read(length) if length else b""


def write_post(body: bytes, *, kind: str = "application/json", more: str = "", path: str = CHAT) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("as it should be", write_post(GOOD), 200),
        ("another type", write_post(GOOD, kind="text/plain"), 400),
        ("nothing", write_post(b""), 400),
        ("no JSON", write_post(b"{'a': 1}"), 400),
        ("a list", write_post(b"[]"), 400),
        ("null", write_post(b"null"), 400),
        ("no UTF-8", write_post(b'{"model": "\xff\xfe"}'), 400),
        ("half a character", write_post(GOOD.replace(b"\\u5934", b"\\ud800")), 400),
        ("deep lists", write_post(b"[" * 200_000), 400),
        ("deep objects", write_post(b'{"a":' * 100_000), 400),
        ("not a number", write_post(GOOD.replace(b"1}", b'1, "temperature": NaN}')), 400),
        ("an infinite number", write_post(GOOD.replace(b"1}", b'1, "temperature": 1e999}')), 400),
        ("a long number", write_post(GOOD.replace(b"1}", b"9" * 5000 + b"}")), 400),
        ("too long", write_post(b'{"model": "' + b"x" * 2_500_000 + b'"}'), 413),
        ("said to be too long", write_post(GOOD).replace(b"Length: ", b"Length: 9999999"), 413),
        ("a length below zero", write_post(GOOD).replace(b"Length: ", b"Length: -"), 400),
        ("many headers", write_post(GOOD, more="".join(f"x{n}: 1\r\n" for n in range(10_000))), 431),
        ("a long header", write_post(GOOD, more=f"x: {'1' * 500_000}\r\n"), 400),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        ("no such path", b"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("no such method", b"GET /v1/completions HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("another host", b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        ("no host", b"GET /v1/models HTTP/1.0\r\n\r\n", 403),
    ],
)
def test_malformed_requests_get_their_status(served: Any, name: str, data: bytes, status: int) -> None:
    try:
        got, body = send(served.port, data)
    except (ConnectionError, BrokenPipeError):
        assert name == "a long header", "cut off while it was still sending"
        got, body = status, b""
    assert got == status, body
    if status not in (200,) and body.startswith(b"{"):
        error = json.loads(body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert not any(word in error["message"] for word in ("Traceback", "Error", "xxxx"))
    assert served.load() == (0, 0)
    assert not any("our bug" in line or "Traceback" in line for line in served.lines)


def test_chunked_bodies_are_counted_too(served: Any) -> None:
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert send(served.port, head, *[chunk] * 60, b"0\r\n\r\n")[0] == 413
    text = b'{"model": "toy", "prompt": "a", "max_tokens": 1}'
    assert send(served.port, head, b"%x\r\n%s\r\n" % (len(text), text), b"0\r\n\r\n")[0] == 200


def test_the_key_is_asked_for(guarded: Any) -> None:
    for key, said in (("wrong", "the key is wrong"), ("k-12", "the key is wrong"), ("k-1234", "the key is wrong")):
        with pytest.raises(openai.AuthenticationError, match=said) as caught:
            guarded.connect(api_key=key).models.list()
        assert caught.value.code == "invalid_api_key"
    assert send(guarded.port, b"GET /v1/models HTTP/1.1\r\nHost: any.example\r\n\r\n")[0] == 401
    assert send(guarded.port, write_post(GOOD, more="Authorization: Basic k-123\r\n"))[0] == 401
    assert httpx2.get(f"{guarded.url}/health").status_code == 200
    (card,) = guarded.connect(api_key="k-123").models.list().data
    assert "notice" not in card.care
    named = b"GET /v1/models HTTP/1.1\r\nHost: any.example\r\nAuthorization: bearer k-123\r\n\r\n"
    assert send(guarded.port, named)[0] == 200


def test_only_named_pages_may_ask(guarded: Any, served: Any) -> None:
    def preflight(url: str, origin: str) -> httpx2.Response:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-a"}
        return httpx2.options(f"{url}{CHAT}", headers={"Origin": origin, **asked})

    let_in = preflight(guarded.url, "https://page.example")
    assert let_in.status_code == 200
    assert let_in.headers["access-control-allow-origin"] == "https://page.example"
    for url, origin in ((guarded.url, "https://other.example"), (served.url, "https://page.example")):
        assert "access-control-allow-origin" not in preflight(url, origin).headers
    refused = httpx2.post(f"{guarded.url}{CHAT}", headers={"Origin": "https://page.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://page.example"


def test_too_many_are_asked_to_come_again(guarded: Any) -> None:
    client = guarded.connect(api_key="k-123")
    endless = {"model": "toy", "prompt": "头痛", "max_tokens": 500, "extra_body": {"repetition_penalty": 0.01}}
    stream = client.completions.create(**endless, n=2, stream=True)
    next(iter(stream))
    guarded.wait_for((2, 0))
    with pytest.raises(openai.RateLimitError) as caught:
        client.completions.create(**endless, n=3)
    assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "2")
    guarded.wait_for((2, 0), seconds=2)
    with pytest.raises(openai.BadRequestError, match="5 answers at once are asked for, this server takes 4"):
        client.completions.create(**endless, n=5)

    def ask(_: int) -> int:
        try:
            return client.completions.with_raw_response.create(**{**endless, "max_tokens": 4}).status_code
        except openai.APIStatusError as error:
            return error.status_code

    with ThreadPoolExecutor(100) as pool:
        results = list(pool.map(ask, range(100)))
    stream.close()
    assert set(results) <= {200, 429}
    assert 429 in results
    guarded.wait_for((0, 0))
    assert ask(0) == 200


def test_the_oldest_turns_are_left_out_and_it_is_said(guarded: Any) -> None:
    client = guarded.connect(api_key="k-123")
    turns = [{"role": role, "content": "头痛了怎么办？" * 30} for role in ("user", "assistant")] * 12
    talk: Any = {"model": "toy", "messages": [*turns, {"role": "user", "content": "头痛"}], "max_tokens": 4}
    whole = client.chat.completions.create(**talk)
    left_out = whole.care["left_out"]
    assert 0 < left_out < 12
    assert whole.usage.prompt_tokens < 2048
    first = next(iter(client.chat.completions.create(**talk, stream=True)))
    assert first.care == {"left_out": left_out}
    assert client.chat.completions.create(**{**talk, "messages": turns[:1]}).care == {"left_out": 0}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**talk, "messages": [{"role": "user", "content": "头" * 5000}]})
    assert caught.value.code == "context_length_exceeded"
