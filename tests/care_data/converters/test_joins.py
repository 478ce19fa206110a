"""Conditions and joins by key."""

import polars as pl
import pytest

from care_data.converters.joins import beside, holds, prepare
from care_data.entries import Join
from care_data.errors import CareError

ANSWERS = pl.DataFrame(
    {"_row": [1, 2, 3, 4], "id": ["1", "2", "2", None], "text": ["甲", "乙", "丙", "丁"]},
    schema_overrides={"_row": pl.UInt32},
)
ROWS = pl.DataFrame({"_row": [1, 2, 3], "key": ["2", "9", None]}, schema_overrides={"_row": pl.UInt32})


def join(take: str, where: dict[str, str] | None = None) -> Join:
    return Join("answer", "answers", ("key", "id"), where or {}, take)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"a": "x"}, [True, False, False, False]),
        ({"a": "x.*"}, [True, True, False, False]),
        ({"a": ".*", "b": "1|2"}, [True, False, False, False]),
        ({"a": "x|xy\nz"}, [True, True, False, False]),
        ({"a": ""}, [False, False, True, False]),
    ],
)
def test_conditions_match_the_whole_text(conditions: dict[str, str], expected: list[bool]) -> None:
    frame = pl.DataFrame({"a": ["x", "xy\nz", "", None], "b": ["1", "12", None, "2"]})
    assert frame.select(holds(conditions)).to_series().to_list() == expected


def test_first_and_all_and_none() -> None:
    first, reason, missing = beside(ROWS, prepare(join("first"), ANSWERS))
    assert first.get_column("answer.text").to_list() == ["乙", None, None]
    assert (reason, missing.to_list()) == ("no_answer", [False, True, True])
    every, _, missing = beside(ROWS, prepare(join("all"), ANSWERS))
    assert every.select("_row", "_copy", "answer.text").rows() == [
        (1, 1, "乙"),
        (1, 2, "丙"),
        (2, 1, None),
        (3, 1, None),
    ]
    assert missing.to_list() == [False, False, True, True]
    same, reason, known = beside(ROWS, prepare(join("none"), ANSWERS))
    assert same.columns == ["_row", "key"]
    assert (reason, known.to_list()) == ("in_answer", [True, False, False])


def test_one_partner_is_promised_and_held_to() -> None:
    with pytest.raises(CareError) as caught:
        prepare(join("one"), ANSWERS)
    told = "join.answer: id = '2' stands in several rows of 'answers'. Set take = \"first\" or \"all\" on the join."
    assert str(caught.value) == told
    partner = prepare(join("one", {"text": "[甲丙]"}), ANSWERS)
    assert beside(ROWS, partner)[0].get_column("answer.text").to_list() == ["丙", None, None]


def test_a_key_no_row_has_is_an_error_not_a_file_of_rejects() -> None:
    """A header that names the key otherwise would leave every row without a partner, in silence."""
    with pytest.raises(CareError, match=r"^join.answer: no row of 'answers' has a 'id'. Mend `on` in the entry.$"):
        prepare(join("one"), ANSWERS.with_columns(id=pl.lit(None, pl.String)))


@pytest.mark.parametrize("take", ["one", "first", "all", "none"])
def test_empty_frames_on_either_side(take: str) -> None:
    empty, _, gone = beside(ROWS.clear(), prepare(join(take), ANSWERS.unique("id")))
    assert (empty.height, gone.len()) == (0, 0)
    rows, _, gone = beside(ROWS, prepare(join(take), ANSWERS.clear()))
    assert rows.height == 3
    assert gone.to_list() == [take != "none"] * 3
