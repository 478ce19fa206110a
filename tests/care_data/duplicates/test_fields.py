import polars as pl
import pytest

from care_data.duplicates.fields import choose_groups, read_texts, read_turns, suit_groups
from care_data.errors import CareError

SFT = {"id": ["a"], "instruction": ["问"], "input": [""], "output": ["答"], "history": [[["前问", "前答"]]]}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "text"], [["text"]]),
        (["id", "instruction", "output"], [["instruction"], ["output"]]),
        (["id", "history", "instruction", "input", "output"], [["history", "instruction", "input"], ["output"]]),
        (["id", "instruction", "output", "chosen", "rejected"], [["instruction"], ["chosen"], ["rejected"]]),
    ],
)
def test_groups_follow_the_format(columns: list[str], expected: list[list[str]]) -> None:
    assert choose_groups([pl.DataFrame({column: ["x"] for column in columns})], None) == expected


def test_texts_join_the_columns_of_a_group() -> None:
    frame = pl.DataFrame(SFT)
    texts = read_texts(frame, choose_groups([frame], None))
    assert [text.name for text in texts] == ["group0", "group1"]
    assert [text.to_list() for text in texts] == [["前问\n前答\n问\n"], ["答"]]


def test_texts_of_nulls_missing_columns_and_empty_lists() -> None:
    one = pl.DataFrame(SFT)
    two = pl.DataFrame({"id": ["b", "c"], "instruction": [None, "x"], "output": ["", None]})
    none: list[list[str]] = []
    three = pl.DataFrame({**SFT, "history": [none]})
    texts = [read_texts(frame, [["history", "instruction"], ["output"]]) for frame in (one, two, three)]
    assert [text.to_list() for text, _ in texts] == [["前问\n前答\n问"], ["", "x"], ["\n问"]]
    assert [text.to_list() for _, text in texts] == [["答"], ["", ""], ["答"]]


def test_a_null_inside_a_list_is_empty_text() -> None:
    frame = pl.DataFrame({"id": [1], "history": [[["a", None], None]]})
    assert read_texts(frame, [["history"]])[0].to_list() == ["a\n\n"]


@pytest.mark.parametrize(
    ("frames", "fields", "told"),
    [
        ([{"id": [1], "words": ["x"]}], None, "no format known has the columns id, words. Name the fields to compare."),
        ([{"id": [1], "text": ["x"]}], [["txt"]], "no frame has the column txt. Name a column that is there."),
        ([{"id": [1], "text": ["x"]}, {"id": [1]}], [["text"]], "frame 1: none of the columns text."),
        ([{"id": [1], "text": ["x"]}], ["text"], 'fields is not a list of lists of columns. Write [["text"]].'),
        ([{"id": [1], "text": ["x"]}], [], 'fields is not a list of lists of columns. Write [["text"]].'),
    ],
)
def test_refused_fields(frames: list[dict], fields: list | None, told: str) -> None:
    with pytest.raises(CareError) as caught:
        choose_groups([pl.DataFrame(frame) for frame in frames], fields)
    assert str(caught.value) == told


def test_numbers_are_no_text() -> None:
    with pytest.raises(CareError, match=r"^age is of type Int64, not text\. Name columns of text, or lists of it\.$"):
        read_texts(pl.DataFrame({"id": [1], "age": [3]}), [["age"]])


def test_groups_by_the_names_of_columns_alone() -> None:
    assert suit_groups([["id", "input", "instruction", "output"], ["output", "instruction"]]) == [
        ["instruction", "input"],
        ["output"],
    ]
    with pytest.raises(
        CareError, match=r"^no format known has the columns title, body\. Name the fields to compare\.$"
    ):
        suit_groups([["title", "body"], ["text"]])


TURNS = pl.List(pl.List(pl.String))


def turns_of(*rows: tuple[list | None, str | None, str | None]) -> list[list[str]] | None:
    frame = pl.DataFrame(
        [{"history": history, "instruction": question, "output": answer} for history, question, answer in rows],
        schema={"history": TURNS, "instruction": pl.String, "output": pl.String},
    )
    turns = read_turns(frame)
    return None if turns is None else turns.to_list()


def test_turns_are_questions_and_answers_in_order() -> None:
    assert turns_of(([["甲", "乙"], ["丙", "丁"]], "戊", "己"), ([], "庚", "辛"), (None, "壬", "癸")) == [
        ["甲", "乙", "丙", "丁", "戊", "己"],
        [],
        [],
    ]
    assert turns_of(([["甲", None]], None, "己")) == [["甲", "", "", "己"]]


def test_a_history_that_is_not_all_pairs_is_no_dialogue() -> None:
    assert turns_of(([["甲", "乙"], ["丙"]], "戊", "己"), ([["甲", "乙"]], "戊", "己")) == [
        [],
        ["甲", "乙", "戊", "己"],
    ]


def test_no_turns_where_no_row_has_a_history() -> None:
    assert turns_of(([], "戊", "己"), ([["丙"]], "庚", "辛")) is None
    assert read_turns(pl.DataFrame({"instruction": ["戊"], "output": ["己"]})) is None
    assert read_turns(pl.DataFrame({"history": ["甲"], "instruction": ["戊"], "output": ["己"]})) is None


def test_the_last_question_of_a_dialogue_has_its_input() -> None:
    frame = pl.DataFrame(SFT).with_columns(input=pl.lit("材料"))
    turns = read_turns(frame)
    assert turns is not None
    assert turns.to_list() == [["前问", "前答", "问\n材料", "答"]]
