"""Broken brackets and quotes cost the row they stand in; a value without end is never held."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.errors import CareError
from care_data.readers import brackets
from care_data.readers.brackets import CUT, Scanner, Value


def scan(data: bytes, inside: bool = True, size: int = 1 << 20, limit: float = 1 << 20) -> list[Value]:
    stream = io.BytesIO(data)
    block = stream.read(size)
    return list(Scanner(stream, block, 0, inside=inside, size=size, limit=limit).values())


def raws(data: bytes, **options: Any) -> list[bytes]:
    return [raw for _, _, raw in scan(data, **options)]


SIZES = [1, 2, 3, 5, 8, 13, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[{"a":1}},{"a":2},{"a":3}]', [b'{"a":1}', b"}", b'{"a":2}', b'{"a":3}']),
        (b'[{"a":1}],{"a":2},{"a":3}]', [b'{"a":1}', b"]", b'{"a":2}', b'{"a":3}']),
        (b'[{"a":1},{"a":2]},{"a":3}]', [b'{"a":1}', b'{"a":2]', b"}", b'{"a":3}']),
        (b'[["q","a"]],["r","b"]]', [b'["q","a"]', b"]", b'["r","b"]']),
        (b'[{"a":1},\n{"a":2,\n{"a":3},\n{"a":4}]', [b'{"a":1}', b'{"a":2,\n', b'{"a":3}', b'{"a":4}']),
        (b'[{"a":1},\n{"a":[2,\n{"a":3},\n{"a":4}]', [b'{"a":1}', b'{"a":[2,\n', b'{"a":3}', b'{"a":4}']),
        (b'[{"a":"x},\n{"a":"y"},\n{"a":"z"}]', [b'{"a":"x},\n', b'{"a":"y"}', b'{"a":"z"}']),
        (b'[{"a":"x"},\n"a":"y"},\n{"a":"z"}]', [b'{"a":"x"}', b'"a":"y"}', b'{"a":"z"}']),
        (b'[\n {\n  "a": 1\n,\n {\n  "a": 2\n }\n]', [b'{\n  "a": 1\n,\n', b' {\n  "a": 2\n }'.strip()]),
        (b'[{"a": "x\ny"},\n{"a": "z"}]', [b'{"a": "x\ny"}', b'{"a": "z"}']),
        (b'[{"a":1}]\n[{"a":2}]', [b'{"a":1}', b'{"a":2}']),
        (b'["a", "b"]', [b'"a"', b'"b"']),
    ],
)
def test_what_is_broken_costs_itself(data: bytes, found: list[bytes], size: int) -> None:
    assert raws(data, size=size) == found


@pytest.mark.parametrize("size", SIZES)
def test_values_one_after_another(size: int) -> None:
    extra = b'{\n"a":1}}\n{\n"a":2}\n'
    assert raws(extra, inside=False, size=size) == [b'{\n"a":1}', b"}", b'{\n"a":2}']
    assert raws(b'{\n"a":1\n{\n"a":2}\n', inside=False, size=size) == [b'{\n"a":1\n', b'{\n"a":2}']


@pytest.mark.parametrize("size", SIZES)
def test_members_of_an_object(size: int) -> None:
    extra = b'{"1": {"a":1}}, "2": {"a":2}}'
    assert scan(extra, size=size) == [(6, b'"1"', b'{"a":1}'), (13, None, b"}"), (21, b'"2"', b'{"a":2}')]
    lost = b'{\n"1": {"a":[1},\n"2": {"a":2},\n"3": {"a":3}\n}'
    assert [(key, raw) for _, key, raw in scan(lost, size=size)] == [
        (b'"1"', b'{"a":[1},\n'),
        (b'"2"', b'{"a":2}'),
        (b'"3"', b'{"a":3}'),
    ]


def test_rows_that_a_whole_value_may_have_swallowed_are_an_error() -> None:
    """Without its bracket the first row is a whole object, and the others are members of it."""
    with pytest.raises(CareError, match="the brackets do not match from byte 7 on, and rows may stand inside a value"):
        scan(b'{\n"1": {"a":1,\n"2": {"a":2},\n"3": {"a":3}\n}')


@pytest.mark.parametrize("data", [b'[{"a":1},{"a":[2},{"a":3},{"a":4}]', b'[{"a":1},{"a":"x},{"a":"y"},{"a":"z"}]'])
def test_rows_on_one_line_cannot_be_told_apart_again(data: bytes) -> None:
    with pytest.raises(CareError, match="the brackets do not match from byte 9 on, and rows may stand inside"):
        scan(data)


def test_objects_in_a_row_that_look_like_rows_are_left_where_they_are() -> None:
    rows = [{"a": "1", "turns": [{"a": "2"}, {"a": "3"}]}] * 3
    flat = json.dumps(rows, indent=0).encode()
    for size in SIZES:
        assert [json.loads(raw) for raw in raws(flat, size=size)] == rows


@pytest.mark.parametrize("size", [16, 37, 64])
@pytest.mark.parametrize(
    ("long", "head"),
    [
        (b'{"a": "%s"}', b'{"a": "'),
        (b'{"a": [%s]}', b'{"a": ['),
        (b'"%s"', b'"'),
        (b'{"a": "%s\\\\"}', b'{"a": "'),
        (b'{"%s": {"b": 2}}', b'{"'),
    ],
)
def test_a_value_too_long_is_one_value(long: bytes, head: bytes, size: int) -> None:
    filling = b'1, {"a": 1}, ' if b"[" in long else b'\\"\\\\x]}' + b"\\" * 2
    data = b'[{"a": 1},' + long.replace(b"%s", filling * 40).replace(b", ]", b"]") + b', {"a": 3}]'
    found = scan(data, size=size, limit=100)
    assert (found[0], found[-1]) == ((1, None, b'{"a": 1}'), (data.index(b'{"a": 3}'), None, b'{"a": 3}'))
    ((offset, _, raw),) = found[1:-1]
    assert (offset, raw[: len(head)], raw[-2:]) == (10, head, CUT)


def test_what_is_too_long_and_never_ends_is_an_error() -> None:
    with pytest.raises(CareError, match="the value at byte 10 is too long and never ends"):
        scan(b'[{"a": 1},{"a": "' + b"x" * 500, size=16, limit=100)
    with pytest.raises(CareError, match="the key at byte 1 is too long"):
        scan(b'{"' + b"x" * 500 + b'": 1}', size=16, limit=100)
    with pytest.raises(CareError, match="what stands at byte 1 is no value and too long"):
        scan(b"[" + b"1" * 500 + b"]", size=16, limit=100)


def test_numbers_are_let_go_as_they_come() -> None:
    data = b"[" + b"1, 23, " * 200 + b"4]"
    for size in (16, 50):
        assert raws(data, size=size, limit=100) == [b"1", b"23"] * 200 + [b"4"]


ROW = st.fixed_dictionaries(
    {
        "id": st.integers(0, 99),
        "q": st.text('ab\\"{}[],:\n头', max_size=6),
        "n": st.lists(st.fixed_dictionaries({"x": st.text("a}]", max_size=3)}), max_size=2),
    }
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(ROW, min_size=3, max_size=5), st.data(), st.booleans(), st.sampled_from([7, 40, 1 << 20]))
def test_a_byte_lost_costs_its_row_only(rows: list[dict[str, Any]], draw: Any, pretty: bool, size: int) -> None:
    """Any byte of a row is taken out: the rows around it come as they are, and no other row is made of the pieces."""
    texts = [json.dumps(row, ensure_ascii=False, indent=1 if pretty else None).encode() for row in rows]
    if pretty:
        texts = [text.replace(b"\n", b"\n ") for text in texts]
    number = draw.draw(st.integers(0, len(rows) - 1))
    at = draw.draw(st.integers(0, len(texts[number]) - 1))
    texts[number] = texts[number][:at] + texts[number][at + 1 :]
    data = b"[\n " + b",\n ".join(texts) + b"\n]"
    found = []
    for raw in raws(data, size=size):
        try:
            value = json.loads(raw)
        except ValueError:
            continue
        found.append(value)
    others = [row for n, row in enumerate(rows) if n != number]
    before = rows[:number]
    assert found[: len(before)] == before
    assert found[len(found) - len(others) + len(before) :] == others[len(before) :]
    assert len(found) <= len(rows)


def test_tokens_take_no_room_for_escapes() -> None:
    """A string of nothing but escapes is matched without a note of each."""
    text = b'"' + b"\\n" * 1_000_000 + b'"'
    assert brackets._TOKEN.match(text).end() == len(text)
    assert brackets._STRING.match(text).end() == len(text)
