"""Preference tuning: every loss, and where a run measures from."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.checkpoints import read_note


def read_log(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]


@pytest.fixture(scope="module")
def tuned(run_stage: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that supervised fine-tuning left."""
    folder = tmp_path_factory.mktemp("tuned") / "sft"
    run_stage("sft", folder, "max_steps=4")
    return folder


@pytest.mark.parametrize(
    ("loss", "first"),
    [("sigmoid", math.log(2)), ("ipo", (1 / (2 * 0.1)) ** 2), ("hinge", 1.0), ("orpo", None), ("simpo", None)],
)
def test_every_loss_begins_where_its_formula_says_and_falls(
    loss: str, first: float | None, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    """With nothing learned yet the model is its reference, so those that compare begin at a constant."""
    result = run_stage("dpo", tmp_path / "a", f"pref_loss={loss}", "max_steps=8", "per_device_train_batch_size=8")
    if first is not None:
        assert result.loss_first == pytest.approx(first, rel=1e-6)
    assert result.loss_last < result.loss_first
    assert result.scores["rewards/margins"] > 0


def test_the_plain_loss_of_better_answers_can_be_added(run_stage: Callable[..., Any], tmp_path: Path) -> None:
    """At the first step, of one pair: log 2, and the share of the mean of its tokens, a whole number of them."""
    result = run_stage("dpo", tmp_path / "a", "pref_ftx=0.5", "max_steps=1", "per_device_train_batch_size=1")
    (first, *_) = read_log(tmp_path / "a")
    tokens = -0.5 * first["logps/chosen"] / (result.loss_first - math.log(2))
    assert tokens == pytest.approx(round(tokens), abs=1e-3)
    assert round(tokens) > 3


def test_a_run_that_goes_on_from_an_adapter_measures_from_it(
    tuned: Path, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    run_stage("dpo", tmp_path / "a", f"adapter_name_or_path={tuned}", "max_steps=3")
    first, second, *_ = read_log(tmp_path / "a")
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert [first[f"rewards/{name}"] for name in ("chosen", "rejected", "margins")] == [0.0, 0.0, 0.0]
    assert second["rewards/chosen"] != 0.0
    run_stage("dpo", tmp_path / "b", "max_steps=1")
    (fresh, *_) = read_log(tmp_path / "b")
    assert abs(first["logps/chosen"] - fresh["logps/chosen"]) > 1  # it did begin from what had been learned


def test_the_adapter_gone_on_from_stays_as_it_was(tuned: Path, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    before = (tuned / "adapter_model.safetensors").read_bytes()
    run_stage("dpo", tmp_path / "a", f"adapter_name_or_path={tuned}", "lora_dropout=0.1")
    assert (tuned / "adapter_model.safetensors").read_bytes() == before
    earlier = load_file(tuned / "adapter_model.safetensors")
    kept = load_file(tmp_path / "a" / "reference" / "adapter_model.safetensors")
    learned = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert earlier.keys() == kept.keys() == learned.keys()
    assert all(torch.equal(weight, kept[name]) for name, weight in earlier.items())
    assert all(not torch.equal(weight, learned[name]) for name, weight in earlier.items() if "lora_B" in name)


def test_losses_without_a_reference_keep_none(tuned: Path, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    run_stage("dpo", tmp_path / "a", f"adapter_name_or_path={tuned}", "pref_loss=simpo")
    assert not (tmp_path / "a" / "reference").exists()


def test_resumed_from_an_adapter_it_still_measures_from_there(
    tuned: Path, run_stage: Callable[..., Any], tmp_path: Path
) -> None:
    words = (f"adapter_name_or_path={tuned}", "save_strategy=steps", "save_steps=2")
    run_stage("dpo", tmp_path / "a", *words, "max_steps=4")
    run_stage("dpo", tmp_path / "b", *words, "max_steps=2")
    run_stage("dpo", tmp_path / "b", *words, "max_steps=4")
    straight, resumed = (
        [[line["loss"], line["rewards/margins"]] for line in read_log(tmp_path / name) if "loss" in line]
        for name in ("a", "b")
    )
    assert len(straight) == 4
    assert straight == resumed


def test_the_note_and_the_scores(run_stage: Callable[..., Any], tmp_path: Path) -> None:
    result = run_stage("dpo", tmp_path / "a", "val_size=4", "eval_strategy=steps", "eval_steps=1")
    assert set(result.scores) == {f"rewards/{name}" for name in ("chosen", "rejected", "margins", "accuracies")}
    evaluated = [line for line in read_log(tmp_path / "a") if "eval_loss" in line]
    assert len(evaluated) == 2
    assert {"eval_rewards/margins", "eval_logps/chosen"} <= evaluated[0].keys()
    note = read_note(tmp_path / "a")
    assert (note["stage"], note["settings"]["preference"]["pref_loss"]) == ("dpo", "sigmoid")
    assert note["result"]["budget"]["records"] == 24


def test_evaluation_in_between_leaves_training_as_it_was(run_stage: Callable[..., Any], tmp_path: Path) -> None:
    words = ("val_size=4", "max_steps=3", "quantization_bit=4")
    run_stage("dpo", tmp_path / "a", *words, "eval_strategy=no")
    run_stage("dpo", tmp_path / "b", *words, "eval_strategy=steps", "eval_steps=1")
    plain, evaluated = (
        [[line["loss"], line["grad_norm"]] for line in read_log(tmp_path / name) if "loss" in line] for name in "ab"
    )
    assert len(plain) == 3
    assert plain == evaluated
