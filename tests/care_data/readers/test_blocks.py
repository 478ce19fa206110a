"""Blocks: where rows begin, how sections and parts cut them, what opens a second row, what a bad byte costs."""

import io
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.converters import Converter, convert
from care_data.entries import File, Output
from care_data.readers.blocks import read_blocks

BOOK = {"start": "<篇名>(?P<title>.*)", "sections": {"path": "<目录>", "body": "(属性|内容)："}}
TALK = {
    "start": r"id=(?P<id>\d+)\s*",
    "sections": {"faculty": r"Faculty\s*$", "form": r"Form\s*$", "talk": r"Talk\s*$|(?=(甲|乙)：\s*$)"},
    "parts": {"form": {"ask": "想问(（.*?）)?：", "other": "其他：", "date": "日期："}, "talk": {"noise": "广告："}},
    "renew": "form",
}


def test_rows_begin_at_the_start_and_sections_cut_them(read_bytes: Any) -> None:
    text = "\n\n<篇名>书\n书名：书\n\n<目录>草部\n\n<篇名>薄荷\n\n属性：味辛。\n性凉。 \n\n<目录>木部\n"
    text += "<篇名>桂枝\n前言\n内容：\n味辛。\n"
    found = read_bytes(text.encode(), "blocks", "title", "path", "body", "_value", **BOOK)
    assert found.rows == [
        {"title": "书", "path": "草部", "body": None, "_value": "书名：书"},
        {"title": "薄荷", "path": "木部", "body": "味辛。\n性凉。", "_value": ""},
        {"title": "桂枝", "path": None, "body": "味辛。", "_value": "前言"},
    ]
    assert found.numbers == [1, 2, 3]
    assert found.names == {"title", "path", "body", "_value"}


def test_what_stands_before_the_first_start_is_a_row_unless_blank(read_bytes: Any) -> None:
    assert read_bytes("序言\n<篇名>甲".encode(), "blocks", "title", "_value", **BOOK).rows == [
        {"title": None, "_value": "序言"},
        {"title": "甲", "_value": None},
    ]
    assert read_bytes(" \n\n<篇名>甲".encode(), "blocks", "title", **BOOK).rows == [{"title": "甲"}]
    assert read_bytes("没有标记的书\n第二行".encode(), "blocks", "title", "_value", **BOOK).rows == [
        {"title": None, "_value": "没有标记的书\n第二行"}
    ]
    assert read_bytes(b"\n \n", "blocks", "title", **BOOK).rows == []


def test_without_a_start_the_file_is_one_row(read_bytes: Any) -> None:
    assert read_bytes("一\n二\n".encode(), "blocks", "_value").rows == [{"_value": "一\n二"}]


def test_a_start_is_a_whole_line(read_bytes: Any) -> None:
    found = read_bytes(b"id=1\nsee id=2\nid=3 \n", "blocks", "id", "_value", start=r"id=(?P<id>\d+)\s*")
    assert found.rows == [{"id": "1", "_value": "see id=2"}, {"id": "3", "_value": None}]


def test_line_ends_of_every_kind(read_bytes: Any) -> None:
    text = "<篇名>甲\r\n属性：一\r\n二\r\r\n\n\n<篇名>乙 \r\r\n内容：三"
    assert read_bytes(text.encode("gb18030"), "blocks", "title", "body", encoding="gb18030", **BOOK).rows == [
        {"title": "甲", "body": "一\n二"},
        {"title": "乙", "body": "三"},
    ]


def test_the_section_of_renew_met_again_is_a_second_visit(read_bytes: Any) -> None:
    text = "id=7\nFaculty\n某科\nForm\n想问：一\nTalk\n甲：\n问\nForm\n想问：二\nTalk\n乙：\n答\nid=8\nTalk\n甲：\n在\n"
    found = read_bytes(text.encode(), "blocks", "id", "faculty", "ask", "talk", **TALK)
    assert found.rows == [
        {"id": "7", "faculty": "某科", "ask": "一", "talk": "甲：\n问"},
        {"id": "7", "faculty": None, "ask": "二", "talk": "乙：\n答"},
        {"id": "8", "faculty": None, "ask": None, "talk": "甲：\n在"},
    ]


def test_any_other_section_met_again_goes_on(read_bytes: Any) -> None:
    text = "id=1\nTalk\n甲：\n问\nFaculty\n某科\nTalk\n乙：\n答\n"
    (row,) = read_bytes(text.encode(), "blocks", "talk", "faculty", **TALK).rows
    assert row == {"talk": "甲：\n问\n乙：\n答", "faculty": "某科"}


def test_parts_count_inside_their_section_only(read_bytes: Any) -> None:
    text = "id=1\nForm\n想问（尽量详细）：一\n二\n其他：三\nTalk\n甲：\n想问：真的吗\n其他：没有\n"
    text += "广告：买药\n买二送一\n乙：\n不是\n"
    (row,) = read_bytes(text.encode(), "blocks", "ask", "other", "talk", "noise", **TALK).rows
    assert row == {
        "ask": "一\n二",
        "other": "三",
        "talk": "甲：\n想问：真的吗\n其他：没有\n乙：\n不是",  # a mark leads back from the part
        "noise": "买药\n买二送一",
    }


def test_a_bad_byte_costs_its_row_only(read_bytes: Any) -> None:
    data = (
        "<篇名>甲\n属性：好\n<篇名>乙\n属性：".encode("gb18030")
        + b"\xff\xff\n"
        + "<篇名>丙\n属性：好\n".encode("gb18030")
    )
    found = read_bytes(data, "blocks", "title", encoding="gb18030", **BOOK)
    assert found.rows == [{"title": "甲"}, {"title": "丙"}]
    assert found.numbers == [1, 3]
    assert found.reasons == [(2, "bad_encoding")]
    assert "byte 0xFF at 33 is not gb18030" in found.bad[0].detail


def test_columns_of_literals(read_bytes: Any) -> None:
    kind = {"_value": pl.List(pl.Struct({"id": pl.String, "n": pl.String}))}
    text = 'dialog 1\n{"id": "a", "n": 1.50}\n{"id": "b", "n": 2}\n\ndialog 2\n{"id": "c", "n": 3}\ndialog 3\n{"id": \n'
    found = read_bytes(text.encode(), "blocks", wanted=kind, start=r"dialog \d+", literals=["_value"])
    assert found.rows == [
        {"_value": [{"id": "a", "n": "1.5"}, {"id": "b", "n": "2"}]},
        {"_value": [{"id": "c", "n": "3"}]},  # one line is a list of one
    ]
    assert found.reasons == [(3, "nesting")]


WORDS = st.text("问答甲乙：。 abid=1", min_size=1, max_size=8).filter(
    lambda words: words.strip() and words.strip() not in ("甲：", "乙：")
)
ROWS = st.lists(st.lists(st.tuples(st.sampled_from("甲乙"), WORDS), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.booleans())
def test_no_turn_is_lost_or_invented(rows: list[list[tuple[str, str]]], spaced: bool) -> None:
    """Talk written as such files have it, read and converted, is the same talk."""
    gap = " \n" if spaced else "\n"
    written = [[(who, words.replace("id=", "").strip() or "好") for who, words in row] for row in rows]
    text = "".join(
        f"\nid={number}\n\nTalk\n" + "".join(f"{who}：{gap}{words}\n" for who, words in row)
        for number, row in enumerate(written)
    )
    output = Output(
        name="sft",
        format="sft",
        shape="dialogue",
        rows="rows",
        turns={"in": "talk", "marks": "line"},
        roles={"甲：\n": "user", "乙：\n": "assistant"},
    )
    file = File("rows", "package:x", "x", "blocks", **TALK)
    (batch,) = read_blocks(io.BytesIO(text.encode()), file, {"talk": pl.String()})
    assert batch.frame.height == len(rows)
    made = Converter(output, "mine", "unknown", []).convert(batch, "x")
    assert made.turns["read"] == sum(map(len, written))
    shown = {}
    for number, row in enumerate(written, 1):
        runs: list[list[str]] = []
        for who, words in row:
            if runs and runs[-1][0] == who:
                runs[-1][1] += f"\n{words}"
            else:
                runs.append([who, words])
        runs = runs[1:] if runs[0][0] == "乙" else runs
        runs = runs[:-1] if runs and runs[-1][0] == "甲" else runs
        if runs:
            shown[f"mine/sft/x#{number}"] = [words for _, words in runs]
    told = made.records.select("id", "history", "instruction", "output").rows()
    assert {
        key: [*(part for pair in history for part in pair), asked, said] for key, history, asked, said in told
    } == shown


@pytest.mark.parametrize("end", ["", "\n", " ", " \n\n"])
def test_a_mark_at_the_end_of_a_row_is_a_blank_turn(end: str) -> None:
    rows = [{"talk": f"甲：\n问\n乙：\n答\n甲：{end}"}]
    made = convert(
        rows, "dialogue", turns={"in": "talk", "marks": "line"}, roles={"甲：\n": "user", "乙：\n": "assistant"}
    )
    assert made.select("instruction", "output").rows() == [("问", "答")]
