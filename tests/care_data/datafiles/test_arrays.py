"""Files that are one JSON array."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from care_data.datafiles import DataFile, arrays
from care_data.errors import CareError


def open_array(folder: Path, data: str) -> DataFile:
    """A file of this text."""
    path = folder / "rows.json"
    path.write_bytes(data.encode())
    return DataFile(path, "array", path.name)


def texts_of(file: DataFile) -> list[str]:
    """The texts of the field `text`."""
    return pl.concat(file.read(["text"]))["text"].to_list()


def copy_of(file: DataFile, stays: list[bool]) -> str:
    """The text of a copy."""
    to = file.path.with_name("copy.json")
    file.copy(np.array(stays, bool), to)
    return to.read_bytes().decode()


@pytest.mark.parametrize("block", [1, 5, 64, 1 << 20])
def test_elements_stay_as_they_stand_with_the_space_around_them(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "BLOCK", block)
    pieces = ['\n  {"text": "a],[\\"",\n   "n": [1, {"m": 2.0}]} ', '\r\n {"text": "b\\\\"}', '{"text":\n"c"}']
    file = open_array(tmp_path, f"\ufeff [{','.join(pieces)}\n]\n \n")
    assert texts_of(file) == ['a],["', "b\\", "c"]
    assert copy_of(file, [True, True, True]) == file.path.read_bytes().decode()
    assert copy_of(file, [False, True, False]) == f"\ufeff [{pieces[1]}\n]\n \n"
    assert copy_of(file, [True, False, True]) == f"\ufeff [{pieces[0]},{pieces[2]}\n]\n \n"
    assert copy_of(file, [False, False, False]) == "\ufeff [\n]\n \n"


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize("data", ["[]", "[ \n]\n", " [\n\n ] "])
def test_an_empty_array_has_no_rows(data: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK", block)
    file = open_array(tmp_path, data)
    assert (texts_of(file), file.fields(), copy_of(file, [])) == ([], [], data)


@pytest.mark.parametrize("block", [8, 1 << 20])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ('[{"text": "a"}, {"text": "b"', "row 2, byte 15: the file ends before its array does"),
        ('[{"text": "a"}, {"text": "b"}', "row 2, byte 15: the file ends before its array does"),
        ('[{"text": "a"}, ]', "row 2, byte 15: no value stands before or behind a comma"),
        ('[{"text": "a"},,{"text": "b"}]', "row 2, byte 15: no value stands before or behind a comma"),
        ('[{"text": "a"}][{"text": "b"}]', "byte 15: more follows the array"),
        ('[{"text": "a"}, 5]', "row 2, byte 15: it is a number, not an object with fields"),
        ('[{"text": "a"}, {"text": "b}]', "row 2, byte 15: the file ends before its array does"),
        ('[{"text": "a"}, {"text": "b\nc"}]', "row 2, byte 15: it is no JSON"),
        ('[{"text": "a"}, {"text": [}]}]', "row 2, byte 15: its brackets do not match"),
    ],
)
def test_an_array_that_is_not_whole_is_told(
    data: str, told: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "BLOCK", block)
    file = open_array(tmp_path, data)
    with pytest.raises(CareError) as caught:
        texts_of(file)
    assert str(caught.value).startswith(f"{file.path}, {told}")


def test_what_a_json_file_is_is_told_by_its_first_bytes() -> None:
    assert arrays.sniff_json(b'\xef\xbb\xbf\n [{"a": 1}', alone=False) == "array"
    assert arrays.sniff_json(b'{"a": 1}\n{"a": 2}\n', alone=False) == "lines"
    assert arrays.sniff_json(b'{"a": 1}\n', alone=False) is None
    assert arrays.sniff_json(b'{"a": 1}\n', alone=True) == "lines"
    assert arrays.sniff_json(b'{\n"a": 1}', alone=True) is None
    assert arrays.sniff_json(b'"text"\n', alone=True) is None


def test_escapes_and_brackets_far_inside_long_texts_are_texts(tmp_path: Path) -> None:
    texts = [f'{"x" * 32}{"y" * at}"]}},{"z" * 40}[\\' for at in range(20)]  # wherever sixteen bytes end
    file = open_array(tmp_path, json.dumps([{"text": text} for text in texts]))
    assert texts_of(file) == texts
    assert json.loads(copy_of(file, [at % 2 > 0 for at in range(20)])) == [{"text": text} for text in texts[1::2]]
