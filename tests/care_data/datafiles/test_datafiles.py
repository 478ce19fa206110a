"""Finding files of rows, and what holds for every kind of them."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care_data.datafiles import DataFile, arrays, find_files, lines, tables
from care_data.errors import CareError, Exit

TEXTS = ["发烧怎么办？", "多喝水，\n多休息。", '他说"疼"', "", "a,b;c\td", "007"]


def write_kind(folder: Path, kind: str, texts: list[str]) -> Path:
    """A file of the kind with columns id and text."""
    rows = [{"id": f"00{at}", "text": text} for at, text in enumerate(texts)]
    frame = pl.DataFrame(rows, schema={"id": pl.String, "text": pl.String})
    path = folder / f"rows.{kind}"
    if kind.startswith("jsonl"):
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    elif kind.startswith("json"):
        data = json.dumps(rows, ensure_ascii=False, indent=2).encode()
    elif kind.startswith("csv"):
        data = frame.write_csv(quote_style="always").encode()
    elif kind == "tsv":
        cells = [[row["id"], row["text"].replace("\t", " ").replace("\n", " ")] for row in rows]
        data = "".join("\t".join(line) + "\n" for line in [["id", "text"], *cells]).encode()
    elif kind == "parquet":
        pq.write_table(frame.to_arrow(), path, row_group_size=3)
        return path
    else:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        new = pa.ipc.new_stream if kind == "arrow" else pa.ipc.new_file
        with new(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=3)
        return path
    if kind.endswith(".gz"):
        data = gzip.compress(data)
    elif kind.endswith(".zst"):
        data = pa.Codec("zstd").compress(data, asbytes=True)
    path.write_bytes(data)
    return path


KINDS = ["jsonl", "jsonl.gz", "jsonl.zst", "json", "json.gz", "csv", "csv.gz", "tsv", "parquet", "arrow", "feather"]


def texts_of(path: Path, field: str = "text", rows: int = 50_000) -> list[str]:
    """The texts that reading gives."""
    (file,) = find_files([path])
    return [text for frame in file.read([field], rows) for text in frame[field]]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few bytes, so that rows lie across them and are larger."""
    for module in (lines, arrays, tables):
        monkeypatch.setattr(module, "BLOCK", 7)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_its_texts(kind: str, tmp_path: Path) -> None:
    path = write_kind(tmp_path, kind, TEXTS)
    (file,) = find_files([path])
    expected = [text.replace("\t", " ").replace("\n", " ") for text in TEXTS] if kind == "tsv" else TEXTS
    assert texts_of(path) == expected
    assert texts_of(path, "id") == ["000", "001", "002", "003", "004", "005"]
    assert (file.fields(), file.count()) == (["id", "text"], 6)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_have_at_most_the_rows_asked_for_and_the_columns_in_order(kind: str, tmp_path: Path) -> None:
    (file,) = find_files([write_kind(tmp_path, kind, TEXTS)])
    frames = list(file.read(["text", "id"], rows=2))
    assert all(frame.height <= 2 for frame in frames)
    assert {tuple(frame.schema.items()) for frame in frames} == {(("text", pl.String), ("id", pl.String))}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_rows_reads_as_an_empty_frame_and_copies(kind: str, tmp_path: Path) -> None:
    (file,) = find_files([write_kind(tmp_path, kind, [])])
    if kind in ("jsonl", "jsonl.gz", "jsonl.zst"):
        assert file.fields() == []
    frames = list(file.read(["text"]))
    assert [frame.schema for frame in frames] == [pl.Schema({"text": pl.String})]
    assert (frames[0].height, file.count()) == (0, 0)
    file.copy(np.zeros(0, bool), tmp_path / "out" / file.name)
    assert texts_of(tmp_path / "out" / file.name) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("json", "csv"))])
def test_a_file_of_no_bytes_has_no_rows(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(gzip.compress(b"") if kind.endswith("gz") else b"")
    if kind.endswith("zst"):
        path.write_bytes(pa.Codec("zstd").compress(b"", asbytes=True))
    (file,) = find_files([path])
    assert texts_of(path) == []
    file.copy(np.zeros(0, bool), tmp_path / "out")
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_all_rows_reads_the_same_and_of_none_has_none(kind: str, tmp_path: Path) -> None:
    path = write_kind(tmp_path, kind, TEXTS)
    (file,) = find_files([path])
    file.copy(np.ones(6, bool), tmp_path / "all" / path.name)
    file.copy(np.zeros(6, bool), tmp_path / "none" / path.name)
    assert texts_of(tmp_path / "all" / path.name) == texts_of(path)
    assert texts_of(tmp_path / "none" / path.name) == []
    if "." not in kind and kind not in ("parquet", "arrow", "feather"):
        assert (tmp_path / "all" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [5, 7])
def test_a_copy_by_flags_of_another_number_is_refused_and_leaves_nothing(kind: str, rows: int, tmp_path: Path) -> None:
    (file,) = find_files([write_kind(tmp_path, kind, TEXTS)])
    with pytest.raises(CareError, match="rows than the") as caught:
        file.copy(np.ones(rows, bool), tmp_path / "out" / file.name)
    assert caught.value.code == Exit.INTEGRITY
    assert caught.value.where == str(file.path)
    assert list((tmp_path / "out").glob("*")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_is_not_there_is_an_error_that_names_those_that_are(kind: str, tmp_path: Path) -> None:
    (file,) = find_files([write_kind(tmp_path, kind, TEXTS)])
    with pytest.raises(CareError) as caught:
        list(file.read(["id", "txet"]))
    assert str(caught.value) == f"{file.path}: no field 'txet'. Fields there: id, text."
    assert caught.value.code == Exit.USAGE


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([kind for kind in KINDS if kind != "tsv"]),
    rows=st.lists(
        st.tuples(st.text(st.sampled_from('病ab"\\,\n\r\t[]{} 😀'), max_size=30), st.booleans()), max_size=12
    ),
)
def test_a_copy_holds_what_reading_and_filtering_gives(tmp_path: Path, kind: str, rows: list[tuple[str, bool]]) -> None:
    texts = [text for text, _ in rows]
    path = write_kind(tmp_path, kind, texts)
    (file,) = find_files([path])
    assert texts_of(path) == texts
    stays = np.array([stay for _, stay in rows], bool)
    copy = tmp_path / "copy" / path.name
    file.copy(stays, copy)
    assert texts_of(copy) == [text for text, stay in rows if stay]
    file.copy(np.ones(len(rows), bool), copy)
    if "." not in kind and kind in ("jsonl", "json", "csv"):
        assert copy.read_bytes() == path.read_bytes()


def test_a_folder_gives_what_can_be_read_in_it_sorted_by_path(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "b/1.csv", "a.parquet", ".hidden.jsonl", ".git/x.jsonl", "README.md", "state.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{\n "a": 1}')
    (tmp_path / "info.json").write_text('{"description": "x"}\n')
    (tmp_path / "rows.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    (tmp_path / "alpaca.json").write_text(' [{"text": "a"}]')
    found = find_files([tmp_path])
    assert [(file.name, file.kind) for file in found] == [
        ("a.parquet", "parquet"),
        ("alpaca.json", "array"),
        ("b/1.csv", "csv"),
        ("b/2.jsonl", "lines"),
        ("rows.json", "lines"),
    ]


def test_a_folder_without_any_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(CareError) as caught:
        find_files([tmp_path])
    assert str(caught.value) == (
        f"{tmp_path}: no file of rows in this folder. Files of rows end in .jsonl, .ndjson, .json, .csv, .tsv "
        "(these also with .gz or .zst), .parquet, .arrow, .feather, .ipc."
    )


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("notes.txt", "x", "not a file of rows by its name. Name it by what it is: .jsonl"),
        ("rows.parquet.gz", "x", "not a file of rows by its name"),
        ("one.json", '{\n"a": 1\n}', "one JSON value, not a list of rows or a row a line"),
    ],
)
def test_a_file_named_that_is_none_of_rows_is_an_error(name: str, text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CareError) as caught:
        find_files([tmp_path / name])
    assert str(caught.value).startswith(f"{tmp_path / name}: {told}")
    assert caught.value.code == Exit.USAGE


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CareError, match="no such file or folder"):
        find_files([tmp_path / "nothing.jsonl"])


def test_files_of_one_name_are_told_apart_by_their_folders_and_a_file_named_twice_comes_once(tmp_path: Path) -> None:
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "train" / "1.jsonl").write_text('{"text": "a"}\n')
    named = find_files([tmp_path / "train" / "0.jsonl", tmp_path / "test" / "0.jsonl"])
    assert [file.name for file in named] == ["train/0.jsonl", "test/0.jsonl"]
    folders = find_files([tmp_path / "train", tmp_path / "test", tmp_path / "train" / "0.jsonl"])
    assert [file.name for file in folders] == ["train/0.jsonl", "1.jsonl", "test/0.jsonl"]
    assert [file.path.name for file in find_files([tmp_path / "train", tmp_path / "train"])] == ["0.jsonl", "1.jsonl"]


def test_files_whose_folders_have_one_name_too_are_refused(tmp_path: Path) -> None:
    for folder in ("a/x", "b/x"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(CareError, match=r"x/0.jsonl: .*/a/x/0.jsonl and .*/b/x/0.jsonl have one name\. Rename one"):
        find_files([tmp_path / "a/x", tmp_path / "b/x"])


def test_a_damaged_gz_is_an_error_of_integrity(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"text": "abcdefgh"}\n' * 1000)
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CareError, match="cannot be unpacked") as caught:
        list(DataFile(tmp_path / "a.jsonl.gz", "lines", "a").read(["text"]))
    assert caught.value.code == Exit.INTEGRITY


def test_members_of_gz_and_frames_of_zst_are_one_stream(tmp_path: Path) -> None:
    pieces = [b'{"text": "a', b'b"}\n{"text": "c"}\n', b'{"text": "d"}\n']
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(gzip.compress(piece) for piece in pieces))
    packed = [pa.Codec("zstd").compress(piece, asbytes=True) for piece in pieces]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(packed))
    assert texts_of(tmp_path / "a.jsonl.gz") == ["ab", "c", "d"]
    assert texts_of(tmp_path / "a.jsonl.zst") == ["ab", "c", "d"]
