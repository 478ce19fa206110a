"""What is no JSON is told by line and column; what no parser should be given is refused before."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from care_data.dataset_info.syntax import MAX_BYTES, parse
from care_data.errors import CareError, Exit

FAULTS = {
    '{"a": {"file_name": "x.csv"},}': "line 1, column 30: a comma before the closing }. Take the comma out.",
    '{"a": [1,\n ]}': "line 2, column 2: a comma before the closing ]. Take the comma out.",
    '{\n  // ours\n  "a": {}}': "line 2, column 3: a comment, which JSON has not. Take it out.",
    '{"a": {} /* ours */}': "line 1, column 10: a comment, which JSON has not. Take it out.",
    '{"a": {}, # ours\n"b": {}}': "line 1, column 11: a comment, which JSON has not. Take it out.",
    "{'a': {}}": 'line 1, column 2: a text in single quotes. Put it in double quotes: "…".',
    "": 'line 1, column 1: it is empty. Write {"name": {"file_name": …}}.',
    " \n ": 'line 2, column 2: it is empty. Write {"name": {"file_name": …}}.',
    '{"a": {': (
        "line 1, column 8: the file ends before its brackets are closed. Is it cut? Get it again, or close them."
    ),
    '{"a": {}} {"b": {}}': ("line 1, column 11: more follows the closing bracket. Keep one object in the file."),
    '"a": {}': (
        "line 1, column 4: the braces around the datasets are missing. Put { before the first name and } at the end."
    ),
    '{"a" {}}': "line 1, column 6: not JSON (expecting ':' delimiter). Mend the file.",
    '{"a": "x\ny"}': "line 1, column 9: not JSON (invalid control character at). Mend the file.",
}


@pytest.fixture
def parsed(tmp_path: Path) -> Any:
    """parsed(content): what is read from a file of it."""

    def write(content: str | bytes) -> Any:
        path = tmp_path / "dataset_info.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return parse(path)

    return write


@pytest.mark.parametrize("text", FAULTS)
def test_faults_are_told_by_line_and_column(parsed: Any, text: str):
    with pytest.raises(CareError) as caught:
        parsed(text)
    assert str(caught.value) == FAULTS[text]
    assert caught.value.code == Exit.DATA


def test_a_byte_order_mark_is_noted(parsed: Any):
    found = parsed(b'\xef\xbb\xbf{"a": {}}')
    assert (found.tree, found.problems) == ({"a": {}}, [])
    assert found.notes == ["The file begins with a byte order mark, which not every reader takes: save it without."]


def test_another_encoding(parsed: Any):
    with pytest.raises(CareError) as caught:
        parsed('{\n "中医": {}}'.encode("gb18030"))
    fix = "it reads as gb18030. Save the file as UTF-8."
    assert str(caught.value) == f"line 2, column 3: byte 0xD6 at 4 is not utf-8; {fix}"


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 100_000_000])
def test_a_file_too_big_is_refused_before_it_is_parsed(tmp_path: Path, size: int):
    path = tmp_path / "dataset_info.json"
    with path.open("wb") as stream:
        stream.truncate(size)
    with pytest.raises(CareError, match=r"more than 16 MiB, so it is not read. Is it the data itself\?"):
        parse(path)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_file_too_deep_is_refused_before_it_is_parsed(parsed: Any, opening: str):
    with pytest.raises(CareError) as caught:
        parsed(opening * 10_000)
    column = 32 * len(opening) + 1
    where = f"line 1, column {column}: objects and lists stand more than 32 deep in one another"
    assert str(caught.value).startswith(where)


def test_brackets_in_texts_are_not_counted(parsed: Any):
    text = json.dumps({"a": {"file_name": '["{' * 50}})
    assert parsed(text).tree == json.loads(text)


@pytest.mark.parametrize("text", ['"' + '\\"' * 2_000_000, '{"a": "' + "\\" * 2_000_000, '"' * 2_000_001])
def test_no_text_takes_longer_than_it_is_long(parsed: Any, text: str):
    started = time.monotonic()
    with pytest.raises(CareError):
        parsed(text)
    assert time.monotonic() - started < 5


def test_a_number_of_thousands_of_digits(parsed: Any):
    with pytest.raises(CareError, match="not readable as JSON"):
        parsed('{"a": ' + "9" * 5_000 + "}")


def test_keys_that_stand_twice(parsed: Any):
    text = '{\n"a": {"columns": {"prompt": "x",\n "prompt": "y"}, "l": [{"k": ","}, {"k": 1}, "k", "k"]},\n'
    text += '"a.b": {}, "a.b": {}}'
    found = parsed(text)
    fix = "The last one counts: take the other out, or rename it."
    assert [str(problem) for problem in found.problems] == [
        f'a.columns.prompt (line 3, column 2): the key "prompt" stands twice. {fix}',
        f'a.b (line 4, column 12): the key "a.b" stands twice. {fix}',
    ]
    assert found.tree["a"]["columns"] == {"prompt": "y"}


def test_a_key_that_is_the_same_only_once_read(parsed: Any):
    found = parsed(r'{"a": {}, "\u0061": {}}')
    assert [problem.where for problem in found.problems] == ["a (line 1, column 11)"]


def test_of_many_twins_twenty_are_told(parsed: Any):
    assert len(parsed("{" + '"a": {}, ' * 100 + '"a": {}}').problems) == 20
