"""A whole dataset_info.json: what is told of it, in which order of gravity, and that nothing it names is trusted."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care_data.dataset_info import InfoReport, check_info, report_lines
from care_data.errors import CareError, Exit
from care_data.records import explain
from care_data.store import Manifest, sha256_file

PAIRS = {"file_name": "pairs.jsonl"}
LLAMA_FACTORY = Path(__file__).resolve().parents[4] / "shared/llamafactory_data"
ODD_NAMES = [
    "{0.__class__}",
    "$(touch x)",
    ";rm -rf x",
    "two\nlines",
    "`x`",
    "__proto__",
    "constructor",
    "中医问答",
    "%s%n",
    "[red]x[/red]",
]


def test_a_sound_file_has_no_problem(check: Any, data: Path):
    report = check({"pairs": PAIRS})
    assert (report.code, report.datasets, report.problems, report.notes, report.blocks) == (Exit.DONE, 1, [], [], {})
    assert report_lines(report) == [f"{data}/dataset_info.json: 1 dataset, no problems."]


def test_the_file_itself_may_be_named_and_named_otherwise(check: Any, data: Path):
    check({"pairs": PAIRS})
    (data / "dataset_info.json").rename(data / "mine.json")
    assert check_info(data / "mine.json").datasets == 1
    with pytest.raises(CareError, match=r"no such file there. Name a dataset_info.json, or the folder") as caught:
        check_info(data)
    assert caught.value.code == Exit.USAGE


def test_lines_for_people(check: Any, data: Path):
    (data / "qa.csv").write_text("question,answer\n甲,乙\n", encoding="utf-8")
    report = check({"pairs": PAIRS, "qa": {"file_name": "qa.csv", "columns": {"prompt": "ask", "response": "answer"}}})
    assert report_lines(report) == [
        'qa.columns.prompt: "qa.csv": no column "ask". Columns there: "question", "answer".',
        "",
        "qa with columns that its files have, by their names; to paste in its place:",
        '  "qa": {',
        '    "file_name": "qa.csv",',
        '    "columns": {',
        '      "prompt": "question",',
        '      "response": "answer"',
        "    }",
        "  }",
        "",
        f"{data}/dataset_info.json: 2 datasets, 1 problem.",
    ]


def test_the_report_as_data(check: Any, data: Path):
    report = check({"gone": {"file_name": "gone.csv"}})
    assert report.to_json() == {
        "file": str(data / "dataset_info.json"),
        "datasets": 1,
        "code": 1,
        "problems": [
            {
                "where": "gone.file_name",
                "what": '"gone.csv" does not exist',
                "fix": 'There are: "pairs.jsonl".',
                "code": 1,
            }
        ],
        "notes": [],
        "blocks": {},
    }


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ({"missing": {"file_name": "x.json"}}, Exit.DATA),
        ({"missing": {"file_name": "x.json"}, "script": {"script_url": "x"}}, Exit.POLICY),
        ({"script": {"script_url": "x"}, "sum": {**PAIRS, "file_sha1": "0" * 40}}, Exit.INTEGRITY),
    ],
)
def test_the_gravest_problem_is_the_exit_code(check: Any, entries: dict[str, Any], code: Exit):
    assert check(entries).code == code


@pytest.mark.parametrize("tree", [[], '"text"', 5, None, [{"file_name": "x"}], True])
def test_what_is_no_object(check: Any, tree: Any):
    report = check(tree)
    what = 'it is not an object of datasets by name. Write {"name": {"file_name": …}}.'
    assert [str(problem) for problem in report.problems] == [f"line 1, column 1: {what}"]
    assert report.code == Exit.DATA


@pytest.mark.parametrize("script", ["loader", "https://example.org/loader", "../loader", "loader/loader.py"])
def test_a_script_is_named_and_never_run(check: Any, data: Path, script: str):
    (data / "loader").mkdir()
    (data / "loader/loader.py").write_text(f"open({str(data / 'ran')!r}, 'w')")
    report = check({"scripted": {"script_url": script}})
    what = "loading scripts are not supported, and dangerous: they run whatever they hold; it was not opened"
    fix = "Convert the data to Parquet or JSON lines, and name that as file_name."
    assert [str(problem) for problem in report.problems] == [f"scripted.script_url: {what}. {fix}"]
    assert report.code == Exit.POLICY
    assert not (data / "ran").exists()


def test_a_script_among_the_data_is_refused(check: Any, data: Path):
    (data / "set").mkdir()
    os.link(data / "pairs.jsonl", data / "set/pairs.jsonl")
    (data / "set/set.py").write_text("raise SystemExit")
    report = check({"a": {"file_name": "set"}, "b": {"file_name": "set/set.py"}})
    assert [problem.what for problem in report.problems] == [
        'in "set" lies what is of no data type: "set.py"',
        '"set/set.py" is of no data type by its ending',
    ]
    assert report.code == Exit.POLICY


@pytest.mark.parametrize("key", ["hf_hub_url", "ms_hub_url", "om_hub_url"])
@pytest.mark.parametrize("name", ["owner/set", "set", "owner/set-1.0_x"])
def test_a_repository_is_not_asked_and_no_fault(check: Any, key: str, name: str):
    report = check({"remote": {key: name}, "pairs": PAIRS})
    assert report.code == Exit.DONE
    assert report.notes[0] == 'Not local, so their files were not checked here: "remote" (1 of 2).'


def test_a_revision_is_noted(check: Any):
    report = check({"remote": {"hf_hub_url": "owner/set@v1.0"}})
    assert report.code == Exit.DONE
    assert report.notes[1] == 'They name a revision, which LLaMA-Factory does not read there: "remote" (1 of 1).'


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://evil.example/owner/set", "https://evil.example/owner/set"),
        ("https://me:secret@hub.example/set", "https://…@hub.example/set"),
        ("owner/set?token=secret", "owner/set?…"),
        ("hf_secretsecretsecret@owner/set", "hf_…@owner/set"),
        ("owner/set@hf_secretsecretsecret", "owner/set@hf_…"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("owner/set/more", "owner/set/more"),
        ("owner/set\n", "owner/set\\n"),
    ],
)
def test_an_address_in_the_place_of_a_repository(check: Any, address: str, shown: str):
    report = check({"remote": {"hf_hub_url": address}})
    what = (
        f'remote.hf_hub_url: "{shown}" is not the name of a repository. Write OWNER/NAME alone: no address, no token.'
    )
    assert [str(problem) for problem in report.problems] == [what]
    assert report.code == Exit.POLICY
    assert "secret" not in "\n".join(report_lines(report))


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("s3://bucket/x.json", Exit.DONE),
        ("gs://bucket/a/x.jsonl", Exit.DONE),
        ("s3://bucket/x.parquet", Exit.POLICY),
        ("https://host/x.json", Exit.POLICY),
        ("s3://key:secret@bucket/x.json", Exit.POLICY),
    ],
)
def test_a_cloud_file(check: Any, address: str, code: Exit):
    report = check({"cloud": {"cloud_file_name": address}})
    assert report.code == code
    assert "secret" not in str(report.to_json())


def test_a_remote_source_beside_a_file_is_noted(check: Any):
    report = check({"both": {"hf_hub_url": "owner/set", **PAIRS}})
    assert (report.code, report.notes) == (
        Exit.DONE,
        ['Loaders take the remote source and pass over file_name: "both" (1 of 1).'],
    )


def test_what_2023_does_not_know_is_noted_once(check: Any):
    entry = {**PAIRS, "columns": {"prompt": "instruction", "response": "output", "system": "instruction"}}
    report = check({"one": entry, "two": {**entry, "num_samples": 5}})
    assert report.notes == ["Loaders of 2023 do not know these keys and pass over them: columns.system, num_samples."]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_told_as_they_are_and_no_fault(check: Any, data: Path, name: str):
    assert check({name: PAIRS}).code == Exit.DONE
    before = sorted(data.iterdir())
    report = check({name: {"file_name": name}})
    shown = json.dumps(name, ensure_ascii=False)
    where = name if name in ("__proto__", "constructor", "中医问答") else shown
    assert str(report.problems[0]).startswith(f"{where}.file_name: {shown} does not exist.")
    assert sorted(data.iterdir()) == before


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\u202eb", "a\u2028b", "a\x00", "a\x9b", "a\ud800"])
def test_nothing_a_terminal_would_obey_is_told(check: Any, name: str):
    report = check(json.dumps({name: {"file_name": name, name: 1, "columns": {"prompt": name}}}))
    lines = report_lines(report)[:-2]
    assert lines
    assert all(line.isprintable() for line in lines)


KEYS = [
    "file_name",
    "hf_hub_url",
    "script_url",
    "cloud_file_name",
    "file_sha1",
    "formatting",
    "ranking",
    "split",
    "columns",
    "tags",
    "care",
    "x",
]
ROLES = ["prompt", "query", "response", "messages", "chosen", "rejected", "kto_tag", "role_tag"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just([])
VALUES |= st.sampled_from(["pairs.jsonl", "instruction", "output", "sharegpt", "set", ".", "..", "0" * 40])
ENTRIES = st.dictionaries(
    st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(ROLES) | st.text(max_size=3), VALUES, max_size=4)
)


@given(info=st.dictionaries(st.text(max_size=5), ENTRIES | VALUES, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_it_holds_is_told_in_lines(check: Any, info: dict[str, Any]):
    report = check(json.dumps(info))
    assert report.datasets == len(info)
    assert all(line.isprintable() for line in report_lines(report))
    assert (report.code == Exit.DONE) == (not report.problems)
    for name, entry in report.blocks.items():
        if "file_sha1" not in entry:
            places = [found.where for found in check({name: entry}).problems]
            assert not any(".columns" in place or ".ranking" in place for place in places)


def test_a_comma_in_a_name_is_noted(check: Any):
    report = check({"a,b": PAIRS})
    assert report.notes == ['A comma parts names on the command line, so they cannot be asked for: "a,b" (1 of 1).']


def test_what_has_no_effect_on_files_is_noted(check: Any):
    notes = check({"pairs": {**PAIRS, "subset": "zh"}}).notes
    assert notes[0] == 'Without effect on files: subset and folder: "pairs" (1 of 1).'


def test_after_a_thousand_problems_it_stops(check: Any):
    report = check({f"n{number}": {"file_name": f"{number}.json"} for number in range(2_000)})
    assert len(report.problems) == 1_000
    assert report.notes == ['Only the datasets before "n1000" were looked at: there are too many problems.']


# Releases


def release(data: Path, info: dict[str, Any], *more: str) -> None:
    """Write the info and a manifest of it and the files named."""
    (data / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    names = ["dataset_info.json", *more]
    files = [{"path": n, "bytes": (data / n).stat().st_size, "sha256": sha256_file(data / n)} for n in names]
    Manifest("release", "0" * 64, [], {}, {}, files, True, name="r", version="1", code="c").write(data)


def shard(data: Path) -> None:
    (data / "mm").mkdir()
    (data / "pairs.jsonl").rename(data / "mm/train-0.jsonl")


def test_a_release_is_compared_with_its_manifest(data: Path):
    shard(data)
    release(data, {"mm": {"file_name": "mm"}}, "mm/train-0.jsonl")
    assert check_info(data).problems == []
    (data / "mm/train-0.jsonl").write_text('{"instruction": "x", "input": "", "output": "y"}\n')
    report = check_info(data)
    what = '"mm/train-0.jsonl" has another sha256 than the manifest tells'
    assert [problem.what for problem in report.problems] == [what]
    assert report.code == Exit.INTEGRITY


def test_files_more_or_fewer_than_the_manifest_tells(data: Path):
    shard(data)
    (data / "mm/train-1.jsonl").write_text((data / "mm/train-0.jsonl").read_text())
    release(data, {"mm": {"file_name": "mm"}}, "mm/train-0.jsonl", "mm/train-1.jsonl")
    (data / "mm/train-1.jsonl").rename(data / "mm/train-2.jsonl")
    report = check_info(data)
    assert [problem.what for problem in report.problems] == [
        '"mm/train-1.jsonl" is in the manifest, but not there',
        '"mm/train-2.jsonl" is not in the manifest',
    ]
    assert report.code == Exit.INTEGRITY


def test_a_file_edited_after_its_release(data: Path):
    release(data, {"pairs": PAIRS}, "pairs.jsonl")
    (data / "dataset_info.json").write_text(json.dumps({"pairs": PAIRS, "again": PAIRS}))
    report = check_info(data)
    assert [problem.what for problem in report.problems] == ["it has another sha256 than manifest.json tells"]
    assert report.code == Exit.INTEGRITY


def test_a_damaged_manifest_beside_our_own_entries(check: Any, data: Path):
    (data / "manifest.json").write_text("{")
    care = {"format": "sft", "role": "train", "corpus": "mm", "license": "MIT", "rows": 1}
    report = check({"mm": {**PAIRS, "care": care}})
    assert [(problem.where, problem.what, problem.code) for problem in report.problems] == [
        ("manifest.json", "not a manifest of a release", Exit.INTEGRITY)
    ]


def test_a_manifest_of_others_is_noted(check: Any, data: Path):
    (data / "manifest.json").write_text('{"name": "extension"}')
    report = check({"mm": PAIRS})
    assert report.code == Exit.DONE
    assert report.notes == ["manifest.json beside it is not one of ours: no sha256 was compared."]


# Yardsticks


def test_the_example_of_the_seed_document(check: Any):
    """Its shape, with words of our own where it explains: a fragment without braces, and all sources at once."""
    fragment = """"name of the dataset": {
      "hf_hub_url": "its place on the hub (then the next three are passed over)",
      "script_url": "a folder with a script", "file_name": "the file", "file_sha1": "its SHA-1 (optional)",
      "columns": {"prompt": "one", "query": "two", "response": "three", "history": "four"}}"""
    report = check(fragment)
    assert [str(problem) for problem in report.problems] == [
        "line 1, column 22: the braces around the datasets are missing. Put { before the first name and } at the end."
    ]
    places = [problem.where.rpartition(".")[2] for problem in check("{" + fragment + "}").problems]
    assert places == ["file_sha1", "script_url", "hf_hub_url", "file_name"]


@pytest.mark.skipif(not LLAMA_FACTORY.is_dir(), reason="LLaMA-Factory's own file is not here")
def test_llama_factorys_own_file():
    report = check_info(LLAMA_FACTORY)
    absent = ["glaive_toolcall_en_demo", "mllm_demo", "mllm_audio_demo", "mllm_video_demo", "mllm_video_audio_demo"]
    assert report.datasets == 104
    assert [problem.where for problem in report.problems] == [
        *(f"{name}.file_name" for name in absent),
        "nectar_rm.ranking",
        "orca_dpo_de.ranking",
    ]
    assert all(problem.what.endswith("does not exist") for problem in report.problems[:5])


def test_a_release_of_ours_is_clean(demo_release: InfoReport):
    assert (demo_release.problems, demo_release.code) == ([], Exit.DONE)
    assert demo_release.datasets >= 4


@pytest.fixture(scope="session")
def demo_release(tmp_path_factory: pytest.TempPathFactory) -> InfoReport:
    """The report on a release as release.write makes it: pretraining, pairs with history, preferences."""
    import polars as pl

    from care_data import records, release
    from care_data.release import Dataset

    folder = tmp_path_factory.mktemp("release")
    rows = {
        "pt": {"text": "甲乙丙丁。"},
        "sft": {"instruction": "甲？", "input": "", "output": "乙。", "history": [["丙？", "丁。"]]},
        "rw": {"instruction": "甲？", "input": "", "output": ["乙。", "丙。"], "chosen": "乙。", "rejected": "丙。"},
        "eval": {"question": "甲？", "answer": "A"},
    }
    datasets = []
    for kind, row in rows.items():
        frame = pl.DataFrame([{"id": f"x/{kind}/1", "corpus": "x", "license": "MIT", **row}])
        path = folder / f"{kind}.parquet"
        records.fill_defaults(frame, kind).write_parquet(path)
        role = "benchmark" if kind == "eval" else "train"
        datasets.append(Dataset("x", kind, kind, role, "MIT", "zh", (), [path]))
    manifest = Manifest("release", "0" * 64, [], {}, {}, [], True, name="r", version="1", code="c")
    release.write(folder / "r", datasets, manifest)
    report = check_info(folder / "r")
    info = json.loads((folder / "r/dataset_info.json").read_text(encoding="utf-8"))
    assert explain("dataset_info", info) == ""
    return report
