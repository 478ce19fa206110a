"""A conversation in the terminal, or one answer."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from care_train.config import SamplingSettings
from care_train.generation import Chatbot, History, stream_answer

NOTICE = "Words of a language model, not a doctor's advice. In an emergency call your local emergency number."
HELP = "/clear forgets the conversation, /exit or Ctrl-D ends it."


@dataclass
class Answer:
    """One answer and what it took."""

    question: str
    answer: str
    tokens: int
    seconds: float


def answer_once(bot: Chatbot, question: str, sampling: SamplingSettings, write: Callable[[str], None]) -> Answer:
    """The answer to one question; `write` gets it piece by piece."""
    started = time.monotonic()
    pieces = []
    for piece in stream_answer(bot, question, [], sampling):
        pieces.append(piece)
        write(piece)
    text = "".join(pieces)
    count = len(bot.tokenizer(text, add_special_tokens=False)["input_ids"])
    return Answer(question, text.strip(), count, round(time.monotonic() - started, 2))


def converse(bot: Chatbot, sampling: SamplingSettings, lines: Iterator[str], write: Callable[[str], None]) -> History:
    """Answer each line until /exit or the end of `lines`; gives the conversation.

    write: gets the answers piece by piece and a newline after each.
    """
    history: History = []
    for line in lines:
        question = line.strip()
        if question == "/exit":
            break
        if question == "/clear":
            history.clear()
        elif question.startswith("/"):
            write(f"{HELP}\n")
        elif question:
            pieces = []
            for piece in stream_answer(bot, question, history, sampling):
                pieces.append(piece)
                write(piece)
            write("\n")
            history.append((question, "".join(pieces).strip()))
    return history
