"""Each file type to the same table."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_train.errors import CareError
from care_train.shards import READERS, TYPES, read_shard

COLUMNS = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
SCHEMA = pa.schema([(theirs, TYPES[ours]) for ours, theirs in COLUMNS.items()])
Rows = list[dict[str, Any]]


def write_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8-sig")


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", encoding="utf-8")


def write_parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


def write_stream(path: Path, rows: Rows) -> None:
    with pa.ipc.new_stream(str(path), SCHEMA) as sink:
        sink.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def write_file(path: Path, rows: Rows) -> None:
    with pa.ipc.new_file(str(path), SCHEMA) as sink:
        sink.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


WRITERS = [
    ("a.json", write_json),
    ("lines.json", write_jsonl),
    ("a.jsonl", write_jsonl),
    ("a.parquet", write_parquet),
    ("stream.arrow", write_stream),
    ("file.arrow", write_file),
]


@pytest.mark.parametrize(("name", "write"), WRITERS, ids=[name for name, _ in WRITERS])
def test_every_type_gives_the_same_records(name: str, write: Any, tmp_path: Path, records: Rows) -> None:
    rows = [{theirs: record[theirs] for theirs in COLUMNS.values()} for record in records]
    write(tmp_path / name, rows)
    table = read_shard(tmp_path / name, {**COLUMNS, "id": "id"}, name, optional={"id"})
    assert {field.name: field.type for field in table.schema} == TYPES
    back = table.rename_columns(COLUMNS).select(list(COLUMNS.values()))
    assert back.to_pylist() == rows
    assert table["id"].null_count == table["system"].null_count == 24


def test_csv_keeps_line_breaks_and_quotes(tmp_path: Path) -> None:
    rows = [["q", "a"], ["头痛\n两天", '说"好"，休息'], ["", ""], ["咳嗽", "喝水"]]
    with (tmp_path / "a.csv").open("w", encoding="utf-8-sig", newline="") as sink:
        csv.writer(sink).writerows(rows)
    table = read_shard(tmp_path / "a.csv", {"prompt": "q", "response": "a"}, "a.csv")
    assert table["prompt"].to_pylist() == ["头痛\n两天", "", "咳嗽"]
    assert table["response"].to_pylist() == ['说"好"，休息', "", "喝水"]


def test_txt_gives_a_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("第一行\r\n\n第二行\n", encoding="utf-8")
    table = read_shard(tmp_path / "a.txt", {"prompt": "text"}, "a.txt")
    assert table["prompt"].to_pylist() == ["第一行", "第二行"]


def test_large_and_dictionary_text_is_text(tmp_path: Path) -> None:
    table = pa.table({"q": pa.array(["一", "二"], pa.large_string()), "a": pa.array(["三", "三"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    read = read_shard(tmp_path / "a.parquet", {"prompt": "q", "response": "a"}, "a")
    assert (read["prompt"].to_pylist(), read["response"].to_pylist()) == (["一", "二"], ["三", "三"])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'[{"q": "x", "a": 1}]', "mm: record 1: a is a int, not string. Mend the record"),
        ("a.json", b'[{"q": "x", "a": "y"}, 3]', "mm: record 2 is a int, not an object"),
        ("a.json", b'[{"q": "x",\n "a" "y"}]', "mm: line 2 is not JSON"),
        ("a.jsonl", b'{"q": "x", "a": "y"}\n{"q"\n', "mm: line 2 is not JSON"),
        ("a.jsonl", b'{"q": "x"}\n', "mm: no column a for response. Columns are: q."),
        ("a.jsonl", '{"q": "病"}'.encode("gb18030"), "mm: byte 0xb2 at 7 is not utf-8. Save the file as UTF-8."),
        ("a.csv", b"q,a\n1,2\n1,2,3\n", "mm: line 3: 3 fields where the header has 2. Mend the line."),
        ("a.csv", b'q,a\n"1"x,2\n', "mm: line 2: "),
        ("a.arrow", b"nothing of the kind", "mm: not a whole Arrow file"),
        ("a.parquet", b"PAR1", "mm: not a whole Parquet file"),
        ("a.pkl", b"", "mm: file type .pkl. Use one of .json, .jsonl, .csv, .txt, .parquet, .arrow."),
    ],
)
def test_broken_files_name_the_place(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CareError) as caught:
        read_shard(tmp_path / name, {"prompt": "q", "response": "a"}, "mm")
    assert str(caught.value).startswith(said)


def test_a_cut_arrow_stream_is_not_taken_for_a_short_one(tmp_path: Path, records: Rows) -> None:
    path = tmp_path / "a.arrow"
    write_stream(path, [{theirs: record[theirs] for theirs in COLUMNS.values()} for record in records])
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(CareError, match=r"not a whole Arrow file"):
        read_shard(path, COLUMNS, "a")


def test_number_columns_are_refused_not_turned_into_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"q": ["一"], "a": [3]}), tmp_path / "a.parquet")
    with pytest.raises(CareError, match=r"column a is int64. It must be string"):
        read_shard(tmp_path / "a.parquet", {"prompt": "q", "response": "a"}, "a")


def test_every_type_of_the_table_was_tried() -> None:
    assert set(READERS) == {Path(name).suffix for name, _ in WRITERS} | {".csv", ".txt"}
