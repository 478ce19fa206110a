import pytest

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch

SOURCE = "manual:https://data.example.org/set/9"


def test_it_says_what_to_get_where_from_and_where_to_put_it(tmp_path):
    wants = [Want("train", SOURCE, "T/{a,b}.jsonl", False, {}), Want("old", "manual:b.example/1Ab", "o.zip", False, {})]
    with pytest.raises(CareError) as caught:
        fetch(wants, tmp_path)
    assert caught.value.code == Exit.MANUAL
    assert str(caught.value) == (
        f"some files have to be fetched by hand: get T/a.jsonl, T/b.jsonl from https://data.example.org/set/9 into"
        f" {tmp_path}/manual/data.example.org/set/9; get o.zip from https://b.example/1Ab into"
        f" {tmp_path}/manual/b.example/1Ab. Then run again;"
        " or use --mirror FOLDER, where a folder laid out by source holds them."
    )


def test_what_was_put_there_is_taken(tmp_path):
    for name in ("a", "b"):
        file = tmp_path / f"manual/data.example.org/set/9/T/{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"{}\n")
    wants = [Want("train", SOURCE, "**/*.jsonl", False, {}), Want("one", SOURCE, "T/a.jsonl", False, {})]
    result = fetch(wants, tmp_path)
    assert [(file.name, file.path, file.bytes, file.verified) for file in result.files] == [
        ("train", "T/a.jsonl", 3, False),
        ("train", "T/b.jsonl", 3, False),
        ("one", "T/a.jsonl", 3, False),
    ]


def test_what_was_put_aside_is_not_taken(tmp_path):
    folder = tmp_path / "manual/data.example.org/set/9"
    folder.mkdir(parents=True)
    for name in ("a.jsonl", "a.jsonl.bad-01234567"):
        (folder / name).write_bytes(b"{}\n")
    assert [file.path for file in fetch([Want("train", SOURCE, "*", False, {})], tmp_path).files] == ["a.jsonl"]


def test_what_was_put_there_wrong_is_an_integrity_error(tmp_path):
    file = tmp_path / "manual/data.example.org/set/9/a.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"wrong")
    with pytest.raises(CareError, match="pinned is 0000") as caught:
        fetch([Want("train", SOURCE, "a.jsonl", False, {"a.jsonl": {"sha256": "0" * 64}})], tmp_path)
    assert caught.value.code == Exit.INTEGRITY
    assert file.read_bytes() == b"wrong"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<!doctype html><title>Log in</title>", "is a web page 'Log in'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n", "Git LFS pointer"),
    ],
)
def test_what_was_put_there_and_is_no_data_is_refused(tmp_path, content, said):
    file = tmp_path / "manual/data.example.org/set/9/a.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(CareError, match=said) as caught:
        fetch([Want("train", SOURCE, "a.jsonl", False, {})], tmp_path)
    assert caught.value.code == Exit.MANUAL
    assert file.read_bytes() == content


def test_an_optional_one_may_stay_away(tmp_path, plant, monkeypatch):
    wants = [Want("train", SOURCE, "**/*.jsonl", True, {})]
    with pytest.raises(CareError) as caught:
        fetch(wants, tmp_path / "raw")
    assert caught.value.code == Exit.MANUAL  # it is all the entry has
    (tmp_path / "raw/manual/b.example").mkdir(parents=True)
    (tmp_path / "raw/manual/b.example/x").write_bytes(b"x")
    result = fetch([*wants, Want("other", "manual:b.example", "x", False, {})], tmp_path / "raw")
    assert [file.name for file in result.files] == ["other"]
    assert result.missing == ["train: **/*.jsonl"]
