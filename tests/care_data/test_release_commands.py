"""The commands on releases as a person runs them: publish to a folder and as a dry run, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

PUBLISHED = ["README.md", "croissant.json", "dataset_info.json", "manifest.json"]


@pytest.fixture
def release(demo: Any) -> Path:
    (found,) = (demo[0] / "releases").iterdir()
    return Path(found)


def test_to_a_folder(care_data: Any, release: Path, tmp_path: Path) -> None:
    ended = care_data("publish", release, "--to", tmp_path / "tree")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[-1] == f"Published: {tmp_path / 'tree'}"
    told = next(line for line in lines if line.startswith("  demo_consult_sft/train-00000-of-00001.parquet"))
    assert told.split()[1] == "139"
    assert next(line for line in lines if line.startswith("  all ")).split()[1] == "292"
    assert "demo_dialogue    Apache-2.0" in ended.out
    assert sorted(path.name for path in (tmp_path / "tree").iterdir() if path.is_file()) == PUBLISHED


def test_by_its_name_in_the_data_folder(care_data: Any, demo: Any, release: Path, tmp_path: Path) -> None:
    ended = care_data("publish", release.name, "--to", tmp_path / "tree", "--json", CARE_DATA=demo[0])
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert (told["rows"], told["private"], told["withheld"], told["repo"]) == (292, {}, {}, "")
    assert told["bytes"] == sum(line["bytes"] for line in told["files"])
    assert told["corpora"]["demo_consult"] == {"id": "Apache-2.0", "redistribute": True, "use": "commercial"}


def test_a_dry_run_needs_no_token_and_shows_the_card(care_data: Any, release: Path, tmp_path: Path) -> None:
    where = {"HF_HOME": tmp_path / "home", "HF_TOKEN": ""}
    ended = care_data("publish", release, "--repo", "care/demo", "--dry-run", **where)
    assert ended.code == 0, ended.err
    assert "  repository  care/demo, private" in ended.out
    assert "not looked at: no token of the Hub is here" in ended.out
    assert "## Corpora and licences" in ended.out
    assert "Published" not in ended.out


def test_without_a_token_nothing_is_sent(care_data: Any, release: Path, tmp_path: Path) -> None:
    where = {"HF_HOME": tmp_path / "home", "HF_TOKEN": ""}
    ended = care_data("publish", release, "--repo", "care/demo", "-y", **where)
    assert (ended.code, ended.out) == (5, "")
    assert ended.err == ("care-data: care/demo: no token of the Hub is here. Log in: hf auth login, or set HF_TOKEN.\n")


def test_the_token_goes_to_no_other_host_unasked(care_data: Any, release: Path) -> None:
    ended = care_data(
        "publish", release, "--repo", "care/demo", "-y", HF_TOKEN="hf_x", HF_ENDPOINT="https://hub.example.com"
    )
    assert (ended.code, ended.out) == (7, "")
    assert ended.err == (
        "care-data: the Hub's token would go to https://hub.example.com. "
        "Unset HF_ENDPOINT, or say --send-token if that host may have it.\n"
    )


@pytest.mark.parametrize("words", [[], ["--repo", "a/b", "--to", "x"]])
def test_one_place_has_to_be_named(care_data: Any, release: Path, words: list[str]) -> None:
    ended = care_data("publish", release, *words)
    assert (ended.code, ended.err) == (2, "care-data: say where to. Name one of --repo NAME and --to FOLDER.\n")


def test_a_release_that_is_none(care_data: Any, tmp_path: Path) -> None:
    ended = care_data("publish", "nothing", "--to", tmp_path / "tree", CARE_DATA=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "no such release" in ended.err


def test_what_may_not_be_passed_on_is_named(care_data: Any, shelf: Any, distinct: Any) -> None:
    for name in ("open", "closed"):
        shelf.add(name, distinct(name, 8))
    path = shelf.registry / "closed.toml"
    path.write_text(path.read_text("utf-8").replace("redistribute = true", "redistribute = false"), "utf-8")
    where = {"CARE_REGISTRY": shelf.registry}
    ended = care_data("run", "open", "closed", "--to", shelf.data, "--mirror", shelf.mirror, **where)
    assert ended.code == 0, ended.err
    (release,) = (shelf.data / "releases").iterdir()
    ended = care_data("publish", release, "--repo", "care/demo", "-y", HF_TOKEN="hf_x")
    assert (ended.code, ended.out) == (7, "")
    assert "1 of its corpora may not be passed on: closed." in ended.err
    assert "--only-redistributable" in ended.err
    assert not (shelf.data / "published").exists()
    ended = care_data("publish", release, "--to", shelf.root / "tree", "--only-redistributable", "--json")
    assert (ended.code, ended.json["rows"], ended.json["withheld"]) == (0, 8, {"closed": "MIT: its terms forbid it"})


def test_verify_finds_what_is_wrong_and_says_so_to_machines(care_data: Any, release: Path, tmp_path: Path) -> None:
    ended = care_data("verify", release)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("verify   7 files, ")
    copy = Path(shutil.copytree(release, tmp_path / "copy"))
    path = next(copy.rglob("*.arrow"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    ended = care_data("verify", copy)
    assert (ended.code, ended.out) == (4, "")
    assert path.relative_to(copy).as_posix() in ended.err
    ended = care_data("verify", copy, "--json")
    assert ended.code == 4
    assert [problem["path"] for problem in ended.json["problems"]] == [path.relative_to(copy).as_posix()]


def test_diff_names_what_changed(care_data: Any, release: Path, tmp_path: Path) -> None:
    ended = care_data("run", "demo", "--to", tmp_path / "data", "--pii", "keep")
    assert ended.code == 0, ended.err
    (other,) = (tmp_path / "data/releases").iterdir()
    ended = care_data("diff", release, other)
    assert (ended.code, ended.err) == (0, "")
    assert "clean.sft.pii: absent → keep" in ended.out
    assert "[PHONE]" in ended.out
    told = care_data("diff", release, other, "--json").json
    assert told["records"]["demo_dialogue_en"]["altered"] == 1
    assert care_data("diff", release, release, "--json").json["same_shards"] is True


def test_check_reads_anyones_dataset_info(care_data: Any, release: Path, tmp_path: Path) -> None:
    ended = care_data("check", release / "dataset_info.json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("dataset_info.json: 4 datasets, no problems.\n")
    (tmp_path / "dataset_info.json").write_text(
        '{"x": {"file_name": "a.jsonl", "columns": {"prompt": "q"}}, "y": {"script_url": "s"}}', "utf-8"
    )
    (tmp_path / "a.jsonl").write_text('{"question": "头痛？", "answer": "休息。"}\n', "utf-8")
    ended = care_data("check", tmp_path)
    assert (ended.code, ended.err) == (7, "")
    assert 'x.columns.prompt: "a.jsonl": no column "q".' in ended.out
    assert '"prompt": "question"' in ended.out
    told = care_data("check", tmp_path, "--json").json
    assert [problem["where"] for problem in told["problems"]] == ["x.columns.prompt", "y.script_url"]


def test_options_of_corpora_are_not_passed_over_for_a_published_release(care_data: Any, tmp_path: Path) -> None:
    ended = care_data("fetch", "hub:care/demo@v1", "--dry-run", "--to", tmp_path / "data")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("care-data: --dry-run is for corpora. ")
    assert not (tmp_path / "data").exists()
