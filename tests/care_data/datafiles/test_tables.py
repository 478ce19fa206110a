"""CSV and TSV, as they come."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from care_data.datafiles import DataFile, tables
from care_data.errors import CareError, Exit


def open_table(folder: Path, data: str | bytes, kind: str = "csv") -> DataFile:
    """A file of this text."""
    path = folder / f"rows.{kind}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return DataFile(path, kind, path.name)


def texts_of(file: DataFile, field: str = "text") -> list[str]:
    """The cells of a column."""
    return pl.concat(file.read([field]))[field].to_list()


def copy_of(file: DataFile, stays: list[bool]) -> bytes:
    """The bytes of a copy."""
    to = file.path.with_name("copy")
    file.copy(np.array(stays, bool), to)
    return to.read_bytes()


@pytest.mark.parametrize("block", [1, 9, 1 << 20])
def test_records_stay_as_they_stand(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", block)
    header = '\ufeff"no",text\r\n'
    rows = ['007,"a, ""b""\r\nc"\r\n', '1.50,5" pipe\n', '"",\n', '"x\n\ny",病\r\n', "8,last"]
    file = open_table(tmp_path, header + "\r\n\n".join(rows))
    assert file.fields() == ["no", "text"]
    assert texts_of(file) == ['a, "b"\r\nc', '5" pipe', "", "病", "last"]
    assert texts_of(file, "no") == ["007", "1.50", "", "x\n\ny", "8"]
    assert copy_of(file, [True] * 5) == (header + "".join(rows)).encode()
    assert copy_of(file, [True, False, False, True, False]) == (header + rows[0] + rows[3]).encode()
    assert copy_of(file, [False] * 5) == header.encode()


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("id,text\n1,a\n2,b,c\n", "row 2, byte 12: it has 3 cells where the header has 2"),
        ("id,text\n1,a\n2\n", "row 2, byte 12: it has 1 cells where the header has 2"),
        ('id,text\n1,a\n2,"b\n3,c\n', "row 2, byte 12: its quotes do not match"),
        ('id,text\n1,a\n2,"b"c\n', "row 2, byte 12: its quotes do not match"),
        (b"id,text\n1,\xe7\x97\x85\n2,\xff\n", "row 2, byte 14: byte 0xFF at 16 is not utf-8"),
        ("id,text\r1,a\r", "its lines end in CR alone"),
        ('id,"text\n1,a\n', "the quotes of the header do not match"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_with_its_number_and_byte(
    data: str | bytes, told: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK", block)
    file = open_table(tmp_path, data)
    with pytest.raises(CareError) as caught:
        texts_of(file)
    assert str(caught.value).removeprefix(str(file.path)).lstrip(",: ").startswith(told)


def test_a_quote_that_never_closes_in_a_long_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", 20)
    monkeypatch.setattr(tables, "MAX_LINE", 100)
    file = open_table(tmp_path, 'id,text\n1,a\n2,"b\n' + "3,c\n" * 100)
    with pytest.raises(CareError, match="Is a quote not closed") as caught:
        texts_of(file)
    assert (caught.value.where, caught.value.code) == (f"{file.path}, row 2, byte 12", Exit.LIMIT)


def test_many_records_that_are_not_plain_are_read_one_by_one(tmp_path: Path) -> None:
    cells = [f"{at}\r{at}" for at in range(300)]  # a bare CR is text here
    file = open_table(tmp_path, "id,text\n" + "".join(f'{at},"{cell}"\n' for at, cell in enumerate(cells)))
    assert texts_of(file) == cells
    assert texts_of(file, "id") == [str(at) for at in range(300)]
    assert file.count() == 300


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_gb18030_is_read_as_it_is_and_stays(
    kind: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK", block)
    comma = "\t" if kind == "tsv" else ","
    rows = [
        comma.join(cells) + "\r\n" for cells in [("编号", "问题"), ("1", "a"), ("2", "發燒怎么办丂|"), ("3", "鰽鱜")]
    ]
    data = [row.encode("gb18030") for row in rows]
    file = open_table(tmp_path, b"".join(data), kind)
    assert file.fields() == ["编号", "问题"]
    assert texts_of(file, "问题") == ["a", "發燒怎么办丂|", "鰽鱜"]
    assert copy_of(file, [True, False, True]) == data[0] + data[1] + data[3]


def test_a_bad_byte_in_utf8_does_not_make_it_gb18030(tmp_path: Path) -> None:
    data = "id,text\n1,头痛\n2,头痛\n3,头痛\n".encode() + b"4,\xb7\xa2\n"
    with pytest.raises(CareError, match="row 4, byte 35: byte 0xB7 at 37 is not utf-8"):
        texts_of(open_table(tmp_path, data))


def test_a_column_that_the_header_names_twice_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    file = open_table(tmp_path, "id,text,text\n1,a,b\n")
    assert texts_of(file, "id") == ["1"]
    with pytest.raises(CareError, match="the header names the field 'text' twice"):
        texts_of(file)


def test_a_header_of_one_column(tmp_path: Path) -> None:
    file = open_table(tmp_path, 'text\na\n\n""\n b\n')
    assert texts_of(file) == ["a", "", " b"]
    assert copy_of(file, [False, True, True]) == b'text\n""\n b\n'


@pytest.mark.parametrize("block", [2, 1 << 20])
def test_tsv_has_no_quotes_and_its_last_cell_takes_the_rest(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK", block)
    rows = ['1\t"a\r\n', "\t\n", "\r\n", "2\tb\tc\n", '"3"\td']
    file = open_table(tmp_path, "id\ttext\r\n" + "".join(rows), "tsv")
    assert texts_of(file) == ['"a', "", "b\tc", "d"]
    assert texts_of(file, "id") == ["1", "", "2", '"3"']
    assert copy_of(file, [True, False, False, True]) == ("id\ttext\r\n" + rows[0] + rows[4]).encode()


def test_a_line_of_tsv_with_too_few_cells_is_told(tmp_path: Path) -> None:
    file = open_table(tmp_path, "id\ttext\tmore\n1\ta\tb\n2\tb\n", "tsv")
    with pytest.raises(CareError, match="row 2, byte 19: it has fewer cells than the 3 of the header"):
        texts_of(file)


def test_quotes_far_inside_long_cells_and_a_header_over_two_lines_behind_a_byte_order_mark(tmp_path: Path) -> None:
    header = '\ufeff"no\n1",text\n'
    rows = [f'1,"{"长" * 40}""{"文" * 40}\n,"\n', f"{'2' * 50},{'x' * 70}\n", '3,"y"\n']
    file = open_table(tmp_path, header + "".join(rows))
    assert file.fields() == ["no\n1", "text"]
    assert texts_of(file) == [f'{"长" * 40}"{"文" * 40}\n,', "x" * 70, "y"]
    assert copy_of(file, [False, True, True]).decode() == header + rows[1] + rows[2]
