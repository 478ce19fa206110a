"""What holds of any search: for records of all kinds, in any order, with any inputs settled."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import Fate, Row, alter, class_of, holds, invent, jaccard, judge

from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import KEPT, REASONS, Verdicts, search
from care_data.errors import CareError

EXHAUSTIVE = Rules(exhaustive=True)
TURNS = pl.List(pl.String)


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    columns = {f"group{group}": [row.texts[group] for row in rows] for group in range(2)}
    turns = [[text for exchange in row.exchanges for text in exchange] for row in rows]
    return pl.DataFrame(
        {**columns, "turns": pl.Series(turns, dtype=TURNS)}, schema_overrides=dict.fromkeys(columns, pl.String)
    )


def find(
    parts: Sequence[Sequence[Row]], rules: Rules = EXHAUSTIVE, workers: int | None = 1, by_id: bool = True
) -> Verdicts:
    """The verdicts on inputs of these rows; of equal rank the lower id stays, or by_id=False the earlier row."""
    names = sorted(row.id for rows in parts for row in rows)
    places = {name: at for at, name in enumerate(names)}
    inputs = [
        Input(
            lambda rows=rows: iter([frame_of(rows[:3]), frame_of(rows[3:])]),  # type: ignore[misc]
            label=f"part{number}",
            priority=rows[0].priority if rows else 0,
            settled=bool(rows) and rows[0].settled,
            ties=pl.Series([places[row.id] for row in rows], dtype=pl.Int64).to_numpy() if by_id else None,
        )
        for number, rows in enumerate(parts)
    ]
    with TemporaryDirectory() as scratch:
        return search(inputs, 2, rules, Path(scratch), workers)


def told(parts: Sequence[Sequence[Row]], verdicts: Verdicts) -> dict[str, Fate]:
    names = [row.id for rows in parts for row in rows]
    assert len(names) == len(verdicts.reasons) == verdicts.starts[-1]
    gone: dict[str, Fate] = {}
    for at, name in enumerate(names):
        keeper, reason, share = verdicts.keepers[at], REASONS[verdicts.reasons[at]], float(verdicts.jaccards[at])
        assert (keeper < 0) == (verdicts.reasons[at] == KEPT)
        if keeper >= 0:
            gone[name] = names[keeper], None if reason == "contained" else share, reason
    return gone


def dedupe(parts: Sequence[Sequence[Row]], rules: Rules = EXHAUSTIVE, workers: int | None = 1) -> dict[str, Fate]:
    return told(parts, find(parts, rules, workers))


def make(name: str, said: Sequence[tuple[str, str]]) -> Row:
    past = "\n".join("\n".join(exchange) for exchange in said[:-1])
    return Row(name, (f"{past}\n{said[-1][0]}", said[-1][1]), 0, tuple(said) if len(said) > 1 else ())


BASES = [(invent(random.Random(at), 8), invent(random.Random(~at), 8)) for at in range(4)]
PIECES = [
    *BASES,
    *((question + "谢谢", answer) for question, answer in BASES),
    (BASES[0][0], BASES[1][1] + "。"),
    ("", ""),
    ("啊" * 9, "嗯"),
]
SAID = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3)


@st.composite
def inputs(draw: st.DrawFn, settled: bool = False) -> list[list[Row]]:
    """Up to three inputs of records of a few questions and answers, some of them dialogues."""
    parts = []
    for number in range(draw(st.integers(1, 3))):
        priority = draw(st.integers(0, 1))
        rows = [
            make(f"{draw(st.integers(0, 9))}/{number}{at}", said)
            for at, said in enumerate(draw(st.lists(SAID, max_size=7)))
        ]
        parts.append([replace(row, priority=priority) for row in rows])
    if settled and parts[0]:
        first = {row.texts: replace(row, settled=True) for row in parts[0]}
        parts[0] = list(first.values())
    return parts


@given(inputs(), st.sampled_from([0.5, 0.8, 0.95]))
@settings(max_examples=150, deadline=None)
def test_any_records_as_by_definition(parts: list[list[Row]], threshold: float) -> None:
    rows = [row for part in parts for row in part]
    assert dedupe(parts, replace(EXHAUSTIVE, threshold=threshold)) == judge(rows, threshold)


@given(inputs(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_and_inputs_does_not_matter(parts: list[list[Row]], rng: random.Random) -> None:
    mixed = [rng.sample(rows, len(rows)) for rows in rng.sample(parts, len(parts))]
    assert dedupe(mixed, workers=3) == dedupe(parts)


@given(inputs(), st.data())
@settings(max_examples=100, deadline=None)
def test_copies_of_lower_rank_change_nothing_else(parts: list[list[Row]], data: st.DataObject) -> None:
    rows = [row for part in parts for row in part]
    chosen = data.draw(st.lists(st.sampled_from(rows), max_size=6)) if rows else []
    copies = [replace(row, id=f"copy{at}", priority=-1) for at, row in enumerate(chosen)]
    usual, gone = dedupe(parts), dedupe([*parts, copies])
    assert {name: fate for name, fate in gone.items() if not name.startswith("copy")} == usual
    assert all(row.id in gone for row in copies)


@given(inputs())
@settings(max_examples=100, deadline=None)
def test_twice_is_once(parts: list[list[Row]]) -> None:
    gone = dedupe(parts)
    assert dedupe([[row for row in rows if row.id not in gone] for rows in parts]) == {}


@given(inputs(settled=True))
@settings(max_examples=150, deadline=None)
def test_the_settled_all_stay_and_come_first(parts: list[list[Row]]) -> None:
    """Whatever the priorities: the settled part may be of the lower, alike among itself, contained in others."""
    settled = {row.id for row in parts[0] if row.settled}
    gone = dedupe(parts)
    assert settled.isdisjoint(gone)
    assert gone == judge([row for part in parts for row in part])


def test_the_settled_stay_beside_each_other_and_before_higher_priorities() -> None:
    question, answer = BASES[0]
    one, two = make("b", [(question, answer)]), make("c", [(question + "好", answer)])
    longer = make("a", [(question, answer), BASES[1]])
    settled = [replace(row, settled=True) for row in (one, two)]
    others = [
        replace(row, priority=9) for row in (longer, replace(one, id="d"), make("e", [(question + "好吗", answer)]))
    ]
    gone = dedupe([settled, others])
    assert jaccard(one.texts, two.texts) >= 0.8
    assert holds(longer.exchanges, (BASES[0],))
    assert set(gone) == {"d", "e"}
    assert gone["d"] == ("b", 1.0, "exact_duplicate")
    assert gone["e"][0] == "c"


@given(inputs(), st.sampled_from([0.6, 0.8]))
@settings(max_examples=100, deadline=None)
def test_the_usual_search_says_what_the_exhaustive_does_where_it_found_all_pairs(
    parts: list[list[Row]], threshold: float
) -> None:
    rules = Rules(threshold=threshold)
    verdicts = find(parts, rules)
    classes = list({class_of(row): row for part in parts for row in part}.values())
    pairs = sum(jaccard(one.texts, two.texts) >= threshold for at, one in enumerate(classes) for two in classes[:at])
    assert verdicts.report["unique"] == len(classes)
    if verdicts.report["alike"] == pairs:
        assert told(parts, verdicts) == dedupe(parts, replace(EXHAUSTIVE, threshold=threshold))
    else:
        assert verdicts.report["alike"] < pairs


@pytest.fixture(scope="module")
def many() -> list[list[Row]]:
    """More rows than a block holds, in three inputs, a fifth of them dialogues."""
    rng = random.Random(6)
    parts: list[list[Row]] = []
    pieces: list[tuple[str, str]] = []
    for number, size in enumerate((6000, 3000, 4500)):
        rows = []
        for at in range(size):
            if pieces and rng.random() < 0.4:
                question, answer = rng.choice(pieces)
                said = [(alter(rng, question), answer if rng.random() < 0.6 else alter(rng, answer))]
            else:
                said = [(invent(rng, 8), invent(rng, 8))]
                pieces += said
            if rng.random() < 0.2:
                said = [*rng.choices(pieces[:40], k=rng.randrange(1, 4)), *said]
            elif rng.random() < 0.1:
                said = rng.choices(pieces[:40], k=2)
            rows.append(replace(make(f"{number}/{at}", said), priority=number % 2))
        parts.append(rows)
    return parts


@pytest.mark.parametrize("rules", [Rules(), Rules(crowd=2), EXHAUSTIVE, Rules(num_perm=64, scheme="legacy")])
def test_workers_do_not_matter(many: list[list[Row]], rules: Rules) -> None:
    one, four = find(many, rules, workers=1, by_id=False), find(many, rules, workers=4, by_id=False)
    assert {REASONS[at] for at in one.reasons} == set(REASONS)
    assert (one.keepers.tolist(), one.reasons.tolist()) == (four.keepers.tolist(), four.reasons.tolist())
    assert one.jaccards.tobytes() == four.jaccards.tobytes()
    assert (one.report, one.overlaps, one.starts) == (four.report, four.overlaps, four.starts)


def test_no_orphans_among_many(many: list[list[Row]]) -> None:
    rows = {row.id: row for part in many for row in part}
    gone = dedupe(many, Rules())
    assert len(gone) > 2000
    for name, (keeper, share, reason) in gone.items():
        assert keeper not in gone
        if reason == "contained":
            assert share is None
        else:
            assert share == pytest.approx(jaccard(rows[name].texts, rows[keeper].texts), abs=1e-12)
            assert share >= 0.8


def test_crowds_and_exhaustive_agree_among_many(many: list[list[Row]]) -> None:
    usual = dedupe(many, Rules())
    assert dedupe(many, Rules(crowd=2)) == usual
    assert dedupe(many) == usual


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        (Rules(threshold=1.5), "threshold 1.5 is not above 0 and at most 1. Try 0.8."),
        (Rules(num_perm=1), "1 permutations are not between 2 and 4096. Try 128."),
        (Rules(scheme="affine"), "no scheme of signatures is called 'affine'. Schemes: affine32, legacy."),
    ],
)
def test_rules_that_cannot_be_are_refused(rules: Rules, line: str) -> None:
    with pytest.raises(CareError) as caught:
        find([], rules)
    assert (str(caught.value), caught.value.code) == (line, 2)


def test_bands_by_optimum_are_datasketchs_default() -> None:
    chosen = Rules(by_optimum=True).plan()
    assert (chosen.bands, chosen.rows) == (9, 13)
