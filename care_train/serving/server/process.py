"""The server's process: its address and its key first, then the model, then requests until it is told to stop."""

from collections.abc import Callable

import uvicorn

from care_train.config import ServeSettings, usage
from care_train.notices import NOTICE
from care_train.serving.addresses import find_url, is_loopback, open_socket, read_secret
from care_train.serving.server.app import build_app
from care_train.serving.server.connections import Connection, Server

KEY = "CARE_API_KEY"
MOST_CONNECTIONS = 512
LONGEST_HEADERS = 1 << 15
IDLE_SECONDS = 30


def serve(settings: ServeSettings, say: Callable[[str], None]) -> None:
    """Serve one model until SIGTERM. Raises before anything is loaded where address or key are not to be had."""
    server = settings.server
    key = read_key(server.api_key_file)
    if key is None and not is_loopback(server.host):
        fix = f"Set the environment variable {KEY}, or --api_key_file; or leave --host out."
        raise usage(f"--host {server.host} without a key lets everyone there in", fix)
    listening = open_socket(server.host, server.port)
    from care_train.generation import Engine, load_chatbot

    bot = load_chatbot(settings.load, say)
    engine = Engine(bot, max_batch=server.max_batch, max_waiting=server.max_waiting)
    config = uvicorn.Config(
        build_app(engine, settings, key, say),
        http=Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=server.drain_seconds,
    )
    if server.notice:
        say(NOTICE)
    name = server.served_model_name or bot.name
    key_word = "with" if key else "no"
    ready = f"{name} ({bot.template.name}, {bot.window:,} tokens) answers at {find_url(listening)}/v1, {key_word} key"
    Server(config, ready, say).run(sockets=[listening])
    engine.close(finish=False)


def read_key(file: str | None) -> str | None:
    """The key of the file, else of the environment, else None."""
    key = read_secret(file, KEY)
    if key is None:
        return None
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        fix = "openssl rand -hex 24 makes one."
        raise usage(f"the key in {file or KEY} is not one word of printable ASCII", fix)
    return key
