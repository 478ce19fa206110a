"""Models that say what they are told to or never end, the page that shows them, and a browser that looks at it."""

import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.config import LoadSettings, SamplingSettings
from care_train.generation import Chatbot, Engine, Generation, load_chatbot

CONNECTED: list[Any] = []
"""Addresses that this process connected to since the tests began."""


def listen(event: str, details: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        CONNECTED.append(details[1])


sys.addaudithook(listen)


@pytest.fixture(scope="session")
def connected() -> list[Any]:
    """Addresses that this process connected to since the tests began."""
    return CONNECTED


@pytest.fixture(scope="session")
def bot(tiny: Path) -> Chatbot:
    """The tiny base model in full precision, with the template llama2."""
    return load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="llama2"), lambda line: None)


class Script(torch.nn.Module):
    """A model that says its next text to every prompt, a token each `pause` seconds."""

    def __init__(self, bot: Chatbot, texts: list[str], pause: float) -> None:
        super().__init__()
        self.config, self.vocabulary, self.pause = bot.model.config, len(bot.tokenizer), pause
        end = bot.tokenizer.eos_token_id
        self.scripts = [[*bot.tokenizer.encode(text, add_special_tokens=False), end] for text in texts]
        self.said: Iterator[int] = iter(())
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        if input_ids.shape[1] > 1:
            self.said = iter(self.scripts.pop(0))
        time.sleep(self.pause)
        logits = torch.zeros(1, 1, self.vocabulary)
        logits[0, 0, next(self.said)] = 1.0
        return type("Step", (), {"logits": logits})()


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    """Engines to be closed at the end of a test."""
    made: list[Engine] = []
    yield made
    for engine in made:
        engine.close(finish=False)


@pytest.fixture
def script(bot: Chatbot, engines: list[Engine]) -> Callable[..., Engine]:
    """script(*texts, pause=0.0, **changes): an engine of one row that answers with one text after the other."""

    def make(*texts: str, pause: float = 0.0, **changes: Any) -> Engine:
        model: Any = Script(bot, list(texts), pause)
        ends = frozenset({bot.tokenizer.eos_token_id})
        engines.append(Engine(replace(bot, model=model, ends=ends, **changes), max_batch=1))
        return engines[-1]

    return make


@pytest.fixture
def endless(bot: Chatbot, engines: list[Engine]) -> Engine:
    """An engine of four rows whose answers never end by themselves; it writes some fifty tokens a second."""
    engine = Engine(replace(bot, ends=frozenset({-1})), max_batch=4)
    step = engine.batch.step
    engine.batch.step = lambda tokens: time.sleep(0.02) or step(tokens)  # type: ignore[method-assign]
    engines.append(engine)
    return engine


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The ids of every prompt that an engine gets."""
    seen: list[list[int]] = []
    submit = Engine.submit

    def watch(engine: Engine, request: Any, *rest: Any) -> Generation:
        seen.append(request.ids)
        return submit(engine, request, *rest)

    monkeypatch.setattr(Engine, "submit", watch)
    return seen


@pytest.fixture
def show() -> Iterator[Callable[..., str]]:
    """show(engine, **settings): the address of a page that shows it."""
    pytest.importorskip("gradio", reason="needs the extra web")
    import uvicorn

    from care_train.serving.web.app import make_app

    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(engine: Engine, *, login: tuple[str, str] | None = None, notice: bool = True, **sampling: Any) -> str:
        sampling = {"max_new_tokens": 400, **sampling}
        app = make_app(engine, SamplingSettings(**sampling), notice=notice, login=login, local=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        door = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{door.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = server.force_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium, without a window. While it is there, this thread has a running event loop."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium")
    with driver.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found)
        yield browser
        browser.close()


class Visitor:
    """Somebody at the page, in a tab. foreign: addresses elsewhere that it asked; alarms: what ran or failed."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        context = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}, **context}
        self.context = browser.new_context(**context)
        self.tab = self.context.new_page()
        self.foreign: list[str] = []
        self.alarms: list[str] = []
        self.tab.on("request", lambda asked: asked.url.startswith((url, "data:", "blob:")) or self._note(asked.url))
        self.tab.on("dialog", lambda dialog: (self.alarms.append(dialog.message), dialog.dismiss()))
        self.tab.on("pageerror", lambda error: self.alarms.append(str(error)))
        self.tab.goto(url)
        self.tab.wait_for_selector("#head h1")

    def _note(self, url: str) -> None:
        self.foreign.append(url)

    def ask(self, question: str, *, wait: bool = True) -> None:
        """Type a question and send it; wait for its answer to end."""
        before = self.tab.locator("#past .note").count()
        self.tab.fill("#question textarea", question)
        self.tab.press("#question textarea", "Enter")
        if wait:
            self.tab.wait_for_function(f"document.querySelectorAll('#past .note').length > {before}")

    def read(self, place: str) -> str:
        """Text of the last element at a place."""
        return str(self.tab.locator(place).last.inner_text())


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visitor]]:
    """visit(url, **context): a visitor of that page, with the context's locale, width and so on."""
    visitors: list[Visitor] = []

    def come(url: str, **context: Any) -> Visitor:
        visitors.append(Visitor(chromium, url, **context))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.context.close()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """wait_until(is_so, seconds=5): returns once it is so, fails where it does not become so in time."""

    def wait(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.02)

    return wait
