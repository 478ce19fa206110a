"""The application: paths, each a function over the engine."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from care_train.config import ServeSettings, list_origins
from care_train.generation import Engine
from care_train.notices import NOTICE
from care_train.serving.server.answers import FORMS, Form, Reply
from care_train.serving.server.asking import Asked, ask_chat, ask_completion
from care_train.serving.server.bodies import Body, ChatBody, CompletionBody
from care_train.serving.server.limits import AT_HOME, limit_sizes, log_requests, require_host, require_key
from care_train.serving.server.refusals import HANDLERS, Refusal
from care_train.serving.server.vocabulary import Vocabulary
from care_train.serving.server.writing import Writing

T = TypeVar("T")
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


class Paths:
    """What the paths share: the engine, and the settings of the command."""

    def __init__(self, engine: Engine, settings: ServeSettings) -> None:
        self.engine = engine
        self.settings = settings
        self.name = settings.server.served_model_name or engine.bot.name
        self.created = int(time.time())
        self.vocabulary = Vocabulary(engine.bot.tokenizer)
        self.tokenizing = CapacityLimiter(1)  # it takes every core itself

    async def chat(self, body: ChatBody, request: Request) -> Response:
        """The next turn of a conversation."""
        overlong = self.settings.server.overlong
        asked = await self._ask(body, partial(ask_chat, self.engine.bot, body, self.settings.answers, overlong))
        care = {"left_out": asked.left_out} if overlong == "truncate_history" else None
        return await self._answer(FORMS["chat"], body, asked, request, care)

    async def complete(self, body: CompletionBody, request: Request) -> Response:
        """What follows a text."""
        asked = await self._ask(body, partial(ask_completion, self.engine.bot, body, self.settings.answers))
        return await self._answer(FORMS["completion"], body, asked, request, None)

    async def list_models(self) -> dict[str, Any]:
        """The one model there is."""
        return {"object": "list", "data": [self._describe()]}

    async def show_model(self, name: str) -> dict[str, Any]:
        """Its card."""
        self._check_model(name)
        return self._describe()

    async def show_health(self) -> JSONResponse:
        """Whether it can answer, and how much it has to do."""
        writing, waiting = self.engine.load
        ready = self.engine.thread.is_alive() and not self.engine.closing
        load = {"writing": writing, "waiting": waiting, "max_batch": self.engine.max_batch}
        status = {"status": "ok" if ready else "stopping", "ready": ready, "model": self.name, "load": load}
        return JSONResponse(status, 200 if ready else 503)

    def _describe(self) -> dict[str, Any]:
        bot = self.engine.bot
        base, adapters = bot.trained.base, [folder.name for folder in bot.trained.adapters]
        card: dict[str, Any] = {"base": base.rstrip("/").rpartition("/")[2] if base.startswith(("/", ".")) else base}
        card |= {"adapters": adapters, "template": bot.template.name, "window": bot.window}
        if self.settings.server.notice:
            card["notice"] = NOTICE
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "care-train", "care": card}

    def _check_model(self, name: str) -> None:
        if name != self.name:
            raise Refusal(404, f"there is no model {name[:100]!r}", param="model", code="model_not_found")

    async def _ask(self, body: Body, ask: Callable[[], Asked]) -> Asked:
        """What the engine is to be asked, made beside the event loop."""
        self._check_model(body.model)
        if body.stream_options is not None and not body.stream:
            raise Refusal(400, "stream_options needs stream: true", param="stream_options", code="invalid_value")
        return await to_thread.run_sync(ask, limiter=self.tokenizing)

    async def _answer(
        self, form: Form, body: Body, asked: Asked, request: Request, care: dict[str, Any] | None
    ) -> Response:
        writing = Writing(self.engine, asked.requests)
        request.scope["state"] |= {"writing": writing, "prompt_tokens": asked.prompt_tokens}
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        reply = Reply(form, self.name, self.vocabulary, asked, with_usage, care)
        if body.stream:
            return StreamingResponse(reply.stream(writing), headers=STREAM_HEADERS, media_type="text/event-stream")
        whole = await unless_gone(request, reply.write(writing))
        return Response(status_code=499) if whole is None else JSONResponse(whole)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives, None where the client left before."""
    task, gone = asyncio.create_task(work), asyncio.create_task(wait_until_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()


async def wait_until_gone(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def build_app(engine: Engine, settings: ServeSettings, key: str | None, say: Callable[[str], None]) -> ASGIApp:
    """The application, with all that stands before it."""
    paths = Paths(engine, settings)
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, exception_handlers=HANDLERS,
        telemetry=SILENT,
    )  # fmt: skip
    app.post("/v1/chat/completions")(paths.chat)
    app.post("/v1/completions")(paths.complete)
    app.get("/v1/models")(paths.list_models)
    app.get("/v1/models/{name:path}")(paths.show_model)
    app.get("/health")(paths.show_health)
    server = settings.server
    guarded: ASGIApp = limit_sizes(app, int(server.max_body_mb * 1e6))
    guarded = require_key(guarded, key) if key else require_host(guarded, {*AT_HOME, server.host.lower()})
    origins = list_origins(server)
    if origins:
        guarded = CORSMiddleware(guarded, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    return log_requests(guarded, say, debug=settings.load.debug)
