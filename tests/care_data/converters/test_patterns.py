"""Patterns: what they parse to, which columns they want, and filling in against a plain Python reference."""

import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.converters import blank_of
from care_data.converters.patterns import Hole, add_kind, fill, kind_of, merge_kinds, parse_pattern, read_back
from care_data.entries import Output
from care_data.errors import CareError

TEXT = pl.String()


def filled(
    source: str, rows: list[dict[str, Any]], schema: dict[str, Any], blank: list[str] | None = None
) -> list[Any]:
    output = Output("sft", "sft", "pair", "rows", blank=blank or [])
    return fill(pl.DataFrame(rows, schema=schema), parse_pattern(source), blank_of(output)).to_list()


def test_a_pattern_is_lines_of_text_and_holes() -> None:
    pattern = parse_pattern("问：{ask|question}\n{list.-1.主诉}{input|}")
    assert pattern.lines == (
        ("问：", Hole((("ask",), ("question",)), optional=False)),
        (Hole((("list", -1, "主诉"),), optional=False), Hole((("input",),), optional=True)),
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{}", "an empty hole in the pattern '{}'. Name a column: {column}."),
        ("{|}", "an empty hole in the pattern '{|}'. Name a column: {column}."),
        ("a{b", "a brace stands alone in the pattern 'a{b'. Close it: {column}."),
        ("{{a}}", "a brace stands alone in the pattern '{{a}}'. Close it: {column}."),
        ("{a\n}", "a brace stands alone in the pattern '{a\\n}'. Close it: {column}."),
        ("{a[]b}", "'a[]b' goes on after []. Write {list[].field}."),
        ("{a[].b[]}", "'a[].b[]' goes on after []. Write {list[].field}."),
        ("{a..b}", "a step without a name in 'a..b'. Write {column.field}."),
        ("{[]}", "a step without a name in '[]'. Write {column.field}."),
    ],
)
def test_a_pattern_that_says_nothing_is_refused(source: str, told: str) -> None:
    with pytest.raises(CareError) as caught:
        parse_pattern(source)
    assert str(caught.value) == told


def test_steps_declare_the_type() -> None:
    assert kind_of(()) == pl.String
    assert kind_of((0, -1)) == pl.List(pl.List(pl.String))
    assert kind_of(("[]", "x")) == pl.List(pl.Struct({"x": pl.String}))
    wanted: dict[str, Any] = {}
    for source in ("{a[].x}", "{a[].y.0}", "{b}"):
        add_kind(wanted, parse_pattern(source).holes[0].places[0])
    assert wanted == {"a": pl.List(pl.Struct({"x": pl.String, "y": pl.List(pl.String)})), "b": pl.String}
    with pytest.raises(CareError, match="patterns disagree whether 'b' is text, a list or an object"):
        add_kind(wanted, ("b", 0))
    with pytest.raises(CareError, match="patterns disagree whether 'q'"):
        merge_kinds(pl.List(pl.String), pl.Struct({"x": pl.String}), "q")


@pytest.mark.parametrize(
    ("source", "row", "schema", "expected"),
    [
        ("{a}", {"a": "x"}, {"a": TEXT}, "x"),
        ("{a}", {"a": " \n"}, {"a": TEXT}, None),
        ("{a}", {"a": None}, {"a": TEXT}, None),
        ("{a}\n{b}", {"a": None, "b": "y"}, {"a": TEXT, "b": TEXT}, "y"),
        ("甲{a}\n乙{b}", {"a": "x", "b": None}, {"a": TEXT, "b": TEXT}, "甲x"),
        ("{a}：{b}", {"a": "x", "b": None}, {"a": TEXT, "b": TEXT}, "x："),
        ("{a|b}", {"a": "", "b": "y"}, {"a": TEXT, "b": TEXT}, "y"),
        ("{b|a}", {"a": "x", "b": "y"}, {"a": TEXT, "b": TEXT}, "y"),
        ("constant", {"a": None}, {"a": TEXT}, "constant"),
        ("{_row} {_file}", {"_row": 3, "_file": "f"}, {"_row": pl.UInt32, "_file": TEXT}, "3 f"),
        ("{l.0}{l.-1}{l.5}", {"l": ["x", "y"]}, {"l": pl.List(TEXT)}, "xy"),
        ("{l.0.1}", {"l": [["x", "y"]]}, {"l": pl.List(pl.List(TEXT))}, "y"),
        ("{l.0}", {"l": []}, {"l": pl.List(TEXT)}, None),
        ("{s.x}", {"s": {"x": "z"}}, {"s": pl.Struct({"x": TEXT})}, "z"),
        ("-{l[]}", {"l": ["x", "", None, "y"]}, {"l": pl.List(TEXT)}, "-x\n-y"),
        ("{l[]}", {"l": []}, {"l": pl.List(TEXT)}, None),
        ("{l[]}", {"l": None}, {"l": pl.List(TEXT)}, None),
        ("{a}/{l[]}", {"a": "p", "l": ["x", "y"]}, {"a": TEXT, "l": pl.List(TEXT)}, "p/x\np/y"),
        ("{l[]}:{m[]}", {"l": ["x", "y"], "m": ["1"]}, {"l": pl.List(TEXT), "m": pl.List(TEXT)}, "x:1\ny:"),
        ("{l[].k}", {"l": [{"k": "x"}, {"k": None}]}, {"l": pl.List(pl.Struct({"k": TEXT}))}, "x"),
        ("{l[].0}", {"l": [["x"], []]}, {"l": pl.List(pl.List(TEXT))}, "x"),
        ("q.x{q.x}", {"q.x": "joined"}, {"q.x": TEXT}, "q.xjoined"),
    ],
)
def test_filling_in(source: str, row: dict[str, Any], schema: dict[str, Any], expected: str | None) -> None:
    assert filled(source, [row], schema) == [expected]
    assert filled(source, [], schema) == []
    assert filled(source, [row, row], schema) == [expected, expected]


def test_blank_patterns_match_the_whole_value_anywhere_also_inside_lists() -> None:
    blank = ["无", "见.*图"]
    rows = [{"a": text, "l": [text, "x"]} for text in ("无", " 无 ", "无痛", "见\n下图", "见图x")]
    schema = {"a": TEXT, "l": pl.List(TEXT)}
    assert filled("{a}", rows, schema, blank) == [None, None, "无痛", None, "见图x"]
    assert filled("{l[]}", rows, schema, blank) == ["x", "x", "无痛\nx", "x", "见图x\nx"]
    assert filled("{l.0}", rows, schema, blank) == [None, None, "无痛", None, "见图x"]


# Against a reference

VALUES = st.sampled_from([None, "", " ", "无", "x", "y\nz", "问：", "{a}", "é"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"a": VALUES, "b": VALUES, "l": st.none() | st.lists(VALUES, max_size=3), "m": st.lists(VALUES, max_size=3)}
    ),
    max_size=5,
)
PIECES = ["{a}", "{b}", "{a|b}", "{b|}", "{l.0}", "{m.-1}", "{l[]}", "{m[]}", "甲", "：", "\n"]
SCHEMA = {"a": TEXT, "b": TEXT, "l": pl.List(TEXT), "m": pl.List(TEXT)}


def plain_fill(source: str, row: dict[str, Any]) -> str | None:
    """The grammar of patterns in plain Python."""

    def present(value: str | None) -> str | None:
        return None if value is None or value.strip() in ("", "无") else value

    def look(place: str, at: int) -> str | None:
        name, _, step = place.partition(".")
        if place.endswith("[]"):
            values = row[place[:-2]] or []
            return present(values[at]) if at < len(values) else None
        if step:
            values = row[name] or []
            index = int(step)
            return present(values[index]) if -len(values) <= index < len(values) else None
        return present(row[name])

    def line_text(line: str, at: int) -> str | None:
        found = [
            next(filter(None, (look(place, at) for place in inside.split("|") if place)), None)
            for inside in re.findall(r"\{(.*?)\}", line)
        ]
        if found and not any(found):
            return None
        parts = iter(found)
        return re.sub(r"\{.*?\}", lambda _: next(parts) or "", line)

    lines = []
    for line in source.split("\n"):
        lists = re.findall(r"\{(\w)\[\]\}", line)
        if lists:
            each = [line_text(line, at) for at in range(max(len(row[name] or []) for name in lists))]
            lines.append(
                "\n".join(text for text in each if text is not None) if any(e is not None for e in each) else None
            )
        else:
            lines.append(line_text(line, 0))
    kept = [line for line in lines if line is not None]
    return "\n".join(kept) if kept else None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), ROWS)
def test_filling_in_is_what_plain_python_does(source: str, rows: list[dict[str, Any]]) -> None:
    assert filled(source, rows, SCHEMA, ["无"]) == [plain_fill(source, row) for row in rows]


# Backwards


def test_reading_a_pattern_backwards() -> None:
    texts = pl.Series(["问题：头痛？\n怎么办\n回答: ", "问题：\n回答: ", "回答: x", None])
    found = texts.str.extract_groups(read_back("问题：{ask}\n回答: ")).struct.field("ask")
    assert found.to_list() == ["头痛？\n怎么办", "", None, None]
    odd = "a.b*c(d)[e]\t#-&~ <x>: {q} |end$"
    assert pl.Series([odd.replace("{q}", "Q")]).str.extract_groups(read_back(odd)).struct.field("q").to_list() == ["Q"]


@pytest.mark.parametrize("source", ["{a} {a}", "no hole"])
def test_what_cannot_be_read_backwards_is_refused(source: str) -> None:
    with pytest.raises(CareError, match=r"cannot be read backwards\. Name each hole once"):
        read_back(source)
