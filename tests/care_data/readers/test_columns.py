"""The short way gives what the long way gives, or gives way to it."""

import io
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.entries import File
from care_data.readers import tables, trees
from care_data.readers.columns import read_csv_block, read_json_block

TEXT = pl.String()
WORDS = st.text(st.sampled_from(list('ab医,"\\:{} \t\n\r\x1f#0.')), max_size=6)
VALUES = st.one_of(WORDS, st.integers(0, 9), st.floats(0, 2), st.none(), st.booleans(), st.lists(WORDS, max_size=1))
KEYS = st.sampled_from(["q", "a", "q\\", "z"])


def read_all(reader: Any, data: bytes, file: File) -> tuple[list[Any], list[Any], set[str]]:
    """Rows, unreadable rows and names of all batches."""
    batches = list(reader(io.BytesIO(data), file, {"q": TEXT, "a": TEXT}))
    rows = [row for batch in batches for row in batch.frame.rows()]
    return rows, [(bad.row, bad.reason, bad.detail) for batch in batches for bad in batch.bad], batches[-1].names


def both_ways(monkeypatch: pytest.MonkeyPatch, reader: Any, data: bytes, file: File) -> None:
    short = read_all(reader, data, file)
    with monkeypatch.context() as patch:
        patch.setattr(trees, "read_json_block", lambda *_: None)
        patch.setattr(tables, "read_csv_block", lambda *_: None)
        assert short == read_all(reader, data, file)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=5),
    st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]),
    st.booleans(),
)
def test_json_lines_read_the_same_both_ways(rows, separators, ascii_only):
    lines = [json.dumps(row, separators=separators, ensure_ascii=ascii_only) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        both_ways(patch, trees.read_json, "\n".join(lines).encode(), File("f", "s", "p", "json"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=3).map(",".join), max_size=6))
def test_csv_reads_the_same_both_ways(lines):
    data = "q,a\n" + "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        both_ways(patch, tables.read_csv, data.encode(), File("f", "s", "p", "csv"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=6))
def test_well_written_csv_reads_the_same_both_ways(rows):
    quoted = ['"' + cell.replace('"', '""') + '"' for row in rows for cell in row]
    data = "q,a\n" + "\n".join(f"{one},{two}" for one, two in zip(quoted[::2], quoted[1::2], strict=True))
    with pytest.MonkeyPatch.context() as patch:
        both_ways(patch, tables.read_csv, data.encode(), File("f", "s", "p", "csv"))


def test_plain_lines_go_the_short_way():
    block = b'{"q": "1", "a": "\\"x\\": y"}\n{"q": "2", "a": "z"}\n'
    frame, names = read_json_block(block, {"a": TEXT, "other": TEXT})
    assert frame.rows() == [('"x": y', None), ("z", None)]
    assert names == {"q", "a"}
    lines = [(0, "1,x", ""), (4, '2,"y,""z"""', "")]
    assert read_csv_block(lines, ["q", "a"], {"a": TEXT, "other": TEXT}).rows() == [("x", None), ('y,"z"', None)]


@pytest.mark.parametrize(
    "block",
    [
        b'{"q": "1"}\n{"q": 2}\n',
        b'{"q": "1"}\n{"q": "2", "q": "3"}\n',
        b'{"q": "1"}\n{"q": "2", "\\u0071" : "3"}\n',
        b'{"q": "1"}\n{"a": "2"}\n',
        b'{"q": "1"}\n\n{"q": "2"}\n',
        b'{"q": "1"},\n{"q": "2"},\n',
        b'{"q": "a\\ud83dz"}\n',
        b'{"q": "\xff"}\n',
        b'["q"]\n',
        b'{"q": "1"}\r\n',
    ],
)
def test_what_is_not_plain_goes_the_long_way(block):
    assert read_json_block(block, {"q": TEXT}) is None


@pytest.mark.parametrize("line", ["1", "1,2,3", '1,"2', '1,"a"b', "", "1,", "1,2,", "1,\r2"])
def test_lines_of_csv_that_are_not_plain_go_the_long_way(line):
    assert read_csv_block([(0, "x,y", ""), (4, line, "")], ["q", "a"], {"q": TEXT}) is None
    assert read_csv_block([(0, "x,y", "bad byte")], ["q", "a"], {"q": TEXT}) is None
