"""Rows that are lines."""

from typing import Any


def test_every_line_is_a_row_blank_ones_too(read_bytes: Any) -> None:
    found = read_bytes("发热是反应。\r\n\n　多喝水。".encode(), "lines", "_value")
    assert [row["_value"] for row in found.rows] == ["发热是反应。", "", "　多喝水。"]
    assert found.numbers == [1, 2, 3]
    assert found.names == {"_value"}


def test_a_bad_line_is_numbered_and_the_rest_goes_on(read_bytes: Any) -> None:
    found = read_bytes(b"a\n\xff\nb\n", "lines", "_value")
    assert [row["_value"] for row in found.rows] == ["a", "b"]
    assert found.numbers == [1, 3]
    assert found.reasons == [(2, "bad_encoding")]
    assert found.bad[0].detail == "byte 0xFF at 2 is not utf-8"


def test_an_empty_file_has_no_rows(read_bytes: Any) -> None:
    assert read_bytes(b"", "lines", "_value").rows == []
    assert read_bytes(b"\n", "lines", "_value").rows == [{"_value": ""}]
