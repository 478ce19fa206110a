"""A run's folder: whether to go on from a checkpoint in it, and care_train.json, which says what made it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from care_train.config import RunSettings, usage
from care_train.errors import CareError

NOTE = "care_train.json"
# A resumed run must agree with the earlier one in these; in others, such as max_steps, it may go further.
BINDING = ("model", "data", "lora")
FREE = ("overwrite_cache", "dataset_dir")  # the release itself is compared by its manifest
CARD = """\
---
library_name: peft
base_model: {base}
tags: [lora, medical]
---
# LoRA adapter, {stage}

| | |
|---|---|
| base model | `{base}`, {bits} |
| chat template | `{template}` |
| data | {data} |
| release manifest | {manifest} |
| LoRA | rank {lora_rank}, alpha {lora_alpha}, dropout {lora_dropout}, target {lora_target} |
| steps, last loss | {steps}, {loss_last} |

`care-train chat FOLDER --question "…"` talks with it. Every setting is in `care_train.json`.
Words of a language model are no medical advice; the licences of the data and of the base model apply.
"""


def list_checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first; one without trainer_state.json was not finished."""
    found = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").exists()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def find_checkpoint(run: RunSettings, story: dict[str, Any]) -> Path | None:
    """The checkpoint to go on from, None to start anew.

    Raises where output_dir holds something else, or a run with another model, data or LoRA than `story`.
    """
    folder = Path(run.output_dir)
    if run.overwrite_output_dir:
        return None
    if run.resume not in ("auto", "never"):
        if not (Path(run.resume) / "trainer_state.json").exists():
            raise usage(f"--resume {run.resume} is no checkpoint", "Give auto, never, or a folder checkpoint-N.")
        return Path(run.resume)
    others = "Add --overwrite_output_dir to start anew, or choose another --output_dir."
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        if folder.exists() and any(folder.iterdir()) and not (folder / NOTE).exists():
            raise CareError("is not empty and holds no checkpoint", where=str(folder), fix=others)
        return None
    if run.resume == "never":
        raise CareError("holds an earlier run", where=str(folder), fix=others)
    note = read_note(folder)
    for name in ("datasets", "manifest_sha256"):
        if note and note.get(name) != story[name]:
            raise CareError("holds a run on other data", where=str(folder), fix=others)
    earlier = note.get("settings", {})
    for section in BINDING if earlier else ():
        for name, value in story["settings"][section].items():
            before = earlier.get(section, {}).get(name, value)
            if before != value and name not in FREE:
                what = f"holds a run with {name} {before}, not {value}"
                raise CareError(what, where=str(folder), fix=others)
    return checkpoints[-1]


def start_run(run: RunSettings, story: dict[str, Any], *, keep: bool) -> None:
    """Make output_dir, delete an earlier run's checkpoints unless they are kept, and note what is about to run."""
    folder = Path(run.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if not keep:
        for path in folder.glob("checkpoint-*"):
            shutil.rmtree(path)
    write_note(folder, {**story, "finished": False})


def finish_run(run: RunSettings, story: dict[str, Any], result: dict[str, Any]) -> None:
    """Note the result; `finished` is true from here on. The model card says the same to people."""
    folder = Path(run.output_dir)
    data = ", ".join(f"{name} ({rows:,} records)" for name, rows in story["datasets"].items())
    bits = f"{story['quantization_bit']} bits" if story["quantization_bit"] else "not quantised"
    manifest = f"sha256 `{story['manifest_sha256']}`" if story["manifest_sha256"] else "none"
    card = CARD.format(
        **{**story["settings"]["lora"], **story, **result, "data": data, "bits": bits}, manifest=manifest
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    write_note(folder, {**story, "finished": True, "result": result})


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Write care_train.json whole or not at all."""
    part = folder / f".{NOTE}.part"
    part.write_text(json.dumps(note, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(part, folder / NOTE)


def read_note(folder: Path) -> dict[str, Any]:
    """The note of a run, empty where the folder has none (an adapter of another trainer)."""
    path = folder / NOTE
    if not path.exists():
        return {}
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CareError(f"not JSON ({error})", where=str(path), fix="Train again, or delete the file.") from error
    return note if isinstance(note, dict) else {}
