"""Every entry of registry/: it fits its schema, uses names that exist, and its example becomes what it says."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from care_data import registry
from care_data.entries import Entry
from care_data.examples import check_example
from care_data.records import explain

FOLDER = Path(__file__).parents[1] / "registry"
ENTRIES = sorted(path for path in FOLDER.glob("*.toml") if not path.name.startswith("_"))


def test_the_folder_is_looked_through_whole() -> None:
    assert len(ENTRIES) >= 11
    assert [path.stem for path in ENTRIES] == [name for name in registry.names() if (FOLDER / f"{name}.toml").is_file()]
    assert {path.suffix for path in FOLDER.iterdir()} == {".toml"}


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_an_entry_fits_its_schema_and_its_example(path: Path) -> None:
    assert explain("corpus", tomllib.loads(path.read_text(encoding="utf-8"))) == ""
    entry = registry.load_file(path)
    assert check_example(entry) == []
    shown = entry.example["records"]
    assert set(shown) == set(entry.outputs)
    assert all(len(records) >= 1 for records in shown.values())


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_an_entry_says_what_its_source_is_and_pins_it(path: Path) -> None:
    entry = registry.load_file(path)
    unknown = set(entry.checksums) - set(entry.files)
    assert unknown == set()
    for file in entry.files.values():
        scheme, _, place = file.source.partition(":")
        assert place, file
        if scheme in ("github", "hub"):
            assert "@" in place, f"{file.name} follows a branch, which moves"
    assert isinstance(entry.license["redistribute"], bool)


def test_what_may_be_used_is_judged_one_by_one() -> None:
    """A corpus that allows more than the others is named here too, so that nobody lets it in by copying a line."""
    licenses = {path.stem: registry.load_file(path).license for path in ENTRIES}
    allowed = {use: {name for name in licenses if licenses[name]["use"] == use} for use in ("commercial", "research")}
    assert allowed["commercial"] == {"demo_consult", "demo_dialogue", "demo_preference"}
    assert allowed["research"] == {
        *("chatmed_consult", "cmedqa2", "genmedgpt_5k", "med_chatglm", "medicalgpt_rw", "medicalgpt_sft", "pubmedqa"),
        *("qizhengpt", "shennong_tcm", "toyhom_dialogue", "zhongjing_rw", "zhongjing_sft"),
    }
    unknown = {name for name in licenses if licenses[name]["id"] == "unknown"}
    assert len(unknown) >= 20
    assert {licenses[name]["use"] for name in unknown} == {"unclear"}


def test_an_example_that_says_something_else_is_told() -> None:
    entry = registry.load("demo_consult")
    shown: dict[str, Any] = dict(entry.example["records"]["sft"][0])
    example = entry.example | {
        "records": {"sft": [shown | {"output": "别的"}], "other": []},
        "rejects": {"sft": {"where": 1}},
    }
    changed = Entry(**(vars(entry) | {"example": example}))
    assert check_example(changed) == [
        "example.records.sft: 2 records where 1 are shown",
        f"example.records.sft: record 1: output is {shown['output']!r}, not '别的'",
        "example.records.sft: rejects are {}, not {'where': 1}",
        "example.records.other: no such output",
    ]
    none = Entry(**(vars(entry) | {"example": {"files": {}, "records": {}}}))
    assert check_example(none) == ["outputs.sft has no example"]


def test_defaults_name_steps_and_rules_that_exist() -> None:
    from care_data.cleaners import STEPS
    from care_data.filters import RULES

    defaults = registry.defaults()
    steps = [step for language in ("zh", "en") for step in defaults["clean"][language]]
    assert len(steps) >= 8
    assert set(steps) <= set(STEPS)
    rules = [(form, rule) for form in ("pt", "sft", "rw", "eval") for rule in defaults["filters"][form]]
    assert len(rules) >= 12
    assert [rule for form, rule in rules if rule not in {known.__name__ for known in RULES[form]}] == []
