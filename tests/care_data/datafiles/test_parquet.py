"""Parquet files, read and copied."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_data.datafiles import DataFile, parquet
from care_data.errors import CareError, Exit

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False, metadata={"note": "x"}),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        pa.field("score", pa.float32()),
        pa.field("when", pa.timestamp("us", tz="Asia/Shanghai")),
        pa.field("messages", pa.list_(pa.field("element", MESSAGE))),
        pa.field("a", pa.struct([("b", pa.large_string()), ("c", pa.list_(pa.field("element", pa.int64())))])),
        pa.field("raw", pa.binary()),
    ],
    metadata={"huggingface": "{}", "owner": "us"},
)


def make_table(rows: int) -> pa.Table:
    """Rows of many types."""
    made: list[dict[str, Any]] = [
        {
            "text": f"问题{at}",
            "kind": "内科" if at % 2 else None,
            "score": at / 2,
            "when": at,
            "messages": [{"role": "user", "content": f"q{at}"}, {"role": "assistant", "content": None}],
            "a": {"b": f"b{at}", "c": [at, None, 1]} if at else None,
            "raw": b"\xff",
        }
        for at in range(rows)
    ]
    return pa.Table.from_pylist(made, SCHEMA)


def open_file(folder: Path, table: pa.Table, **settings: Any) -> DataFile:
    """The table as a file."""
    pq.write_table(table, folder / "rows.parquet", **settings)
    return DataFile(folder / "rows.parquet", "parquet", "rows.parquet")


@pytest.fixture(params=["whole groups", "large groups"], autouse=True)
def group_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups are read whole or, where they are large, in batches: both ways have to agree."""
    if request.param == "large groups":
        monkeypatch.setattr(parquet, "_GROUP_BYTES", 10)
        monkeypatch.setattr(parquet, "_ROWS", 4)


def test_columns_of_all_types_read_as_text(tmp_path: Path) -> None:
    file = open_file(tmp_path, make_table(7), row_group_size=3)
    fields = ["kind", "score", "messages", "a", "a.b", "a.c", "messages.role"]
    frame = pl.concat(file.read(fields))
    assert frame.columns == fields
    assert frame.row(0) == ("", "0.0", "q0", "", "", "", "user\nassistant")
    assert frame.row(3) == ("内科", "1.5", "q3", "b3\n3\n1", "b3", "3\n1", "user\nassistant")
    assert frame.height == file.count() == 7


@pytest.mark.parametrize("codec", ["NONE", "SNAPPY", "ZSTD", "LZ4", "GZIP", "BROTLI"])
def test_a_copy_has_the_schema_the_metadata_the_codec_and_the_rows_that_stay(codec: str, tmp_path: Path) -> None:
    table = make_table(10)
    file = open_file(tmp_path, table, row_group_size=4, compression=codec)
    stays = np.array([1, 0, 1, 1, 0, 0, 0, 0, 1, 0], bool)
    file.copy(stays, tmp_path / "copy.parquet")
    copy = pq.read_table(tmp_path / "copy.parquet")
    assert copy.schema.equals(pq.read_schema(file.path), check_metadata=True)
    assert copy.schema.equals(SCHEMA, check_metadata=True)
    assert copy.equals(table.filter(pa.array(stays)))
    group = pq.read_metadata(tmp_path / "copy.parquet").row_group(0)
    told = "UNCOMPRESSED" if codec == "NONE" else codec
    assert {group.column(at).compression for at in range(group.num_columns)} == {told}


def test_codecs_by_column_dictionaries_statistics_and_order_stay(tmp_path: Path) -> None:
    columns = ["text", "kind", "score", "when", "messages.list.element.role", "messages.list.element.content"]
    codecs = {**dict.fromkeys([*columns, "a.b", "a.c.list.element", "raw"], "ZSTD"), "score": "SNAPPY"}
    settings = {"compression": codecs, "use_dictionary": ["kind"], "write_statistics": ["score"]}
    order = [pq.SortingColumn(2)]
    file = open_file(tmp_path, make_table(500), sorting_columns=order, version="2.4", **settings)
    file.copy(np.ones(500, bool), tmp_path / "copy.parquet")
    before, after = pq.read_metadata(file.path), pq.read_metadata(tmp_path / "copy.parquet")
    assert after.format_version == before.format_version
    assert tuple(after.row_group(0).sorting_columns) == tuple(order)
    for at in range(before.num_columns):
        was, now = before.row_group(0).column(at), after.row_group(0).column(at)
        assert (now.path_in_schema, now.compression) == (was.path_in_schema, was.compression)
        assert (now.has_dictionary_page, now.is_stats_set) == (was.has_dictionary_page, was.is_stats_set)


def test_row_groups_stay_and_empty_ones_go(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = open_file(tmp_path, make_table(12), row_group_size=4)
    file.copy(np.repeat([True, False, True], 4), tmp_path / "copy.parquet")
    metadata = pq.read_metadata(tmp_path / "copy.parquet")
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [4, 4]


def test_a_file_that_polars_wrote_keeps_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = pl.DataFrame({"text": ["a", "b"], "n": [1, None], "l": [["x"], []]}, schema_overrides={"n": pl.UInt8})
    frame.write_parquet(path)
    DataFile(path, "parquet", "rows.parquet").copy(np.array([False, True]), tmp_path / "copy.parquet")
    assert pl.read_parquet(tmp_path / "copy.parquet").equals(frame[1:])
    assert pl.read_parquet_schema(tmp_path / "copy.parquet") == frame.schema


@pytest.mark.parametrize("field", ["raw", "a.x", "text.b", "nothing"])
def test_a_field_of_no_text_is_refused(field: str, tmp_path: Path) -> None:
    file = open_file(tmp_path, make_table(2))
    with pytest.raises(CareError) as caught:
        list(file.read([field]))
    assert caught.value.code == Exit.USAGE
    told = "the field 'raw' holds bytes, not text" if field == "raw" else f"no field '{field}'"
    assert str(caught.value).startswith(f"{file.path}: {told}")


def test_a_damaged_file_is_an_error_of_integrity(tmp_path: Path) -> None:
    file = open_file(tmp_path, make_table(2))
    file.path.write_bytes(file.path.read_bytes()[:-10])
    for work in (file.fields, file.count, lambda: list(file.read(["text"]))):
        with pytest.raises(CareError, match="no whole Parquet file") as caught:
            work()
        assert caught.value.code == Exit.INTEGRITY
