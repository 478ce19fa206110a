"""dedupe as a whole, against a brute force in sets of Python strings that shares no code with it."""

import random
import subprocess
import sys
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import Fate, Row, alter, invent, jaccard, judge, write_key

from care_data.duplicates import DedupeResult, dedupe
from care_data.duplicates.frames import dedupe_frames
from care_data.duplicates.inputs import Rules
from care_data.errors import CareError


def told(result: DedupeResult) -> dict[str, Fate]:
    rows = result.removed.select("id", "keeper", "jaccard", "reason").rows()
    return {name: (keeper, share, reason) for name, keeper, share, reason in rows}


def pairs_of(result: DedupeResult) -> dict[str, tuple[str, float]]:
    return {name: fate[:2] for name, fate in told(result).items()}


def rows_of(frame: pl.DataFrame, priority: int = 0) -> list[Row]:
    if "text" in frame.columns:
        return [Row(name, (text,), priority) for name, text in frame.select("id", "text").rows()]
    rows = []
    for name, prompt, answer, history in frame.rows():
        past = "\n".join("\n".join(turn) for turn in history)
        exchanges = (*((question, reply) for question, reply in history), (prompt, answer))
        rows.append(Row(name, (f"{past}\n{prompt}", answer), priority, exchanges if history else ()))
    return rows


@pytest.fixture(scope="module")
def texts() -> pl.DataFrame:
    rng = random.Random(4)
    made = [invent(rng, rng.choice([1, 2, 5, 15, 30, 60])) for _ in range(160)]
    while len(made) < 500:
        made.append(alter(rng, rng.choice(made)))
    made += ["", "？", "啊" * 5, "啊" * 80, "嗯", "嗯。", "头", "1.5", "15", "cafe\u0301 au lait", "café au lait!"]
    rng.shuffle(made)
    return pl.DataFrame({"id": [f"pt/{row:04d}" for row in range(len(made))], "text": made})


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    rng = random.Random(8)
    rows: list[tuple[str, str, list[list[str]]]] = []
    question = invent(rng, 60)
    for _ in range(300):
        if rows and rng.random() < 0.6:
            prompt, answer, history = rng.choice(rows)
            prompt = prompt if rng.random() < 0.4 else alter(rng, prompt)
            answer = rng.choice([answer, alter(rng, answer), invent(rng, 3)])
            rows.append((prompt, answer, history if rng.random() < 0.8 else []))
        else:
            history = [[invent(rng, 4), invent(rng, 4)]] if rng.random() < 0.3 else []
            rows.append((invent(rng, rng.choice([3, 20])), invent(rng, rng.choice([0, 1, 10])), history))
    rows += [(question, invent(rng, rng.choice([1, 3, 8])), []) for _ in range(80)]
    names = ["instruction", "output", "history"]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    ids = [f"sft/{row:03d}" for row in range(len(rows))]
    schema = {"history": pl.List(pl.List(pl.String))}
    return pl.DataFrame({"id": ids, **columns}, schema_overrides=schema)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_texts_as_by_judge(texts: pl.DataFrame, threshold: float) -> None:
    result = dedupe([texts], threshold)
    assert told(result) == judge(rows_of(texts), threshold)
    assert result.report["exact_duplicate"] > 20
    assert result.report["near_duplicate"] > 40


def test_pairs_as_by_judge(pairs: pl.DataFrame) -> None:
    result = dedupe([pairs])
    assert told(result) == judge(rows_of(pairs), 0.8)
    assert result.removed.height > 60


@pytest.mark.parametrize("crowd", [0, 1, 3])
def test_full_buckets_change_nothing(texts: pl.DataFrame, pairs: pl.DataFrame, crowd: int) -> None:
    for frame in (texts, pairs):
        usual, crowded = dedupe([frame]), dedupe_frames([frame], None, None, Rules(crowd=crowd), None)
        assert crowded.report["crowded"] > usual.report["crowded"]
        assert crowded.removed.equals(usual.removed)


def test_every_pair_above_the_threshold_is_broken_up(texts: pl.DataFrame) -> None:
    kept = dict(dedupe([texts]).kept[0].select("id", "text").rows())
    assert len(kept) > 200
    assert [ends for ends in combinations(kept, 2) if jaccard((kept[ends[0]],), (kept[ends[1]],)) >= 0.8] == []


def test_no_orphan_and_no_false_removal(texts: pl.DataFrame) -> None:
    result = dedupe([texts])
    by_id, kept = dict(texts.rows()), set(result.kept[0]["id"])
    for name, keeper, share, reason in result.removed.select("id", "keeper", "jaccard", "reason").rows():
        assert keeper in kept
        assert name not in kept
        assert share == jaccard((by_id[name],), (by_id[keeper],)) >= 0.8
        assert (reason == "exact_duplicate") == (write_key(by_id[name]) == write_key(by_id[keeper]))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_do_not_matter(pairs: pl.DataFrame, workers: int) -> None:
    result, usual = dedupe([pairs], workers=workers), dedupe([pairs])
    assert result.removed.equals(usual.removed)
    assert result.clusters.equals(usual.clusters)
    assert result.report == usual.report


def test_the_order_of_rows_does_not_matter(texts: pl.DataFrame) -> None:
    mixed = dedupe([texts.sample(fraction=1, shuffle=True, seed=3)])
    assert told(mixed) == told(dedupe([texts]))


def test_twice_is_once(texts: pl.DataFrame) -> None:
    once = dedupe([texts]).kept[0]
    again = dedupe([once])
    assert again.kept[0].equals(once)
    assert again.removed.height == 0


def test_a_copy_of_lower_rank_changes_nothing_else(texts: pl.DataFrame) -> None:
    copies = texts.sample(50, seed=1).with_columns("copy/" + pl.col("id"))
    usual, result = dedupe([texts]), dedupe([texts, copies])
    assert result.kept[0].equals(usual.kept[0])
    assert result.kept[1].height == 0
    assert result.removed.filter(frame=0).equals(usual.removed)


def test_kept_rows_are_unchanged_and_in_order(pairs: pl.DataFrame) -> None:
    halves = [pairs[:200], pairs[200:].lazy()]
    result = dedupe(halves)
    gone = set(result.removed["id"])
    assert len(result.kept) == 2
    assert result.kept[0].equals(pairs[:200].filter(~pl.col("id").is_in(gone)))
    assert result.kept[1].equals(pairs[200:].filter(~pl.col("id").is_in(gone)))
    assert sum(frame.height for frame in result.kept) + result.removed.height == pairs.height


def test_the_input_is_left_alone() -> None:
    frame = pl.DataFrame({"id": [1, 2], "text": ["cafe\u0301 au lait", None]})
    assert dedupe([frame]).kept[0]["text"].to_list() == ["cafe\u0301 au lait", None]
    assert frame["text"].to_list() == ["cafe\u0301 au lait", None]


LONG = "高血压病人平时饮食要清淡少盐，按时吃药，每周量两次血压并记录下来。"


def frame_of(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"id": [row[0] for row in rows], "text": [row[1] for row in rows]})


def test_earlier_frames_win_then_length_then_id() -> None:
    early, late = frame_of(("z", LONG)), frame_of(("a", LONG + "！！"))
    assert pairs_of(dedupe([early, late])) == {"a": ("z", 1.0)}
    assert pairs_of(dedupe([early, late], priorities=[1, 2])) == {"z": ("a", 1.0)}
    assert pairs_of(dedupe([early, late], priorities=[5, 5])) == {"z": ("a", 1.0)}
    assert pairs_of(dedupe([frame_of(("c", LONG), ("b", LONG), ("d", LONG))])) == {"c": ("b", 1.0), "d": ("b", 1.0)}
    frames = dedupe([early, late]).removed.select("frame", "keeper_frame").rows()
    assert frames == [(1, 0)]


def test_a_pair_exactly_at_the_threshold_goes() -> None:
    frame = frame_of(("a", "abcdefghi"), ("b", "abcdefgh"))  # of five shingles in all four are common
    assert pairs_of(dedupe([frame], 0.8, exhaustive=True)) == {"b": ("a", 0.8)}
    assert pairs_of(dedupe([frame], 0.8001, exhaustive=True)) == {}


def test_a_copy_of_a_removed_record_goes_for_the_kept_one() -> None:
    result = dedupe([frame_of(("a", "您好，" + LONG), ("b", LONG), ("c", LONG))])
    share = jaccard((LONG,), ("您好，" + LONG,))
    assert pairs_of(result) == {"b": ("a", share), "c": ("a", share)}
    assert result.removed["reason"].to_list() == ["near_duplicate", "near_duplicate"]


def test_the_ends_of_a_chain_stay() -> None:
    letters = [chr(0x4E00 + at) for at in range(60)]
    a, b, c = ("".join(letters[at : at + 44]) for at in (0, 3, 6))
    assert jaccard((a,), (b,)) >= 0.8
    assert jaccard((b,), (c,)) >= 0.8
    assert jaccard((a,), (c,)) < 0.8
    result = dedupe([frame_of(("1", a), ("2", b), ("3", c))])
    assert result.kept[0]["id"].to_list() == ["1", "3"]


def test_the_same_question_with_another_answer_stays() -> None:
    question = LONG * 4
    rows = {"id": ["a", "b", "c"], "instruction": [question] * 3, "output": ["可以", "不可以，要先问医生", "可以。"]}
    result = dedupe([pl.DataFrame(rows)])
    assert result.removed.select("id", "keeper", "reason").rows() == [("a", "c", "exact_duplicate")]
    assert result.kept[0]["id"].to_list() == ["b", "c"]


def test_preferences_differ_by_their_rejected_answer() -> None:
    rows = {
        "id": [1, 2, 3],
        "instruction": [LONG] * 3,
        "chosen": ["多休息"] * 3,
        "rejected": ["喝酒", "熬夜", "喝酒！"],
    }
    assert dedupe([pl.DataFrame(rows)]).removed.select("id", "keeper").rows() == [(1, 3)]


def test_words_that_come_in_every_group_hide_no_pair() -> None:
    # Each group is 46/56 alike; were the union not tagged by group it would be 46/76 alike, and most pairs missed.
    rng = random.Random(2)
    prefer = ("instruction", "chosen", "rejected")

    def write(length: int) -> str:
        return "".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(length))

    words = [write(50) for _ in range(60)]
    rows = [
        {"id": f"{at}/{copy}", **{name: word + write(5) for name in prefer}}
        for at, word in enumerate(words)
        for copy in "ab"
    ]
    expected = {f"{at}/b": (f"{at}/a", 46 / 56) for at in range(60)}
    assert pairs_of(dedupe([pl.DataFrame(rows)])) == expected


def test_empty_short_and_repeated_texts() -> None:
    rows = [("a", ""), ("b", "？！"), ("c", "头"), ("d", "头痛"), ("e", "啊" * 6), ("f", "啊" * 60)]
    result = dedupe([frame_of(*rows)])
    assert pairs_of(result) == {"a": ("b", 1.0), "e": ("f", 1.0)}
    assert result.removed["reason"].to_list() == ["exact_duplicate", "near_duplicate"]


def test_clusters_hold_every_removed_record_once(texts: pl.DataFrame) -> None:
    result = dedupe([texts])
    members = {row[0]: row[1] for row in result.clusters.select("keeper", "members").rows()}
    assert result.clusters["size"].to_list() == [len(names) for names in members.values()]
    assert all(names[0] == keeper and len(names) > 1 for keeper, names in members.items())
    assert sorted(name for names in members.values() for name in names[1:]) == sorted(result.removed["id"])
    assert {(name, keeper) for keeper, names in members.items() for name in names[1:]} == set(
        result.removed.select("id", "keeper").rows()
    )


def test_the_report_adds_up(texts: pl.DataFrame) -> None:
    report = dedupe([texts, texts.with_columns("x" + pl.col("id"))]).report
    assert (report["bands"], report["rows_per_band"], report["num_perm"]) == (25, 5, 128)
    assert 0 < report["miss"] < 1e-3
    assert report["read"] == 2 * texts.height
    assert report["read"] == report["kept"] + report["exact_duplicate"] + report["near_duplicate"]
    assert [frame["read"] for frame in report["frames"]] == [texts.height] * 2
    assert report["frames"][1]["kept"] == 0
    assert report["candidates"] >= report["verified"] >= report["alike"] > 0


@given(st.lists(st.text("ab 头痛，", max_size=14), max_size=12), st.sampled_from([0.3, 0.8, 1.0]))
@settings(max_examples=60, deadline=None)
def test_any_texts_as_by_judge(made: list[str], threshold: float) -> None:
    frame = pl.DataFrame(
        {"id": [f"{at:02d}" for at in range(len(made))], "text": made}, schema_overrides={"text": pl.String}
    )
    # Exhaustive, so that chance has no part in this test.
    assert told(dedupe([frame], threshold, exhaustive=True)) == judge(rows_of(frame), threshold)


def test_frames_without_rows() -> None:
    empty = pl.DataFrame(schema={"id": pl.String, "text": pl.String})
    result = dedupe([empty, frame_of(("a", "头痛")), empty])
    assert [frame.height for frame in result.kept] == [0, 1, 0]
    nothing = dedupe([empty])
    assert (nothing.removed.height, nothing.clusters.height, nothing.report["read"]) == (0, 0, 0)
    assert nothing.removed.schema["id"] == pl.String


def test_ids_of_two_types_become_text() -> None:
    result = dedupe([pl.DataFrame({"id": [7], "text": [LONG]}), frame_of(("a", LONG))])
    assert pairs_of(result) == {"a": ("7", 1.0)}
    assert result.kept[0]["id"].to_list() == [7]


@pytest.mark.parametrize(
    ("frames", "settings", "line"),
    [
        ([], {}, "no frame to dedupe. Give a list of at least one."),
        ([{"text": ["x"]}], {}, "frame 0: no column id. Number the rows: frame.with_row_index('id')."),
        ([{"id": ["a", None], "text": ["x", "y"]}], {}, "frame 0/row 1: an id is null. Give every record an id."),
        ([{"id": [1], "text": ["x"]}], {"priorities": [1, 2]}, "2 priorities for 1 frames. Give one a frame."),
        ([{"id": [1], "text": ["x"]}], {"threshold": 80}, "threshold 80 is not above 0 and at most 1. Try 0.8."),
    ],
)
def test_refusals(frames: list[dict], settings: dict, line: str) -> None:
    with pytest.raises(CareError) as caught:
        dedupe([pl.DataFrame(frame) for frame in frames], **settings)
    assert str(caught.value) == line


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys; import care_data.duplicates;"
        "print([name for name in ('numba', 'polars', 'pyarrow', 'numpy', 'datasketch') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
