"""The search on a cluster says what the search on one machine says, to the byte."""

import random
import uuid
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from care_data.duplicates import distributed
from care_data.duplicates.distributed import search_shards
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import CONTAINED, EXACT, NEAR, search

HAN = "头痛发热咳嗽血压糖尿病孕妇儿童老人饭后空腹每天三次半片胶囊药复查睡眠饮食清淡"


def invent(seed, count, longest=80):
    """(question, answer, turns): a third are near or exact copies, a fifth share one long sentence."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        kind = draw.random()
        if rows and kind < 0.3:
            question, answer, turns = draw.choice(rows)
            letters = list(answer)
            for _ in range(draw.randint(0, 2)):
                letters[draw.randrange(len(letters))] = draw.choice(HAN)
            rows.append((question, "".join(letters), turns))
        elif kind < 0.5:
            rows.append(("咨询", "若有不适请到门诊，" * 6 + "".join(draw.choices(HAN, k=draw.randint(3, 12))), []))
        else:
            answer = "".join(draw.choices(HAN, k=draw.randint(5, longest)))
            rows.append(("".join(draw.choices(HAN, k=8)), answer, []))
    return rows


def converse(seed, count):
    """Dialogues cut out of one long one, so that many contain others, and single exchanges of it."""
    draw = random.Random(seed)
    said = [(f"问{place}" + "".join(draw.choices(HAN, k=4)), f"答{place}") for place in range(60)]
    rows = []
    for _ in range(count):
        start, size = draw.randrange(55), draw.randint(1, 5)
        turns = [words for exchange in said[start : start + size] for words in exchange]
        rows.append(("\n".join(turns[:-1]), turns[-1], turns if size > 1 else []))
    return rows


def cut_inputs(rows, count, seed=0, settled=False, tied=False, reads=None):
    """The rows as so many inputs of unequal size, of three corpora; reads: a folder that marks each reading."""
    draw = random.Random(seed)
    ends = [0, *sorted(draw.sample(range(1, len(rows)), count - 1)), len(rows)]
    inputs = []
    for number, (start, stop) in enumerate(pairwise(ends)):
        part = rows[start:stop]
        turns = pl.Series([row[2] for row in part], dtype=pl.List(pl.String))
        frame = pl.DataFrame({"group0": [row[0] for row in part], "group1": [row[1] for row in part], "turns": turns})

        def read(frame=frame, reads=reads, mark=uuid.uuid4):
            if reads:
                (reads / mark().hex).touch()
            yield from (frame[:100], frame[100:])

        ties = np.array(draw.sample(range(10**6), len(part)), np.int64) if tied and number % 2 else None
        of = {"label": f"corpus{number % 3}", "priority": number % 3, "settled": settled and number == 1, "ties": ties}
        inputs.append(Input(read, **of))
    return inputs


def assert_same(there, here):
    np.testing.assert_array_equal(there.keepers, here.keepers)
    np.testing.assert_array_equal(there.jaccards, here.jaccards)
    np.testing.assert_array_equal(there.reasons, here.reasons)
    assert [array.dtype for array in (there.keepers, there.jaccards, there.reasons)] == [
        array.dtype for array in (here.keepers, here.jaccards, here.reasons)
    ]
    assert (there.starts, there.overlaps, there.report) == (here.starts, here.overlaps, here.report)


@pytest.fixture
def in_this_process(monkeypatch):
    """The same tasks one after the other, without a cluster."""
    stand_ins = {
        "connect": lambda *_: 1,
        "submit": lambda function, *arguments: function(*arguments),
        "scatter": lambda count, function, *arguments: check_count(count, list(function(*arguments))),
        "share": lambda value: value,
        "collect": lambda results, _on_done=None: list(results),
        "wait": lambda *_: None,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(distributed, name, stand_in)


def check_count(count, results):
    assert len(results) == count
    return results


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pieces", [1, 4, 100])
@pytest.mark.usefixtures("in_this_process")
def test_shards_change_nothing(seed, pieces, tmp_path):
    rows = invent(seed, 900) + converse(seed, 250)
    random.Random(seed).shuffle(rows)
    inputs = cut_inputs(rows, 9, seed, settled=seed % 3 == 1, tied=bool(seed % 2))
    rules = Rules(crowd=[32, 4, 3, 8, 16, 32][seed], exhaustive=seed == 5)
    here = search(inputs, 2, rules, tmp_path, 1)
    assert_same(search_shards(inputs, 2, rules, pieces=pieces), here)
    assert np.bincount(here.reasons, minlength=4)[[EXACT, NEAR, CONTAINED]].min() > 20
    assert here.report["crowded"] > 20
    assert here.report["alike"] > 20 or rules.exhaustive
    assert len(here.overlaps) == 3


@pytest.mark.usefixtures("in_this_process")
def test_inputs_without_rows_and_none_at_all(tmp_path):
    nothing = Input(lambda: iter([pl.DataFrame({"group0": []}, schema={"group0": pl.String})]))
    one = Input(lambda: iter([pl.DataFrame({"group0": ["头痛", "头痛"]})]))
    for inputs in ([nothing], [nothing, one, nothing], [one, nothing]):
        assert_same(search_shards(inputs, 1, Rules()), search(inputs, 1, Rules(), tmp_path))
        assert_same(
            search_shards(inputs, 1, Rules(exhaustive=True)), search(inputs, 1, Rules(exhaustive=True), tmp_path)
        )


def test_a_node_lost_in_the_middle_changes_nothing(nodes, tmp_path):
    """Once before the bands are compared: what its store held of the shards is read and made again."""
    rows = invent(7, 5000, 400) + converse(7, 400)
    scratch, reads = tmp_path / "scratch", tmp_path / "reads"
    scratch.mkdir()
    reads.mkdir()
    here = search(cut_inputs(rows, 8), 2, Rules(), scratch, 1)
    steps = []

    def lose(step, done, total):
        if step == "bands" and "bands" not in steps:
            nodes.lose()
        steps.append(step)

    inputs = cut_inputs(rows, 8, reads=reads)
    assert_same(search_shards(inputs, 2, Rules(), advance=lose, address=nodes.address, pieces=8), here)
    assert len(nodes.workers) == 1
    assert len(list(reads.iterdir())) > 8
    assert list(dict.fromkeys(steps)) == ["read", "unite", "bands", "screen", "verify", "keep"]
    assert here.report["alike"] > 100
