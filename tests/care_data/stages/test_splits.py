"""Held-out records: of what is alike nothing is parted, whatever corpus or format it is in."""

import json
import random
from itertools import combinations

import polars as pl
import pytest

from care_data import registry
from care_data.errors import CareError
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.stages.mixing import Mix
from care_data.store import Store

ENDS = ("", "请问", "谢谢", "麻烦看看", "我有点担心", "需要住院吗", "是不是很严重", "家里老人也这样")

PREFERENCES = """
[outputs.rw]
shape  = "preference"
rows   = "pairs"
fields = { instruction = "{q}", chosen = "{a}", rejected = "{a}不过也可以再想想别的办法。" }
"""
REJECTED = 'records.rw = [{ instruction = "甲？", output = ["乙。", "乙。不过也可以再想想别的办法。"] }]'
TASK = "请根据下面的描述写出一句话的诊断意见，不要超过五十个字，也不要给出药名。"


@pytest.fixture
def split(shelf):
    """split(shares, corpora …): what is in each split, as frames by dataset."""

    def run(shares, *corpora, **settings):
        settings = Settings(Store(shelf.data), str(shelf.mirror), 1, mix=Mix(splits=shares), **settings)
        registry.groups.cache_clear()
        entries = [registry.load(name) for name in corpora or shelf.names]
        result = run_stages(entries, settings, "write", lambda *_: None)
        info = json.loads((result.release / "dataset_info.json").read_text(encoding="utf-8"))
        frames = {
            name: pl.concat([pl.read_ipc_stream(path) for path in sorted((result.release / name).glob("*.arrow"))])
            for name in info
        }
        return {name: info[name]["care"]["role"] for name in info}, frames

    return run


def grams(text):
    return {text[at : at + 5] for at in range(max(1, len(text) - 4))}


def alike(one, two):
    return len(grams(one) & grams(two)) / len(grams(one) | grams(two)) >= 0.8


def plant(distinct, seed, count):
    """Questions of which many are asked again in nearly the same words, with answers of their own."""
    rng = random.Random(seed)
    questions = [f"{q[:-1]}{q[:12]}" * 2 for q, _ in distinct(f"{seed} q", count)]
    asked = [question + end for question in questions for end in rng.sample(ENDS, rng.choice((1, 1, 2, 3)))]
    rng.shuffle(asked)
    answers = distinct(f"{seed} a", len(asked))
    return [(question + "？", answer) for question, (_, answer) in zip(asked, answers, strict=True)]


def test_questions_alike_are_in_one_split_across_corpora_and_formats(shelf, split, distinct):
    rows = plant(distinct, 1, 60)
    third = len(rows) // 3
    shelf.add("one", rows[:third])
    shelf.add("two", rows[third : 2 * third], more=PREFERENCES, examples=REJECTED)
    shelf.add("three", rows[2 * third :])
    roles, frames = split({"test": 0.2, "validation": 0.2})
    where = [(text, roles[name]) for name, frame in frames.items() for text in frame["instruction"]]
    assert {role for _, role in where} == {"train", "validation", "test"}
    assert {name for name, role in roles.items() if role == "test"} >= {"one_sft_test", "two_rw_test", "three_sft_test"}
    pairs = [(one, two) for one, two in combinations(where, 2) if alike(one[0], two[0])]
    assert len(pairs) > 60
    assert [pair for pair in pairs if pair[0][1] != pair[1][1]] == []


def test_a_split_has_about_its_share_and_a_test_set_stays_when_validation_is_asked_for_too(shelf, split, distinct):
    shelf.add("one", distinct("one", 1000))
    roles, frames = split({"test": 0.2})
    assert roles == {"one_sft": "train", "one_sft_test": "test"}
    assert 160 < frames["one_sft_test"].height < 240
    assert frames["one_sft"].height + frames["one_sft_test"].height == 1000
    _, both = split({"test": 0.2, "validation": 0.1})
    assert 70 < both["one_sft_validation"].height < 130
    assert set(frames["one_sft_test"]["id"]) == set(both["one_sft_test"]["id"])
    _, more = split({"test": 0.3})
    assert set(frames["one_sft_test"]["id"]) < set(more["one_sft_test"]["id"])


def test_a_sample_has_the_same_share_held_out(shelf, distinct):
    shelf.add("one", distinct("one", 1000))
    held = {}
    for sample in (None, 400, 100):
        settings = Settings(Store(shelf.data), str(shelf.mirror), 1, mix=Mix(sample=sample, splits={"test": 0.2}))
        release = run_stages([registry.load("one")], settings, "write", lambda *_: None).release
        tested, trained = (
            pl.read_ipc_stream(next((release / name).glob("*.arrow"))) for name in ("one_sft_test", "one_sft")
        )
        assert trained.height == (sample or 1000 - tested.height)
        assert 0.12 < tested.height / (tested.height + trained.height) < 0.28
        held[sample] = set(tested["id"])
    assert held[100] < held[400] < held[None]


def test_where_an_instruction_is_the_task_alone_the_input_is_what_is_asked(shelf, split, distinct):
    shelf.add("one", distinct("one", 60))
    entry = shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8").replace(
        'fields = { instruction = "{q}", output = "{a}" }',
        f'fields = {{ instruction = "{TASK}", input = "{{q}}", output = "{{a}}" }}\ncompare = ["input", "output"]',
    )
    text = text.replace('{ instruction = "甲？", output', f'{{ instruction = "{TASK}", input = "甲？", output')
    entry.write_text(text, encoding="utf-8")
    _, frames = split({"test": 0.2})
    assert set(frames["one_sft"]["instruction"]) == {TASK}
    assert 4 < frames["one_sft_test"].height < 24


def test_what_hangs_together_in_large_numbers_stays_in_training(shelf, split, distinct):
    many = [(distinct("same", 1)[0][0] * 3, answer) for _, answer in distinct("answers", 30)]
    shelf.add("one", many + distinct("one", 100))
    for seed_rows in (0.1, 0.3):
        _, frames = split({"test": seed_rows})
        assert frames["one_sft"].filter(pl.col("instruction") == many[0][0]).height == 30
        assert 0 < frames["one_sft_test"].height < 60


def test_a_split_that_nothing_is_in_is_an_error(shelf, split, distinct):
    shelf.add("one", distinct("one", 5))
    with pytest.raises(CareError) as caught:
        split({"test": 0.001})
    assert str(caught.value) == (
        "nothing is held out for test: too few of 5 records hang apart. Hold out more, or take more corpora."
    )
