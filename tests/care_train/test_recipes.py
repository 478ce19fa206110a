"""Every recipe is loaded and run on a tiny model; the launcher's configurations say what they are meant to."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

import care_train
from care_train.arguments import parse
from care_train.commands import STAGES
from care_train.config import ModelSettings, check
from care_train.models import load_model
from care_train.templates import find_template

RECIPES = Path(care_train.__file__).with_name("recipes")
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))
LAUNCHES = sorted(path.stem for path in (RECIPES / "accelerate").glob("*.yaml"))
STAGE_OF = {f"sequence_{stage}": stage for stage in STAGES}
DATA = {"sft": "answers", "rm": "pairs", "dpo": "pairs"}


def read(name: str, *words: str) -> Any:
    stage = STAGE_OF.get(name, "sft")
    settings, rest = parse(STAGES[stage], [name, *words], passing=True)
    assert rest == []
    check(settings, stage)
    return settings


def test_no_recipe_is_missed() -> None:
    assert set(NAMES) == {
        "demo",
        "carellama2_7b_chat_sft_multi",
        "qwen3_8b_sft_multi",
        "llama3_8b_instruct_sft_multi",
        "smollm2",
        *STAGE_OF,
    }
    assert LAUNCHES == ["deepspeed_zero2", "deepspeed_zero3", "fsdp_qlora", "processes"]
    assert {path.suffix for path in RECIPES.rglob("*") if path.is_file()} == {".toml", ".yaml", ".txt", ".json"}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_complete(name: str) -> None:
    settings = read(name)
    assert settings.extra == {}
    if settings.run.stage != "pt":
        assert find_template(str(settings.data.template)).name == settings.data.template
    assert settings.run.output_dir
    assert settings.training.num_train_epochs > 0


@pytest.fixture(scope="module")
def speaking(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with the tokens that the recipes' templates write."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("speaking")
    own = AutoTokenizer.from_pretrained(tiny)
    marks = [
        "<|im_start|>",
        "<|im_end|>",
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
    ]
    own.add_special_tokens({"extra_special_tokens": marks})
    turn = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    ask = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    own.chat_template = "{% for m in messages %}" + turn + "{% endfor %}" + ask
    model = AutoModelForCausalLM.from_pretrained(tiny)
    model.resize_token_embeddings(len(own), mean_resizing=False)
    model.save_pretrained(folder)
    own.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("sequence_")])
def test_a_recipe_runs(name: str, speaking: Path, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    over = [
        f"model_name_or_path={speaking}",
        f"dataset_dir={corpus}",
        "dataset=answers",
        f"output_dir={tmp_path / 'o'}",
    ]
    settings = read(name, *over, "max_steps=1", "per_device_train_batch_size=2", "gradient_accumulation_steps=1")
    result = import_module(f"care_train.stages.{settings.run.stage}").train(settings, lambda line: None)
    assert result.steps == 1
    assert {Path(path).suffix for path in result.plots} == {".png", ".svg"}
    assert (tmp_path / "o" / "adapter_model.safetensors").exists()


def test_four_stages_in_a_row_as_the_recipes_have_them(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, answers, rewards, preferences: each goes on from what the one before left; texts are the leaflets."""
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("care_train.tiny.MOST_STEPS", 20)
    monkeypatch.setattr("care_train.tiny.SHAPE", {**care_train_shape(), "hidden_size": 128, "num_hidden_layers": 2})
    results = {}
    for name, stage in STAGE_OF.items():
        data = [f"dataset_dir={RECIPES / 'texts'}"] if stage == "pt" else [f"dataset_dir={corpus}"]
        data += [f"dataset={DATA[stage]}"] if stage != "pt" else []
        settings = read(name, *data, "max_steps=3", "logging_steps=1")
        results[stage] = import_module(f"care_train.stages.{stage}").train(settings, lambda line: None)
    assert all(result.steps == 3 for result in results.values())
    weights = [tmp_path / "output-sequence" / stage / "adapter_model.safetensors" for stage in STAGES]
    assert len({path.read_bytes() for path in weights}) == 4
    note = json.loads((weights[3].parent / "care_train.json").read_text(encoding="utf-8"))
    assert note["settings"]["model"]["adapter_name_or_path"] == "output-sequence/sft"
    assert results["dpo"].loss_first == pytest.approx(0.693147, abs=1e-5)  # it measures from the answers learned before


def care_train_shape() -> dict[str, int]:
    from care_train.tiny import SHAPE

    return {**SHAPE, "num_attention_heads": 2}


def launch(name: str) -> dict[str, str]:
    """What the launcher would tell the processes it starts by a configuration of ours."""
    from accelerate.commands import launch as module
    from accelerate.utils.launch import prepare_multi_gpu_env

    path = RECIPES / "accelerate" / f"{name}.yaml"
    args = module.launch_command_parser().parse_args(["--config_file", str(path), "-m", "care_train"])
    args, *_ = module._validate_launch_command(args)
    return prepare_multi_gpu_env(args)


def test_processes_compute_as_the_trainer_is_told() -> None:
    told = launch("processes")
    assert told["ACCELERATE_MIXED_PRECISION"] == "no"
    assert "ACCELERATE_USE_CPU" not in told
    assert "ACCELERATE_USE_FSDP" not in told


def test_fsdp_is_told_what_qlora_needs(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    told = launch("fsdp_qlora")
    assert (told["FSDP_VERSION"], told["FSDP_SHARDING_STRATEGY"]) == ("1", "FULL_SHARD")
    assert told["FSDP_AUTO_WRAP_POLICY"] == "TRANSFORMER_BASED_WRAP"
    assert told["FSDP_STATE_DICT_TYPE"] == "FULL_STATE_DICT"
    assert told["FSDP_USE_ORIG_PARAMS"] == "false"
    assert told["FSDP_CPU_RAM_EFFICIENT_LOADING"] == told["FSDP_SYNC_MODULE_STATES"] == "true"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", told["ACCELERATE_USE_FSDP"])
    settings = ModelSettings(model_name_or_path=str(tiny), quantization_bit=4)
    model: Any = load_model(settings, dtype=torch.bfloat16)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert not hasattr(model, "hf_device_map")


def test_weights_of_four_bits_are_bytes_otherwise(tiny: Path) -> None:
    model = load_model(ModelSettings(model_name_or_path=str(tiny), quantization_bit=4), dtype=torch.bfloat16)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16, torch.uint8}


@pytest.mark.parametrize(("name", "stage"), [("deepspeed_zero2", 2), ("deepspeed_zero3", 3)])
def test_deepspeed_is_told_its_stage(name: str, stage: int, make_deepspeed: Callable[[str], dict[str, Any]]) -> None:
    told = make_deepspeed(name)
    assert (told["zero_stage"], told["gradient_accumulation_steps"], told["gradient_clipping"]) == (
        stage,
        "auto",
        "auto",
    )
    assert told["zero3_init_flag"] is (stage == 3)
    assert told.get("zero3_save_16bit_model", False) is (stage == 3)


@pytest.fixture
def make_deepspeed() -> Callable[[str], dict[str, Any]]:
    """What a configuration says of DeepSpeed, as accelerate reads it."""
    from accelerate.commands.config.config_args import load_config_from_file

    def read_it(name: str) -> dict[str, Any]:
        config = load_config_from_file(str(RECIPES / "accelerate" / f"{name}.yaml"))
        assert config.distributed_type == "DEEPSPEED"
        return config.deepspeed_config

    return read_it
