"""Adapters and the base models they belong to."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.adapters import find_trained, put_together
from care_train.checkpoints import read_note
from care_train.config import LoadSettings
from care_train.errors import CareError, Exit
from care_train.fingerprints import fingerprint


@pytest.fixture(scope="module")
def first(run_stage: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    run_stage("sft", folder)
    return folder


@pytest.fixture(scope="module")
def second(run_stage: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("second")
    run_stage("pt", folder, "lora_rank=2", "seed=5")
    return folder


def test_a_run_notes_what_its_base_was(first: Path, tiny: Path) -> None:
    assert read_note(first)["base_fingerprint"] == fingerprint(str(tiny))


def test_other_weights_below_an_adapter_are_refused(first: Path, tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    assert fingerprint(str(other)) == fingerprint(str(tiny))  # a copy is the same base
    weights = load_file(other / "model.safetensors")
    save_file({name: weight + 1e-3 for name, weight in weights.items()}, other / "model.safetensors", {"format": "pt"})
    settings = LoadSettings(adapter_name_or_path=str(first), model_name_or_path=str(other))
    with pytest.raises(
        CareError, match=r"the adapter was trained on other weights than those of .*/other\. "
    ) as caught:
        find_trained(settings)
    assert caught.value.code == Exit.INTEGRITY


def test_several_adapters_add_up_in_their_order(first: Path, second: Path, tiny: Path) -> None:
    ids = torch.arange(12)[None]

    def ask(adapters: str | None) -> torch.Tensor:
        settings = LoadSettings(adapter_name_or_path=adapters, model_name_or_path=str(tiny))
        with torch.no_grad():
            return put_together(find_trained(settings), None)(input_ids=ids).logits

    both = ask(f"{first}, {second}")
    base, one, two = ask(None), ask(str(first)), ask(str(second))
    assert float((one - base).abs().max()) > 1e-3
    assert float((both - one).abs().max()) > 1e-3
    assert float((both - two).abs().max()) > 1e-3
    from peft import PeftModel

    settings = LoadSettings(model_name_or_path=str(tiny), template="llama2")
    model: Any = PeftModel.from_pretrained(put_together(find_trained(settings), None), str(first), "a")
    model.load_adapter(str(second), "b")
    model.base_model.set_adapter(["a", "b"])
    with torch.no_grad():
        assert torch.allclose(both, model(input_ids=ids).logits, atol=1e-5)
    with pytest.raises(CareError, match="several adapters cannot be merged into quantised weights"):
        put_together(find_trained(LoadSettings(adapter_name_or_path=f"{first},{second}")), 4)


def test_an_adapter_of_another_shape_is_named(first: Path, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    narrow = LlamaForCausalLM(
        LlamaConfig(vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    )
    narrow.save_pretrained(tmp_path / "narrow")
    adapter = tmp_path / "adapter"
    shutil.copytree(first, adapter)
    (adapter / "care_train.json").unlink()  # as another trainer leaves it
    settings = LoadSettings(adapter_name_or_path=str(adapter), model_name_or_path=str(tmp_path / "narrow"))
    with pytest.raises(CareError, match="the adapter does not fit the base model: size mismatch") as caught:
        put_together(find_trained(settings), None)
    assert caught.value.code == Exit.INTEGRITY
    assert str(caught.value).count("\n") == 0


def test_what_is_missing_is_said(tmp_path: Path, tiny: Path, first: Path) -> None:
    for settings, said in (
        (LoadSettings(adapter_name_or_path=str(tmp_path)), "no adapter there. Give the --output_dir of a finished run"),
        (LoadSettings(), "no model named. Name the adapter's folder, or a model with --model_name_or_path."),
        (LoadSettings(adapter_name_or_path=f"{first},{tiny}"), "a whole model can only come first, alone."),
    ):
        with pytest.raises(CareError, match=said):
            find_trained(settings)


def test_a_base_of_an_earlier_run_is_not_taken(first: Path, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "output"
    shutil.copytree(first, folder)
    (folder / "base").mkdir()
    (folder / "base" / "config.json").write_text("{}")  # what a toy of the same folder left
    assert find_trained(LoadSettings(adapter_name_or_path=str(folder))).base == str(tiny)


def test_tiny_is_the_base_that_was_built_beside_the_adapter(first: Path, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "output"
    shutil.copytree(first, folder)
    shutil.copytree(tiny, folder / "base")
    note = json.loads((folder / "care_train.json").read_text())
    note["settings"]["model"]["model_name_or_path"] = "tiny"
    (folder / "care_train.json").write_text(json.dumps(note))
    found = find_trained(LoadSettings(adapter_name_or_path=str(folder), model_name_or_path="tiny"))
    assert found.base == str(folder / "base")
    assert found.adapters == (folder,)
