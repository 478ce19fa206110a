"""Exports of everything that training leaves, read back as any other tool would."""

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

from care_train.arguments import parse
from care_train.checkpoints import read_note
from care_train.cli import run
from care_train.config import ALIASES
from care_train.config.exporting import ExportSettings
from care_train.errors import CareError, Exit
from care_train.exporting import exports
from care_train.exporting.exports import Export, export
from care_train.templates import find_template
from care_train.tokens import encode_prompt

MESSAGES = [
    {"role": "user", "content": "头痛了怎么办？"},
    {"role": "assistant", "content": "多喝水。"},
    {"role": "user", "content": "还有呢？"},
]


def make(*words: str, said: list[str] | None = None) -> Export:
    settings, _ = parse(ExportSettings, list(words), aliases=ALIASES)
    return export(settings, (said if said is not None else []).append)


def load(folder: Path, kind: str = "AutoModelForCausalLM") -> Any:
    import transformers

    return getattr(transformers, kind).from_pretrained(folder).eval()


def ask(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].float()


def put_on(base: Path, *adapters: Path) -> Any:
    """Base and adapters as peft alone puts them together."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    for place, adapter in enumerate(adapters):
        model = PeftModel.from_pretrained(model, adapter)
        model = model if place == len(adapters) - 1 else model.merge_and_unload()
    return model.eval()


@pytest.fixture(scope="module")
def exported(trained: tuple[Path, Any, list[str]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Export]:
    """An adapter trained on four bits, exported."""
    folder = tmp_path_factory.mktemp("exports") / "whole"
    return folder, make(f"adapter_name_or_path={trained[0]}", f"output_dir={folder}")


def test_the_export_says_what_adapter_and_full_base_say(
    exported: tuple[Path, Export], trained: tuple[Path, Any, list[str]], tiny: Path
) -> None:
    from transformers import AutoTokenizer

    folder, result = exported
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True)["input_ids"]
    assert ids == encode_prompt(tokenizer, find_template("llama2"), "还有呢？", [("头痛了怎么办？", "多喝水。")])
    written, expected = ask(load(folder), ids), ask(put_on(tiny, trained[0]), ids)
    assert (written - expected).abs().max() < 1e-4
    assert (written - ask(load(tiny), ids)).abs().max() > 0.1
    assert result.largest < 1e-4
    assert (result.agreement, result.bound, result.dtype) == (1.0, 1e-3, "float32")
    assert result.places > 100
    assert (result.chat_template, result.modelfile, result.template) == (True, True, "llama2")


def test_what_lies_in_the_folder(exported: tuple[Path, Export], tokenizer: Any) -> None:
    folder, _ = exported
    assert sorted(path.name for path in folder.iterdir()) == [
        "Modelfile", "README.md", "care_train.json", "chat_template.jinja", "config.json", "generation_config.json",
        "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    config = json.loads((folder / "generation_config.json").read_text())
    assert (config["eos_token_id"], config["pad_token_id"]) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"
    note = read_note(folder)
    assert (note["template"], note["stage"], note["finished"]) == ("llama2", "sft", True)
    assert note["export"]["runs"] == [{"name": "output", "stage": "sft"}]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "In an emergency call your local emergency number" in card
    assert "紧急情况" in card
    assert "output (sft), merged into the base model in full precision, in float32." in card
    assert "library_name: transformers" in card
    assert "| toy_sft | 24 |" in card
    assert str(folder.parent) not in card
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        (folder / "config.json").stat().st_mode & 0o777
    }


def test_the_export_is_talked_with_like_an_adapter(exported: tuple[Path, Export], capsys: Any) -> None:
    assert run(["chat", str(exported[0]), "--question", "头痛了怎么办？", "--max_new_tokens", "8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["template"] == "llama2"
    assert told["tokens"] >= 1


def test_the_command_as_it_was_in_2023(
    trained: tuple[Path, Any, list[str]], tiny: Path, tmp_path: Path, capsys: Any
) -> None:
    words = ["--model_name_or_path", str(tiny), "--template", "llama2", "--finetuning_type", "lora"]
    words += ["--checkpoint_dir", str(trained[0]), "--output_dir", str(tmp_path / "output_export")]
    assert run(["export", *words]) == 0
    out = capsys.readouterr()
    assert out.out.startswith(f"model    {tmp_path / 'output_export'}  ")
    assert "equal    largest difference of two logits " in out.out
    assert "note: trained on a base of 4 bits, merged into the full one" in out.err
    assert run(["export", *words]) == Exit.DATA
    assert "holds an earlier export. Add --overwrite_output_dir" in capsys.readouterr().err
    assert run(["export", *words, "--overwrite_output_dir", "--json", "--no_notice", "--dtype", "bfloat16"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dtype"], told["bound"]) == ("bfloat16", 1.5)
    assert "emergency" not in (tmp_path / "output_export" / "README.md").read_text()


def test_several_adapters_merge_in_order(
    run_stage: Callable[..., Any], tiny: Path, tokenizer: Any, tmp_path: Path
) -> None:
    for name in "ab":
        run_stage("sft", tmp_path / name, f"seed={ord(name)}", "learning_rate=5e-2")
    make(f"checkpoint_dir={tmp_path / 'a'},{tmp_path / 'b'}", f"output_dir={tmp_path / 'both'}")
    ids = tokenizer("头痛了怎么办？")["input_ids"]
    expected = ask(put_on(tiny, tmp_path / "a", tmp_path / "b"), ids)
    assert (ask(load(tmp_path / "both"), ids) - expected).abs().max() < 1e-3
    assert (ask(put_on(tiny, tmp_path / "b"), ids) - expected).abs().max() > 0.1
    run_stage("dpo", tmp_path / "on", f"adapter_name_or_path={tmp_path / 'a'}")
    with pytest.raises(CareError, match=r"on went on from .*a and holds it already\. Leave .*a out\."):
        make(f"checkpoint_dir={tmp_path / 'a'},{tmp_path / 'on'}", f"output_dir={tmp_path / 'twice'}")
    assert make(f"checkpoint_dir={tmp_path / 'on'}", f"output_dir={tmp_path / 'once'}").agreement == 1.0


@pytest.mark.parametrize("words", [("use_dora=true",), ("finetuning_type=full",), ("finetuning_type=freeze",)])
def test_other_ways_of_training(words: tuple[str, ...], run_stage: Callable[..., Any], tmp_path: Path) -> None:
    run_stage("sft", tmp_path / "run", *words)
    result = make(f"adapter_name_or_path={tmp_path / 'run'}", f"output_dir={tmp_path / 'out'}")
    assert result.largest < 1e-4
    assert (result.template, result.chat_template) == ("llama2", True)
    assert result.adapters == ([str(tmp_path / "run")] if words[0] == "use_dora=true" else [])


def test_a_reward_model_keeps_its_head(
    run_stage: Callable[..., Any], tiny: Path, tokenizer: Any, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    run_stage("rm", tmp_path / "run", "max_steps=6")
    result = make(f"adapter_name_or_path={tmp_path / 'run'}", f"output_dir={tmp_path / 'out'}", "dtype=float16")
    assert (result.scores, result.modelfile, result.chat_template) == (True, False, True)
    ids = tokenizer("[INST] 咳嗽了怎么办？ [/INST]多喝水。</s>")["input_ids"]
    base = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=1, pad_token_id=tokenizer.pad_token_id)
    expected = ask(PeftModel.from_pretrained(base, tmp_path / "run").eval(), ids)
    written = load(tmp_path / "out", "AutoModelForSequenceClassification")
    assert written.config.pad_token_id == tokenizer.pad_token_id
    assert (ask(written, ids) - expected).abs().max() < 0.05
    assert not (tmp_path / "out" / "Modelfile").exists()


def test_a_vocabulary_that_grew_comes_along(tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.add_tokens(["<dose>", "<unit>"])
    model = AutoModelForCausalLM.from_pretrained(tiny)
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer))
    kept = ["embed_tokens", "lm_head"]
    peft = get_peft_model(
        model, LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=kept, task_type="CAUSAL_LM")
    )
    peft.save_pretrained(tmp_path / "grown")
    tokenizer.save_pretrained(tmp_path / "grown")
    said: list[str] = []
    words = [f"adapter_name_or_path={tmp_path / 'grown'}", f"model_name_or_path={tiny}", "template=llama2"]
    make(*words, f"output_dir={tmp_path / 'out'}", said=said)
    assert f"vocabulary: {len(tokenizer):,} rows as in the adapter" in " ".join(said)
    ids = AutoTokenizer.from_pretrained(tmp_path / "out")("<dose>头痛")["input_ids"]
    assert ids[0] == len(tokenizer) - 2
    assert (ask(load(tmp_path / "out"), ids) - ask(peft.eval(), ids)).abs().max() < 1e-4
    (tmp_path / "grown" / "adapter_model.safetensors").unlink()
    get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny), LoraConfig(r=4, target_modules=["q_proj"])
    ).save_pretrained(tmp_path / "grown")
    with pytest.raises(CareError, match=r"the tokenizer has \d+ tokens, the model \d+ embeddings") as caught:
        make(*words, f"output_dir={tmp_path / 'other'}")
    assert caught.value.code == Exit.INTEGRITY


def test_weights_that_changed_are_not_exported(
    trained: tuple[Path, Any, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"adapter_name_or_path={trained[0]}", f"output_dir={tmp_path / 'out'}"]
    with pytest.raises(
        CareError, match=r"the merged weights say other than before: logits differ by .* at most 1e-12"
    ) as one:
        make(*words, "max_difference=1e-12")
    assert one.value.code == Exit.INTEGRITY
    with monkeypatch.context() as patch:
        patch.setattr(exports.merging, "merge", lambda model, adapter: model.unload())
        with pytest.raises(CareError, match="the merged weights say other"):
            make(*words, "dtype=bfloat16")
    load_model = exports.load_model

    def spoil(*given: Any, **named: Any) -> Any:
        model: Any = load_model(*given, **named)
        model.lm_head.weight.data[5, 5] = float("nan")
        return model

    with monkeypatch.context() as patch:
        patch.setattr(exports, "load_model", spoil)
        with pytest.raises(CareError, match="the files written say other than before: logits differ by inf"):
            make(*words)
    assert list(tmp_path.iterdir()) == []


def test_another_base_is_refused(trained: tuple[Path, Any, list[str]], tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, tmp_path / "other")
    weights = load_file(tmp_path / "other" / "model.safetensors")
    save_file(
        {name: one + 0.01 for name, one in weights.items()}, tmp_path / "other" / "model.safetensors", {"format": "pt"}
    )
    words = [f"adapter_name_or_path={trained[0]}", f"model_name_or_path={tmp_path / 'other'}"]
    with pytest.raises(CareError, match="was trained on other weights than those of") as caught:
        make(*words, f"output_dir={tmp_path / 'out'}")
    assert caught.value.code == Exit.INTEGRITY


def test_a_template_without_an_equal_jinja_is_said(
    trained: tuple[Path, Any, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(exports, "find_jinja", lambda *_: None)  # this vocabulary is too small to know any difference
    words = [f"adapter_name_or_path={trained[0]}", f"output_dir={tmp_path / 'out'}", "template=plain"]
    result = make(*words, "max_shard_size=500KB", said=said)
    assert (result.chat_template, result.modelfile) == (False, False)
    assert "warning: trained with template llama2, asked with plain; leave --template out to use llama2" in said
    assert "warning: no chat template is written: no Jinja gives the ids of template plain here" in said
    assert not (tmp_path / "out" / "chat_template.jinja").exists()
    assert "No TEMPLATE" in (tmp_path / "out" / "Modelfile").read_text()
    assert len(list((tmp_path / "out").glob("model-*-of-*.safetensors"))) > 2


KILLED = """
import os, signal, sys
from care_train.exporting import exports
setattr(exports, sys.argv.pop(1), lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
from care_train.cli import main
main()
"""


@pytest.mark.parametrize("point", ["compute_logits", "write_story"])
def test_a_killed_export_leaves_nothing_under_its_name(
    point: str, trained: tuple[Path, Any, list[str]], tmp_path: Path
) -> None:
    words = ["export", str(trained[0]), "--output_dir", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", KILLED, point, *words], env=dict(os.environ), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == [".out.part"]
    make(f"adapter_name_or_path={trained[0]}", f"output_dir={tmp_path / 'out'}")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
