"""JSON in every disguise: what each layout gives, what each bad value costs, that numbers stay as they are written."""

import io
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.entries import File
from care_data.errors import CareError
from care_data.readers import scans
from care_data.readers.trees import read_json

ROWS = [{"q": f'第{n}问，"怎么办"？\n[{{', "a": f"答{n}]\\"} for n in range(1, 8)]


def dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


LAYOUTS = {
    "array": dump(ROWS),
    "pretty array": dump(ROWS, 2),
    "array with a row a line": "[\n" + ",\n".join(map(dump, ROWS)) + "\n]\n",
    "lines": "\n".join(map(dump, ROWS)) + "\n",
    "lines without an end": "\n".join(map(dump, ROWS)),
    "lines, crlf": "\r\n".join(map(dump, ROWS)) + "\r\n",
    "lines with commas": ",\n".join(map(dump, ROWS)) + ",\n",
    "lines with blank ones": "\n\n".join(map(dump, ROWS)) + "\n \n",
    "pretty values": "\n".join(dump(row, 2) for row in ROWS),
    "pretty values with commas": ",\n".join(dump(row, 4) for row in ROWS),
    "values on one line": " ".join(map(dump, ROWS)),
    "escaped": json.dumps(ROWS),
    "trailing comma": dump(ROWS)[:-1] + ",]",
    "blank around": " \n" + dump(ROWS, 1) + "\n\n",
}


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(layout: str, bom: bytes, read_bytes: Any) -> None:
    found = read_bytes(bom + LAYOUTS[layout].encode(), "json", "q", "a")
    assert found.rows == ROWS
    assert found.numbers == list(range(1, 8))
    assert found.bad == []
    assert found.names == {"q", "a", "_value"}


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_in_other_encodings(layout: str, encoding: str, read_bytes: Any) -> None:
    assert read_bytes(LAYOUTS[layout].encode(encoding), "json", "q", "a", encoding=encoding).rows == ROWS


def test_an_object_of_rows(read_bytes: Any) -> None:
    value = {"11": ROWS[0], "1二": ROWS[1], 'x"y': ROWS[2]}
    for text in (dump(value), dump(value, 2), json.dumps(value)):
        found = read_bytes(text.encode(), "json", "_key", "q", at="*")
        assert [(row["_key"], row["q"]) for row in found.rows] == [(key, row["q"]) for key, row in value.items()]
    plain = read_bytes(b'{"11": "yes", "12": 5 , "13":null}', "json", "_key", "_value", at="*")
    assert [(r["_key"], r["_value"]) for r in plain.rows] == [("11", "yes"), ("12", "5"), ("13", None)]


@pytest.mark.parametrize(("at", "text"), [("x.y", '{"w": 1, "x": {"y": %s}, "z": []}'), ("数据", '{"\\u6570据": %s}')])
def test_rows_down_a_path(at: str, text: str, read_bytes: Any) -> None:
    found = read_bytes((text % '[{"q": 1.50}, {"q": "b"}, {"q": }]').encode(), "json", "q", at=at)
    assert found.rows == [{"q": "1.50"}, {"q": "b"}]  # the number as it is written
    assert found.reasons == [(3, "bad_json")]
    offset = (text % '[{"q": 1.50}, {"q": "b"}, {"q": }]').encode().index(b'{"q": }')
    assert found.bad[0].detail.endswith(f"in the value at byte {offset}")
    members = read_bytes((text % '{"k": {"q": "v"}}').encode(), "json", "_key", "q", at=f"{at}.*")
    assert members.rows == [{"_key": "k", "q": "v"}]


@pytest.mark.parametrize(
    ("data", "at", "told"),
    [
        (b'{"x": {"y": []}}', "x.z", "no 'z' on the way to 'x.z'. Mend `at` in the entry."),
        (b'[{"x": 1}]', "x", "no 'x' on the way to 'x'. Mend `at` in the entry."),
        (b"", "x", "no 'x' on the way to 'x'. Mend `at` in the entry."),
        (b'{"x": "text"}', "x", "'x' leads to no list or object. Mend `at` in the entry."),
        (b'[{"x": 1}]', "*", 'at = "*" wants an object of rows. Take `at` out of the entry if rows stand in a list.'),
        (b"", "*", 'at = "*" wants an object of rows. Take `at` out of the entry if rows stand in a list.'),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(data: bytes, at: str, told: str, read_bytes: Any) -> None:
    with pytest.raises(CareError) as caught:
        read_bytes(data, "json", "q", at=at)
    assert str(caught.value) == told


DEEP = "[" * 2000 + "]" * 2000
BAD = {
    "a key twice": ('{"q": "1", "q": "2"}', "bad_json"),
    "a key twice, deeper": ('{"q": "1", "r": [{"x": 1, "x": 2}]}', "bad_json"),
    "a key twice, escaped": ('{"q": "1", "\\u0071" : "2"}', "bad_json"),
    "NaN": ('{"q": NaN}', "bad_json"),
    "Infinity": ('{"q": -Infinity}', "bad_json"),
    "1e400": ('{"q": 1e400}', "bad_json"),
    "lone surrogate": ('{"q": "x\\ud83dy"}', "bad_json"),
    "raw NUL": ('{"q": "x\0y"}', "bad_json"),
    "raw tab": ('{"q": "x\ty"}', "bad_json"),
    "bad escape": ('{"q": "\\x"}', "bad_json"),
    "python quotes": ("{'q': 'x'}", "bad_json"),
    "a comment": ('{"q": "x" /* y */}', "bad_json"),
    "trailing comma": ('{"q": "x",}', "bad_json"),
    "leading zero": ('{"q": 0123}', "bad_json"),
    "too deep": (f'{{"q": "x", "r": {DEEP}}}', "bad_json"),
    "nearly too deep": (f'{{"q": 1.5, "r": {"[" * 1000 + "]" * 1000}}}', "nesting"),
    "a list where text is wanted": ('{"q": ["x"]}', "nesting"),
    "an object where text is wanted": ('{"q": {"x": 1}}', "nesting"),
    "a list for a row": ("[1, 2]", "nesting"),
    "a number for a row": ("12", "nesting"),
    "null for a row": ("null", "nesting"),
}


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_bad_value_costs_itself(name: str, place: str, layout: str, read_bytes: Any) -> None:
    text, reason = BAD[name]
    good = [dump({"q": f"{n}"}) for n in range(4)]
    at = {"first": 0, "middle": 2, "last": 4}[place]
    rows = [*good[:at], text, *good[at:]]
    data = "\n".join(rows) if layout == "lines" else f"[{','.join(rows)}]"
    found = read_bytes(data.encode(), "json", "q")
    assert found.rows == [{"q": f"{n}"} for n in range(4)]
    assert found.reasons == [(at + 1, reason)]
    assert f"at byte {data.encode().index(text.encode(), 1 if layout == 'array' else 0)}" in found.bad[0].detail


def test_a_key_twice_is_told_by_name_and_text_that_looks_like_one_is_not(read_bytes: Any) -> None:
    found = read_bytes(b'{"q": "1", "q": "2"}\n{"q": "he said \\"q\\": x", "r": {"q": 1}}\n', "json", "q")
    assert found.bad[0].detail == "the key 'q' stands twice in the value at byte 0"
    assert found.rows == [{"q": 'he said "q": x'}]


def test_bad_bytes_cost_their_value_and_are_named(read_bytes: Any) -> None:
    data = b'{"q": "a"}\n{"q": "' + "这个病怎么办".encode("gb18030") + b'"}\n{"q": "b"}\n'
    found = read_bytes(data, "json", "q")
    assert [row["q"] for row in found.rows] == ["a", "b"]
    assert found.reasons == [(2, "bad_encoding")]
    assert found.bad[0].detail == "byte 0xD5 at 18 is not utf-8; it reads as gb18030"
    recoded = read_bytes(b'[{"q": "a"},\n{"q": "\xff"},\n{"q": "b"}]', "json", "q", encoding="gb18030")
    assert [row["q"] for row in recoded.rows] == ["a", "b"]
    assert recoded.reasons == [(2, "bad_encoding")]
    assert recoded.bad[0].detail == "bytes that are not gb18030"


def test_numbers_stay_as_they_are_written(read_bytes: Any) -> None:
    numbers = ["1.50", "1e5", "-0.0", "12345678901234567890123", "0.1000", "7"]
    data = "[" + ",".join(f'{{"q": {number}, "l": [{number}]}}' for number in numbers) + "]"
    found = read_bytes(data.encode(), "json", wanted={"q": pl.String(), "l": pl.List(pl.String)})
    assert found.rows == [{"q": number, "l": [number]} for number in numbers]
    assert read_bytes(b'{"q": "00123"}', "json", "q").rows == [{"q": "00123"}]
    assert read_bytes(b'{"q": true}{"q": false}{"q": null}{}', "json", "q").rows == [
        {"q": "true"},
        {"q": "false"},
        {"q": None},
        {"q": None},
    ]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_file_cut_anywhere_is_noticed(indent: int | None, read_bytes: Any) -> None:
    """An array or object cut at any byte: the values that are whole come, and one bad row says that it was cut."""
    for value, at in ((ROWS[:3], None), ({"k1": ROWS[0], "k2": ROWS[1], "k3": ROWS[2]}, "*")):
        data = dump(value, indent).encode()
        for cut in range(2, len(data)):
            found = read_bytes(data[:cut], "json", "q", at=at)
            assert found.rows == [{"q": row["q"]} for row in ROWS[: len(found.rows)]], cut
            assert len(found.bad) == 1, cut
    at_border = read_bytes(b'[{"q": "1"},\n {"q": "2"}\n', "json", "q")
    assert at_border.bad[0].detail == "the file ends before its list or object does, at byte 24"


def test_one_line_arrays_of_arrays(read_bytes: Any) -> None:
    wanted = {"_value": pl.List(pl.String)}
    one = read_bytes(b'[["q1","a1"],["q2","a2"]]\n', "json", wanted=wanted)
    assert [row["_value"] for row in one.rows] == [["q1", "a1"], ["q2", "a2"]]
    lines = read_bytes(b'["q1","a1"]\n["q2","a2"]\n', "json", wanted=wanted)
    assert lines.rows == one.rows
    nested = read_bytes(dump([["q1", "a1"], ["q2", "a2"]], 1).encode(), "json", wanted=wanted)
    assert nested.rows == one.rows


def test_pretty_values_with_whole_lines_inside_are_not_lines(read_bytes: Any) -> None:
    one = '{\n  "q": "1",\n  "t": [\n    {"x": 1},\n    ["y"]\n  ]\n}\n'
    assert read_bytes((one * 3).encode(), "json", "q").rows == [{"q": "1"}] * 3


def test_lines_are_told_though_the_first_is_broken(read_bytes: Any) -> None:
    found = read_bytes(b'{"q": "1\n{"q": "2"}\n{"q": "3"}\n', "json", "q")
    assert found.rows == [{"q": "2"}, {"q": "3"}]
    assert found.reasons == [(1, "bad_json")]


@pytest.mark.parametrize("data", [b"", b" \n", b"[]", b"[ ]\n", b"\xef\xbb\xbf"])
def test_nothing_gives_no_rows(data: bytes, read_bytes: Any) -> None:
    found = read_bytes(data, "json", "q")
    assert (found.rows, found.bad) == ([], [])


def test_what_lies_behind_the_array_is_not_lost_in_silence(read_bytes: Any) -> None:
    found = read_bytes(b'[{"q": "1"}] <html>', "json", "q")
    assert found.rows == [{"q": "1"}]
    assert found.reasons == [(2, "bad_json")]


def test_mixed_nesting_under_one_key(read_bytes: Any) -> None:
    data = b'{"q": [["x", "y"]]}\n{"q": ["x"]}\n{"q": "x"}\n{"q": null}\n{"q": []}\n'
    found = read_bytes(data, "json", wanted={"q": pl.List(pl.List(pl.String))})
    assert [row["q"] for row in found.rows] == [[["x", "y"]], None, []]
    assert found.reasons == [(2, "nesting"), (3, "nesting")]
    assert found.bad[0].detail == "'q' is no list in the value at byte 20"


# Blocks


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, however many are asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._size if size < 0 else min(size, self._size)) if size else b""


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_may_be_cut_anywhere(layout: str, block: int, read_bytes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = LAYOUTS[layout].encode() + b' {"q": "bad'
    whole = read_bytes(data, "json", "q", "a")
    assert len(whole.rows) >= 6
    assert whole.bad
    monkeypatch.setattr(scans, "BLOCK", block)
    monkeypatch.setattr(scans, "SNIFF", 120)
    assert read_bytes(data, "json", "q", "a") == whole
    assert read_bytes(b"", "json", "q", "a", stream=Dribble(data, block)) == whole


def test_an_object_of_rows_may_be_cut_anywhere(read_bytes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dump({"a": 12345, 'b"': "x", "c": None, "d": ROWS[0], "e": [1, "]"], "f": -1.5e3}).encode()
    whole = read_bytes(data, "json", "_key", at="*")
    assert [row["_key"] for row in whole.rows] == ["a", 'b"', "c", "d", "e", "f"]
    for block in (1, 2, 3, 5):
        monkeypatch.setattr(scans, "BLOCK", block)
        monkeypatch.setattr(scans, "SNIFF", 4)
        assert read_bytes(data, "json", "_key", at="*") == whole


# Any values

leaves = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8)
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
utf8 = st.text(st.characters(codec="utf-8"), max_size=12)
objects = st.lists(
    st.fixed_dictionaries({"q": st.none() | utf8, "a": st.integers() | utf8}, optional={"x": trees}),
    min_size=1,
    max_size=6,
)


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value)


@settings(max_examples=100, deadline=None)
@given(objects, st.sampled_from([2, 4, "\t"]), st.booleans())
def test_any_rows_in_any_layout(rows: list[dict[str, Any]], indent: Any, ascii_only: bool) -> None:
    def written(value: Any, space: Any = None) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, indent=space)

    wanted = {"q": pl.String(), "a": pl.String()}
    expected = [(as_text(row["q"]), as_text(row["a"])) for row in rows]
    layouts = {
        "array": (written(rows), None),
        "pretty": (written(rows, indent), None),
        "object": (written({str(n): row for n, row in enumerate(rows)}), "*"),
        "pretty object": (written({str(n): row for n, row in enumerate(rows)}, indent), "*"),
        "path": (written({"o": [{"rows": 0}], "data": {"rows": rows}}), "data.rows"),
        "lines": ("\n".join(written(row) for row in rows), None),
        "pretty values": ("\n".join(written(row, indent) for row in rows), None),
    }
    for name, (text, at) in layouts.items():
        file = File("f", "package:x", "x", "json", at=at)
        batches = list(read_json(io.BytesIO(text.encode("utf-8", "surrogatepass")), file, wanted))
        assert [bad for batch in batches for bad in batch.bad] == [], name
        assert [row for batch in batches for row in batch.frame.select("q", "a").iter_rows()] == expected, name
