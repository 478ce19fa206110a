"""Pickles: plain data in every protocol; whatever would call, name, or grow is refused before it does."""

import io
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.errors import CareError, Exit
from care_data.readers import pickles
from care_data.readers.pickles import load_plain

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=80, deadline=None)
@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_comes_back_from_every_protocol(value: Any, protocol: int) -> None:
    assert load_plain(io.BytesIO(pickle.dumps(value, protocol))) == value


def test_shared_parts_are_no_harm() -> None:
    tags = ["头痛"]
    value = [{"id": "甲", "tags": tags, "more": tags} for _ in range(50)]
    assert load_plain(io.BytesIO(pickle.dumps(value))) == value


class _Caller:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_refused_and_not_made(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps([{"id": "甲"}, _Caller(tmp_path / "made")], protocol)
    with pytest.raises(CareError) as caught:
        load_plain(io.BytesIO(data))
    assert caught.value.code == Exit.POLICY
    assert str(caught.value).startswith("the pickle does more than hold data (")
    assert not (tmp_path / "made").exists()
    pickle.loads(data)  # noqa: S301  the pickle is our own: it works
    assert (tmp_path / "made").exists()


HOSTILE = {
    "global": b"cos\nsystem\n(S'true'\ntR.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "instance": b"(S'true'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'true'\no.",
    "persistent id": b"Pabc\n.",
    "extension": b"\x80\x02\x82\x01.",
    "build": b"N}b.",
    "set": b"\x80\x04\x8f.",
    "bytes": pickle.dumps(b"\x00\xff", 3),
    "ordered": pickle.dumps(OrderedDict(a=1)),
    "hidden behind a pop": b"cos\nsystem\n0N.",
    "notes": b"]r\xff\xff\xff\x7f.",
    "long number": b"\x80\x02\x8b" + struct.pack("<i", 5) + b"\x01\x02\x03\x04\x05.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_operations_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles._Plain, "load", lambda self: pytest.fail("carried out"))
    with pytest.raises(CareError) as caught:
        load_plain(io.BytesIO(HOSTILE[name]))
    assert caught.value.code == Exit.POLICY
    assert "so it is refused" in str(caught.value)


def test_the_unpickler_itself_knows_no_names() -> None:
    for data in (HOSTILE["global"], HOSTILE["stack global"], HOSTILE["persistent id"]):
        with pytest.raises(CareError) as caught:
            pickles._Plain(io.BytesIO(data)).load()
        assert caught.value.code == Exit.POLICY


def test_lists_that_repeat_each_other_are_refused() -> None:
    bomb: list[Any] = ["甲"]
    for _ in range(60):
        bomb = [bomb, bomb]
    circle: list[Any] = []
    circle.append(circle)
    for value in (bomb, circle):
        with pytest.raises(CareError, match="grows beyond its size") as caught:
            load_plain(io.BytesIO(pickle.dumps(value)))
        assert caught.value.code == Exit.POLICY


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"\x80\x04", pickle.dumps(["a"])[:-1], b"\x8d" + struct.pack("<Q", 1 << 60) + b"x.", b"a.", b"h\x05."],
)
def test_what_is_no_whole_pickle_is_told(data: bytes) -> None:
    with pytest.raises(CareError, match="not a whole pickle") as caught:
        load_plain(io.BytesIO(data))
    assert caught.value.code == Exit.INTEGRITY


def test_a_pickle_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_BYTES", 10)
    with pytest.raises(CareError) as caught:
        load_plain(io.BytesIO(pickle.dumps(["a" * 20])))
    assert caught.value.code == Exit.LIMIT


# As rows


KIND = {"_value": pl.List(pl.Struct({"id": pl.String, "text": pl.String}))}


def test_the_elements_of_a_list_are_rows(read_bytes: Any) -> None:
    talk = [{"id": "dis", "text": "在吗", "sym": ["头痛"], "n": 3}, {"id": "doc", "text": None}]
    found = read_bytes(pickle.dumps([talk, "?", [{"id": 7, "text": "好"}]], 3), "pickle", wanted=KIND)
    assert found.rows == [
        {"_value": [{"id": "dis", "text": "在吗"}, {"id": "doc", "text": None}]},
        {"_value": [{"id": "7", "text": "好"}]},
    ]
    assert found.numbers == [1, 3]
    assert found.reasons == [(2, "nesting")]


def test_the_values_of_an_object_are_rows(read_bytes: Any) -> None:
    found = read_bytes(pickle.dumps({"甲": {"q": "一"}, "乙": {"q": "二"}}), "pickle", "_key", "q", at="*")
    assert found.rows == [{"_key": "甲", "q": "一"}, {"_key": "乙", "q": "二"}]


@pytest.mark.parametrize(
    ("value", "at", "told"), [({"a": 1}, None, "dict"), (["a"], "*", "list"), ("甲乙", None, "str")]
)
def test_another_shape_is_refused(value: Any, at: str | None, told: str, read_bytes: Any) -> None:
    with pytest.raises(CareError, match=f"the pickle holds {told}, not "):
        read_bytes(pickle.dumps(value), "pickle", "_value", at=at)
