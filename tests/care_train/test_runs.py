"""What holds of every stage: each way of learning, accumulation, going on after an end of any kind, the alarm."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import care_train
from care_train.errors import CareError

ROOT = Path(care_train.__file__).parents[1]
STAGES = ("pt", "sft", "rm", "dpo")
WAYS = {
    "lora": (),
    "dora": ("use_dora=true",),
    "qlora": ("quantization_bit=4",),
    "qdora": ("quantization_bit=4", "use_dora=true"),
    "8 bits": ("quantization_bit=8",),
    "freeze": ("finetuning_type=freeze", "freeze_trainable_layers=1", "learning_rate=1e-3"),
    "full": ("finetuning_type=full", "learning_rate=1e-3"),
}


def read_log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()]


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {
        f"{path.parent.name if path.parent != folder else ''}/{name}": weight
        for path in sorted(folder.glob("*.safetensors"))
        for name, weight in load_file(path).items()
    }


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_learning_learns(stage: str, way: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    result = run_stage(stage, tmp_path / "a", *WAYS[way])
    assert result.steps == 2
    norms = [line["grad_norm"] for line in read_log(tmp_path / "a")]
    assert len(norms) == 2
    assert all(0 < norm < float("inf") for norm in norms)
    assert 0 < result.trainable < result.parameters or way == "full"
    saved = read_weights(tmp_path / "a")
    assert saved
    assert all(weight.isfinite().all() for weight in saved.values())


@pytest.mark.parametrize("stage", ["sft", "rm", "dpo"])
def test_one_batch_of_eight_is_eight_of_one(stage: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    run_stage(stage, tmp_path / "a", "per_device_train_batch_size=8", "max_steps=3")
    words = ("per_device_train_batch_size=1", "gradient_accumulation_steps=8", "max_steps=3")
    run_stage(stage, tmp_path / "b", *words)
    whole, parts = ([[line["loss"], line["grad_norm"]] for line in read_log(tmp_path / name)] for name in ("a", "b"))
    assert len(whole) == 3
    for one, two in zip(whole, parts, strict=True):
        assert one == pytest.approx(two, abs=1e-5)


@pytest.mark.parametrize(
    ("model", "template", "why"),
    [
        ("tiny", "chatml", r"^tiny: template chatml writes <\|im_start\|>, which is no token of this tokenizer"),
        ("tiny", "auto", r"^tiny: the tokenizer has no chat template\. Name a template with --template"),
        ("", "llama3", r"/base: template llama3 writes <\|start_header_id\|>, which is no token"),
        ("none", "llama2", r"^none: tokenizer cannot be loaded \(no such folder here\)"),
    ],
)
def test_what_does_not_fit_is_said_before_records_are_read(
    model: str, template: str, why: str, run_stage: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said: list[str] = []
    missing = json.dumps({"answers": {"file_name": "nowhere.json"}})
    (tmp_path / "dataset_info.json").write_text(missing, encoding="utf-8")
    words = [f"template={template}", f"dataset_dir={tmp_path}", *([f"model_name_or_path={model}"] if model else [])]
    with pytest.raises(CareError, match=why):
        run_stage("sft", tmp_path / "a", *words, say=said.append)
    assert (said, [path.name for path in tmp_path.iterdir()]) == ([], ["dataset_info.json"])


RESUMED = {
    **{stage: (stage, ()) for stage in STAGES},
    "rm, 4 bits": ("rm", ("quantization_bit=4",)),
    "dpo, 4 bits": ("dpo", ("quantization_bit=4",)),
    "dpo, full": ("dpo", ("finetuning_type=full", "learning_rate=1e-3")),
    "sft, freeze": ("sft", ("finetuning_type=freeze", "learning_rate=1e-3")),
    "sft, accumulated": ("sft", ("gradient_accumulation_steps=2", "per_device_train_batch_size=2")),
}


@pytest.mark.parametrize("case", RESUMED)
def test_resumed_is_straight_bit_for_bit(case: str, run_stage: Callable[..., Any], tmp_path: Path) -> None:
    stage, more = RESUMED[case]
    words = ("max_steps=4", "save_strategy=steps", "save_steps=2", "lora_dropout=0.1", *more)
    run_stage(stage, tmp_path / "a", *words)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "checkpoint-4")
    for path in (tmp_path / "b").glob("*.safetensors"):
        path.unlink()
    said: list[str] = []
    run_stage(stage, tmp_path / "b", *words, say=said.append)
    assert f"resume: going on from {tmp_path / 'b' / 'checkpoint-2'}" in said
    straight, resumed = read_weights(tmp_path / "a"), read_weights(tmp_path / "b")
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(weight, resumed[name]) for name, weight in straight.items())
    kept = ("step", "loss", "grad_norm", "learning_rate", "rewards/margins")
    logs = [[{name: line.get(name) for name in kept} for line in read_log(tmp_path / at)] for at in ("a", "b")]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 4


def spawn(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of this Python, with the package on its path."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


KILLED = """
import os, signal, sys
from care_train import cli
from transformers import TrainerState

whole = TrainerState.save_to_json

def save_half(self, path):
    whole(self, path)
    if self.global_step == 4:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

TrainerState.save_to_json = save_half
sys.exit(cli.run(sys.argv[1:]))
"""


def test_killed_in_the_middle_of_saving_it_goes_on_as_if_it_had_not_been(
    run_stage: Callable[..., Any], tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    words = ("max_steps=6", "save_strategy=steps", "save_steps=2", "lora_dropout=0.1")
    run_stage("sft", tmp_path / "a", *words)
    line = [f"model_name_or_path={tiny}", f"dataset_dir={corpus}", "dataset=answers", f"output_dir={tmp_path / 'b'}"]
    line += ["template=llama2", "lora_rank=4", "learning_rate=1e-2", "lr_scheduler_type=constant", "logging_steps=1"]
    done = spawn("-c", KILLED, "sft", *line, "per_device_train_batch_size=4", "cutoff_len=128", *words, folder=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "b" / "checkpoint-4" / "trainer_state.json").exists()
    said: list[str] = []
    run_stage("sft", tmp_path / "b", *words, say=said.append)
    assert f"resume: going on from {tmp_path / 'b' / 'checkpoint-2'}" in said
    straight, resumed = read_weights(tmp_path / "a"), read_weights(tmp_path / "b")
    assert all(torch.equal(weight, resumed[name]) for name, weight in straight.items())
    logs = [[(line["step"], line["loss"]) for line in read_log(tmp_path / name)] for name in ("a", "b")]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 6


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_two_processes_train_as_one_and_save_once(
    stage: str, run_stage: Callable[..., Any], tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    """At the same global batch: two of four each beside one of eight."""
    words = ("max_steps=3", "save_strategy=steps", "save_steps=2", "val_size=8", "eval_strategy=steps", "eval_steps=3")
    one = run_stage(stage, tmp_path / "a", *words, "per_device_train_batch_size=8")
    line = [f"model_name_or_path={tiny}", f"dataset_dir={corpus}", f"output_dir={tmp_path / 'b'}", "template=llama2"]
    line += ["lora_rank=4", "learning_rate=1e-2", "lr_scheduler_type=constant", "logging_steps=1", "cutoff_len=128"]
    line += [f"dataset={'answers' if stage == 'sft' else 'pairs'}", "per_device_train_batch_size=4", *words]
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "-m", "care_train", stage]
    done = spawn(*launch, *line, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1  # one process speaks for both
    two = json.loads(done.stdout)
    logs = [read_log(tmp_path / name) for name in ("a", "b")]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]]
    kept = ("loss", "eval_loss", "grad_norm", "rewards/margins", "eval_rewards/accuracies")
    for single, double in zip(*logs, strict=True):
        for name in kept:
            assert single.get(name) == pytest.approx(double.get(name), abs=1e-5), (name, single["step"])
    assert (one.steps, one.tokens, one.trainable) == (two["steps"], two["tokens"], two["trainable"])
    single, double = read_weights(tmp_path / "a"), read_weights(tmp_path / "b")
    assert all(torch.allclose(weight, double[name], atol=1e-4) for name, weight in single.items())
    assert sorted(path.name for path in (tmp_path / "b").glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-3"]
    assert len(list((tmp_path / "b").glob("*.safetensors"))) == 1
