"""JSON lines, as they come."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from care_data.datafiles import DataFile, lines
from care_data.errors import CareError, Exit


def open_lines(folder: Path, data: bytes | str) -> DataFile:
    """A file of these lines."""
    path = folder / "rows.jsonl"
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return DataFile(path, "lines", path.name)


def texts_of(file: DataFile, field: str = "text") -> list[str]:
    """The texts of a field."""
    return pl.concat(file.read([field]))[field].to_list()


def copy_of(file: DataFile, stays: list[bool]) -> bytes:
    """The bytes of a copy."""
    to = file.path.with_name("copy.jsonl")
    file.copy(np.array(stays), to)
    return to.read_bytes()


def test_a_copy_keeps_every_byte_of_the_lines_that_stay(tmp_path: Path) -> None:
    rows = [
        b'{"text": "a", "n": 1.50, "e": 1E2}\r\n',
        b'{"n":007e0,"text":"\\u75c5"}\n'.replace(b"007e0", b"12345678901234567890123"),
        b'  {"text" : "c" }  \n',
        b'{"text": "d", "text": "e"}',
    ]
    file = open_lines(tmp_path, b"".join(rows))
    assert texts_of(file) == ["a", "病", "c", "e"]
    assert copy_of(file, [True] * 4) == b"".join(rows)
    assert copy_of(file, [True, False, True, True]) == rows[0] + rows[2] + rows[3]
    assert copy_of(file, [False, True, False, False]) == rows[1]


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_blank_lines_are_no_rows_and_go(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    file = open_lines(tmp_path, b'\xef\xbb\xbf\n\n{"text": "a"}\r\n\r\n \t\r\n{"text": "b"}\n\n')
    assert texts_of(file) == ["a", "b"]
    assert copy_of(file, [True, True]) == b'\xef\xbb\xbf{"text": "a"}\r\n{"text": "b"}\n'
    assert copy_of(file, [False, True]) == b'\xef\xbb\xbf{"text": "b"}\n'


def test_a_byte_order_mark_belongs_to_the_file(tmp_path: Path) -> None:
    file = open_lines(tmp_path, b'\xef\xbb\xbf{"text": "a"}\n{"text": "b"}\n')
    assert (file.fields(), texts_of(file)) == (["text"], ["a", "b"])
    assert copy_of(file, [False, True]) == b'\xef\xbb\xbf{"text": "b"}\n'


@pytest.mark.parametrize("more", [b"", b'{"text": 1}\n'])
def test_values_read_alike_whether_their_block_is_plain_or_not(more: bytes, tmp_path: Path) -> None:
    rows = [{"text": "a\nb"}, {"text": None}, {"other": "x"}, {"text": ""}, {"text": "😀\u0000"}]
    file = open_lines(tmp_path, b"".join(json.dumps(row).encode() + b"\n" for row in rows) + more)
    assert texts_of(file) == ["a\nb", "", "", "", "😀\u0000"] + ["1"] * bool(more)


def test_numbers_and_truth_values_are_read_as_text_and_of_two_equal_keys_the_last_counts(tmp_path: Path) -> None:
    file = open_lines(tmp_path, '{"text": 1}\n{"text": 1.5}\n{"text": true}\n{"text": "a", "text": "b"}\n{"text": NaN}')
    assert texts_of(file) == ["1", "1.5", "true", "b", "nan"]


def test_half_of_a_surrogate_pair_costs_itself_only(tmp_path: Path) -> None:
    data = b'{"text": "a\\ud83d b"}\n{"text": "\\ud83d\\ude00"}\n'
    file = open_lines(tmp_path, data)
    assert texts_of(file) == ["a? b", "😀"]
    assert copy_of(file, [True, True]) == data


@pytest.mark.parametrize("more", ["", '{"messages": 1, "history": 2, "tags": 3}\n'])
def test_nested_values_give_their_texts_a_line_each_without_who_speaks(more: str, tmp_path: Path) -> None:
    row = {
        "messages": [{"role": "user", "content": "头痛？"}, {"role": "assistant", "content": "休息。"}],
        "history": [["问一", "答一"], ["问二", ""]],
        "tags": ["内科", None, "", "常见"],
    }
    file = open_lines(tmp_path, json.dumps(row) + "\n" + json.dumps({**row, "messages": []}) + "\n" + more)
    assert texts_of(file, "messages")[:2] == ["头痛？\n休息。", ""]
    assert texts_of(file, "history")[:2] == ["问一\n答一\n问二"] * 2
    assert texts_of(file, "tags")[:2] == ["内科\n常见"] * 2
    assert texts_of(file, "messages.role")[:2] == ["user\nassistant", ""]


def test_a_dotted_field_is_one_of_its_own_or_lies_in_an_object(tmp_path: Path) -> None:
    file = open_lines(tmp_path, '{"a": {"b": "x", "c": {"d": 5}}, "a.b": "own"}\n{"a": {"b": "y"}}\n{"a": null}\n')
    assert texts_of(file, "a.b") == ["own", "y", ""]
    assert texts_of(file, "a.c.d") == ["5", "", ""]
    with pytest.raises(CareError, match=r"no field 'a\.x'"):
        texts_of(file, "a.x")


def test_a_field_may_first_come_in_a_later_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 40)
    file = open_lines(tmp_path, '{"id": "x"}\n' * 200 + '{"id": "x", "text": "a"}\n')
    assert texts_of(file) == [""] * 200 + ["a"]


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"text": "b"', "it is no JSON (Expecting ',' delimiter: line 1 column 13 (char 12))"),
        (b'{"text": "b"} {"text": "c"}', "it is no JSON (Extra data: line 1 column 15 (char 14))"),
        (b'["b"]', "it is a list, not an object with fields"),
        (b"null", "it is null, not an object with fields"),
        (b'{"text": "\xff"}', "byte 0xFF at 27 is not utf-8"),
        ('{"text": "发烧怎么办"}'.encode("gb18030"), "byte 0xB7 at 27 is not utf-8; it reads as gb18030"),
        (b"[" * 100_000, "it is no JSON (maximum recursion depth exceeded"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_with_its_number_and_byte(
    line: bytes, told: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    file = open_lines(tmp_path, b'\xef\xbb\xbf{"text": "a"}' + line.join([b"\n", b"\n"]) + b'{"text": "c"}\n')
    with pytest.raises(CareError) as caught:
        texts_of(file)
    assert str(caught.value).startswith(f"{file.path}, row 2, byte 17: {told}")
    assert caught.value.fix == "Mend the row or take it out; nothing was left out."
    assert caught.value.code == Exit.DATA


@pytest.mark.parametrize("more", ["", '{"text": 1}\n'])
def test_a_comma_behind_an_object_is_let_be(more: str, tmp_path: Path) -> None:
    file = open_lines(tmp_path, '{"text": "a"},\r\n{"text": "b"}\n' + more)
    assert texts_of(file)[:2] == ["a", "b"]
    assert copy_of(file, [True, False] + [False] * bool(more)) == b'{"text": "a"},\r\n'


@pytest.mark.parametrize("more", ["", '{"turn": 1}\n'])
def test_texts_of_an_object_come_in_its_own_order(more: str, tmp_path: Path) -> None:
    rows = '{"turn": {"q": "a", "a": "b"}}\n{"turn": {"a": "c", "q": "d"}}\n'
    assert texts_of(open_lines(tmp_path, rows + more), "turn")[:2] == ["a\nb", "c\nd"]


@pytest.mark.parametrize("depth", [20, 200, 500])
def test_values_nested_deeply_are_read(depth: int, tmp_path: Path) -> None:
    deep = "[" * depth + '"a"' + "]" * depth
    assert texts_of(open_lines(tmp_path, f'{{"text": {deep}, "more": {deep}}}\n')) == ["a"]


def test_a_value_nested_too_deeply_is_told(tmp_path: Path) -> None:
    deep = "[" * 1000 + '"a"' + "]" * 1000
    with pytest.raises(CareError, match="row 1, byte 0: the field 'text' is nested too deeply"):
        texts_of(open_lines(tmp_path, f'{{"text": {deep}}}\n'))


def test_a_line_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("care_data.readers.streams.MAX_LINE", 100)
    monkeypatch.setattr(lines, "BLOCK", 50)
    file = open_lines(tmp_path, '{"text": "a"}\n{"text": "' + "b" * 200 + '"}\n')
    with pytest.raises(CareError, match=r"If the file is one JSON array, name it \.json") as caught:
        texts_of(file)
    assert caught.value.code == Exit.LIMIT
    assert caught.value.where == f"{file.path}, byte 14"


def test_plain_lines_are_not_parsed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines._Reader, "_parse_each", None)
    rows = [
        {"text": "a", "id": 1, "history": [["q", "a"]], "messages": [{"role": "user", "content": "q"}]},
        {"text": "b", "history": [], "messages": [], "score": 0.5},
    ]
    file = open_lines(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
    frame = pl.concat(file.read(["text", "history", "messages"]))
    assert frame.rows() == [("a", "q\na", "q"), ("b", "", "")]
