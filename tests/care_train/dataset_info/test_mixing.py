"""Several datasets as one."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from care_train.dataset_info.mixing import Mix, check_mix, draw_rows, interleave, mix_tables, read_mix, shuffle
from care_train.errors import CareError, Exit

UNDER, OVER = "interleave_under", "interleave_over"
THEIRS = {UNDER: "first_exhausted", OVER: "all_exhausted"}


def tables(*sizes: int) -> dict[str, pa.Table]:
    return {f"d{n}": pa.table({"prompt": [f"{n}.{row}" for row in range(size)]}) for n, size in enumerate(sizes)}


def test_in_turn_until_the_shortest_or_the_longest_has_ended() -> None:
    under, rows = mix_tables(tables(2, 3), Mix(UNDER), 0)
    assert under["prompt"].to_pylist() == ["0.0", "1.0", "0.1", "1.1"]
    assert rows == {"d0": 2, "d1": 2}
    over, rows = mix_tables(tables(2, 3), Mix(OVER), 0)
    assert over["prompt"].to_pylist() == ["0.0", "1.0", "0.1", "1.1", "0.0", "1.2"]
    assert rows == {"d0": 3, "d1": 3}
    whole, rows = mix_tables(tables(2, 3), Mix(), 0)
    assert whole["prompt"].to_pylist() == ["0.0", "0.1", "1.0", "1.1", "1.2"]
    assert rows == {"d0": 2, "d1": 3}


@pytest.mark.parametrize("strategy", [UNDER, OVER])
@pytest.mark.parametrize("shares", [(), (0.7, 0.2, 0.1), (0.02, 0.49, 0.49)])
@pytest.mark.parametrize("sizes", [(3, 4, 5), (700, 40, 900), (1, 1, 1)])
def test_the_order_is_that_of_the_datasets_library(strategy: str, shares: Any, sizes: tuple[int, ...]) -> None:
    datasets = pytest.importorskip("datasets")
    parts = [datasets.Dataset.from_dict({"x": [f"{n}.{row}" for row in range(size)]}) for n, size in enumerate(sizes)]
    theirs = datasets.interleave_datasets(
        parts, probabilities=list(shares) or None, seed=7, stopping_strategy=THEIRS[strategy]
    )
    ours, rows = mix_tables(tables(*sizes), Mix(strategy, shares), 7)
    assert ours["prompt"].to_pylist() == list(theirs["x"])
    assert sum(rows.values()) == len(theirs)


def test_streams_are_mixed_as_tables_are_and_opened_again_only_where_they_must() -> None:
    opened: list[int] = []

    def source(number: int, size: int) -> Any:
        opened.append(number)
        return iter(range(size))

    made = list(interleave([partial(source, 0, 2), partial(source, 1, 4)], Mix(UNDER), 0))
    assert made == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert opened == [0, 1]
    assert [item for number, item in interleave([partial(source, 0, 2), partial(source, 1, 4)], Mix(OVER), 0)] == [
        *(0, 0, 1, 1, 0, 2, 1, 3)
    ]


@pytest.mark.parametrize("shares", ["0.5,x", "0.5,0.6", "1.5,-0.5", "1,0", ","])
def test_shares_that_are_none(shares: str) -> None:
    with pytest.raises(CareError, match=r"--interleave_probs .* with --mix_strategy interleave_under") as caught:
        read_mix(UNDER, shares)
    assert caught.value.code == Exit.USAGE


def test_shares_need_a_mix_and_as_many_datasets() -> None:
    with pytest.raises(CareError, match=r"--interleave_probs 0.5,0.5 with --mix_strategy concat"):
        read_mix("concat", "0.5,0.5")
    mix = read_mix(OVER, "0.25, 0.75")
    assert mix == Mix(OVER, (0.25, 0.75))
    check_mix(mix, ["a", "b"])
    with pytest.raises(CareError, match=r"^2 shares in --interleave_probs for 3 datasets \(a, b, c\)\."):
        check_mix(mix, ["a", "b", "c"])


def test_rows_are_drawn_by_the_seed_in_their_order_and_again_where_there_are_fewer() -> None:
    table = pa.table({"x": range(100)})
    drawn = draw_rows(table, 10, "mm", 1)["x"].to_pylist()
    assert len(set(drawn)) == 10
    assert drawn == sorted(drawn)
    assert max(drawn) > 20
    assert draw_rows(table, 10, "mm", 1)["x"].to_pylist() == drawn
    assert draw_rows(table, 10, "mm", 2)["x"].to_pylist() != drawn
    assert draw_rows(table, 10, "nn", 1)["x"].to_pylist() != drawn
    counts = np.bincount(draw_rows(table, 250, "mm", 1)["x"].to_pylist())
    assert (counts.min(), counts.max(), counts.sum()) == (2, 3, 250)


def test_a_shuffle_keeps_every_row_and_a_short_buffer_moves_it_little() -> None:
    rows = list(range(1000))
    near, far = (list(shuffle(iter(rows), size, 3)) for size in (10, 5000))
    assert sorted(near) == sorted(far) == rows
    assert near == list(shuffle(iter(rows), 10, 3))
    assert near != list(shuffle(iter(rows), 10, 4))
    assert all(number < place + 10 for place, number in enumerate(near))
    assert np.abs(np.array(far) - np.arange(1000)).mean() > 200
    assert list(shuffle(iter(rows), 1, 3)) == rows
