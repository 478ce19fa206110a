"""What the stages share: names, counts, and what one needs of the one before."""

from pathlib import Path

import pytest

from care_data import engines, registry
from care_data.errors import CareError
from care_data.parts import Part
from care_data.stages import Settings, chosen_outputs, renamed, require_stage, run_parts, sum_counts
from care_data.store import Store


def part(**counts):
    return Part(Path("x"), 0, counts, None)


def test_counts_add_up_by_output_and_by_name():
    total = sum_counts(
        [
            ("sft", part(read=3, kept=2, dropped={"blank": 1})),
            ("rw", part(read=1, kept=1, dropped={})),
            ("sft", part(read=5, kept=2, dropped={"junk": 1, "blank": 2}, turns={"read": 9})),
        ]
    )
    assert total == {
        "sft": {"read": 8, "kept": 4, "dropped": {"blank": 3, "junk": 1}, "turns": {"read": 9}},
        "rw": {"read": 1, "kept": 1, "dropped": {}},
    }
    assert list(total["sft"]["dropped"]) == ["blank", "junk"]


def test_a_part_is_named_by_the_key_of_its_stage():
    assert renamed("sft-00012-0123456789ab.parquet", "f" * 64) == "sft-00012-ffffffffffff.parquet"


def test_outputs_beyond_the_default_are_made_when_asked_for():
    entry = registry.load("cmedqa2")
    usual = set(chosen_outputs(entry, Settings(Store(Path("x")))))
    asked = set(chosen_outputs(entry, Settings(Store(Path("x")), outputs=frozenset({"cmedqa2.rw"}))))
    assert ("rw" in usual, asked - usual) == (False, {"rw"})


def test_a_stage_without_the_one_before_names_the_command(tmp_path):
    entry = registry.load("demo_consult")
    with pytest.raises(CareError) as caught:
        require_stage("clean", entry, Settings(Store(tmp_path)))
    assert str(caught.value).endswith("Run `care-data clean demo_consult` first.")


@pytest.mark.parametrize(("small", "workers"), [(1 << 20, 1), (0, 3)])
def test_work_on_small_sources_stays_in_this_process(tmp_path, monkeypatch, small, workers):
    (tmp_path / "source").write_text("x")
    seen = []
    monkeypatch.setattr(engines, "SMALL", small)
    monkeypatch.setattr(engines, "run_tasks", lambda function, tasks, workers, *_: seen.append(workers) or [])
    run_parts(str, [1, 2], [tmp_path / "source"], "clean", "one", Settings(Store(tmp_path), workers=3))
    assert seen == [workers]
