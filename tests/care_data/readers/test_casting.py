"""Values as the patterns declare them; literals in cells; options as letters and texts."""

import json
from typing import Any

import polars as pl
import pytest

from care_data.readers.casting import NestingError, make_caster, make_cell_caster, make_taker, read_literal
from care_data.rows import OPTIONS

LISTS = pl.List(pl.String)


def take(value: Any, wanted: dict[str, Any], literals: list[str] | None = None) -> list[Any]:
    raw = json.dumps(value, ensure_ascii=False).encode()
    return make_taker(wanted, literals or [])(value, None, raw)


# Literals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["发热", "咳嗽"]', ["发热", "咳嗽"]),
        ("['发热', \"it's\", None, True]", ["发热", "it's", None, True]),
        ("{'A': '肾', 'B': ' '}", {"A": "肾", "B": " "}),
        ('{"A": null}', {"A": None}),
        ("('甲', '乙')", ("甲", "乙")),
        ("  [1, 2.50] \n", [1, 2.5]),
        ("[]", []),
        ("{'id': 'dis', 'text': '痛'}\n\n{'id': 'doc'}", [{"id": "dis", "text": "痛"}, {"id": "doc"}]),
        ('{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
    ],
)  # fmt: skip
def test_a_literal_is_read_as_what_it_says(text: str, value: Any) -> None:
    assert read_literal(text, "x") == value


@pytest.mark.parametrize(
    "text",
    [
        "A. 肾", "{'A': 肾}", "[1, 2", "{'A': '肾'} tail", "['a']\nnot one", "__import__('os').getcwd()", "open('x')",
        "[x for x in (1, 2)]", "'a' * 1000000", "lambda: 0", "f'{1}'", "[" * 5000 + "]" * 5000, "('" * 3000,
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_literal_is_set_aside_and_never_run(text: str) -> None:
    with pytest.raises(NestingError, match="'x' is neither JSON nor a Python literal"):
        read_literal(text, "x")


def test_a_literal_too_long_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("care_data.readers.casting.LITERAL_CHARS", 10)
    assert read_literal("[1, 2]", "x") == [1, 2]
    with pytest.raises(NestingError):
        read_literal("[1, 2, 3, 4]", "x")


def test_a_column_of_literals_may_hold_the_value_itself() -> None:
    for given in ("['甲', '乙']", ["甲", "乙"], '["甲", "乙"]'):
        assert take({"a": given}, {"a": LISTS}, ["a"]) == [["甲", "乙"]]
    assert take({"a": None}, {"a": LISTS}, ["a"]) == take({"a": " "}, {"a": LISTS}, ["a"]) == [None]
    assert take({}, {"a": LISTS}, ["a"]) == [None]


def test_a_literal_of_another_nesting_is_set_aside() -> None:
    for given in ("'甲'", "{'A': '甲'}", "[['甲']]"):
        with pytest.raises(NestingError):
            take({"a": given}, {"a": LISTS}, ["a"])


def test_text_that_looks_like_a_literal_stays_text_where_none_is_declared() -> None:
    assert take({"a": "['甲']"}, {"a": pl.String()}) == ["['甲']"]
    with pytest.raises(NestingError, match="no list"):
        take({"a": "['甲']"}, {"a": LISTS})


def test_cells_of_a_table_are_literals_where_declared() -> None:
    cast = make_cell_caster({"q": pl.String(), "a": LISTS}, ["a"], {"q", "a"})
    assert cast is not None
    assert cast(["['问']", "['甲', '乙']"]) == ["['问']", ["甲", "乙"]]
    assert cast(["问", None]) == ["问", None]
    with pytest.raises(NestingError):
        cast(["问", "甲"])
    assert make_cell_caster({"q": pl.String()}, ["a"], {"q"}) is None


# Options


def options(value: Any, literal: bool = False) -> list[tuple[str, str | None]]:
    found = make_caster(OPTIONS, "option", literal)(value)
    return [(part["label"], part["text"]) for part in found]


def test_options_are_letters_and_texts_in_upstreams_order() -> None:
    assert options({"A": "肾", "B": "", "C": None}) == [("A", "肾"), ("B", ""), ("C", None)]
    assert options({"b ": "乙", "a": "甲"}) == [("B", "乙"), ("A", "甲")]
    assert options(["甲", "乙", "丙"]) == [("A", "甲"), ("B", "乙"), ("C", "丙")]
    assert options({letter: letter * 2 for letter in "ABCDEFGH"})[-1] == ("H", "HH")
    assert options({}) == []
    assert make_caster(OPTIONS, "option")(None) is None


def test_options_as_text_are_read_where_they_are_literals() -> None:
    assert options("{'A': '肾', 'B': \"it's\"}", literal=True) == [("A", "肾"), ("B", "it's")]
    assert options('{"A": "肾"}', literal=True) == [("A", "肾")]
    assert options({"A": "肾"}, literal=True) == [("A", "肾")]
    assert options("{'A': 20, 'B': 2.5}", literal=True) == [("A", "20"), ("B", "2.5")]
    with pytest.raises(NestingError, match="neither"):
        options("{'A': '肾'}")
    with pytest.raises(NestingError):
        options("A. 肾 B. 心", literal=True)


@pytest.mark.parametrize("value", ["A. 肾", {"A": ["肾"]}, [["肾"]], [{"A": "肾"}], True])
def test_options_of_another_nesting_are_set_aside(value: Any) -> None:
    with pytest.raises(NestingError):
        options(value)


def test_figures_among_options_stay_as_they_are_written() -> None:
    row = b'{"option": {"A": 1.50, "B": 007, "C": 1e3}}'.replace(b"007", b"7")
    value = json.loads(row)
    (found,) = make_taker({"option": OPTIONS}, [])(value, None, row)
    assert [part["text"] for part in found] == ["1.50", "7", "1e3"]


# Text, lists and objects


def test_text_is_never_made_of_what_is_nested() -> None:
    for value in (["甲"], {"a": "甲"}):
        with pytest.raises(NestingError, match="'a' is no text"):
            take({"a": value}, {"a": pl.String()})
    assert take({"a": True, "b": None}, {"a": pl.String(), "b": pl.String()}) == ["true", None]


def test_objects_give_their_named_parts() -> None:
    kind = pl.Struct({"q": pl.String(), "more": LISTS})
    assert take({"a": {"q": "问", "x": [1]}}, {"a": kind}) == [{"q": "问", "more": None}]
    for value in ("问", ["问"]):
        with pytest.raises(NestingError, match="'a' is no object"):
            take({"a": value}, {"a": kind})


def test_a_row_that_is_no_object_has_no_columns() -> None:
    assert take("药", {"_value": pl.String()}) == ["药"]
    with pytest.raises(NestingError, match="not an object"):
        take("药", {"_value": pl.String(), "a": pl.String()})
