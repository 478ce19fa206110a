"""verify: every flipped byte, every file that is missing or foreign, every sum that is none is found and named."""

import json
import os
import random
import shutil
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest

from care_data.audits.sections import tell_whole
from care_data.audits.verification import Problem, refusal, verify
from care_data.errors import CareError, Exit
from care_data.parts import PartWriter
from care_data.publishing.trees import write_tree
from care_data.records import arrow_schema
from care_data.release import Dataset, write
from care_data.store import MANIFEST, Manifest, encode_json, read_manifest, sha256_file, writing

INFO = "dataset_info.json"
SHARD = "one_sft/train-00000-of-00001.arrow"
FUNNEL = [
    {"stage": "convert", "read": 5, "kept": 4, "dropped": {"blank_output": 1}},
    {"stage": "write", "read": 4, "kept": 3, "dropped": {"held_out": 1}},
]
STATED = Manifest(
    stage="release",
    name="r",
    key="ab" * 32,
    inputs=[],
    parameters={"corpora": {"one": {}}},
    counts={"one_sft": {"read": 5, "kept": 3, "dropped": {"blank_output": 1, "held_out": 1}}},
    funnel={"one_sft": FUNNEL},
    sources={
        "one": {
            "title": "One",
            "from": "github:test/one",
            "citation": "none",
            "languages": ["zh"],
            "license": {"id": "MIT", "use": "commercial", "redistribute": True},
        }
    },
    files=[],
    verified=True,
    version="1",
    code="c",
)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A release of three records, which no test may change."""
    root = tmp_path_factory.mktemp("made")
    rows = pl.DataFrame(
        {
            "id": [f"one/sft/f#{n}" for n in range(3)],
            "corpus": "one",
            "license": "MIT",
            "instruction": [f"第{n}问？" for n in range(3)],
            "input": "",
            "output": [f"第{n}答。" for n in range(3)],
            "history": [[], [["早", "好"]], []],
        },
        schema_overrides={"history": pl.List(pl.List(pl.String))},
    )
    part = PartWriter(root / "part.parquet", arrow_schema("sft"))
    with writing(root / "part.parquet") as temporary:
        part.write(rows, temporary)
        part.close({"read": 3, "kept": 3, "dropped": {}}, temporary)
    write(root / "r", [Dataset("one", "sft", "sft", "train", "MIT", "zh", (), [root / "part.parquet"])], STATED)
    return root / "r"


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(made, tmp_path / "r")


def flip(path, at, bit):
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def reseal(folder, **changes):
    """Write the manifest anew, with sizes and sums of the files as they are now, as one who means to deceive."""
    manifest = read_manifest(folder)
    files = [
        {**line, "bytes": (folder / line["path"]).stat().st_size, "sha256": sha256_file(folder / line["path"])}
        for line in manifest.files
    ]
    told = replace(manifest, **{"files": files, **changes}).to_json()
    (folder / MANIFEST).write_bytes(encode_json(told))


def problems(folder):
    return [(problem.path, problem.what) for problem in verify(folder).problems]


def test_a_whole_release_is_found_whole(made):
    found = verify(made)
    listed = read_manifest(made).files
    assert (found.files, found.bytes) == (len(listed), sum(line["bytes"] for line in listed))
    assert {INFO, SHARD} <= {line["path"] for line in listed}
    assert found.problems == found.notes == []
    assert found.to_json()["whole"] is True
    assert refusal(found) is None
    size = f"{found.bytes:,}"
    assert tell_whole(found) == f"verify   {len(listed)} files, {size} bytes, all as they were written: {made}"


def test_every_folder_of_a_run_is_found_whole(demo):
    data, ended = demo
    assert ended.code == 0
    folders = sorted(path.parent for path in data.glob("*/*/manifest.json"))
    assert [folder.parent.name for folder in folders].count("raw") == 3
    assert len(folders) == 16
    assert {folder: problems(folder) for folder in folders} == {folder: [] for folder in folders}


def test_a_published_release_is_found_whole_and_a_flip_in_it(made, tmp_path):
    manifest = write_tree(made, tmp_path / "tree")
    (tmp_path / "tree/.gitattributes").write_text("*.parquet filter=lfs\n")
    (tmp_path / "tree/.cache/huggingface").mkdir(parents=True)
    (tmp_path / "tree/.cache/huggingface/x.lock").write_text("")
    assert verify(tmp_path / "tree").files == len(manifest.files)
    assert problems(tmp_path / "tree") == []
    shard = "one_sft/train-00000-of-00001.parquet"
    flip(tmp_path / "tree" / shard, 100, 3)
    assert [path for path, _ in problems(tmp_path / "tree")] == [shard]


def test_what_dedupe_wrote_is_found_whole_and_a_flip_in_it(care_data, tmp_path):
    lines = [json.dumps({"instruction": f"问{n // 2}", "output": f"答{n // 2}"}) for n in range(8)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    assert care_data("dedupe", tmp_path / "rows.jsonl", "--out", tmp_path / "out").code == 0
    assert verify(tmp_path / "out").files == 3
    assert problems(tmp_path / "out") == []
    flip(tmp_path / "out/kept/rows.jsonl", 20, 0)
    assert [path for path, _ in problems(tmp_path / "out")] == ["kept/rows.jsonl"]


def test_every_flipped_byte_of_the_manifest_is_found(folder):
    path, lots = folder / MANIFEST, random.Random(7)
    whole = path.read_bytes()
    for at in range(len(whole)):
        flip(path, at, lots.randrange(8))
        assert MANIFEST in {problem.path for problem in verify(folder).problems}, at
        path.write_bytes(whole)
    assert len(whole) > 1_500


@pytest.mark.parametrize("other", [b"\n", b" "])
def test_white_space_is_seen_though_it_changes_no_content(folder, other):
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + other)
    assert problems(folder) == [(MANIFEST, "changed since it was written: the same content, other bytes")]


def test_every_flipped_byte_of_dataset_info_is_found(folder):
    path, lots = folder / INFO, random.Random(8)
    whole = path.read_bytes()
    for at in range(len(whole)):
        flip(path, at, lots.randrange(8))
        found = verify(folder).problems
        assert [problem.path for problem in found] == [INFO], at
        assert found[0].what.startswith("its sha256 is ")
        path.write_bytes(whole)
    assert len(whole) > 300


def test_a_flipped_byte_of_any_file_is_found(folder):
    lots = random.Random(9)
    paths = [line["path"] for line in read_manifest(folder).files]
    for turn in range(50):
        path = folder / (SHARD if turn < 30 else lots.choice(paths))
        whole = path.read_bytes()
        flip(path, lots.randrange(len(whole)), lots.randrange(8))
        assert [problem.path for problem in verify(folder).problems] == [path.relative_to(folder).as_posix()]
        path.write_bytes(whole)
    assert problems(folder) == []


def test_files_that_are_missing_cut_or_foreign_are_named(folder):
    (folder / INFO).unlink()
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:-8])
    size = (folder / SHARD).stat().st_size
    (folder / "one_sft/train-00001-of-00001.arrow").write_bytes(b"x")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "one_sft/.shard.arrow.tmp-12-ab").write_bytes(b"x")
    (folder / os.fsdecode(b"\xff\n")).write_bytes(b"x")
    assert problems(folder) == [
        (INFO, "missing"),
        (SHARD, f"{size:,} bytes, not {size + 8:,} as listed"),
        (".hidden", "a file that is not in the manifest"),
        ("\\xff\n", "a file that is not in the manifest"),
        ("one_sft/.shard.arrow.tmp-12-ab", "left over from a run that was killed; it may be removed"),
        ("one_sft/train-00001-of-00001.arrow", "a file that is not in the manifest"),
    ]


def test_what_is_no_file_is_never_opened(folder):
    (folder / SHARD).unlink()
    os.mkfifo(folder / SHARD)  # opening it would wait for ever
    os.mkfifo(folder / "pipe")
    assert problems(folder) == [(SHARD, "not a file"), ("pipe", "a file that is not in the manifest")]


def test_links_that_lead_out_are_not_followed(folder, tmp_path):
    shutil.copy(folder / SHARD, tmp_path / "same.arrow")
    (folder / SHARD).unlink()
    (folder / SHARD).symlink_to(tmp_path / "same.arrow")
    (folder / "elsewhere").symlink_to(tmp_path)
    assert problems(folder) == [
        (SHARD, "a link that leads out of the folder; not followed"),
        ("elsewhere", "a link that is not in the manifest"),
    ]


def test_a_folder_that_is_a_link_out_is_not_followed(folder, tmp_path):
    shutil.move(folder / "one_sft", tmp_path / "one_sft")
    (folder / "one_sft").symlink_to(tmp_path / "one_sft")
    assert problems(folder) == [
        (SHARD, "a link that leads out of the folder; not followed"),
        ("one_sft", "a link that is not in the manifest"),
    ]


def test_a_link_to_the_folder_itself_is_followed(made, tmp_path):
    (tmp_path / "newest").symlink_to(made)
    assert problems(tmp_path / "newest") == []


@pytest.mark.parametrize("path", ["../same.arrow", "one_sft/../../same.arrow", "{root}/same.arrow", "a\\b", ""])
def test_a_manifest_that_names_paths_outside_is_not_believed(folder, tmp_path, path):
    shutil.copy(folder / SHARD, tmp_path / "same.arrow")
    files = read_manifest(folder).files
    line = next(line for line in files if line["path"] == SHARD)
    path = path.format(root=tmp_path)
    reseal(folder, files=[*files, {**line, "path": path}])
    assert problems(folder) == [(path, "the manifest names a path that leaves the folder; not looked at")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"counts": {"one_sft": {"read": 5, "kept": 3, "dropped": {}}}, "funnel": {}}, "5 read, but 3 kept"),
        ({"counts": {"one_sft": {"read": 4, "kept": 4, "dropped": {}}}, "funnel": {}}, "4 kept, but its shards hold 3"),
        ({"counts": {}, "funnel": {}}, "one_sft: 0 kept, but its shards hold 3"),
        ({"funnel": {"one_sft": FUNNEL[1:]}}, "one_sft: its counts are not those of its stages"),
        ({"funnel": {"one_sft": [FUNNEL[0], {**FUNNEL[1], "read": 5}]}}, "one_sft, write: 5 read, but 4 kept and"),
        ({"funnel": {"one_sft": [{**FUNNEL[0], "read": 4, "dropped": {}}, FUNNEL[1]]}}, "are not those of its stages"),
        (
            {"funnel": {"one_sft": [FUNNEL[0], {**FUNNEL[1], "read": 5, "dropped": {"held_out": 2}}]}},
            "one_sft: write read 5, but convert kept 4",
        ),
    ],
)
def test_counts_that_do_not_add_up_are_told(folder, changes, told):
    reseal(folder, **changes)
    found = problems(folder)
    assert [path for path, what in found if told in what] == [MANIFEST], found


def test_dataset_info_is_held_against_the_shards(folder):
    whole = json.loads((folder / INFO).read_text())
    entry = whole["one_sft"]
    for info, told in [
        ({"one_sft": {**entry, "care": {**entry["care"], "rows": 4}}}, "one_sft: 4 rows, but its shards hold 3"),
        ({}, "one_sft: told nothing of, but there are shards"),
        ({**whole, "two_sft": entry}, "two_sft: no shard is listed of it"),
        ({"one_sft": {**entry, "columns": 3}}, "one_sft.columns: 3 is not"),
    ]:
        (folder / INFO).write_bytes(encode_json(info))
        reseal(folder)
        assert [(path, what[: len(told)]) for path, what in problems(folder)] == [(INFO, told)]


def test_a_shard_that_is_listed_rightly_but_holds_no_such_records_is_told(folder):
    def put(table):
        with pa.OSFile(str(folder / SHARD), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        reseal(folder)
        return problems(folder)

    columns = arrow_schema("pt")
    passages = pa.table({name: ["一", "二", "三"] for name in columns.names}, schema=columns)
    assert put(passages) == [(INFO, f"one_sft: {SHARD} has not the columns of sft records")]
    assert put(passages.slice(0, 2)) == [(SHARD, "2 rows, not 3 as listed")]
    (folder / SHARD).write_bytes(b"no stream")
    reseal(folder)
    [(path, what)] = problems(folder)
    assert path == SHARD
    assert what.startswith("cannot be read (")


def test_a_shard_whose_offsets_lead_outside_is_refused_not_read(folder):
    """Bytes that Arrow itself would follow out of its memory, under a manifest that fits them."""
    whole, refused = (folder / SHARD).read_bytes(), 0
    at = whole.index("第0问？".encode())
    for place in range(max(0, at - 64), at):
        content = bytearray(whole)
        content[place] = 0x7F
        (folder / SHARD).write_bytes(content)
        reseal(folder)
        refused += bool(problems(folder))
    assert refused > 5


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"a":1}', b"[" * 100_000, b'"\\ud800"', b"1" * 5000])
def test_a_manifest_that_says_nothing_is_the_only_problem(folder, content):
    (folder / MANIFEST).write_bytes(content)
    [problem] = verify(folder).problems
    assert problem.path == MANIFEST
    assert problem.what.startswith("damaged: ")


def test_a_manifest_without_a_digest_is_of_an_earlier_time(folder):
    told = json.loads((folder / MANIFEST).read_text())
    del told["digest"]
    (folder / MANIFEST).write_bytes(encode_json(told))
    found = verify(folder)
    assert found.problems == []
    assert tell_whole(found).endswith("\n         note: " + found.notes[0])
    assert found.notes == ["its manifest is of a time when it held no digest of itself: a change in it may go unseen"]


def test_a_folder_without_a_manifest_is_refused_and_one_that_has_is_named(made, tmp_path):
    with pytest.raises(CareError) as caught:
        verify(made.parent)
    assert str(caught.value) == f"{made.parent}: no manifest.json of its own. Name one that has: {made}."
    assert caught.value.code == Exit.INTEGRITY
    with pytest.raises(CareError) as caught:
        verify(tmp_path / "absent")
    assert caught.value.code == Exit.USAGE


def test_the_refusal_has_a_line_for_each_problem(folder):
    (folder / INFO).unlink()
    (folder / "more").write_text("")
    error = refusal(verify(folder))
    assert str(error) == f"{folder}: 2 problems. Make it anew, or get it again from where it came."
    assert error.details == (f"{INFO}: missing", "more: a file that is not in the manifest")
    assert error.code == Exit.INTEGRITY


def test_where_all_that_is_listed_is_whole_the_refusal_says_so(folder):
    (folder / "more").write_text("")
    error = refusal(verify(folder))
    assert str(error).endswith(
        "1 problem. All that is listed is as it was written: take away what does not belong there."
    )
    assert error.code == Exit.INTEGRITY


@pytest.mark.parametrize("workers", [1, 4])
def test_progress_is_told_in_bytes(made, workers):
    told = []
    verify(made, lambda *done: told.append(done), workers)
    total = sum(line["bytes"] for line in read_manifest(made).files)
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert {of for _, of in told} == {total}


def test_what_is_found_does_not_depend_on_the_number_of_threads(folder):
    flip(folder / SHARD, 50, 1)
    (folder / INFO).unlink()
    one, many = verify(folder, workers=1), verify(folder, workers=8)
    assert one == many
    assert one.problems[0] == Problem(INFO, "missing")
    assert len(one.problems) == 2
