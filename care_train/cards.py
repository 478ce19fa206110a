"""The card of what was trained: README.md in the run's folder, for people and for the Hub.

It follows from care_train.json alone, and names no path of the machine that it was made on.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from care_train import smollm2
from care_train.notices import NOTICE, NOTICE_ZH
from care_train.sources import Described
from care_train.templates import describe, find_template

CARD = "README.md"
LICENSES = (
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0",
    "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0",
    "odc-by", "odbl",
)  # fmt: skip
"""The licences the Hub knows by an id that is the SPDX one in small letters."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WHAT = {
    "pt": "went on reading texts (pre-training)",
    "sft": "learned to answer (supervised fine-tuning)",
    "rm": "learned to score answers (reward model)",
    "dpo": "learned to prefer the better of two answers (preference tuning)",
}
METHODS = {"freeze": "The last layers learned", "full": "All weights learned"}
PLACES = ("_dir", "_path", "_cache")
"""Endings of settings that say where something lies."""

Note = dict[str, Any]


def write_card(folder: Path, note: Note, result: dict[str, Any]) -> None:
    """Write README.md of a run. note: its care_train.json; result: what training gave."""
    header = yaml.safe_dump(describe_model(note), allow_unicode=True, sort_keys=False, width=1 << 20)
    known = "settings" in note  # nothing is known of what another trainer left
    parts = [
        _introduce(note) if known else f"# {note['export']['name']}\n",
        _show_merging(note),
        _list_data(note, result) if known else "",
        _show_template(note),
        _show_losses(result) if known else "",
        _show_use(note) if known else "",
        _show_settings(note) if known else "",
        _state_limits(note),
    ]
    text = f"---\n{header}---\n\n" + "\n".join(part for part in parts if part)
    (folder / CARD).write_text(text, encoding="utf-8")


def describe_model(note: Note) -> dict[str, Any]:
    """The front matter as plain values; what is not known, or would be a path, is left out."""
    if "settings" not in note:
        return {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["medical", "care-train"]}
    base, lora = name_base(note), note["settings"]["lora"]
    adapter = is_adapter(note)
    on_hub = sorted({one["from"][4:].partition("@")[0] for one in note["data"] if one["from"].startswith("hub:")})
    languages = sorted({language for one in note["data"] for language in one["languages"]})
    kind = "dora" if lora.get("use_dora") else lora["finetuning_type"]
    known = {
        "base_model": base if is_on_hub(note) else None,
        "base_model_relation": ("adapter" if adapter else "finetune") if is_on_hub(note) else None,
        "datasets": [name for name in on_hub if HUB_ID.fullmatch(name)],
        "language": languages,
    }
    return {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-classification" if note["stage"] == "rm" else "text-generation",
        **{name: value for name, value in known.items() if value},
        **describe_license(note),
        "tags": ["medical", "care-train", note["stage"], kind],
    }


def describe_license(note: Note) -> dict[str, Any]:
    """The licence of the data where all have one and the base model is made of them; else `other` with what is known.

    A base model of others has a licence of its own, which is not known here, so that the data's alone says too little.
    """
    ids: dict[str, set[str]] = {}
    for one in note["data"]:
        ids.setdefault(one["license"] or "not stated", set()).add(one["corpus"] or one["dataset"])
    further = any(one["terms"] or one["use"] == "unclear" for one in note["data"])
    only = next(iter(ids)).lower() if len(ids) == 1 else ""
    if only in LICENSES and not further and is_toy(note):
        return {"license": only}
    told = [f"{license}: {', '.join(sorted(names))}" for license, names in sorted(ids.items())]
    own = [] if is_toy(note) else [f"base model: {name_base(note)}, under a licence of its own"]
    return {"license": "other", "license_name": "see-data-and-base-model", "license_details": "; ".join(told + own)}


def is_toy(note: Note) -> bool:
    """Whether the base model was made of the run's own texts."""
    return bool(note.get("settings", {}).get("model", {}).get("model_name_or_path") == "tiny")


def is_adapter(note: Note) -> bool:
    """Whether the folder holds an adapter, not a model of its own."""
    return note["settings"]["lora"]["finetuning_type"] == "lora" and "export" not in note


def is_on_hub(note: Note) -> bool:
    """Whether the base model is named by a hub id."""
    base = str(note["base"])
    return not is_toy(note) and bool(HUB_ID.fullmatch(base)) and not Path(base).exists()


def name_base(note: Note) -> str:
    """The base model's hub id, or the name of its folder."""
    if note["base"] == smollm2.NAME:
        return smollm2.ORIGIN
    return str(note["base"]) if is_on_hub(note) else "tiny" if is_toy(note) else Path(note["base"]).resolve().name


def _introduce(note: Note) -> str:
    lora, bits = note["settings"]["lora"], note["quantization_bit"]
    where = "" if is_on_hub(note) else ", a toy made of the data's own texts" if is_toy(note) else ", a local folder"
    loaded = f"in {bits} bits" if bits else "unquantised"
    if lora["finetuning_type"] == "lora":
        kind = "DoRA" if lora.get("use_dora") else "LoRA"
        how = f"{kind} of rank {lora['lora_rank']}, alpha {lora['lora_alpha']}, on {lora['lora_target']}"
    else:
        how = METHODS[lora["finetuning_type"]]
    return (
        f"# {name_base(note)}, {note['stage']}\n\n"
        f"`{name_base(note)}`{where}, loaded {loaded}, {WHAT[note['stage']]} with care-train. {how}.\n"
    )


def _show_merging(note: Note) -> str:
    """What an export tells of itself; nothing for a run."""
    if "export" not in note:
        return ""
    told = note["export"]
    runs = ", then ".join(_cell(f"{one['name']} ({one['stage'] or 'trained elsewhere'})") for one in told["runs"])
    how = f"{runs}, merged into the base model in full precision" if runs else "A whole model, written anew"
    chat = (
        "`chat_template.jinja` gives the ids it was trained on" if told["chat_template"] else "It has no chat template"
    )
    lines = [
        *([f"> {NOTICE}", ">", f"> {NOTICE_ZH}", ""] if told["notice"] else []),
        f"{how}, in {told['dtype']}. Read back, its logits differ by {told['largest']:.2g} at most from those before, "
        f"and {told['agreement']:.1%} of the likeliest tokens agree. {chat}.",
    ]
    return "\n".join(lines) + "\n"


def _list_data(note: Note, result: dict[str, Any]) -> str:
    rows = [
        [one["dataset"], f"{one['records']:,}", one["title"] or one["corpus"], _name_license(one), one["from"]]
        for one in note["data"]
    ]
    budget = result["budget"]
    left_out = [f"{count:,} {what}" for kind in ("dropped", "truncated") for what, count in budget[kind].items()]
    several = "The last run: of" if len(note.get("export", {}).get("runs", [])) > 1 else "Of"
    lines = [
        "## Data",
        "",
        *_table(["dataset", "records", "corpus", "licence", "from"], rows),
        "",
        f"{several} {budget['records']:,} records {budget['examples']:,} became examples of {budget['tokens']:,} "
        f"tokens, of which {budget['supervised']:,} are learned; "
        f"{', '.join(left_out) or 'nothing was cut or left out'}.",
    ]
    if note["manifest_sha256"]:
        lines += ["", f"The release's `manifest.json` has the sha256 `{note['manifest_sha256']}`."]
    return "\n".join(lines) + "\n"


def _name_license(one: Described) -> str:
    notes = [one["terms"], "" if one["use"] in ("", "commercial") else f"use: {one['use']}"]
    return "; ".join(filter(None, [one["license"] or "not stated", *notes]))


def _show_template(note: Note) -> str:
    """How a first question and its answer are written, for those who use the model with another tool."""
    if not note["template"]:
        return ""
    template = find_template(note["template"])
    system = template.default_system if note["system"] is None else note["system"]
    told = describe(template).removeprefix("template ")
    lines = ["## Template", "", f"`{template.name}`{told.removeprefix(template.name)}. Any other format does worse."]
    if not template.own:
        layout = template.prefix + template.user.replace("{system}", template.system if system else "")
        lines += ["", "```text", layout + template.assistant, "```"]
    asked = f"Trained with the system prompt: {_cell(system)}" if system else "Trained without a system prompt."
    return "\n".join([*lines, "", f"{asked}\n"])


def _show_losses(result: dict[str, Any]) -> str:
    named = {"first loss": result["loss_first"], "last loss": result["loss_last"], "evaluation": result["eval_loss"]}
    rows = [["steps", f"{result['steps']:,}"], ["tokens read", f"{result['tokens']:,}"]]
    rows += [[name, f"{value:.4f}"] for name, value in named.items() if value is not None]
    rows += [[name.removeprefix("rewards/"), f"{value:.4f}"] for name, value in result["scores"].items()]
    plots = [Path(path).name for path in result["plots"] if path.endswith("training_loss.png")]
    picture = f"\n![The course of the loss]({plots[0]})\n" if plots else ""
    return "\n".join(["## Training", "", *_table(["", ""], rows), picture])


def _show_use(note: Note) -> str:
    lines = ["## Use", ""]
    if note["stage"] == "rm":
        kind, load = "AutoModelForSequenceClassification", "num_labels=1"
    else:
        kind, load = "AutoModelForCausalLM", ""
    base, adapter = name_base(note), is_adapter(note)
    if note["stage"] != "rm":
        which = "FOLDER" if adapter or "export" in note else "--model_name_or_path FOLDER"
        lines += ["```bash", f"care-train chat {which} --question '…'", "```", ""]
    told = ", ".join(filter(None, [f'"{base}"' if adapter else '"FOLDER"', load]))
    lines += ["FOLDER is the one that holds this file. In Python:", "", "```python"]
    lines += ["from peft import PeftModel"] if adapter else []
    lines += [f"from transformers import {kind}, AutoTokenizer", ""]
    lines += ['tokenizer = AutoTokenizer.from_pretrained("FOLDER")', f"model = {kind}.from_pretrained({told})"]
    lines += ['model = PeftModel.from_pretrained(model, "FOLDER")'] if adapter else []
    return "\n".join([*lines, "```\n"])


def _show_settings(note: Note) -> str:
    lines = ["## Settings", "", "A recipe that trains it again, given the base model and the data:", "", "```toml"]
    settings = {name: values for name, values in note["settings"].items() if name not in ("run", "extra")}
    passed = {name: value for name, value in note["settings"].get("extra", {}).items() if "hub" not in name}
    for section, values in {**settings, "training": {**settings["training"], **passed}}.items():
        told = {name: value for name, value in values.items() if value is not None and not name.endswith(PLACES)}
        lines += [f"[{section}]", *(f"{name} = {_write_toml(value)}" for name, value in told.items()), ""]
    versions = ", ".join(f"{name} {version}" for name, version in note["versions"].items())
    return "\n".join([*lines[:-1], "```", "", f"Made with {versions}.\n"])


def _write_toml(value: Any) -> str:
    """A setting as TOML has it; JSON's texts, numbers and truth values are TOML too."""
    return json.dumps(value, ensure_ascii=False)


def _state_limits(note: Note) -> str:
    narrow = sorted({one["corpus"] or one["dataset"] for one in note["data"] if one["use"] in ("research", "unclear")})
    unsaid = sorted({one["dataset"] for one in note["data"] if not one["license"]})
    advice = (
        "Words of a language model are no medical advice: they can be wrong, out of date or harmful, and nobody has "
        "examined the patient. It was not tested for use in care."
    )
    lines = [
        advice if note.get("export", {}).get("notice", True) else "",
        "The licences of the data and of the base model apply.",
        f"Not for commercial use, or unclear whether: {', '.join(narrow)}." if narrow else "",
        f"No licence is stated for: {', '.join(unsaid)}." if unsaid else "",
        "The base model is a toy: it only remembers the texts it was trained on." if is_toy(note) else "",
    ]
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines if line), ""])


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _cell(text: str) -> str:
    """Text on one line that ends no cell and opens no tag."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|").replace("<", "&lt;").strip()
