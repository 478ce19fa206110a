"""A conversation in the terminal, or one answer."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from care_train.config import SamplingSettings
from care_train.errors import CareError
from care_train.generation import Chatbot, Engine, Generation, History, Talk

HELP = """/reset forgets the conversation, /system TEXT sets the system prompt (alone shows it, - takes it back),
/save [FILE] keeps the conversation as JSON, /exit or Ctrl-D ends it; Ctrl-C stops an answer."""

Write = Callable[[str], None]


@dataclass
class Answer:
    """One answer and what it took. finish: stop, length or cancelled. left_out: exchanges that did not fit."""

    question: str
    answer: str
    prompt_tokens: int
    tokens: int
    finish: str
    left_out: int
    seconds: float


@dataclass
class Conversation:
    """What was said so far. system: None takes the model's."""

    engine: Engine
    sampling: SamplingSettings
    system: str | None = None
    history: History = field(default_factory=list)

    def ask(self, question: str, write: Write) -> Answer:
        """The answer, which `write` gets piece by piece; it joins the conversation. Ctrl-C ends it where it is."""
        started = time.monotonic()
        prompt, generation = self.engine.ask(Talk(self.system, self.history, question), self.sampling)
        text = _listen(generation, write).strip()
        self.history.append((question, text))
        return Answer(
            question=question,
            answer=text,
            prompt_tokens=generation.prompt_tokens,
            tokens=generation.completion_tokens,
            finish=generation.finish or "cancelled",
            left_out=prompt.left_out,
            seconds=round(time.monotonic() - started, 2),
        )

    def save(self, name: str) -> Path:
        """The file, a new one, that the conversation was written to as messages with what made them."""
        path = Path(name or time.strftime("conversation-%Y%m%d-%H%M%S.json")).expanduser()
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(tell_conversation(self.engine.bot, self.system, self.history, self.sampling))
        except OSError as error:
            raise CareError(f"not saved ({error.strerror})", where=str(path), fix="Name another file.") from error
        return path


def tell_conversation(bot: Chatbot, system: str | None, history: History, sampling: SamplingSettings) -> str:
    """A conversation as JSON: messages with role and content, and what made them. system: None is the model's."""
    system = bot.system if system is None else system
    turns = [(role, text) for pair in history for role, text in zip(("user", "assistant"), pair, strict=True)]
    messages = [*([("system", system)] if system else []), *turns]
    story = {
        "model": bot.name,
        "template": bot.template.name,
        "sampling": asdict(sampling),
        "messages": [{"role": role, "content": text} for role, text in messages],
    }
    return json.dumps(story, ensure_ascii=False, indent=1) + "\n"


def _listen(generation: Generation, write: Write) -> str:
    """An answer, each piece of it written; Ctrl-C stops it, and what was said of it stays."""
    pieces: list[str] = []

    def take() -> None:
        for piece in generation:
            pieces.append(piece.text)
            write(piece.text)

    try:
        take()
    except KeyboardInterrupt:
        generation.cancel()
        take()
    return "".join(pieces)


def converse(talk: Conversation, lines: Iterator[str], write: Write, say: Write) -> None:
    """Answer each line until /exit or the end of `lines`.

    write: gets the answers piece by piece and a newline after each. say: gets whole lines about them.
    """
    for line in lines:
        command, _, rest = line.strip().partition(" ")
        try:
            if command == "/exit":
                return
            if command in COMMANDS:
                say(COMMANDS[command](talk, rest.strip()))
            elif command.startswith("/"):
                say(HELP)
            elif command:
                answer = talk.ask(line.strip(), write)
                write("\n")
                if answer.left_out:
                    say(f"note: the oldest {answer.left_out} exchanges no longer fit and were left out")
                if answer.finish == "cancelled":
                    say("note: stopped; what was said of it is kept")
                if answer.finish == "length":
                    say("note: the answer was cut at its longest, see --max_new_tokens")
        except CareError as error:
            say(str(error))


def _reset(talk: Conversation, _: str) -> str:
    talk.history.clear()
    return "The conversation is forgotten."


def _set_system(talk: Conversation, text: str) -> str:
    if text:
        talk.system = None if text == "-" else text
    shown = talk.engine.bot.system if talk.system is None else talk.system
    return f"system prompt: {shown if shown is not None else 'the one of the template'}"


def _save(talk: Conversation, name: str) -> str:
    return f"saved to {talk.save(name)}"


COMMANDS: dict[str, Callable[[Conversation, str], str]] = {
    "/reset": _reset,
    "/system": _set_system,
    "/save": _save,
}
