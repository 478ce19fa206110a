"""What is refused, in OpenAI's shape of an error: {"error": {"message", "type", "param", "code"}}."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from care_train.serving.server.bodies import UNSUPPORTED

WORDY = re.compile(r"^(Value error,|Input|List) | after validation|, not \d+$")
"""What pydantic says beyond what a person needs."""
WAIT_SECONDS = 2
"""How long a client is asked to wait where nothing is free."""


class Refusal(Exception):
    """A request that gets no answer. param: the field at fault; code: a word for programs."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def headers(self) -> dict[str, str]:
        """Of the response: when to come again, or how to say who one is."""
        if self.status in (429, 503):
            return {"Retry-After": str(WAIT_SECONDS)}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


def write_error(refusal: Refusal) -> dict[str, Any]:
    """The body of the response."""
    kinds = {429: "rate_limit_error"}
    kind = "server_error" if refusal.status >= 500 else kinds.get(refusal.status, "invalid_request_error")
    return {
        "error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code},
    }


def respond(refusal: Refusal) -> JSONResponse:
    """The response."""
    return JSONResponse(write_error(refusal), refusal.status, headers=refusal.headers)


def read_invalid(error: RequestValidationError) -> Refusal:
    """The first thing that is wrong with a body, by the field's name; the texts in it are not repeated."""
    first = error.errors()[0]
    place = first["loc"][1:]
    if first["type"] == "json_invalid":
        return Refusal(400, f"the body is no JSON: {first['ctx']['error']}, character {place[0]}", code="invalid_json")
    if not place:
        return Refusal(400, "the body has to be a JSON object, its content-type application/json", code="invalid_json")
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    if first["type"] == "extra_forbidden":
        known = place[-1] in UNSUPPORTED
        what = "is not supported by this server" if known else "is unknown"
        return Refusal(400, f"{param} {what}", param=param, code=f"un{'supported' if known else 'known'}_parameter")
    if first["type"] == "missing":
        return Refusal(400, f"{param} is missing", param=param, code="missing_required_parameter")
    said = WORDY.sub("", first["msg"])
    return Refusal(400, f"{param}: {said}", param=param, code="invalid_value")


async def answer_refusal(_: Request, refusal: Refusal) -> JSONResponse:
    """Of what is refused."""
    return respond(refusal)


async def answer_bug(_: Request, __: Exception) -> JSONResponse:
    """Of an error nobody foresaw."""
    return respond(Refusal(500, "the server failed", code="server_error"))


async def answer_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Of a body that is not as it should be."""
    return respond(read_invalid(error))


async def answer_http(request: Request, error: HTTPException) -> JSONResponse:
    """Of a path, a method or a body that HTTP itself does not go on with."""
    said, code = error.detail, None
    if error.status_code == 404:
        said = "there is no such path"
    elif error.status_code == 405:
        said = f"{request.method} is not for this path"
    elif error.status_code == 400:
        said, code = "the body cannot be read: no UTF-8, nested too deep, or a number too long", "invalid_json"
    response = respond(Refusal(error.status_code, said, code=code))
    response.headers.update(error.headers or {})
    return response


HANDLERS: dict[Any, Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Refusal: answer_refusal,
    RequestValidationError: answer_invalid,
    HTTPException: answer_http,
    Exception: answer_bug,
}
