"""What is loaded, and with which template."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.config import LoadSettings, SamplingSettings
from care_train.errors import CareError
from care_train.generation import Chatbot, Engine, Talk, load_chatbot
from care_train.stages.sft import train

QUIET: Any = lambda line: None  # noqa: E731


@pytest.fixture(scope="module")
def adapted(trained: tuple[Path, Any, list[str]]) -> Chatbot:
    return load_chatbot(LoadSettings(adapter_name_or_path=str(trained[0])), QUIET)


def test_everything_comes_from_the_adapters_note(adapted: Chatbot, trained: tuple[Path, Any, list[str]]) -> None:
    assert adapted.template.name == "llama2"
    assert "Linear4bit" in {type(module).__name__ for module in adapted.model.modules()}
    assert any("lora_A" in name for name, _ in adapted.model.named_parameters())
    assert adapted.ends == {adapted.tokenizer.eos_token_id}
    assert not adapted.model.training
    assert (adapted.name, adapted.window) == (trained[0].name, adapted.model.config.max_position_embeddings)


def test_rows_of_a_quantised_model_with_an_adapter_are_as_if_alone(adapted: Chatbot) -> None:
    engine = Engine(adapted)
    questions = ["头痛了怎么办？", "咳嗽", "失眠了，已经很久睡不好，怎么办？"]
    sampling = SamplingSettings(max_new_tokens=12)

    def ask(question: str) -> Any:
        return engine.ask(Talk(None, [], question), sampling)[1]

    alone = ["".join(piece.text for piece in ask(question)) for question in questions]
    begun = [ask(question) for question in questions]
    assert ["".join(piece.text for piece in one) for one in begun] == alone
    engine.close()


def test_the_adapter_answers_what_it_was_taught(
    make_settings: Any, tmp_path: Path, records: list[dict[str, Any]], bot: Chatbot
) -> None:
    train(make_settings(tmp_path, "max_steps=60", "save_steps=100", "logging_steps=30"), QUIET)
    taught = records[2]
    assert (taught["input"], taught["history"]) == ("", [])

    def ask(one: Chatbot) -> str:
        engine = Engine(one)
        talk = Talk(None, [], taught["instruction"])
        answer = "".join(piece.text for piece in engine.ask(talk, SamplingSettings(max_new_tokens=40))[1])
        engine.close()
        return answer

    assert ask(load_chatbot(LoadSettings(adapter_name_or_path=str(tmp_path)), QUIET)) == taught["output"]
    assert ask(bot) != taught["output"]


def test_another_template_than_the_trained_one_is_warned_about(trained: tuple[Path, Any, list[str]]) -> None:
    said: list[str] = []
    load = LoadSettings(adapter_name_or_path=str(trained[0]), template="llama2_care")
    assert load_chatbot(load, said.append).template.name == "llama2_care"
    assert said == ["warning: trained with template llama2, asked with llama2_care; leave --template out to use llama2"]
    said.clear()
    assert load_chatbot(LoadSettings(adapter_name_or_path=str(trained[0]), template="llama2"), said.append)
    assert said == []


def test_a_template_of_another_tokenizer_is_refused_before_weights_are_read(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("care_train.generation.chatbots.put_together", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(CareError, match=r"template chatml writes <\|im_start\|>, which is no token of this tokenizer"):
        load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="chatml"), QUIET)


def test_numbers_are_of_the_type_asked_for(trained: tuple[Path, Any, list[str]], tiny: Path) -> None:
    load = LoadSettings(model_name_or_path=str(tiny), template="llama2", infer_dtype="bfloat16")
    half = load_chatbot(load, QUIET)
    assert {weight.dtype for weight in half.model.parameters()} == {torch.bfloat16}
    engine = Engine(half)
    answer = engine.ask(Talk(None, [], "头痛"), SamplingSettings(max_new_tokens=4))[1]
    assert "".join(piece.text for piece in answer)
    engine.close()


def test_a_base_alone_needs_a_template(tiny: Path) -> None:
    with pytest.raises(CareError, match=r"no template is stored with it. Name it with --template"):
        load_chatbot(LoadSettings(model_name_or_path=str(tiny)), QUIET)


def test_a_moved_folder_brings_its_base(trained: tuple[Path, Any, list[str]], tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in trained[0].iterdir():
        if path.is_file():
            shutil.copy(path, moved)
    shutil.copytree(tiny, moved / "base")
    note = json.loads((moved / "care_train.json").read_text())
    (moved / "care_train.json").write_text(json.dumps({**note, "base": "/gone"}))
    bot = load_chatbot(LoadSettings(adapter_name_or_path=str(moved), quantization_bit=16), QUIET)
    assert "Linear4bit" not in {type(module).__name__ for module in bot.model.modules()}


@pytest.fixture
def whole(tiny: Path, tmp_path: Path) -> Path:
    """A folder as a full fine-tuning leaves it: a model, its tokenizer and a note."""
    folder = tmp_path / "whole"
    shutil.copytree(tiny, folder)
    (folder / "care_train.json").write_text(json.dumps({"template": "alpaca", "system": "简短", "base": "/gone"}))
    return folder


def test_a_whole_model_is_taken_where_an_adapter_was_named(whole: Path) -> None:
    for load in (LoadSettings(adapter_name_or_path=str(whole)), LoadSettings(model_name_or_path=str(whole))):
        bot = load_chatbot(load, QUIET)
        assert (bot.template.name, bot.system, bot.name) == ("alpaca", "简短", "whole")
        assert next(bot.model.parameters()).dtype == torch.float32
