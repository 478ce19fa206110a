"""What an export tells of itself: care_train.json, as chat and the other commands read it, and the card."""

from pathlib import Path
from typing import Any

from care_train.adapters import Trained
from care_train.cards import write_card
from care_train.checkpoints import write_note
from care_train.exporting.places import MARK

TOLD = ("dtype", "largest", "bound", "agreement", "chat_template")


def write_story(part: Path, trained: Trained, system: str | None, result: dict[str, Any], notice: bool) -> None:
    """Leave both in the folder: the last run's note, with the data of all runs and how they were merged.

    result: what the export gave. notice: whether the card says that these are no words of a doctor.
    """
    last = trained.notes[-1] if trained.notes else {}
    data = {str(sorted(map(str, one.items()))): one for note in trained.notes for one in note.get("data", [])}
    own = trained.notes[len(trained.notes) - len(trained.adapters) :]
    runs = [
        {"name": one.resolve().name, "stage": note.get("stage", "")}
        for one, note in zip(trained.adapters, own, strict=True)
    ]
    name = Path(result["folder"]).resolve().name
    story = {
        **last,
        "base": trained.notes[0].get("base", trained.base) if trained.notes else trained.base,
        "template": result["template"],
        "system": system,
        "data": list(data.values()),
        "finished": True,
        MARK: {"name": name, "runs": runs, "notice": notice, **{key: result[key] for key in TOLD}},
    }
    write_note(part, story)
    write_card(part, story, {**last.get("result", {}), "plots": []})
