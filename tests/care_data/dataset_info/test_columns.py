"""Columns that a dataset names and its files lack: told with those there are, and an entry to paste that fits."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_data.dataset_info import check_info, columns
from care_data.dataset_info.columns import block, suggest
from care_data.errors import Exit

TABLE = pa.table({"question": ["甲？"], "answer": ["乙。"]})
ROW = '{"question": "甲？", "answer": "乙。"}'


def write_file(path: Path) -> None:
    """A file with a question and an answer, of the type its name tells."""
    kind = path.name.partition(".")[2]
    if kind == "parquet":
        pq.write_table(TABLE, path)
    elif kind in ("arrow", "file.arrow"):
        new = pa.ipc.new_stream if kind == "arrow" else pa.ipc.new_file
        with new(str(path), TABLE.schema) as writer:
            writer.write_table(TABLE)
    else:
        texts = {
            "jsonl": ROW + "\n",
            "json": f"[{ROW}]",
            "lines.json": f"{ROW}\n{ROW}\n",
            "csv": "question,answer\n甲,乙\n",
        }
        path.write_text(texts[kind], encoding="utf-8")


FILES = ["x.parquet", "x.arrow", "x.file.arrow", "x.jsonl", "x.json", "x.lines.json", "x.csv"]


@pytest.mark.parametrize("name", FILES)
def test_every_type_tells_its_columns(told: Any, data: Path, name: str):
    write_file(data / name)
    assert told({"qa": {"file_name": name, "columns": {"prompt": "question", "response": "answer"}}}) == []
    assert told({"qa": {"file_name": name, "columns": {"prompt": "questions", "response": "reply"}}}) == [
        f'qa.columns.prompt: "{name}": no column "questions". '
        'Did you mean "question"? Columns there: "question", "answer".',
        f'qa.columns.response: "{name}": no column "reply". Columns there: "question", "answer".',
    ]


@pytest.mark.parametrize("name", FILES)
def test_the_block_fits_the_file_and_is_json(check: Any, data: Path, name: str):
    write_file(data / name)
    blocks = check({"qa": {"file_name": name, "num_samples": 5}}).blocks
    assert blocks == {
        "qa": {"file_name": name, "num_samples": 5, "columns": {"prompt": "question", "response": "answer"}}
    }
    pasted = "{" + block("qa", blocks["qa"]) + "}"
    assert check(pasted).problems == []


def test_the_usual_columns_are_told_in_one_line(told: Any, data: Path):
    write_file(data / "x.csv")
    assert told({"qa": {"file_name": "x.csv"}}) == [
        'qa: "x.csv": no column "instruction" (prompt), "input" (query), "output" (response), '
        'read where no columns are named. Columns there: "question", "answer".'
    ]


def test_a_text_file_has_one_column(check: Any, data: Path):
    (data / "x.txt").write_text("甲\n乙\n", encoding="utf-8")
    assert check({"pt": {"file_name": "x.txt", "columns": {"prompt": "text"}}}).problems == []
    assert check({"pt": {"file_name": "x.txt"}}).blocks == {"pt": {"file_name": "x.txt", "columns": {"prompt": "text"}}}


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.file.arrow"])
def test_a_column_whose_name_is_no_text(check: Any, data: Path, name: str):
    write_file(data / name)
    (data / name).write_bytes((data / name).read_bytes().replace(b"question", b"\xffuestion"))
    report = check({"x": {"file_name": name}})
    assert [problem.what.partition(" (")[0] for problem in report.problems] == [f'"{name}": its columns cannot be read']
    assert report.code == Exit.INTEGRITY


def test_every_file_of_a_folder_is_looked_at(check: Any, told: Any, data: Path):
    (data / "set").mkdir()
    for number in range(4):
        name = "q" if number else "question"
        (data / f"set/{number}.jsonl").write_text(f'{{"{name}": "x", "answer": "y"}}\n')
    entry = {"file_name": "set", "columns": {"prompt": "question"}}
    assert check({"set": entry}).blocks == {}  # no prompt is in all of them
    assert told({"set": entry}) == [
        'set.columns.prompt: "set/1.jsonl" and 2 more: no column "question". Columns there: "q", "answer".'
    ]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
@pytest.mark.parametrize("value", ['"s"', "null", '""', "[]"])
def test_a_column_that_only_a_later_row_has(told: Any, data: Path, name: str, value: str):
    rows = ['{"text": "x"}'] * 5_000 + [f'{{"text": "x", "system": {value}}}']
    text = "\n".join(rows) if name == "x.jsonl" else "[" + ",\n".join(rows) + "]"
    (data / name).write_text(text)
    entry = {"file_name": name, "columns": {"prompt": "text", "system": "system"}}
    assert told({"late": entry}) == []
    entry["columns"]["system"] = "sys"  # type: ignore[index]
    assert [line.split(".")[1] for line in told({"late": entry})] == ["columns"]


def test_the_search_for_a_column_has_an_end(told: Any, data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(columns, "SCAN_ROWS", 1_000)
    (data / "x.jsonl").write_text('{"text": "x"}\n' * 1_000_000 + '{"text": "x", "system": "s"}\n')
    entry = {"file_name": "x.jsonl", "columns": {"prompt": "text", "system": "system"}}
    assert told({"late": entry}) == ['late.columns.system: "x.jsonl": no column "system". Columns there: "text".']


def test_the_search_for_a_column_ends_where_it_is_found(told: Any, data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(columns, "SCAN_ROWS", 1_000)
    (data / "x.jsonl").write_text('{"text": "x"}\n' * 5_000 + '{"text": "x", "system": "s"}\n')
    assert told({"late": {"file_name": "x.jsonl", "columns": {"prompt": "text", "system": "system"}}}) == []


def test_a_field_inside_another_is_no_column(told: Any, data: Path):
    (data / "x.jsonl").write_text('{"a": {"b": "x"}}\n')
    assert told({"x": {"file_name": "x.jsonl", "columns": {"prompt": "a.b"}}}) == [
        'x.columns.prompt: "x.jsonl": no column "a.b". Columns there: "a".'
    ]


@pytest.mark.parametrize(
    ("name", "content", "line", "code"),
    [
        ("x.jsonl", b"", 'x.file_name: "x.jsonl": it has no row or header that tells its columns', Exit.DATA),
        ("x.json", b'{"version": 1}\n{', 'x.file_name: "x.json": row 2, byte 15: it is no JSON', Exit.DATA),
        ("x.json", b'{\n"data": []}', 'x.file_name: "x.json": one JSON value, not a list of rows', Exit.DATA),
        (
            "x.json",
            b'[{"text": "x"}',
            'x.file_name: "x.json": row 1, byte 1: the file ends before its array',
            Exit.DATA,
        ),
        ("x.parquet", b"PAR1 and no more", 'x.file_name: "x.parquet": no whole Parquet file', Exit.INTEGRITY),
        ("x.arrow", b"ARROW1 and no more", 'x.file_name: "x.arrow": no whole Arrow file', Exit.INTEGRITY),
        ("x.arrow", b"\xff\xff\xff\xff", 'x.file_name: "x.arrow": no whole Arrow file', Exit.INTEGRITY),
        ("x.json", b"[1, 2]", 'x.file_name: "x.json": row 1, byte 1: it is a number, not an object', Exit.DATA),
        ("x.csv", b'"text\n', 'x.file_name: "x.csv": the quotes of the header do not match', Exit.DATA),
    ],
)
def test_a_file_that_cannot_be_read(check: Any, data: Path, name: str, content: bytes, line: str, code: Exit):
    (data / name).write_bytes(content)
    report = check({"x": {"file_name": name, "columns": {"prompt": "text"}}})
    assert str(report.problems[0]).startswith(line)
    assert report.code == code


SUGGESTED: list[tuple[dict[str, Any], str, dict[str, Any] | None]] = [
    # what is named rightly stays, the rest is guessed
    ({"columns": {"prompt": "title", "response": "x"}}, "title ask answer", {"prompt": "title", "response": "answer"}),
    ({"columns": {"prompt": "ask", "query": "title"}}, "title ask answer", None),
    (
        {"columns": {"prompt": "answer", "response": "question"}},
        "question answer",
        {"prompt": "question", "response": "answer"},
    ),
    ({"formatting": "sharegpt"}, "question answer", {"prompt": "question", "response": "answer"}),
    ({}, "col1 col2", None),
    ({"columns": {"prompt": "question"}, "ranking": True}, "question answer", None),
]


@pytest.mark.parametrize(("entry", "names", "wanted"), SUGGESTED)
def test_suggestions(entry: dict[str, Any], names: str, wanted: dict[str, str] | None):
    suggested = suggest({"file_name": "x.json", **entry}, names.split())
    if wanted is None and entry.get("columns", {}).get("query") == "title":
        assert suggested is not None
        assert suggested["columns"] == {"prompt": "ask", "query": "title", "response": "answer"}
    else:
        assert (suggested and suggested["columns"]) == wanted


def test_a_suggestion_leaves_out_what_is_wrong_and_keeps_the_rest():
    care = {"format": "sft", "role": "train", "corpus": "mm", "license": "MIT", "rows": 1}
    entry = {"script_url": "x", "file_name": "x.json", "num_samples": "5", "foo": 1, "hf_hub_url": "", "care": care}
    columns = {"prompt": "q", "response": "a"}
    assert suggest(entry, ["q", "a"]) == {"file_name": "x.json", "care": care, "columns": columns}


def test_ranking_without_rejected_gets_a_block_where_the_file_has_it(check: Any, data: Path):
    (data / "x.jsonl").write_text('{"prompt": "p", "chosen": "c", "rejected": "r"}\n')
    entry = {"file_name": "x.jsonl", "ranking": True, "columns": {"prompt": "prompt", "chosen": "chosen"}}
    report = check({"rw": entry})
    wanted = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
    assert report.blocks == {"rw": {"file_name": "x.jsonl", "ranking": True, "columns": wanted}}


def test_own_tags_stay(check: Any, data: Path):
    (data / "x.jsonl").write_text('{"messages": [{"who": "x", "said": "y"}], "system": "z"}\n')
    tags = {"role_tag": "who", "content_tag": "said", "user_tag": "u", "assistant_tag": "a"}
    entry = {"file_name": "x.jsonl", "formatting": "openai", "columns": {"messages": "messages", "system": "sys"}}
    wanted = {**entry, "columns": {"messages": "messages", "system": "system"}}
    assert check({"x": {**entry, "tags": tags}}).blocks == {"x": {**wanted, "tags": tags}}
    assert check({"x": entry}).blocks == {"x": wanted}


@pytest.mark.parametrize("more", [{}, {"columns": {"prompt": "instruction", "query": "input", "response": "output"}}])
def test_a_problem_elsewhere_needs_no_block(check: Any, more: dict[str, Any]):
    report = check({"pairs": {"file_name": "pairs.jsonl", "foo": 1, "formatting": "alpaca", **more}})
    assert len(report.problems) == 1
    assert report.blocks == {}


def test_odd_names_of_columns_are_told_as_they_are(data: Path):
    (data / "x.jsonl").write_text(json.dumps({"\x1b[31m": "x", "{0}": "y", "$(x)": "z"}) + "\n")
    (data / "dataset_info.json").write_text('{"x": {"file_name": "x.jsonl", "columns": {"prompt": "text"}}}')
    [problem] = check_info(data).problems
    assert problem.fix == 'Columns there: "\\u001b[31m", "{0}", "$(x)".'
