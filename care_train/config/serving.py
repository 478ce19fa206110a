"""Settings of the server, and what is wrong with them."""

from dataclasses import dataclass, field
from typing import Any

from care_train.config.checks import check_sampling
from care_train.config.fields import setting, usage
from care_train.config.using import LoadSettings, PageSettings, SamplingSettings


@dataclass
class ServerSettings:
    """Server"""

    host: str = setting("127.0.0.1", "address to listen at; one that others can reach needs a key")
    port: int = setting(8000, "port to listen at, 0 for any that is free")
    api_key_file: str | None = setting(
        None, "file with the key that every request has to bring (default: the environment variable CARE_API_KEY)"
    )
    cors_origins: str | None = setting(
        None, "web pages that may ask from a browser, as https://example.org, with commas between (default: none)"
    )
    served_model_name: str | None = setting(None, "what requests call the model (default: the name of its folder)")
    max_batch: int = setting(16, "answers written side by side")
    max_waiting: int = setting(256, "answers that may wait for that; more are refused with 429")
    max_body_mb: float = setting(2.0, "longest body of a request, in megabytes")
    overlong: str = setting(
        "error",
        "for conversations that are too long: refuse them, or leave out the oldest turns and say so",
        choices=("error", "truncate_history"),
    )
    drain_seconds: int = setting(30, "after SIGTERM, time to finish what was begun")
    notice: bool = setting(True, "say that these are no words of a doctor (--no_notice leaves it out)")


@dataclass
class AnswerSettings:
    """Answers, where a request says nothing about it"""

    max_new_tokens: int = setting(512, "longest answer of a conversation, in tokens")
    temperature: float = setting(0.0, "0 takes the likeliest token; higher is freer")
    top_p: float = setting(1.0, "draw among the likeliest tokens that make up this share")
    repetition_penalty: float = setting(1.0, "above 1, words already said become less likely")


@dataclass
class ServeSettings:
    """Answer OpenAI's requests (chat and text completions) with a trained adapter."""

    load: LoadSettings
    server: ServerSettings
    answers: AnswerSettings
    extra: dict[str, Any] = field(default_factory=dict)


def check_serving(settings: ServeSettings) -> None:
    """Raise for settings that no server can have."""
    check_sampling(SamplingSettings(**vars(settings.answers)))
    server = settings.server
    check_listening(server)
    for name in ("max_waiting", "drain_seconds"):
        if getattr(server, name) < 0:
            raise usage(f"--{name} {getattr(server, name)} is too small", "Give at least 0.")
    if not 0.001 <= server.max_body_mb <= 1024:
        raise usage(f"--max_body_mb {server.max_body_mb:g} is out of bounds", "Give 0.001 to 1024.")
    for origin in list_origins(server):
        scheme, _, rest = origin.partition("://")
        if scheme not in ("http", "https") or not rest or not set("*/ ").isdisjoint(rest):
            fix = "Name each page's own, as https://example.org or http://localhost:3000."
            raise usage(f"--cors_origins {origin} is no origin", fix)


def check_listening(server: ServerSettings | PageSettings) -> None:
    """Raise for a port that is none, and for a batch without a row."""
    if server.port < 0:
        raise usage(f"--port {server.port} is too small", "Give at least 0.")
    if server.port > 65535:
        raise usage(f"--port {server.port} is none", "Give one up to 65535.")
    if server.max_batch < 1:
        raise usage(f"--max_batch {server.max_batch} is too small", "Give at least 1.")


def list_origins(server: ServerSettings) -> list[str]:
    """Web pages that may ask."""
    return [part.strip() for part in (server.cors_origins or "").split(",") if part.strip()]
