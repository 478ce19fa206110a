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
BINDING = ("model", "data", "lora", "preference")
FREE = (
    "overwrite_cache",
    "tokens_cache",
    "tokens_cache_gb",
    "dataset_dir",
)  # the release itself is compared by its manifest


def list_checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first."""
    return sorted(filter(is_whole, folder.glob("checkpoint-*")), key=number_of)


def is_whole(checkpoint: Path) -> bool:
    """Whether the saving of a checkpoint was finished: trainer_state.json is written last, and not in one go."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def number_of(checkpoint: Path) -> int:
    """The step at which it was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def find_checkpoint(run: RunSettings, story: dict[str, Any]) -> Path | None:
    """The checkpoint to go on from, None to start anew.

    Raises where output_dir holds something else, or a run with another model, data or LoRA than `story`.
    """
    folder = Path(run.output_dir)
    if run.overwrite_output_dir:
        return None
    if run.resume not in ("auto", "never"):
        chosen = Path(run.resume)
        if not is_whole(chosen):
            raise usage(f"--resume {run.resume} is no checkpoint", "Give auto, never, or a folder checkpoint-N.")
        last = list_checkpoints(folder)[-1:]
        if chosen.parent.resolve() == folder.resolve() and number_of(last[0]) > number_of(chosen):
            fix = "Move it away, or choose another --output_dir: the next --resume auto would take it."
            raise CareError(f"is later than {chosen.name}, which is to be gone on from", where=str(last[0]), fix=fix)
        return chosen
    others = "Add --overwrite_output_dir to start anew, or choose another --output_dir."
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        if folder.exists() and any(folder.iterdir()) and not (folder / NOTE).exists():
            raise CareError("is not empty and holds no checkpoint", where=str(folder), fix=others)
        return None
    if run.resume == "never":
        raise CareError("holds an earlier run", where=str(folder), fix=others)
    note = read_note(folder)
    for name in ("datasets", "manifest_sha256", "sources"):
        if note and note.get(name) != story.get(name):
            raise CareError("holds a run on other data", where=str(folder), fix=others)
    earlier = note.get("settings", {})
    for section in BINDING if earlier else ():
        for name, value in story["settings"].get(section, {}).items():
            before = earlier.get(section, {}).get(name, value)
            if before != value and name not in FREE:
                what = f"holds a run with {name} {before}, not {value}"
                raise CareError(what, where=str(folder), fix=others)
    return checkpoints[-1]


def start_run(run: RunSettings, story: dict[str, Any], *, keep: bool) -> None:
    """Make output_dir, delete an earlier run's checkpoints, or of those that are kept the unfinished, note this run."""
    folder = Path(run.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("checkpoint-*"):
        if not keep or not is_whole(path):
            shutil.rmtree(path)
    write_note(folder, {**story, "finished": False})


def finish_run(run: RunSettings, story: dict[str, Any], result: dict[str, Any]) -> None:
    """Note the result; `finished` is true from here on."""
    write_note(Path(run.output_dir), {**story, "finished": True, "result": result})


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
