"""What an export tells of itself, also where nothing is known of the training."""

from pathlib import Path
from typing import Any

from care_train.adapters import Trained
from care_train.checkpoints import read_note
from care_train.exporting.notes import write_story

RESULT = {
    "folder": "some/where/care", "dtype": "bfloat16", "largest": 0.25, "bound": 1.5, "agreement": 0.995,
    "chat_template": True, "template": "chatml", "seconds": 3.0,
}  # fmt: skip


def test_an_adapter_of_another_trainer_has_a_short_card(tmp_path: Path) -> None:
    trained = Trained("/models/base", (Path("/runs/theirs"),), None, None, None, "/models/base", ({},))
    write_story(tmp_path, trained, "Be brief.", RESULT, notice=True)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# care\n" in card
    assert "theirs (trained elsewhere), merged into the base model in full precision, in bfloat16." in card
    assert "differ by 0.25 at most from those before, and 99.5% of the likeliest tokens agree." in card
    assert "In an emergency call" in card
    assert "Trained with the system prompt: Be brief." in card
    assert "/runs" not in card
    note = read_note(tmp_path)
    assert (note["template"], note["system"], note["base"], note["finished"]) == (
        "chatml",
        "Be brief.",
        "/models/base",
        True,
    )


def test_the_data_of_all_runs_are_named_once(tmp_path: Path, trained: tuple[Path, Any, list[str]]) -> None:
    note = read_note(trained[0])
    other = {**note["data"][0], "dataset": "other_rw", "license": "MIT"}
    runs = ({**note, "base": "first"}, {**note, "stage": "dpo", "data": [*note["data"], other]})
    both = Trained("x", (Path("a"), Path("b")), "llama2", None, None, "x", runs)
    write_story(tmp_path, both, None, {**RESULT, "template": "llama2"}, notice=False)
    told, card = read_note(tmp_path), (tmp_path / "README.md").read_text(encoding="utf-8")
    assert [one["dataset"] for one in told["data"]] == ["toy_sft", "other_rw"]
    assert told["export"]["runs"] == [{"name": "a", "stage": "sft"}, {"name": "b", "stage": "dpo"}]
    assert (told["base"], told["stage"]) == ("first", "dpo")
    assert "a (sft), then b (dpo), merged into" in card
    assert card.count("| toy_sft |") == card.count("| other_rw |") == 1
    assert "The last run: of 24 records" in card
    assert "emergency" not in card
    assert "no medical advice" not in card
