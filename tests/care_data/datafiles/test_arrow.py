"""Files and streams of Arrow, read and copied."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from care_data.datafiles import DataFile, arrow
from care_data.errors import CareError, Exit

NEW = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}


def make_table(rows: int) -> pa.Table:
    """Rows of some types, in batches of three."""
    schema = pa.schema(
        [
            pa.field("text", pa.string(), metadata={"note": "x"}),
            pa.field("kind", pa.dictionary(pa.int32(), pa.string())),
            pa.field("turns", pa.list_(pa.list_(pa.string()))),
        ],
        metadata={"huggingface": "{}"},
    )
    made = [
        {"text": f"问题{at}" if at else None, "kind": "内科" if at % 2 else "外科", "turns": [["q", f"a{at}"], [""]]}
        for at in range(rows)
    ]
    return pa.Table.from_batches(pa.Table.from_pylist(made, schema).to_batches(max_chunksize=3))


def open_table(folder: Path, table: pa.Table, shape: str = "file", codec: str | None = None) -> DataFile:
    """The table as a file."""
    path = folder / "rows.arrow"
    with NEW[shape](str(path), table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    return DataFile(path, "arrow", "rows.arrow")


def read_back(path: Path) -> pa.Table:
    """The file's table."""
    with pa.memory_map(str(path)) as mapped:
        opened = pa.ipc.open_file(mapped) if mapped.read(6) == b"ARROW1" else pa.ipc.open_stream(path.read_bytes())
        return opened.read_all()


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("shape", ["file", "stream"])
def test_a_copy_has_the_shape_the_schema_the_codec_and_the_rows_that_stay(
    shape: str, codec: str | None, tmp_path: Path
) -> None:
    table = make_table(40)
    file = open_table(tmp_path, table, shape, codec)
    frame = pl.concat(file.read(["turns", "kind", "text"]))
    assert frame.row(0) == ("q\na0", "外科", "")
    assert frame.row(3) == ("q\na3", "内科", "问题3")
    stays = np.arange(40) % 3 != 1
    file.copy(stays, tmp_path / "copy.arrow")
    copy = read_back(tmp_path / "copy.arrow")
    assert copy.schema.equals(table.schema, check_metadata=True)
    assert copy.to_pylist() == table.filter(pa.array(stays)).to_pylist()
    starts = {path.read_bytes()[:6] == b"ARROW1" for path in (file.path, tmp_path / "copy.arrow")}
    assert starts == {shape == "file"}
    assert arrow._find_codec(tmp_path / "copy.arrow") == arrow._find_codec(file.path) == codec


@pytest.mark.parametrize("codec", ["uncompressed", "lz4", "zstd"])
def test_views_of_texts_as_polars_writes_them_are_filtered_and_dropped_texts_go(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    texts = [f"{at} is long enough to stand outside its view" for at in range(20)]
    frame = pl.DataFrame({"text": texts, "l": [[text] for text in texts], "s": [{"b": b"x" * 20}] * 20})
    frame.write_ipc(path, compression=codec)  # type: ignore[arg-type]
    file = DataFile(path, "arrow", "rows.arrow")
    assert pl.concat(file.read(["text", "l"])).rows() == list(zip(texts, texts, strict=True))
    file.copy(np.arange(20) % 2 == 0, tmp_path / "copy.arrow")
    assert pl.read_ipc(tmp_path / "copy.arrow").equals(frame.gather_every(2))
    assert read_back(tmp_path / "copy.arrow").schema == read_back(path).schema
    if codec == "uncompressed":
        assert b"11 is long" not in (tmp_path / "copy.arrow").read_bytes()


def test_what_is_no_arrow_is_an_error_of_integrity(tmp_path: Path) -> None:
    whole = open_table(tmp_path, make_table(9)).path.read_bytes()
    for data in (b"", b"hello, this is no arrow", whole[:-20], whole[:200]):
        (tmp_path / "a.arrow").write_bytes(data)
        with pytest.raises(CareError, match="no whole Arrow file") as caught:
            list(DataFile(tmp_path / "a.arrow", "arrow", "a.arrow").read(["text"]))
        assert caught.value.code == Exit.INTEGRITY


def test_a_stream_that_was_cut_is_an_error_of_integrity(tmp_path: Path) -> None:
    file = open_table(tmp_path, make_table(9), "stream")
    file.path.write_bytes(file.path.read_bytes()[:-200])
    with pytest.raises(CareError, match="no whole Arrow file"):
        list(file.read(["text"]))


def test_feather_of_the_first_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(b"FEA1" + b"\0" * 20)
    with pytest.raises(CareError, match="Feather of the first version") as caught:
        list(DataFile(tmp_path / "a.feather", "arrow", "a").read(["text"]))
    assert caught.value.code == Exit.USAGE
