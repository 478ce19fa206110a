import polars as pl
import pytest

from care_data.duplicates.fields import choose_groups, read_keys
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


def test_keys_join_the_columns_of_a_group() -> None:
    frame = pl.DataFrame(SFT)
    keys = read_keys([frame], choose_groups([frame], None))
    assert [key.to_list() for key in keys] == [["前问\n前答\n问\n"], ["答"]]


def test_keys_of_nulls_missing_columns_and_empty_lists() -> None:
    one = pl.DataFrame(SFT)
    two = pl.DataFrame({"id": ["b", "c"], "instruction": [None, "x"], "output": ["", None]})
    none: list[list[str]] = []
    three = pl.DataFrame({**SFT, "history": [none]})
    keys = read_keys([one, two, three], [["history", "instruction"], ["output"]])
    assert keys[0].to_list() == ["前问\n前答\n问", "", "x", "\n问"]
    assert keys[1].to_list() == ["答", "", "", "答"]


def test_a_null_inside_a_list_is_empty_text() -> None:
    frame = pl.DataFrame({"id": [1], "history": [[["a", None], None]]})
    assert read_keys([frame], [["history"]])[0].to_list() == ["a\n\n"]


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
        read_keys([pl.DataFrame({"id": [1], "age": [3]})], [["age"]])
