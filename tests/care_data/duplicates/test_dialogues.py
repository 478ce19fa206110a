"""Dialogues inside longer ones: which stand where, and who goes for whom."""

import random
import time
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import Exchange, Fate, Row, holds, invent, judge

from care_data.duplicates import DedupeResult, dedupe
from care_data.duplicates.dialogues import LONG, NONE, Dialogues, find_contained, put_behind, replace_dialogues

HISTORY = pl.List(pl.List(pl.String))
SAID = [("甲", "乙"), ("丙", "丁"), ("戊", "己"), ("庚", "辛"), ("壬", "癸")]
QUESTIONS = [(invent(random.Random(at), 9) + "吗？", invent(random.Random(-at), 9) + "。") for at in range(1, 6)]


def number(dialogues: Sequence[Sequence[int]]) -> Dialogues:
    """The exchanges spread over 64 bits as hashes are."""
    starts = np.cumsum([0, *map(len, dialogues)])
    values = np.array([value + 1 for said in dialogues for value in said], np.uint64)
    return Dialogues(values * np.uint64(0xD6E8FEB86659FD93), starts)


def found(dialogues: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    pairs = find_contained(number(dialogues))
    told = list(zip(pairs.holders.tolist(), pairs.held.tolist(), strict=True))
    assert len(told) == len(set(told))
    return set(told)


def by_hand(dialogues: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    return {
        (holder, held)
        for holder, longer in enumerate(dialogues)
        for held, shorter in enumerate(dialogues)
        if holds(longer, shorter)  # type: ignore[arg-type]  # exchanges as numbers
    }


def test_a_dialogue_stands_at_the_beginning_or_with_two_exchanges_anywhere() -> None:
    whole = [1, 2, 3, 4]
    parts = [[1], [1, 2], [1, 2, 3], [2, 3], [3, 4], [2, 3, 4]]
    others = [[2], [4], [2, 4], [1, 3], [4, 1], [5], [1, 2, 3, 4, 5][::-1]]
    pairs = found([whole, *parts, *others])
    assert {held for holder, held in pairs if holder == 0} == set(range(1, 7))


@given(st.sets(st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple), max_size=25))
@settings(max_examples=200, deadline=None)
def test_all_pairs_are_found_and_no_others(dialogues: set[tuple[int, ...]]) -> None:
    told = sorted(dialogues)
    assert found(told) == by_hand(told)


def test_single_exchanges_hold_nothing() -> None:
    assert find_contained(number([[1], [2], [3]])) is NONE
    assert find_contained(number([])) is NONE


def test_what_is_too_long_is_searched_at_its_beginning_only() -> None:
    short, at_end = list(range(50)), list(range(900, 903))
    assert found([list(range(LONG)), short, at_end]) == {(0, 1), (0, 2)}
    assert found([list(range(LONG + 1)), short, at_end]) == {(0, 1)}


def test_self_similar_dialogues_end_quickly() -> None:
    assert found([[7] * 2, [7]]) == {(0, 1)}  # compiled before the clock runs
    begun = time.monotonic()
    assert len(found([[7] * length for length in range(1, 601)])) == 600 * 599 // 2
    ends = [[7] * 400 + [at] for at in range(100, 200)]
    assert len(found([[7] * 2, [7] * 399, *ends])) == 1 + 2 * 100
    assert time.monotonic() - begun < 15


def test_very_long_dialogues_end_quickly() -> None:
    begun = time.monotonic()
    long = [[*range(200_000), 10**6 + at] for at in range(5)]
    assert found([*long, [0, 1, 2], [0], [5, 6]]) == {(at, held) for at in range(5) for held in (5, 6)} | {(5, 6)}
    assert time.monotonic() - begun < 30


def ordered(dialogues: Sequence[Sequence[int]], places: list[int]) -> list[int]:
    numbered = number(dialogues)
    return put_behind(np.array(places), find_contained(numbered), numbered).tolist()


def test_the_contained_come_after_all_that_hold_them() -> None:
    dialogues = [[1], [1, 2], [9], [1, 2, 3], [8, 1, 2]]
    assert ordered(dialogues, [0, 1, 2, 3, 4]) == [2, 3, 4, 1, 0]
    assert ordered(dialogues, [4, 3, 2, 1, 0]) == [4, 3, 2, 1, 0]


@given(st.sets(st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple), min_size=1, max_size=20), st.randoms())
@settings(max_examples=200, deadline=None)
def test_others_keep_their_order(dialogues: set[tuple[int, ...]], rng: random.Random) -> None:
    told = sorted(dialogues)
    places = rng.sample(range(len(told)), len(told))
    order = ordered(told, places)
    seat = {which: at for at, which in enumerate(order)}
    pairs = by_hand(told)
    assert sorted(order) == list(range(len(told)))
    assert all(seat[holder] < seat[held] for holder, held in pairs)
    free = [which for which in order if which not in {held for _, held in pairs}]
    assert free == sorted(free, key=lambda which: places[which])


def test_dialogues_of_some_classes_are_replaced() -> None:
    before = Dialogues(np.arange(1, 7, dtype=np.uint64), np.array([0, 2, 3, 6]))
    after = replace_dialogues(before, np.array([7, 8, 9], np.uint64), np.array([2, 1]), np.array([1, 4]), 5)
    assert after.starts.tolist() == [0, 2, 4, 7, 7, 8]
    assert after.exchanges.tolist() == [1, 2, 7, 8, 4, 5, 6, 9]


def frame_of(dialogues: dict[str, Sequence[Exchange]]) -> pl.DataFrame:
    rows = [
        {
            "id": name,
            "history": [list(exchange) for exchange in said[:-1]],
            "instruction": said[-1][0],
            "output": said[-1][1],
        }
        for name, said in dialogues.items()
    ]
    return pl.DataFrame(
        rows, schema={"id": pl.String, "history": HISTORY, "instruction": pl.String, "output": pl.String}
    )


def rows_of(dialogues: dict[str, Sequence[Exchange]], priority: int = 0) -> list[Row]:
    rows = []
    for name, said in dialogues.items():
        past = "\n".join("\n".join(exchange) for exchange in said[:-1])
        exchanges = tuple(said) if len(said) > 1 else ()
        rows.append(Row(name, (f"{past}\n{said[-1][0]}", said[-1][1]), priority, exchanges))
    return rows


def told(result: DedupeResult) -> dict[str, Fate]:
    rows = result.removed.select("id", "keeper", "jaccard", "reason").rows()
    return {name: (keeper, share, reason) for name, keeper, share, reason in rows}


def contained_in(result: DedupeResult) -> dict[str, str]:
    assert set(result.removed["reason"]) <= {"contained"}
    assert result.removed["jaccard"].null_count() == result.removed.height
    return dict(result.removed.select("id", "keeper").rows())


A, B, C, D, E = SAID


def test_begun_alike_or_two_exchanges_in_the_middle_go() -> None:
    frame = frame_of({"whole": [A, B, C, D], "begin": [A, B], "one": [A], "middle": [B, C], "end": [C, D]})
    result = dedupe([frame])
    assert contained_in(result) == {"begin": "whole", "one": "whole", "middle": "whole", "end": "whole"}
    assert result.report["contained"] == 4
    assert (result.report["near_duplicate"], result.report["exact_duplicate"]) == (0, 0)


def test_a_lone_exchange_out_of_the_middle_stays() -> None:
    frame = frame_of({"whole": [A, B, C, D], "second": [B], "last": [D], "apart": [A, C], "other": [A, B, E]})
    assert dedupe([frame]).removed.height == 0


def test_an_exchange_is_compared_by_its_key() -> None:
    written = [("甲？", " 乙。"), ("丙", "丁！")]
    assert contained_in(dedupe([frame_of({"whole": [A, B, C], "part": written})])) == {"part": "whole"}


def test_question_and_answer_are_not_one_text() -> None:
    frame = frame_of({"whole": [("甲乙", "丙"), B, C], "part": [("甲", "乙丙"), B]})
    assert dedupe([frame]).removed.height == 0


def test_a_chain_keeps_the_longest_only_and_names_it() -> None:
    dialogues = {"a": [A], "b": [A, B], "c": [A, B, C]}
    assert contained_in(dedupe([frame_of(dialogues)])) == {"a": "c", "b": "c"}
    frames = [frame_of({name: said}) for name, said in dialogues.items()]
    assert contained_in(dedupe(frames)) == {"a": "c", "b": "c"}  # though a's frame comes first


def test_copies_of_a_contained_dialogue_go_for_the_same() -> None:
    result = dedupe([frame_of({"x": [A, B], "y": [A, B], "whole": [A, B, C]})])
    assert contained_in(result) == {"x": "whole", "y": "whole"}
    assert result.clusters.rows() == [("whole", 3, ["whole", "x", "y"])]


def test_across_frames_in_both_orders() -> None:
    whole, part = frame_of({"z": [A, B, C]}), frame_of({"a": [B, C]})
    assert contained_in(dedupe([whole, part])) == contained_in(dedupe([part, whole])) == {"a": "z"}
    assert contained_in(dedupe([part, whole], priorities=[9, 1])) == {"a": "z"}


def test_one_frame_with_dialogues_and_one_without_a_history() -> None:
    whole = frame_of({"z": [A, B]})
    plain = pl.DataFrame({"id": ["a", "b"], "instruction": ["甲", "丙"], "output": ["乙", "丁"]})
    assert contained_in(dedupe([plain, whole])) == contained_in(dedupe([whole, plain])) == {"a": "z"}


TALK = [(invent(random.Random(at), 30), invent(random.Random(~at), 30)) for at in range(4)]


def test_a_part_of_a_dialogue_that_goes_as_near_duplicate_stays() -> None:
    """`whole` goes for the longer `near`, which says one sentence more and holds `part` no more than any stranger."""
    near = [TALK[0], (TALK[1][0] + "谢谢您", TALK[1][1]), TALK[2]]
    frame = frame_of({"near": near, "whole": TALK[:3], "part": TALK[:2], "one": TALK[:1]})
    result = dedupe([frame])
    gone = told(result)
    assert gone["whole"][0::2] == ("near", "near_duplicate")
    assert gone["one"] == ("near", None, "contained")
    assert "part" not in gone
    assert gone == judge(rows_of({"near": near, "whole": TALK[:3], "part": TALK[:2], "one": TALK[:1]}))


def test_a_part_of_a_dialogue_that_went_may_go_for_another() -> None:
    near = [TALK[0], (TALK[1][0] + "谢谢您", TALK[1][1]), TALK[2]]
    dialogues = {
        "near": near,
        "whole": TALK[:3],
        "part": TALK[:2],
        "akin": [TALK[0], (TALK[1][0] + "好的", TALK[1][1])],
    }
    gone = told(dedupe([frame_of(dialogues)]))
    assert gone["whole"][0] == "near"
    assert gone["part"][0::2] == ("akin", "near_duplicate")
    assert gone == judge(rows_of(dialogues))


def test_named_fields_make_no_dialogues() -> None:
    frame = frame_of({"whole": [A, B, C], "part": [A, B]})
    groups = [["history", "instruction"], ["output"]]
    assert dedupe([frame]).removed.height == 1
    assert dedupe([frame], fields=groups).removed.height == 0


TALKS = st.lists(st.lists(st.sampled_from(QUESTIONS[:3]), min_size=1, max_size=4), min_size=1, max_size=14) | st.lists(
    st.lists(st.sampled_from([*QUESTIONS, (QUESTIONS[0][0], QUESTIONS[0][1] + "好")]), min_size=1, max_size=5),
    min_size=1,
    max_size=10,
)


@given(TALKS, st.integers(0, 10), st.sampled_from([(0, 0), (1, 0), (0, 1)]), st.sampled_from([0.6, 0.8, 0.95]))
@settings(max_examples=150, deadline=None)
def test_any_dialogues_as_by_definition(
    talks: list[list[Exchange]], cut: int, priorities: tuple[int, int], threshold: float
) -> None:
    named = {f"{at:02d}": said for at, said in enumerate(talks)}
    parts = [dict(list(named.items())[:cut]), dict(list(named.items())[cut:])]
    result = dedupe([frame_of(part) for part in parts], threshold, priorities=list(priorities), exhaustive=True)
    rows = [row for part, priority in zip(parts, priorities, strict=True) for row in rows_of(part, priority)]
    gone = told(result)
    assert gone == judge(rows, threshold)

    kept = {name for frame in result.kept for name in frame["id"]}
    assert kept | set(gone) == set(named)
    assert kept.isdisjoint(gone)
    assert {fate[0] for fate in gone.values()} <= kept  # no orphans
    for name, (keeper, share, reason) in gone.items():
        assert (reason == "contained") == (share is None)
        assert reason != "contained" or holds(named[keeper], named[name])
    # A dialogue comes after all that hold it, so one that stays found none of them kept.
    assert [(one, two) for one in kept for two in kept if holds(named[one], named[two])] == []


@given(TALKS)
@settings(max_examples=60, deadline=None)
def test_twice_is_once(talks: list[list[Exchange]]) -> None:
    once = dedupe([frame_of({f"{at:02d}": said for at, said in enumerate(talks)})], exhaustive=True).kept[0]
    assert dedupe([once], exhaustive=True).removed.height == 0


@pytest.mark.parametrize("seed", range(3))
def test_workers_and_the_order_of_rows_do_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    talks = {f"{at:03d}": rng.choices(QUESTIONS, k=rng.choice([1, 1, 2, 3, 4])) for at in range(300)}
    usual = dedupe([frame_of(talks)], workers=1)
    assert usual.report["contained"] > 30
    assert dedupe([frame_of(talks)], workers=4).removed.equals(usual.removed)
    mixed = rng.sample(sorted(talks.items()), len(talks))
    assert told(dedupe([frame_of(dict(mixed))])) == told(usual)
