"""Datasets of the Hub, from a stand-in on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets")

ROWS = [{"instruction": f"问{n}", "input": "", "output": "答"} for n in range(5)]
LOAD = """
import json, sys
from pathlib import Path
from care_train.config import DataSettings
from care_train.dataset_info import load_datasets, open_stream
from care_train.errors import CareError

folder, told = Path(sys.argv[1]), {}
for name in json.loads((folder / "dataset_info.json").read_text()):
    try:
        if sys.argv[2] == "stream":
            stream = open_stream(folder, "sft", DataSettings(name, streaming=True, buffer_size=1, max_samples=3))
            tables, data = [list(stream.read()), list(stream.read(1))], stream.head
            told[name] = [[row for table in read for row in table["prompt"].to_pylist()] for read in tables]
        else:
            data = load_datasets(folder, "sft", DataSettings(dataset=name))
            told[name] = [data.table["prompt"].to_pylist(), data.sources, data.notes]
    except CareError as error:
        told[name] = [str(error), int(error.code)]
print(json.dumps(told))
"""


@pytest.fixture
def toy(hub_client: Any, tmp_path: Path) -> tuple[str, str]:
    """Commits of a repository: one of five records, and a later one of which the first is another."""
    hub_client.api.create_repo("tester/toy", repo_type="dataset")
    commits = []
    for rows in (ROWS, [{**ROWS[0], "instruction": "改"}, *ROWS[1:]]):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        for path, content in (("train.jsonl", lines), ("other/test.jsonl", lines.replace("问", "考"))):
            made = hub_client.api.upload_file(
                path_or_fileobj=content.encode(), path_in_repo=path, repo_id="tester/toy", repo_type="dataset"
            )
        commits.append(made.oid)
    return commits[0], commits[1]


def load(hub_client: Any, folder: Path, entries: dict[str, Any], how: str = "table") -> dict[str, Any]:
    """What each entry gave in a process of its own: prompts, sources and notes, or the error and its exit code."""
    (folder / "dataset_info.json").write_text(json.dumps(entries), encoding="utf-8")
    return json.loads(hub_client.run(LOAD, folder, how).splitlines()[-1])


def test_a_repository_is_read_at_the_revision_it_is_named_with(hub_client: Any, tmp_path: Path, toy: Any) -> None:
    first, second = toy
    found = load(
        hub_client,
        tmp_path,
        {
            "new": {"hf_hub_url": "tester/toy", "ms_hub_url": "x/y", "file_name": "none.json"},
            "old": {"hf_hub_url": f"tester/toy@{first}"},
            "test": {"hf_hub_url": "tester/toy", "folder": "other", "split": "test[:2]"},
            "nosplit": {"hf_hub_url": "tester/toy", "split": "dev"},
            "nosubset": {"hf_hub_url": "tester/toy", "subset": "zh"},
            "norevision": {"hf_hub_url": "tester/toy@0123abc"},
            "norepository": {"hf_hub_url": "tester/none"},
            "columns": {"hf_hub_url": "tester/toy", "columns": {"prompt": "q", "response": "output"}},
        },
    )
    prompts = [row["instruction"] for row in ROWS]
    assert found["new"] == [
        ["改", *prompts[1:]],
        {"new": f"hf:tester/toy@{second}"},
        [f"new: from the Hub, tester/toy at {second}; to keep to it write tester/toy@{second} under hf_hub_url"],
    ]
    assert found["old"] == [
        prompts,
        {"old": f"hf:tester/toy@{first}"},
        [f"old: from the Hub, tester/toy at {first}"],
    ]
    assert found["test"][0] == ["改", "考1"]
    advice = "Check hf_hub_url, subset, split and folder in dataset_info.json."
    assert found["nosplit"] == [
        f"nosplit: tester/toy: Unknown split \"dev\". Should be one of ['train', 'test']. {advice}",
        1,
    ]
    assert found["nosubset"][0].startswith("nosubset: tester/toy: BuilderConfig 'zh' not found")
    assert found["norevision"][0].startswith("norevision: tester/toy: Revision '0123abc' doesn't exist")
    assert found["norepository"][0].startswith("norepository: tester/none: Dataset 'tester/none' doesn't exist")
    assert found["columns"] == [
        "columns: no column q for prompt. Columns are: instruction, input, output. Set `columns` in dataset_info.json.",
        1,
    ]


def test_a_stream_of_the_hub_is_read_again_from_the_start(hub_client: Any, tmp_path: Path, toy: Any) -> None:
    found = load(hub_client, tmp_path, {"mm": {"hf_hub_url": f"tester/toy@{toy[0]}"}}, "stream")
    assert found["mm"] == [["问0", "问1", "问2"]] * 2


def test_without_a_network_the_cache_serves_or_the_way_out_is_said(hub_client: Any, tmp_path: Path, toy: Any) -> None:
    entries = {"mm": {"hf_hub_url": f"tester/toy@{toy[0]}"}, "nn": {"hf_hub_url": "tester/other"}}
    online = load(hub_client, tmp_path, {"mm": entries["mm"]})
    hub_client.environment["HF_HUB_OFFLINE"] = "1"
    offline = load(hub_client, tmp_path, entries)
    assert offline["mm"] == online["mm"]
    said, code = offline["nn"]
    assert said.startswith("nn: tester/other: the Hub cannot be reached (Couldn't reach 'tester/other' on the Hub")
    assert said.endswith(
        "Where there is a network run: hf download tester/other --repo-type dataset --local-dir FOLDER; put the file"
        " beside dataset_info.json and write file_name for hf_hub_url."
    )
    assert code == 6


def test_a_loading_script_of_the_hub_is_not_run(hub_client: Any, tmp_path: Path) -> None:
    hub_client.api.create_repo("tester/code", repo_type="dataset")
    hub_client.api.upload_file(
        path_or_fileobj=b"raise SystemExit('ran')", path_in_repo="code.py", repo_id="tester/code", repo_type="dataset"
    )
    said, code = load(hub_client, tmp_path, {"mm": {"hf_hub_url": "tester/code"}})["mm"]
    assert said == (
        "mm: tester/code: the repository holds a loading script, which is not run. "
        'Take the Hub\'s own conversion: "hf_hub_url": "tester/code@refs/convert/parquet".'
    )
    assert code == 7


def test_a_path_is_no_repository(hub_client: Any, tmp_path: Path) -> None:
    entries = {"up": {"hf_hub_url": "../secret"}, "root": {"hf_hub_url": "/etc"}, "here": {"hf_hub_url": "care_train"}}
    patch = 'import os; os.chdir(os.environ["PYTHONPATH"])\n'
    (tmp_path / "dataset_info.json").write_text(json.dumps(entries), encoding="utf-8")
    found = json.loads(hub_client.run(patch + LOAD, tmp_path, "table").splitlines()[-1])
    assert found["up"][0].startswith("up: hf_hub_url ../secret is no repository. Write OWNER/NAME")
    assert found["root"][0].startswith("root: hf_hub_url /etc is no repository.")
    assert found["here"][0].startswith("here: care_train is a folder here as well as a repository.")
