"""A page in the browser on which to talk with a model."""

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from care_train.config import PageSettings, SamplingSettings, usage
from care_train.generation import Engine
from care_train.serving.addresses import find_url, is_loopback, read_secret

PASSWORD = "CARE_WEB_PASSWORD"  # noqa: S105  the variable's name
DRAIN = 1
"""Seconds that answers may still take when the page is closed."""


def read_login(page: PageSettings) -> tuple[str, str] | None:
    """(user, password) of a page with a login, None for one without; raises where others could come in unasked."""
    if not page.user:
        if not is_loopback(page.host):
            fix = f"Add --user NAME, with a password in {PASSWORD} or in --password_file."
            raise usage(f"--host {page.host} lets others in", fix)
        return None
    if ":" in page.user:
        raise usage(f"--user {page.user} holds a colon", "Choose a name without one.")
    password = read_secret(page.password_file, PASSWORD)
    if not password:
        raise usage(f"--user {page.user} without a password", f"Set {PASSWORD}, or give --password_file.")
    return page.user, password


def serve_page(
    engine: Engine,
    page: PageSettings,
    sampling: SamplingSettings,
    listening: socket.socket,
    login: tuple[str, str] | None,
    ready: Callable[[str], None],
) -> None:
    """Serve the page until the process is told to end (Ctrl-C, TERM). ready: gets its address."""
    import uvicorn

    from care_train.serving.web.app import make_app

    app = make_app(engine, sampling, notice=page.notice, login=login, local=is_loopback(page.host))
    config = uvicorn.Config(app, ws="none", log_level="error", server_header=False, timeout_graceful_shutdown=DRAIN)
    server = uvicorn.Server(config)
    # A page that is open at the end is cut off, which uvicorn would tell in many lines.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn sends on what ended it, when all is done
    listening.listen()
    ready(find_url(listening))
    try:
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    finally:
        engine.close(finish=False)
