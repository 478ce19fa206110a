"""Rows to records as a whole: selection, keys, joins, counts, ids, and `convert` for rows of one's own."""

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care_data.converters import Converter, convert, require_columns, wanted
from care_data.converters.joins import prepare
from care_data.entries import Join, Output
from care_data.errors import CareError
from care_data.rows import Bad, Batch

PAIR = {"instruction": "{q}", "output": "{a}"}


def answers(take: str = "one") -> Any:
    frame = pl.DataFrame({"_row": [1, 2, 3], "id": ["1", "2", "2"], "text": ["甲", "乙", "丙"]})
    frame = frame.with_columns(pl.col("_row").cast(pl.UInt32))
    return prepare(Join("answer", "answers", ("key", "id"), {}, take), frame if take != "one" else frame.head(2))


def test_reasons_in_their_order(convert_rows: Any) -> None:
    rows = [
        {"q": "问", "a": "答", "keep": "no", "drop": None, "id": "1"},
        {"q": "问", "a": "答", "keep": "yes", "drop": "x", "id": "1"},
        {"q": "问", "a": "答", "keep": "yes", "drop": None, "id": "1"},
        {"q": "问", "a": "答", "keep": "yes", "drop": None, "id": "1"},
        {"q": None, "a": "答", "keep": "yes", "drop": None, "id": "2"},
        {"q": "问", "a": " ", "keep": "yes", "drop": None, "id": "3"},
    ]
    bad = [Bad(7, "ragged", "2 cells", "x,y")]
    spec = {"where": {"keep": "yes"}, "unless": {"drop": "."}, "unique": ["id"], "fields": PAIR}
    made = convert_rows(rows, "pair", bad=bad, **spec)
    assert made.dropped == Counter(ragged=1, where=1, unless=1, unique=1, blank_instruction=1, blank_output=1)
    assert dict(made.rejects.select("id", "reason").iter_rows()) == {
        "mine/sft/p#7": "ragged",
        "mine/sft/p#1": "where",
        "mine/sft/p#2": "unless",
        "mine/sft/p#4": "unique",
        "mine/sft/p#5": "blank_instruction",
        "mine/sft/p#6": "blank_output",
    }
    assert (made.read, made.selected, made.records.get_column("id").to_list()) == (7, 4, ["mine/sft/p#3"])
    details = dict(made.rejects.select("reason", "detail").iter_rows())
    assert details["ragged"] == "2 cells: x,y"
    assert details["where"] == '{"q":"问","a":"答","keep":"no","drop":null,"id":"1"}'


def test_a_row_without_its_key_repeats_none(convert_rows: Any) -> None:
    rows = [{"q": "问", "a": f"{n}", "k": k, "l": part} for n, (k, part) in enumerate(
        [("x", "y"), ("x", None), ("x", None), (None, None), (None, None), ("x", ""), ("x", ""), ("x", "y")]
    )]  # fmt: skip
    made = convert_rows(rows, "pair", unique=["k", "l"], fields=PAIR)
    assert made.records.get_column("output").to_list() == ["0", "1", "2", "3", "4", "5"]
    joined = [{"q": "问", "a": "1", "k": "x\x1fy", "l": "z"}, {"q": "问", "a": "2", "k": "x", "l": "y\x1fz"}]
    assert convert_rows(joined, "pair", unique=["k", "l"], fields=PAIR).records.height == 2


def test_keys_are_remembered_from_batch_to_batch() -> None:
    output = Output("sft", "sft", "pair", "rows", unique=["k"], fields=PAIR)
    converter = Converter(output, "mine", "MIT", [])

    def batch(keys: list[str], first: int) -> Batch:
        frame = pl.DataFrame({"q": keys, "a": keys, "k": keys}).with_row_index("_row", first)
        return Batch(frame, [], {"q", "a", "k"})

    made = list(converter.convert_all([batch(["x", "y"], 1), batch(["y", "z"], 3)], "p"))
    assert [part.records.get_column("id").to_list() for part in made] == [
        ["mine/sft/p#1", "mine/sft/p#2"],
        ["mine/sft/p#4"],
    ]


def test_joined_columns_and_ids_of_several_partners(convert_rows: Any) -> None:
    rows = [{"q": "问一", "key": "2"}, {"q": "问二", "key": "9"}, {"q": "问三", "key": "1"}]
    fields = {"instruction": "{q}", "output": "{answer.text}"}
    made = convert_rows(rows, "pair", partners=[answers("all")], fields=fields)
    assert made.records.select("id", "output").rows() == [
        ("mine/sft/p#1", "乙"),
        ("mine/sft/p#1.2", "丙"),
        ("mine/sft/p#3", "甲"),
    ]
    assert (made.read, made.selected, made.dropped) == (4, 4, Counter(no_answer=1))
    none = convert_rows(rows, "pair", partners=[answers("none")], fields={"instruction": "{q}", "output": "x"})
    assert (none.read, none.selected, none.dropped) == (3, 1, Counter(in_answer=2))


def test_reading_back_makes_columns(convert_rows: Any) -> None:
    rows = [
        {"c": "问：甲\n答：", "t": "乙"},
        {"c": "甲", "t": "乙"},
        {"c": None, "t": "乙"},
        {"c": "问：\n答：", "t": "丙"},
    ]
    made = convert_rows(rows, "pair", parse={"c": "问：{ask}\n答："}, fields={"instruction": "{ask}", "output": "{t}"})
    assert made.records.select("instruction", "output").rows() == [("甲", "乙")]
    assert made.dropped == Counter(no_match=2, blank_instruction=1)


def test_the_place_of_a_row_can_be_said(convert_rows: Any) -> None:
    made = convert_rows([{"a": "x"}, {"a": "y"}], "pair", fields={"instruction": "{_file} {_row}", "output": "{a}"})
    assert made.records.get_column("instruction").to_list() == ["p 1", "p 2"]
    made = convert_rows(
        [{"a": "x"}, {"a": "y"}],
        "pair",
        where={"_row": "2", "_file": "p"},
        fields={"instruction": "问", "output": "{a}"},
    )
    assert made.records.get_column("output").to_list() == ["y"]


@pytest.mark.parametrize(
    "spec",
    [{"where": {"l": "x"}}, {"unless": {"l": "x"}}, {"unique": ["l"]}, {"parse": {"l": "{x}"}}],
)
def test_a_condition_on_a_column_that_is_a_list_is_refused(spec: dict[str, Any]) -> None:
    output = Output("sft", "sft", "pair", "rows", fields={"instruction": "{l.0}", "output": "{a}"}, **spec)
    with pytest.raises(
        CareError, match=r"'l' is wanted as text, but a pattern looks inside it\. Name a column of text\."
    ):
        wanted(output)


def test_two_outputs_may_want_different_nestings() -> None:
    one = Output("sft", "sft", "pair", "rows", fields={"instruction": "{q.0.0}", "output": "{a}"})
    two = Output("held", "sft", "pair", "rows", fields={"instruction": "{q}", "output": "{a}"})
    assert wanted(one)[0] == {"q": pl.List(pl.List(pl.String)), "a": pl.String}
    assert wanted(two)[0] == {"q": pl.String, "a": pl.String}


# Columns the file must have


@pytest.mark.parametrize(
    ("spec", "names", "told"),
    [
        ({"fields": PAIR}, {"q"}, "no column 'a'. The file has: q."),
        ({"fields": {"instruction": "{q|ask}", "output": "{a}"}}, {"a"}, "no column 'q' or 'ask'. The file has: a."),
        ({"fields": PAIR, "where": {"k": "x"}}, {"q", "a"}, "no column 'k'. The file has: a, q."),
        ({"fields": PAIR, "unique": ["k"]}, {"q", "a"}, "no column 'k'. The file has: a, q."),
        ({"opening": "{o}"}, {"q"}, "no column 'o'. The file has: q."),
        ({"turns": {"in": "t", "user": "{0}", "assistant": "{1}"}}, {"q"}, "no column 't'. The file has: q."),
        ({"fields": PAIR}, {"_value"}, "no column 'q'. The file has: no named columns."),
    ],
)
def test_a_column_the_file_lacks_is_named(spec: dict[str, Any], names: set[str], told: str) -> None:
    with pytest.raises(CareError) as caught:
        require_columns(Output("sft", "sft", "pair", "rows", **spec), names)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "spec",
    [
        {"fields": {"instruction": "{q|ask}", "output": "{a}", "input": "{input|}"}},
        {"fields": {"instruction": "{q}", "output": "{x}"}, "parse": {"a": "{x}"}},
        {"fields": {"instruction": "{q}", "output": "{_value} {_key} {_file} {_row}"}},
    ],
)
def test_what_may_be_absent_is_not_asked_for(spec: dict[str, Any]) -> None:
    require_columns(Output("sft", "sft", "pair", "rows", **spec), {"q", "a"})


def test_rows_of_a_frame_in_many_chunks_are_set_aside_with_their_ids() -> None:
    """As readers give them; what is left of a chunk may be nothing."""
    frame = pl.DataFrame({"q": "问", "a": ["答" if row not in (37, 49) else " " for row in range(1, 51)]})
    frame = frame.with_row_index("_row", 1)
    chunked = pl.concat([frame.slice(start, 5) for start in range(0, 50, 5)], rechunk=False)
    output = Output("sft", "sft", "pair", "rows", fields=PAIR)
    (made,) = Converter(output, "mine", "MIT", []).convert_all([Batch(chunked, [], {"q", "a"})], "p")
    assert made.rejects.get_column("id").to_list() == ["mine/sft/p#37", "mine/sft/p#49"]
    assert made.records.height == 48


def test_a_batch_of_bad_rows_says_nothing_of_the_columns() -> None:
    """A file in another encoding has no good row: that is what must be told, not that a column is missing."""
    output = Output("sft", "sft", "pair", "rows", fields=PAIR)
    frame = pl.DataFrame(schema={"_row": pl.UInt32, "q": pl.String, "a": pl.String})
    bad = Batch(frame, [Bad(1, "bad_encoding", "byte", "")], {"_value"})
    made = list(Converter(output, "mine", "MIT", []).convert_all([bad], "p"))
    assert made[0].dropped == Counter(bad_encoding=1)
    empty = Batch(bad.frame, [], {"x"})
    with pytest.raises(CareError, match="no column 'q'"):
        list(Converter(output, "mine", "MIT", []).convert_all([empty], "p"))


# Counts


CELL = st.sampled_from([None, "", "x", "y", "问题", "http://a.b/c"])
ROW = st.fixed_dictionaries({"q": CELL, "a": CELL, "k": CELL, "key": st.sampled_from([None, "1", "2", "3"])})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROW, max_size=10),
    conditions=st.fixed_dictionaries(
        {},
        optional={
            "where": st.just({"k": "x|y|问题"}),
            "unless": st.just({"a": "y"}),
            "unique": st.sampled_from([["q"], ["q", "k"]]),
            "parse": st.just({"k": "{left}x"}),
        },
    ),
    take=st.sampled_from([None, "one", "first", "all", "none"]),
    bad=st.integers(0, 2),
)
def test_every_row_is_a_record_or_a_reject(
    rows: list[dict[str, Any]], conditions: dict[str, Any], take: str | None, bad: int, convert_rows: Any
) -> None:
    partners = [answers(take)] if take else []
    fields = {"instruction": "{q}", "output": "{a}" if take in (None, "none") else "{answer.text}"}
    unread = [Bad(len(rows) + n + 1, "ragged", "", "") for n in range(bad)]
    made = convert_rows(rows, "pair", partners=partners, bad=unread, fields=fields, **conditions)
    assert made.read == made.records.height + made.dropped.total()
    assert made.rejects.height == made.dropped.total()
    assert 0 <= made.selected <= made.read
    ids = pl.concat([made.records.get_column("id"), made.rejects.get_column("id")])
    assert ids.is_duplicated().any() is False
    numbers = {int(one.rpartition("#")[2].partition(".")[0]) for one in ids}
    assert numbers == set(range(1, len(rows) + bad + 1))  # nothing vanishes


# Rows of one's own


def test_convert_takes_any_table_and_says_what_makes_no_record() -> None:
    rows = [{"q": "问", "a": 1.5}, {"q": None, "a": 2}]
    assert convert(rows, "pair", PAIR, rejects="drop").select("instruction", "output").rows() == [("问", "1.5")]
    for table in (
        pl.DataFrame(rows, strict=False),
        pl.LazyFrame(rows, strict=False),
        pl.DataFrame(rows, strict=False).to_arrow(),
    ):
        assert convert(table, "pair", PAIR, rejects="drop").height == 1
    with pytest.raises(CareError) as caught:
        convert(rows, "pair", PAIR)
    assert str(caught.value) == '1 of 2 rows make no record: 1 blank_instruction. Pass rejects="drop" to go on.'


def test_convert_refuses_what_it_cannot_do() -> None:
    with pytest.raises(CareError, match=r"no shape named 'poem'\. Shapes are: document, pair, dialogue, preference\."):
        convert([{"q": "x"}], "poem", PAIR)
    with pytest.raises(CareError, match=r"no column 'a'\. The file has: q\."):
        convert([{"q": "x"}], "pair", PAIR)
    with pytest.raises(CareError, match="column 'q' is nested otherwise than its pattern says"):
        convert([{"q": ["x"], "a": "y"}], "pair", PAIR)


def test_convert_names_a_field_that_is_none_and_a_shape_left_empty() -> None:
    with pytest.raises(CareError) as caught:
        convert([{"q": "x", "a": "y"}], "pair", {"instructon": "{q}", "output": "{a}"})
    told = "convert.fields.instructon has no place in a pair of the format sft. "
    assert str(caught.value) == told + "Fields are: instruction, input, output, system."
    with pytest.raises(CareError, match="no field is filled"):
        convert([{"q": "x", "a": "y"}], "pair")
    with pytest.raises(CareError, match=r"convert\.turns has no roles"):
        convert([{"h": []}], "dialogue", turns={"in": "h", "speaker": "{0}", "text": "{1}"})


def test_convert_of_no_rows_is_no_records() -> None:
    made = convert([], "pair", PAIR)
    assert (made.height, made.columns) == (0, convert([{"q": "问", "a": "答"}], "pair", PAIR).columns)


def test_convert_types_lists_that_are_all_empty() -> None:
    turns = {"in": "h", "user": "{0}", "assistant": "{1}"}
    assert convert([{"h": []}, {"h": None}], "dialogue", turns=turns, rejects="drop").height == 0
    made = convert([{"h": [["问", "答"]]}], "dialogue", turns=turns)
    assert made.select("instruction", "output", "history").rows() == [("问", "答", [])]
