"""What a release says of its corpora."""

import json
from pathlib import Path

from care_train.sources import describe_data

INFO = {
    "toy_sft": {"file_name": "toy_sft", "care": {"corpus": "toy", "license": "MIT", "language": "zh"}},
    "bare": {"file_name": "bare.json"},
    "far": {"hf_hub_url": "someone/far"},
}
SOURCES = {
    "toy": {
        "title": "A toy",
        "from": "hub:someone/toy@abc",
        "citation": "none",
        "languages": ["en", "zh"],
        "license": {"id": "MIT", "terms": "ask first", "use": "research", "redistribute": False},
    }
}
NOTHING = {"corpus": "", "title": "", "from": "", "license": "", "terms": "", "use": "", "languages": []}


def test_a_release_names_title_licence_and_language(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps(INFO), encoding="utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": SOURCES}), encoding="utf-8")
    assert describe_data(tmp_path, {"toy_sft": 7, "bare": 3, "far": 1}) == [
        {
            "dataset": "toy_sft",
            "records": 7,
            "corpus": "toy",
            "title": "A toy",
            "from": "hub:someone/toy@abc",
            "license": "MIT",
            "terms": "ask first",
            "use": "research",
            "languages": ["zh"],
        },
        {**NOTHING, "dataset": "bare", "records": 3},
        {**NOTHING, "dataset": "far", "records": 1, "from": "hub:someone/far"},
    ]


def test_without_a_manifest_the_entry_speaks(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps(INFO), encoding="utf-8")
    (told,) = describe_data(tmp_path, {"toy_sft": 7})
    assert (told["license"], told["languages"], told["title"]) == ("MIT", ["zh"], "")
    assert describe_data(tmp_path / "none", {"x": 1}) == [{**NOTHING, "dataset": "x", "records": 1}]
