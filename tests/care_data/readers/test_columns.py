"""The short way gives what the long way gives, or gives way to it."""

import ast
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.entries import File
from care_data.readers import csv_columns, encodings, tables, trees
from care_data.readers.csv_columns import read_csv_block
from care_data.readers.json_columns import plan_lines, read_json_block
from care_data.rows import Wanted

TEXT = pl.String()
WORDS = st.text(st.sampled_from(list('ab医,"\\:{} \t\n\r\x1f#0.')), max_size=6)
VALUES = st.one_of(WORDS, st.integers(0, 9), st.floats(0, 2), st.none(), st.booleans(), st.lists(WORDS, max_size=1))
KEYS = st.sampled_from(["q", "a", "q\\", "z"])


def read_all(reader: Any, data: bytes, file: File, wanted: Wanted) -> tuple[list[Any], list[Any], set[str]]:
    """Rows, unreadable rows and names of all batches."""
    batches = list(reader(io.BytesIO(data), file, wanted))
    rows = [row for batch in batches for row in batch.frame.rows()]
    return rows, [(bad.row, bad.reason, bad.detail) for batch in batches for bad in batch.bad], batches[-1].names


def both_ways(reader: Any, data: bytes, file: File, wanted: Wanted | None = None) -> None:
    wanted = wanted or {"q": TEXT, "a": TEXT}
    long = read_all(reader, data, file, wanted)
    with pytest.MonkeyPatch.context() as patch:
        for module in (trees, tables):
            patch.setattr(module, "HEAD_BYTES", -1)
        assert read_all(reader, data, file, wanted) == long


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=5),
    st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]),
    st.booleans(),
)
def test_json_lines_read_the_same_both_ways(rows, separators, ascii_only):
    lines = [json.dumps(row, separators=separators, ensure_ascii=ascii_only) for row in rows]
    both_ways(trees.read_json, "\n".join(lines).encode(), File("f", "s", "p", "json"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=3).map(",".join), max_size=6))
def test_csv_reads_the_same_both_ways(lines):
    data = "q,a\n" + "\n".join(lines)
    both_ways(tables.read_csv, data.encode(), File("f", "s", "p", "csv"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=6))
def test_well_written_csv_reads_the_same_both_ways(rows):
    quoted = ['"' + cell.replace('"', '""') + '"' for row in rows for cell in row]
    data = "q,a\n" + "\n".join(f"{one},{two}" for one, two in zip(quoted[::2], quoted[1::2], strict=True))
    both_ways(tables.read_csv, data.encode(), File("f", "s", "p", "csv"))


NESTED = {
    "turns": pl.List(pl.Struct({"role": TEXT, "text": TEXT})),
    "said": pl.List(TEXT),
    "exchanges": pl.List(pl.List(TEXT)),
    "q": TEXT,
}
TURN = st.dictionaries(st.sampled_from(["role", "text", "n"]), st.one_of(WORDS, VALUES), max_size=3)
DIALOGUES = st.fixed_dictionaries(
    {},
    optional={
        "turns": st.one_of(st.lists(TURN, max_size=3), st.none()),
        "said": st.one_of(st.lists(st.one_of(WORDS, st.none()), max_size=3), WORDS),
        "exchanges": st.lists(st.lists(WORDS, max_size=2), max_size=2),
        "q": WORDS,
        "n": VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(st.lists(DIALOGUES, min_size=1, max_size=4), st.booleans())
def test_dialogues_read_the_same_both_ways(rows, ascii_only):
    data = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode()
    both_ways(trees.read_json, data, File("f", "s", "p", "json"), NESTED)


MARKS = [*'{}[]",:\\ \n\t\r0123456789-.eE+ntrufalsdq\x01\x00', '"q"', '"a"', "\\ud83d", "\\u5b50", "null", "医"]


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_lines_broken_anywhere_read_the_same_both_ways(data):
    lines = [
        b'{"q": "1\\n\xe5\x8c\xbb", "a": ["x", 2], "n": -0.25}',
        b'{"q": null, "n": true, "a": []}',
        b'{"q":"z"} ,',
    ]
    text = b"\n".join(data.draw(st.permutations(lines * 2)))
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 2))
    mark = data.draw(st.one_of(st.sampled_from(MARKS).map(str.encode), st.binary(max_size=1)))
    both_ways(trees.read_json, text[:at] + mark + text[at + cut :], File("f", "s", "p", "json"), {"q": TEXT})


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_csv_broken_anywhere_reads_the_same_both_ways(data):
    lines = ['1,"x, ""y"" z\r\n医"', "2,b", '"3",', '4,"\n\n"', "", '5,a"b', "6,x\r"]
    text = ("q,a\n" + "\n".join(data.draw(st.permutations(lines * 2)))).encode()
    at = data.draw(st.integers(4, len(text)))
    mark = data.draw(
        st.one_of(st.sampled_from([b'"', b",", b"\n", b"\r", b"\r\n", b"\0", b'""']), st.binary(max_size=1))
    )
    data = text[:at] + mark + text[at + data.draw(st.integers(0, 2)) :]
    both_ways(tables.read_csv, data, File("f", "s", "p", "csv"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_offsets_of_bad_rows_are_those_of_the_file_in_any_encoding(encoding):
    lines = ["q,a", "医,1", '"生\n之",2', "ragged", "本,3", "草,4,5", "6,7"]
    data = "\r\n".join(lines).encode(encoding)
    file = File("f", "s", "p", "csv", encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    both_ways(tables.read_csv, data, file)


def test_rows_of_many_blocks_and_odd_ones_between_keep_their_order(monkeypatch):
    lines = [f"{number},{'本草' * (number % 350)}" for number in range(4000)]
    for at in (0, 1, 5, 6, 7, 1500, 3999):
        lines[at] += ",x"
    lines[2000:2000] = ['2000.5,"' + "\n" * 40 + '"', '2000.6,"' + "\n1,2" * 40 + '"']
    monkeypatch.setattr(encodings, "BLOCK", 1 << 16)
    both_ways(
        tables.read_csv, ("q,a\n" + "\n".join(lines)).encode("gb18030"), File("f", "s", "p", "csv", encoding="gb18030")
    )
    both_ways(tables.read_csv, ("q,a\n" + "\n".join(lines)).encode(), File("f", "s", "p", "csv"))


def read_block(block: bytes, wanted: Wanted) -> tuple[pl.DataFrame, set[str]] | None:
    plan = plan_lines(block, wanted)
    return plan and read_json_block(block, wanted, plan)


def test_plain_lines_go_the_short_way():
    block = b'{"q": "1\\ud83d\\ude00", "n": [1, "x"], "a": "\\"x\\": y"}\r\n\n{"a": null, "q": "2"},\n'
    frame, names = read_block(block, {"a": TEXT, "other": TEXT, "q": TEXT})
    assert frame.rows() == [('"x": y', None, "1😀"), (None, None, "2")]
    assert names == {"q", "a", "n"}
    frame, stop = read_csv_block(b'q,a\n1,x\r\n\n2,"y,""z""\n"\n3\n4,5', 4, ["q", "a"], {"a": TEXT, "other": TEXT})
    assert frame.rows() == [("x", None), ('y,"z"\n', None)]
    assert stop == 23
    assert read_csv_block(b"1,2\n3,4\n", 0, ["q", "a"], {})[0].height == 2


def test_dialogues_go_the_short_way():
    block = '{"turns": [{"role": "u", "text": "医"}, {"text": "a long text of more"}], "said": null}\n'
    block += '{"said": ["", null]}\n'
    frame, names = read_block(block.encode(), {name: NESTED[name] for name in ("turns", "said")})
    assert frame.to_dicts() == [
        {"turns": [{"role": "u", "text": "医"}, {"role": None, "text": "a long text of more"}], "said": None},
        {"turns": None, "said": ["", None]},
    ]
    assert names == {"turns", "said"}


@pytest.mark.parametrize(
    "block",
    [
        b'{"q": "1"}\n{"q": 2}\n',
        b'{"q": "1"}\n{"q": "2", "q": "3"}\n',
        b'{"q": "1"}\n{"q": "2", "\\u0071" : "3"}\n',
        b'{"q": "1"}\n{"a": "2"}\n',
        b'{"q": "1", "n": 1}\n{"q": "1", "n": 01}\n',
        b'{"q": "1", "n": {"x": 1}}\n',
        b'{"q": "1"} {"q": "2"}\n',
        b'{"q": "1"}\n{"q": ["2"]}\n',
        b'{"q": "a\\ud83dz"}\n',
        b'{"q": "a\\x"}\n',
        b'{"q": "a\tb"}\n',
        b'{"q": "\xff"}\n',
        b'{"q": "1",}\n',
        b'{"q": "1"},,\n',
        b'{"q": "1"\n}\n',
        b'["q"]\n',
        b'{"q": "1"',
    ],
)
def test_what_is_not_plain_goes_the_long_way(block):
    assert read_block(block, {"q": TEXT}) is None


@pytest.mark.parametrize("line", ["1", "1,2,3", '1,"2', '1,"a"b', "1,2,", "1,\r2", "1,\0", '1,"' + "\n1,2" * 11 + '"'])
def test_lines_of_csv_that_are_not_plain_go_the_long_way(line):
    frame, stop = read_csv_block(f"x,y\n{line}".encode(), 0, ["q", "a"], {"q": TEXT})
    assert frame.rows() == [("x",)]
    assert stop == 4


def test_a_kernel_calls_kernels_of_its_own_file_only():
    """numba's cache on disk would not notice that the other file has changed."""
    for path in Path(trees.__file__).parents[1].rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        kernels = [node for node in functions if any(ast.unparse(by) == "kernel" for by in node.decorator_list)]
        brought = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("care_data")
            for alias in node.names
            if alias.name.islower()
        }
        called = {name.id for one in kernels for line in one.body for name in ast.walk(line) if hasattr(name, "id")}
        assert not called & brought, path


def test_both_ways_take_the_same_lines_for_one_record():
    assert csv_columns.MAX_ROWLIKE == tables.MAX_ROWLIKE
    assert csv_columns.MAX_CELL == tables.MAX_CELL  # in bytes, so the compiled way never takes more
