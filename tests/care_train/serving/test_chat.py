"""One answer, and a conversation, with a model that was taught nothing but is asked for real."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from care_train.config import LoadSettings, SamplingSettings
from care_train.generation import Engine, Generation, load_chatbot
from care_train.serving.chat import HELP, Conversation, converse
from care_train.tokens import encode_prompt


@pytest.fixture
def talk(tiny: Path) -> Iterator[Conversation]:
    """A conversation with the tiny model, every prompt of which can be read."""
    bot = load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="llama2"), lambda line: None)
    engine = Engine(replace(bot, ends=frozenset({-1})))  # it never ends by itself
    yield Conversation(engine, SamplingSettings(max_new_tokens=6))
    engine.close(finish=False)


@pytest.fixture
def prompts(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The ids of every prompt that the engine gets."""
    seen: list[list[int]] = []
    submit = talk.engine.submit

    def watch(request: Any, *rest: Any) -> Generation:
        seen.append(request.ids)
        return submit(request, *rest)

    monkeypatch.setattr(talk.engine, "submit", watch)
    return seen


def test_one_answer(talk: Conversation) -> None:
    said: list[str] = []
    answer = talk.ask("头痛？", said.append)
    assert "".join(said).strip() == answer.answer != ""
    assert (answer.question, answer.tokens, answer.finish, answer.left_out) == ("头痛？", 6, "length", 0)
    assert answer.prompt_tokens > 5


def test_a_conversation_remembers_until_told_to_forget(talk: Conversation, prompts: list[list[int]]) -> None:
    said, told = list[str](), list[str]()
    lines = iter(["头痛", " ", " 咳嗽 ", "/help", "/system 请简短。", "失眠", "/reset", "耳鸣", "/exit", "心慌"])
    converse(talk, lines, said.append, told.append)
    bot = talk.engine.bot
    answers = "".join(said).split("\n")

    def encode(question: str, history: list[tuple[str, str]], system: str | None) -> list[int]:
        return encode_prompt(bot.tokenizer, bot.template, question, history, system)

    assert prompts[:2] == [encode("头痛", [], None), encode("咳嗽", [("头痛", answers[0].strip())], None)]
    assert prompts[2] == encode("失眠", [("头痛", answers[0].strip()), ("咳嗽", answers[1].strip())], "请简短。")
    assert prompts[3] == encode("耳鸣", [], "请简短。")
    assert len(prompts) == 4
    assert HELP in told
    assert "system prompt: 请简短。" in told
    assert told.count("note: the answer was cut at its longest, see --max_new_tokens") == 4


def test_ctrl_c_stops_an_answer_and_not_the_program(talk: Conversation) -> None:
    talk.sampling.max_new_tokens = 60
    said, pressed = list[str](), list[int]()

    def write(piece: str) -> None:
        said.append(piece)
        if piece.strip() and len(said) > 3 and not pressed:
            pressed.append(1)
            raise KeyboardInterrupt

    told: list[str] = []
    converse(talk, iter(["头痛", "咳嗽"]), write, told.append)
    assert "".join(said).split("\n")[0].strip() == talk.history[0][1]  # what is kept is what was shown
    assert told[0] == "note: stopped; what was said of it is kept"
    assert len(talk.history) == 2
    assert 0 < len(talk.history[0][1]) < len(talk.history[1][1])
    assert talk.engine.load == (0, 0)


def test_a_conversation_is_saved_as_messages(talk: Conversation, tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "a b.json"
    lines = ["/system 短", "头痛", f"/save {path}", f"/save {path}", "/save /no/where.json"]
    converse(talk, iter(lines), lambda piece: None, told.append)
    story = json.loads(path.read_text(encoding="utf-8"))
    assert [one["role"] for one in story["messages"]] == ["system", "user", "assistant"]
    assert [one["content"] for one in story["messages"]] == ["短", "头痛", talk.history[0][1]]
    assert (story["template"], story["sampling"]["max_new_tokens"]) == ("llama2", 6)
    assert told[-3:] == [
        f"saved to {path}",
        f"{path}: not saved (File exists). Name another file.",
        "/no/where.json: not saved (No such file or directory). Name another file.",
    ]


def test_a_system_prompt_can_be_taken_back(talk: Conversation) -> None:
    told: list[str] = []
    converse(talk, iter(["/system 短", "/system -", "/system"]), lambda piece: None, told.append)
    assert told == ["system prompt: 短", *["system prompt: the one of the template"] * 2]
    assert talk.system is None


def test_a_long_conversation_says_what_it_leaves_out(talk: Conversation) -> None:
    talk.engine.bot.window = 110
    told: list[str] = []
    converse(talk, iter(["问" * 30, "问" * 30, "问" * 30, "问" * 200]), lambda piece: None, told.append)
    assert any(line.startswith("note: the oldest 1 exchanges no longer fit") for line in told)
    assert told[-1].endswith("tokens, the model takes 110. Ask shorter.")
    assert len(talk.history) == 3
