"""Answers of a loaded model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.checkpoints import read_note
from care_train.config import AnswerSettings, SamplingSettings
from care_train.errors import CareError, Exit
from care_train.generation import Chatbot, _find_base, choose_token, generate_ids, load_chatbot, stream_answer
from care_train.stages.sft import train
from care_train.templates import TEMPLATES, Template
from care_train.tokens import encode_prompt

QUESTION = "头痛了怎么办？"


@pytest.fixture(scope="module")
def bot(trained: tuple[Path, Any, list[str]]) -> Chatbot:
    return load_chatbot(AnswerSettings(adapter_name_or_path=str(trained[0])))


def test_everything_comes_from_the_adapters_note(bot: Chatbot) -> None:
    assert bot.template.name == "llama2"
    assert "Linear4bit" in {type(module).__name__ for module in bot.model.modules()}
    assert any("lora_A" in name for name, _ in bot.model.named_parameters())
    assert bot.ends == {bot.tokenizer.eos_token_id}
    assert not bot.model.training


def test_greedy_ids_equal_those_of_transformers(bot: Chatbot) -> None:
    ids = encode_prompt(bot.tokenizer, bot.template, QUESTION, [("您好", "请说")])
    endless = replace(bot, ends=frozenset({-1}))
    ours = list(generate_ids(endless, ids, SamplingSettings(max_new_tokens=16)))
    theirs = bot.model.generate(torch.tensor([ids]), max_new_tokens=16, do_sample=False, eos_token_id=-1)
    assert ours == theirs[0, len(ids) :].tolist()
    assert len(ours) == 16


def test_the_adapter_answers_what_it_was_taught(
    make_settings: Any, tmp_path: Path, records: list[dict[str, Any]], tiny: Path
) -> None:
    train(make_settings(tmp_path, "max_steps=60", "save_steps=100", "logging_steps=30"), lambda line: None)
    bot = load_chatbot(AnswerSettings(adapter_name_or_path=str(tmp_path)))
    taught = records[2]
    assert (taught["input"], taught["history"]) == ("", [])
    answer = "".join(stream_answer(bot, taught["instruction"], [], SamplingSettings(max_new_tokens=40)))
    assert answer == taught["output"]
    base = load_chatbot(AnswerSettings(model_name_or_path=str(tiny), template="llama2"))
    assert "".join(stream_answer(base, taught["instruction"], [], SamplingSettings(max_new_tokens=40))) != answer


def test_the_stream_adds_up_and_is_repeatable(bot: Chatbot) -> None:
    sampling = SamplingSettings(max_new_tokens=20)
    pieces = list(stream_answer(bot, QUESTION, [], sampling))
    assert len(pieces) > 3
    ids = list(generate_ids(bot, encode_prompt(bot.tokenizer, bot.template, QUESTION, []), sampling))
    assert "".join(pieces) == bot.tokenizer.decode(ids)
    assert list(stream_answer(bot, QUESTION, [], sampling)) == pieces


def test_sampling_follows_its_seed(bot: Chatbot) -> None:
    def answer(seed: int) -> str:
        sampling = SamplingSettings(max_new_tokens=12, temperature=3.0, seed=seed)
        return "".join(stream_answer(bot, QUESTION, [], sampling))

    assert answer(1) == answer(1)
    assert answer(1) != answer(2)


class Script:
    """A model that says the given ids, whatever it is asked."""

    def __init__(self, ids: list[int], vocabulary: int) -> None:
        self.ids, self.vocabulary, self.at = ids, vocabulary, 0
        self.config = type("Config", (), {"max_position_embeddings": 64})()

    def parameters(self) -> Any:
        return iter([torch.zeros(1)])

    def __call__(self, **_: Any) -> Any:
        logits = torch.zeros(1, 1, self.vocabulary)
        logits[0, -1, self.ids[self.at]] = 1.0
        self.at += 1
        return type("Step", (), {"logits": logits, "past_key_values": None})()


def script(tokenizer: Any, text: str, template: Template) -> Chatbot:
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    return Chatbot(Script(ids, len(tokenizer)), tokenizer, template, None, frozenset({tokenizer.eos_token_id}))


def test_half_characters_are_held_back(tokenizer: Any) -> None:
    pieces = list(stream_answer(script(tokenizer, "🙂好𠮷。", TEMPLATES["llama2"]), "?", [], SamplingSettings()))
    assert "".join(pieces) == "🙂好𠮷。"
    assert not any("\ufffd" in piece for piece in pieces)


def test_stop_words_end_an_answer_and_are_not_said(tokenizer: Any) -> None:
    said = list(
        stream_answer(
            script(tokenizer, "Rest.\nQuest\nQuestion: more", TEMPLATES["plain"]), "?", [], SamplingSettings()
        )
    )
    assert "".join(said) == "Rest.\nQuest"
    said = list(stream_answer(script(tokenizer, "Rest.\nQues", TEMPLATES["plain"]), "?", [], SamplingSettings()))
    assert "".join(said) == "Rest.\nQues"


def test_answers_stop_where_the_model_ends(tokenizer: Any) -> None:
    bot = script(tokenizer, "好" * 90, TEMPLATES["llama2"])
    prompt = len(encode_prompt(tokenizer, bot.template, "?", []))
    text = "".join(stream_answer(bot, "?", [], SamplingSettings()))
    assert len(tokenizer.encode(text)) == pytest.approx(64 - prompt, abs=2)
    with pytest.raises(CareError, match=r"the conversation has \d+ tokens, the model takes 64") as caught:
        list(stream_answer(bot, "病" * 90, [], SamplingSettings()))
    assert caught.value.code == Exit.LIMIT


def test_top_p_temperature_and_penalty() -> None:
    dice = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.0, 3.0, 2.9, -1.0])
    assert choose_token(logits.clone(), [], SamplingSettings(), dice) == 1
    assert choose_token(logits.clone(), [1], SamplingSettings(repetition_penalty=2.0), dice) == 2
    assert {
        choose_token(logits.clone(), [], SamplingSettings(temperature=1.0, top_p=0.8), dice) for _ in range(60)
    } == {1, 2}
    assert {
        choose_token(logits.clone(), [], SamplingSettings(temperature=9.0, top_p=0.0), dice) for _ in range(20)
    } == {1}
    assert len({choose_token(logits.clone(), [], SamplingSettings(temperature=9.0), dice) for _ in range(200)}) == 4


def test_a_moved_folder_brings_its_base(trained: tuple[Path, Any, list[str]], tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in trained[0].iterdir():
        if path.is_file():
            shutil.copy(path, moved)
    shutil.copytree(tiny, moved / "base")
    note = json.loads((moved / "care_train.json").read_text())
    (moved / "care_train.json").write_text(json.dumps({**note, "base": "/gone"}))
    bot = load_chatbot(AnswerSettings(adapter_name_or_path=str(moved), quantization_bit=16))
    assert "Linear4bit" not in {type(module).__name__ for module in bot.model.modules()}


def test_what_is_missing_is_said(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(CareError, match=r"no adapter there. Give the --output_dir of a finished"):
        load_chatbot(AnswerSettings(adapter_name_or_path=str(tmp_path)))
    with pytest.raises(CareError, match=r"nothing to talk with"):
        load_chatbot(AnswerSettings())
    with pytest.raises(CareError, match=r"no template is stored with it. Name it with --template."):
        load_chatbot(AnswerSettings(model_name_or_path=str(tiny)))
    assert load_chatbot(AnswerSettings(model_name_or_path=str(tiny), template="plain")).template.name == "plain"


def test_a_base_of_an_earlier_run_is_not_taken(
    trained: tuple[Path, Any, list[str]], tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "output"
    shutil.copytree(trained[0], folder)
    (folder / "base").mkdir()
    (folder / "base" / "config.json").write_text("{}")  # what a toy of the same folder left
    assert _find_base(folder, read_note(folder)) == str(tiny)
