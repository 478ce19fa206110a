"""CSV, TSV and Parquet as they come: quotes that never close, ragged rows, odd line ends, odd bytes."""

import csv
import io
import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers.tables import MAX_CELL, read_csv

HEAD = "q,a\n"


def test_cells_stay_as_they_are_written(read_bytes: Any) -> None:
    cells = ["NA", "null", "None", "00123", "1e5", "1.50", "2024-01-01", "TRUE", " ", ""]
    data = "".join(f"{cell},{cell}\n" for cell in cells)
    assert [row["q"] for row in read_bytes((HEAD + data).encode(), "csv", "q").rows] == cells


def test_rfc_4180_with_a_quote_inside_an_unquoted_cell(read_bytes: Any) -> None:
    data = 'q,a\n说"有沙子"，疼,看医生\n"久坐,疼","先""软""一点"\n"两行\n的",好\n'
    assert read_bytes(data.encode(), "csv", "q", "a").rows == [
        {"q": '说"有沙子"，疼', "a": "看医生"},
        {"q": "久坐,疼", "a": '先"软"一点'},
        {"q": "两行\n的", "a": "好"},
    ]


@pytest.mark.parametrize("quoted", [False, True])
def test_an_open_quote_at_row_2_of_1000_costs_one_row(quoted: bool, read_bytes: Any) -> None:
    def cell(text: str) -> str:
        return f'"{text}"' if quoted else text

    rows = [f"{cell(f'问{n}')},{cell(f'答{n}')}" for n in range(1, 1001)]
    rows[1] = '问2,"答2'
    found = read_bytes((HEAD + "\n".join(rows) + "\n").encode(), "csv", "q", "a")
    assert found.reasons == [(2, "open_quote")]
    assert found.bad[0].detail.startswith(f"a quote opened at byte {len(HEAD.encode()) + len(rows[0].encode()) + 1} ")
    assert found.numbers == [1, *range(3, 1001)]
    assert found.rows == [{"q": f"问{n}", "a": f"答{n}"} for n in found.numbers]


def test_a_quote_far_below_does_not_close_an_open_one(read_bytes: Any) -> None:
    """The lines between have a row's commas each: they are rows, not the text of one cell."""
    rows = ['问1,"答1', *(f"问{n},答{n}" for n in range(2, 30)), '问30,他说好"', "问31,答31"]
    found = read_bytes((HEAD + "\n".join(rows)).encode(), "csv", "q", "a")
    assert found.reasons == [(1, "open_quote")]
    assert [row["q"] for row in found.rows] == [f"问{n}" for n in range(2, 32)]


def test_an_open_quote_whose_cell_swallows_commas_costs_one_row(read_bytes: Any) -> None:
    """Three columns: the record closed further down would have too few cells."""
    found = read_bytes(b'q,a,c\n1,"x,2\n3,4,5\n6,7,8 "\n9,10,11\n', "csv", "q", "c")
    assert found.reasons == [(1, "open_quote")]
    assert found.rows == [{"q": "3", "c": "5"}, {"q": "6", "c": '8 "'}, {"q": "9", "c": "11"}]


def test_a_cell_may_run_over_many_lines(read_bytes: Any) -> None:
    long = "\n".join(f"第{n}步，慢慢来" for n in range(60))
    found = read_bytes(f'q,a\n怎么做,"{long}"\n下一个,好\n'.encode(), "csv", "q", "a")
    assert found.rows == [{"q": "怎么做", "a": long}, {"q": "下一个", "a": "好"}]
    assert found.bad == []


def test_thousands_of_open_quotes_cost_their_rows_only(read_bytes: Any) -> None:
    rows = '"开,1\n' * 30_000
    started = time.monotonic()
    found = read_bytes(f"q,a\n好,1\n{rows}好,2\n".encode(), "csv", "q", "a")
    assert [row["a"] for row in found.rows] == ["1", "2"]
    assert len(found.bad) == 30_000
    assert time.monotonic() - started < 20


def test_long_cells_are_read_and_an_endless_one_is_given_up(read_bytes: Any) -> None:
    article = "文" * (2 * MAX_CELL)
    assert read_bytes(f'q,a\n"{article}","b"\n{article},"b"\n'.encode(), "csv", "q").rows == [{"q": article}] * 2
    lines = "文字\n" * MAX_CELL
    found = read_bytes(f'q,a\n"开,1\n{lines}"关",2\n'.encode(), "csv", "q", "a")
    assert found.rows == [{"q": "关", "a": "2"}]
    assert found.reasons[0] == (1, "open_quote")
    assert {reason for _, reason in found.reasons[1:]} == {"ragged"}


@pytest.mark.parametrize(
    ("data", "rows", "reasons"),
    [
        (b"q,a\n1,2,3\n4\n5,6\n", [("5", "6")], [(1, "ragged"), (2, "ragged")]),
        (b"\xef\xbb\xbfq,a\r\n1,2\r\n", [("1", "2")], []),
        (b"q,a\n\n1,2\n\n", [("1", "2")], []),
        (b"\nq,a\n1,2\n", [("1", "2")], []),
        (b"q,a\n1,2", [("1", "2")], []),
        (b'q,a\n1\x00,2\n"3\x00",4\n', [("1\x00", "2"), ("3\x00", "4")], []),
        (b'q,a\n"1",2\r3\n"x",5\xc2\x85\n', [("1", "2\r3"), ("x", "5\x85")], []),
        (b'q,a\n"1"2,3\n4,5\n', [("4", "5")], [(1, "open_quote")]),
        (b"q,a\n\xb1\xea,2\n3,4\n", [("3", "4")], [(1, "bad_encoding")]),
        (b'q,a\n"1\n\xff",2\n3,4\n', [("3", "4")], [(1, "open_quote"), (2, "bad_encoding")]),
        (b'"q","a"\n1,2\n', [("1", "2")], []),
        (b"a,x,q\n1,2,3\n", [("3", "1")], []),
    ],
)
def test_odd_tables(data: bytes, rows: list[tuple[str, str]], reasons: list[tuple[int, str]], read_bytes: Any) -> None:
    found = read_bytes(data, "csv", "q", "a")
    assert [(row["q"], row["a"]) for row in found.rows] == rows
    assert found.reasons == reasons


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty. Fetch it again."),
        (b"\n\n", "the file is empty. Fetch it again."),
        (b"q,a\r1,2\r3,4\r", "its lines end in CR alone. Only LF and CRLF end a line here."),
        (b"q,a,q\n1,2,3\n", "the header names a column twice: q, a, q. Name the columns with columns = […]."),
        ("标题,回答\n1,2\n".encode("gb18030"), "byte 0xB1 at 0 is not utf-8; it reads as gb18030. Set encoding"),
        (b'q,"a\n1,2\n', "a quote in the header is never closed well. Name the columns with columns = […]."),
    ],
)
def test_a_table_without_a_usable_header_is_refused(data: bytes, told: str, read_bytes: Any) -> None:
    with pytest.raises(CareError) as caught:
        read_bytes(data, "csv", "q")
    assert str(caught.value).startswith(told)


def test_a_semicolon_table_has_one_odd_column(read_bytes: Any) -> None:
    found = read_bytes(b"q;a\n1;2\n", "csv", "q")
    assert found.names == {"q;a"}
    assert found.rows == [{"q": None}]


def test_columns_stand_in_for_a_header(read_bytes: Any) -> None:
    found = read_bytes(b"1,2\n3,4\n", "csv", "a", columns=["q", "a"])
    assert found.rows == [{"a": "2"}, {"a": "4"}]


def test_a_cell_has_no_parts(read_bytes: Any) -> None:
    with pytest.raises(CareError, match="column 'q' is text, but a pattern looks inside it"):
        read_bytes(b"q\n1\n", "csv", wanted={"q": pl.List(pl.String)})


def test_gb18030_with_backslash_bytes(read_bytes: Any) -> None:
    rows = [("乗車", "誠,意"), ("許", "功")]
    data = "q,a\n" + "".join(f'{q},"{a}"\n' for q, a in rows)
    found = read_bytes(data.encode("gb18030"), "csv", "q", "a", encoding="gb18030")
    assert [(row["q"], row["a"]) for row in found.rows] == rows


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\ue00d\ufeff"), max_size=6)
tables = st.lists(st.lists(cells | st.text('a",\n', max_size=5), min_size=2, max_size=2), max_size=8)


@settings(max_examples=150, deadline=None)
@given(tables, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_python_writes_comes_back(table: list[list[str]], quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows([["q", "a"], *table])
    wanted = {"q": pl.String(), "a": pl.String()}
    batches = list(read_csv(io.BytesIO(out.getvalue().encode()), File("f", "package:x", "x", "csv"), wanted))
    assert [list(row) for batch in batches for row in batch.frame.select("q", "a").iter_rows()] == table
    assert [bad for batch in batches for bad in batch.bad] == []


def test_tsv_has_no_quotes_and_its_last_column_takes_the_rest(read_bytes: Any) -> None:
    found = read_bytes(b'q\ta\n"1\t2\t3\n4\n\n5\t"\n', "tsv", "q", "a")
    assert found.rows == [{"q": '"1', "a": "2\t3"}, {"q": "5", "a": '"'}]
    assert found.reasons == [(2, "ragged")]


# Parquet


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def test_parquet_gives_the_wanted_columns_as_text(read_bytes: Any) -> None:
    data = parquet(pl.DataFrame({"q": ["一", None], "n": [1, 2], "t": [["x"], []]}))
    found = read_bytes(data, "parquet", wanted={"q": pl.String(), "n": pl.String(), "z": pl.String()})
    assert found.rows == [{"q": "一", "n": "1", "z": None}, {"q": None, "n": "2", "z": None}]
    assert found.numbers == [1, 2]
    assert found.names == {"q", "n", "t"}
    assert read_bytes(parquet(pl.DataFrame({"q": []}, schema={"q": pl.String})), "parquet", "q").rows == []


def test_parquet_of_another_nesting_is_refused(read_bytes: Any) -> None:
    with pytest.raises(CareError, match="a column has another type than the entry says"):
        read_bytes(parquet(pl.DataFrame({"t": [["x"]]})), "parquet", "t")


def test_damaged_parquet_is_refused(read_bytes: Any) -> None:
    data = parquet(pl.DataFrame({"q": [f"第{n}行" for n in range(500)]}))
    refused = 0
    for bad in (b"", b"PAR1", b"<html>login</html>", data[:-9], data[: len(data) // 2], b"PAR1" + data[40:]):
        with pytest.raises(CareError, match="no whole Parquet file") as caught:
            read_bytes(bad, "parquet", "q")
        assert caught.value.code == Exit.INTEGRITY
        refused += 1
    assert refused == 6
