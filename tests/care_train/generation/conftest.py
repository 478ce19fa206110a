"""A chatbot of the tiny base model, one that says what it is told to, and an engine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.adapters import Trained
from care_train.config import LoadSettings
from care_train.generation import Chatbot, Engine, load_chatbot
from care_train.templates import TEMPLATES


@pytest.fixture(scope="session")
def bot(tiny: Path) -> Chatbot:
    """The tiny base model in full precision, with the template llama2."""
    return load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="llama2"), lambda line: None)


@pytest.fixture
def engine(bot: Chatbot) -> Iterator[Engine]:
    """An engine of it that takes four at a time."""
    engine = Engine(bot, max_batch=4)
    yield engine
    engine.close(finish=False)


class Script(torch.nn.Module):
    """A model that says the given ids, whatever it is asked, and lets each of its steps be waited for."""

    def __init__(self, config: Any, ids: list[int], vocabulary: int, before: Callable[[], None]) -> None:
        super().__init__()
        self.config, self.generation_config = config, type("Generation", (), {"eos_token_id": None})()
        self.ids, self.vocabulary, self.at, self.before = ids, vocabulary, 0, before
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        self.before()
        logits = torch.zeros(len(input_ids), 1, self.vocabulary)
        logits[:, -1, self.ids[min(self.at, len(self.ids) - 1)]] = 1.0
        self.at += 1
        return type("Step", (), {"logits": logits})()


@pytest.fixture
def script(bot: Chatbot) -> Callable[..., Engine]:
    """script(text, template="llama2", window=64, before=…): an engine of one row whose model says that text."""

    def make(text: str, template: str = "llama2", window: int = 64, before: Any = lambda: None) -> Engine:
        ids = [*bot.tokenizer.encode(text, add_special_tokens=False), bot.tokenizer.eos_token_id]
        model: Any = Script(bot.model.config, ids, len(bot.tokenizer), before)
        ends = frozenset({bot.tokenizer.eos_token_id})
        trained = Trained("", (), None, None, None, "", ())
        said = Chatbot(model, bot.tokenizer, TEMPLATES[template], None, ends, window, "script", trained)
        return Engine(said, max_batch=1)

    return make
