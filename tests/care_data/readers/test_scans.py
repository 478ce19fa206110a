"""The scan itself: which bytes are a value, under which key, from which byte on."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.entries import File
from care_data.errors import CareError
from care_data.readers import scans


def scan(data: bytes, at: str | None = None, encoding: str = "utf-8") -> list[scans.Value]:
    file = File("rows", "package:x", "x", "json", encoding=encoding, at=at)
    found = list(scans.scan_values(io.BytesIO(data), file))
    return [value for each in found for value in (each.values() if isinstance(each, scans.Lines) else [each])]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b'[1, "a", {"b": [2]}, [], null]', [(1, b"1"), (4, b'"a"'), (9, b'{"b": [2]}'), (21, b"[]"), (25, b"null")]),
        (b'{"a": 1}\n\n {"a": 2},\r\n{"a": 3}', [(0, b'{"a": 1}'), (10, b'{"a": 2}'), (22, b'{"a": 3}')]),
        (b'\xef\xbb\xbf [{"a": "]"}]', [(5, b'{"a": "]"}')]),
        (b'[{"a": "\\"}"}, {}]', [(1, b'{"a": "\\"}"}'), (15, b"{}")]),
        (b'{\n"a": 1\n}\n{\n"a": 2\n}', [(0, b'{\n"a": 1\n}'), (11, b'{\n"a": 2\n}')]),
        (b"", []),
        (b"[]", []),
        (b"hello\nworld", [(0, b"hello"), (6, b"world")]),
    ],
)
def test_values_and_their_offsets(data: bytes, values: list[tuple[int, bytes]]) -> None:
    found = scan(data)
    assert [(offset, raw) for offset, _, raw in found] == values
    assert {key for _, key, _ in found} <= {None}


def test_a_value_a_line_comes_in_blocks_of_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "BLOCK", 8)
    monkeypatch.setattr(scans, "SNIFF", 20)
    data = b'{"a": 1}\n{"a": 2}\n{"a": 3}\n{"a": 4}'
    found = list(scans.scan_values(io.BytesIO(data), File("rows", "package:x", "x", "json")))
    assert [type(each) for each in found] == [scans.Lines] * len(found)
    assert b"".join(each.block for each in found) == data
    assert [data[each.offset : each.offset + len(each.block)] for each in found] == [each.block for each in found]
    assert [json.loads(raw)["a"] for _, _, raw in scan(data)] == [1, 2, 3, 4]


def test_the_values_of_an_object_with_their_keys() -> None:
    data = b' {"a": {"x": 1}, "b\\"": "s", "c": -1.5e3, "d": [{}]}'
    assert scan(data, at="*") == [
        (7, b'"a"', b'{"x": 1}'),
        (24, b'"b\\""', b'"s"'),
        (34, b'"c"', b"-1.5e3"),
        (47, b'"d"', b"[{}]"),
    ]
    with pytest.raises(CareError, match="wants an object of rows"):
        scan(b'[{"x": 1}]', at="*")


def test_the_values_down_a_path() -> None:
    data = b'{"v": 1, "data": {"list": [{"q": 1}, 2], "map": {"k": 3}}}'
    assert scan(data, at="data.list") == [(27, None, b'{"q": 1}'), (37, None, b"2")]
    assert scan(data, at="data.map.*") == [(54, b'"k"', b"3")]
    with pytest.raises(CareError, match="no 'rows' on the way to"):
        scan(data, at="data.rows")
    with pytest.raises(CareError, match="'v' leads to no list or object"):
        scan(data, at="v")


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b'[{"a": 1}, {"a": ', (11, b'{"a":')),
        (b'[{"a": 1}, ', (9, b"")),
        (b'[{"a": 1}', (9, b"")),
        (b'["a", "b', (4, b'"b')),
        (b'{\n"a": [1,\n', (0, b'{\n"a": [1')),
    ],
)
def test_what_the_end_of_the_file_cut_is_one_last_value(data: bytes, last: tuple[int, bytes]) -> None:
    offset, _, raw = scan(data)[-1]
    assert raw == last[1]
    assert offset == last[0]


def test_other_encodings_are_scanned_as_utf8() -> None:
    text = '[{"问": "头痛"},\n{"问": "发热"}]'
    for encoding in ("gb18030", "utf-16"):
        found = scan(text.encode(encoding), encoding=encoding)
        assert [json.loads(raw) for _, _, raw in found] == json.loads(text)
    (first, second) = scan(b'[{"q": "\xff"},\n{"q": "b"}]', encoding="gb18030")
    assert first[2] == b'{"q": "\xff"}'  # the bad byte stays one, so that its value does not parse
    assert second[2] == b'{"q": "b"}'


VALUES = st.lists(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.sampled_from([None, 1, 4]), st.booleans(), st.integers(1, 40))
def test_an_array_of_anything_in_blocks_of_any_size(values: list, indent: int | None, escaped: bool, size: int) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=escaped).encode()
    block, sniff = scans.BLOCK, scans.SNIFF
    scans.BLOCK, scans.SNIFF = size, size
    try:
        found = scan(data)
    finally:
        scans.BLOCK, scans.SNIFF = block, sniff
    assert [json.loads(raw) for _, _, raw in found] == values
    assert [data[offset : offset + len(raw)] for offset, _, raw in found] == [raw for _, _, raw in found]
