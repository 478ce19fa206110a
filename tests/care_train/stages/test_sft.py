"""Supervised fine-tuning from settings to the files it leaves."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from care_train.checkpoints import read_note
from care_train.errors import CareError, Exit
from care_train.runs import make_arguments
from care_train.stages.sft import train

Trained = tuple[Path, Any, list[str]]


def read_log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trainer_log.jsonl").read_text().splitlines()]


def test_four_bit_training_learns(trained: Trained) -> None:
    folder, result, said = trained
    log = read_log(folder)
    assert [line["step"] for line in log] == list(range(1, 13))
    assert result.steps == 12
    assert result.loss_last < result.loss_first - 0.3
    assert (result.loss_first, result.loss_last) == (log[0]["loss"], log[-1]["loss"])
    assert all(0 < line["grad_norm"] < float("inf") for line in log)
    assert result.budget["records"] == result.budget["examples"] == 24
    assert result.tokens == 2 * result.budget["tokens"]  # twelve steps of four are two epochs of 24
    assert said[0].startswith("data: 24 records from ")
    assert said[0].endswith("(toy_sft 24)")
    assert said[1].startswith("template llama2: ids as in LLaMA-Factory 0.9.5; not checked with ")
    assert said[2].startswith("cache: 1,217 tokens kept in ")
    assert said[3].startswith("tokens: 24 of 24 records, ")


def test_what_made_the_adapter_is_written_beside_it(trained: Trained, release: Path, tiny: Path) -> None:
    folder, result, _ = trained
    note = read_note(folder)
    assert note["finished"] is True
    assert (note["stage"], note["template"], note["base"]) == ("sft", "llama2", str(tiny))
    assert (note["datasets"], note["seed"], note["quantization_bit"]) == ({"toy_sft": 24}, 42, 4)
    assert note["manifest_sha256"] == hashlib.sha256((release / "manifest.json").read_bytes()).hexdigest()
    assert note["settings"]["training"]["learning_rate"] == 1e-2
    assert note["settings"]["lora"]["lora_alpha"] == 8
    assert {"torch", "transformers", "peft", "bitsandbytes"} <= note["versions"].keys()
    assert note["result"]["loss_last"] == result.loss_last
    present = {path.name for path in folder.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "trainer_state.json"} <= present
    assert "LoRA of rank 4, alpha 8, on all." in (folder / "README.md").read_text(encoding="utf-8")


def test_resumed_equals_straight(trained: Trained, make_settings: Any, tmp_path: Path) -> None:
    straight, result, _ = trained
    shutil.copytree(straight, tmp_path / "output")
    for name in ("checkpoint-12", "adapter_model.safetensors"):
        path = tmp_path / "output" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    said: list[str] = []
    resumed = train(make_settings(tmp_path / "output"), said.append)
    assert f"resume: going on from {tmp_path / 'output' / 'checkpoint-6'}" in said
    assert next(line for line in said if line.startswith("step ")).startswith("step 7/12 ")
    weights = [folder / "adapter_model.safetensors" for folder in (straight, tmp_path / "output")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    keep = ("step", "loss", "grad_norm", "learning_rate", "epoch")
    logs = [[{name: line[name] for name in keep} for line in read_log(f)] for f in (straight, tmp_path / "output")]
    assert logs[0] == logs[1]
    assert (resumed.loss_first, resumed.loss_last) == (result.loss_first, result.loss_last)


def test_evaluation_in_between_leaves_training_as_it_was(make_settings: Any, tmp_path: Path) -> None:
    words = ("val_size=4", "max_steps=4", "lora_dropout=0")
    plain = train(make_settings(tmp_path / "a", *words, "eval_strategy=no"), lambda line: None)
    evaluated = train(make_settings(tmp_path / "b", *words, "eval_strategy=steps", "eval_steps=1"), lambda line: None)
    assert plain.eval_loss is None
    assert evaluated.eval_loss is not None
    losses = [[line["loss"] for line in read_log(tmp_path / name) if "loss" in line] for name in "ab"]
    assert len(losses[0]) == 4
    assert losses[0] == losses[1]


def test_tiny_and_plot_in_one_go(
    make_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[dict[str, Any]]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("care_train.tiny.MOST_STEPS", 2)
    settings = make_settings(tmp_path / "o", "model_name_or_path=tiny", "max_steps=2", "plot_loss=true")
    said: list[str] = []
    result = train(settings, said.append)
    assert (tmp_path / "o" / "base" / "model.safetensors").exists()
    assert read_note(tmp_path / "o")["base"] == str(tmp_path / "o" / "base")
    assert [Path(path).name for path in result.plots] == ["training_loss.png", "training_loss.svg"]
    assert all(Path(path).stat().st_size > 1000 for path in result.plots)
    assert any(line.startswith("tiny: a toy of ") for line in said)


def test_an_adapter_can_be_trained_further(trained: Trained, make_settings: Any, tmp_path: Path) -> None:
    words = (f"adapter_name_or_path={trained[0]}", "max_steps=1", "lora_dropout=0")
    result = train(make_settings(tmp_path / "o", *words), lambda line: None)
    assert result.loss_first < trained[1].loss_first - 0.3


def test_what_the_trainer_refuses_is_a_usage_error(make_settings: Any, tmp_path: Path) -> None:
    with pytest.raises(CareError, match=r"the Trainer refuses its arguments") as caught:
        make_arguments(make_settings(tmp_path, "lr_scheduler_type=cosin"))
    assert caught.value.code == Exit.USAGE
    arguments = make_arguments(make_settings(tmp_path, "adam_beta2=0.98", "bf16=true"))
    assert (arguments.adam_beta2, arguments.bf16, arguments.save_steps) == (0.98, True, 6)
