"""The card of a trained model: its front matter, what it tells people, and that it names no path."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from care_train.arguments import parse
from care_train.cards import describe_license, describe_model, write_card
from care_train.config import SftSettings, list_values

ROW: dict[str, Any] = {
    "dataset": "toy_sft",
    "records": 1200,
    "corpus": "toy",
    "title": "A <toy> | of ours",
    "from": "hub:someone/toy@abc",
    "license": "Apache-2.0",
    "terms": "",
    "use": "commercial",
    "languages": ["zh"],
}
RESULT: dict[str, Any] = {
    "steps": 40,
    "tokens": 90000,
    "loss_first": 2.0,
    "loss_last": 1.25,
    "eval_loss": 1.5,
    "scores": {},
    "plots": ["/home/me/out/training_loss.png", "/home/me/out/training_loss.svg"],
    "budget": {
        "records": 1200,
        "examples": 1190,
        "dropped": {"no answer": 10},
        "truncated": {},
        "tokens": 90000,
        "supervised": 40000,
    },
}


def note(*words: str, base: str = "someone/llama-7b", stage: str = "sft", data: Any = None) -> dict[str, Any]:
    """The care_train.json of a run with these words on its command line."""
    line = [f"model_name_or_path={base}", "dataset=toy_sft", "dataset_dir=/home/me/data", "output_dir=/home/me/out"]
    line += ["template=llama2"]
    settings, _ = parse(SftSettings, [*line, *words], passing=True)
    return {
        "stage": stage,
        "base": "/home/me/out/base" if base == "tiny" else base,
        "template": settings.data.template if stage != "pt" else None,
        "system": settings.data.system,
        "quantization_bit": settings.model.quantization_bit,
        "data": data or [ROW],
        "manifest_sha256": "f" * 64,
        "settings": list_values(settings),
        "versions": {"care-llm": "0.1.0"},
    }


def write(folder: Path, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
    """(front matter, text) of the card."""
    write_card(folder, note(*args, **kwargs), RESULT)
    _, header, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), body


def test_front_matter_of_an_adapter() -> None:
    assert describe_model(note("quantization_bit=4")) == {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "base_model": "someone/llama-7b",
        "base_model_relation": "adapter",
        "datasets": ["someone/toy"],
        "language": ["zh"],
        "license": "other",
        "license_name": "see-data-and-base-model",
        "license_details": "Apache-2.0: toy; base model: someone/llama-7b, under a licence of its own",
        "tags": ["medical", "care-train", "sft", "lora"],
    }


def test_front_matter_of_other_runs() -> None:
    whole = describe_model(note("finetuning_type=full", stage="rm"))
    assert [whole[name] for name in ("library_name", "pipeline_tag", "base_model_relation")] == [
        "transformers",
        "text-classification",
        "finetune",
    ]
    assert describe_model(note("use_dora=true", stage="dpo"))["tags"][2:] == ["dpo", "dora"]
    local = describe_model(note(base="/home/me/models/llama", data=[{**ROW, "from": "package:x", "languages": []}]))
    assert not {"base_model", "base_model_relation", "datasets", "language"} & set(local)


@pytest.mark.parametrize(
    ("base", "rows", "licence"),
    [
        ("tiny", [{}], {"license": "apache-2.0"}),
        ("tiny", [{}, {"license": "MIT", "corpus": "b"}], "Apache-2.0: toy; MIT: b"),
        ("tiny", [{"terms": "ask first"}], "Apache-2.0: toy"),
        ("tiny", [{"use": "unclear"}], "Apache-2.0: toy"),
        ("tiny", [{"license": "", "corpus": ""}], "not stated: toy_sft"),
        ("tiny", [{"license": "GPL-0"}], "GPL-0: toy"),
        ("x/y", [{}], "Apache-2.0: toy; base model: x/y, under a licence of its own"),
    ],
)
def test_a_licence_is_stated_only_where_all_is_under_it(base: str, rows: list[Any], licence: Any) -> None:
    told = describe_license(note(base=base, data=[{**ROW, **row} for row in rows]))
    if isinstance(licence, str):
        licence = {"license": "other", "license_name": "see-data-and-base-model", "license_details": licence}
    assert told == licence


def test_the_hub_reads_the_front_matter(tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    write(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model == "someone/llama-7b"
    assert card.data.datasets == ["someone/toy"]
    assert card.data.license == "other"


def test_people_read_data_losses_and_use(tmp_path: Path) -> None:
    header, body = write(tmp_path, "quantization_bit=4", "lora_rank=16")
    assert header == describe_model(note("quantization_bit=4", "lora_rank=16"))
    assert "LoRA of rank 16" in body
    assert "loaded in 4 bits" in body
    assert r"| toy_sft | 1,200 | A &lt;toy> \| of ours | Apache-2.0 | hub:someone/toy@abc |" in body
    assert "Of 1,200 records 1,190 became examples of 90,000 tokens, of which 40,000 are learned; 10 no answer." in body
    assert "| last loss | 1.2500 |" in body
    assert "| evaluation | 1.5000 |" in body
    assert "![The course of the loss](training_loss.png)" in body
    assert "care-train chat FOLDER --question '…'" in body
    assert 'AutoModelForCausalLM.from_pretrained("someone/llama-7b")' in body
    assert "no medical advice" in body
    assert "Not for commercial use" not in body


def test_no_path_of_the_machine_and_no_secret_is_told(tmp_path: Path) -> None:
    for base in ("/home/me/models/llama", "tiny"):
        write(tmp_path, "hub_token=abc123", base=base)
        text = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "/home/me" not in text
        assert "abc123" not in text
    assert "`tiny`, a toy made of the data's own texts" in text


def test_a_reward_model_is_no_chatbot_and_narrow_licences_are_limits(tmp_path: Path) -> None:
    narrow = [{**ROW, "use": "research", "terms": "ask first"}, {**ROW, "dataset": "b", "license": "", "corpus": ""}]
    _, body = write(tmp_path, stage="rm", data=narrow)
    assert "care-train chat" not in body
    assert 'AutoModelForSequenceClassification.from_pretrained("someone/llama-7b", num_labels=1)' in body
    assert "| Apache-2.0; ask first; use: research |" in body
    assert "- Not for commercial use, or unclear whether: toy." in body
    assert "- No licence is stated for: b." in body


def test_the_template_is_told_as_it_is_written(tmp_path: Path) -> None:
    _, body = write(tmp_path)
    assert "```text\n{bos}[INST] {question} [/INST]{answer}{eos}\n```" in body
    assert "Trained without a system prompt." in body
    _, body = write(tmp_path, "system=Be | brief.")
    assert "{bos}[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{question} [/INST]" in body
    assert r"Trained with the system prompt: Be \| brief." in body
    _, body = write(tmp_path, "template=auto")
    assert "`auto`: the chat template that comes with the tokenizer. Any other" in body
    assert "```text" not in body
    _, body = write(tmp_path, stage="pt")
    assert "## Template" not in body


def test_the_settings_are_a_recipe(tmp_path: Path) -> None:
    words = ("learning_rate=3e-4", "lora_target=q_proj,v_proj", 'system=说"好"', "adam_beta2=0.95", "bf16=true")
    _, body = write(tmp_path, *words)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(body.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert "run" not in tomllib.loads(recipe.read_text(encoding="utf-8"))
    line = ["model_name_or_path=someone/llama-7b", "dataset_dir=/home/me/data", "output_dir=/home/me/out"]
    again, _ = parse(SftSettings, [str(recipe), *line], passing=True)
    assert list_values(again) == note(*words)["settings"]


def test_a_training_leaves_a_card(trained: tuple[Path, Any, list[str]], tiny: Path) -> None:
    folder, result, _ = trained
    _, header, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    told = yaml.safe_load(header)
    assert (told["library_name"], told["license"]) == ("peft", "other")
    assert told["license_details"] == f"Apache-2.0: toy; base model: {tiny.name}, under a licence of its own"
    assert "| toy_sft | 24 | toy | Apache-2.0 |  |" in body
    assert f"| last loss | {result.loss_last:.4f} |" in body
    assert str(tiny.parent) not in body
