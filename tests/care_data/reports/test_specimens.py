"""Records to look at: chosen evenly, the same every time."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from care_data.reports.funnels import find_funnels
from care_data.reports.scopes import find_scope
from care_data.reports.specimens import gather_specimens, read_rows, share_out, spread, texts_of
from care_data.store import Store


def specimens_of(shelf, *names):
    scope = find_scope(list(names), Store(shelf.data))
    return gather_specimens(scope, find_funnels(scope))


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 200))
def test_shares_are_as_even_as_can_be(sizes, count):
    given_ = share_out(sizes, count)
    assert sum(given_) == min(count, sum(sizes))
    assert all(share <= size for share, size in zip(given_, sizes, strict=True))
    open_ = [share for share, size in zip(given_, sizes, strict=True) if share < size]
    assert not open_ or max(given_) - min(open_) <= 1


def test_rows_are_spread_over_all():
    assert spread(10, 3) == [1, 5, 8]
    assert spread(2, 5) == [0, 1]
    assert spread(0, 5) == []
    assert read_rows(pl.LazyFrame({"a": ["x", "y", "z"]}), [0, 2])["a"].to_list() == ["x", "z"]


def test_records_dropped_are_shown_with_what_they_went_for(two, run):
    run("decontaminate")
    found = specimens_of(two)
    drops = {reason: [(drop.id, drop.notes) for drop in drops] for (_, reason), drops in found.drops.items()}
    assert drops == {
        "no_words": [("alpha/sft/0.jsonl#8", {})],
        "answer_equals_question": [("alpha/sft/0.jsonl#9", {})],
        "exact_duplicate": [("alpha/sft/0.jsonl#10", {"keeper": "beta/sft/0.jsonl#1", "jaccard": 1.0})],
        "exact_benchmark": [("alpha/sft/0.jsonl#11", {"item": "beta/test/0.test#1", "share": 1.0})],
    }
    (drop,) = found.drops["clean", "no_words"]
    assert drop.fields == [("instruction", "咳嗽怎么办？"), ("output", "……")]
    (drop,) = found.drops["dedupe", "exact_duplicate"]
    assert drop.other == drop.fields


def test_the_keeper_may_be_of_a_corpus_not_told_of(two, run):
    run("decontaminate")
    (drop,) = specimens_of(two, "alpha").drops["dedupe", "exact_duplicate"]
    assert drop.other == drop.fields != []


def test_near_duplicates_are_shown_with_their_keeper_wherever_it_is(shelf, run, distinct):
    (first,) = distinct("one", 1)
    long = "".join(text for pair in distinct("long", 8) for text in pair)
    shelf.add("high", [(first[0], long)], priority=60)
    shelf.add("low", [(first[0], long[:-2] + "甲乙。")])
    run("dedupe")
    for names in ([], ["low"]):
        (cluster,) = specimens_of(shelf, *names).clusters
        assert [member.id for member in cluster.members] == ["high/sft/0.jsonl#1", "low/sft/0.jsonl#1"]
        assert cluster.members[0].texts == (first[0], long)


def test_changes_are_shown_step_by_step(two, run):
    run("clean")
    changes = specimens_of(two).changes
    assert {step: [(change.id, change.field) for change in found] for step, found in changes.items()} == {
        "markup": [("alpha/sft/0.jsonl#7", "instruction")],
        "privacy": [("alpha/sft/0.jsonl#7", "instruction")],
    }
    assert changes["markup"][0].before == "我的电话是13812345678，<b>头痛</b>怎么办？"
    assert changes["markup"][0].after == "我的电话是13812345678，头痛怎么办？"


def test_the_sample_is_even_over_outputs(shelf, run, distinct, monkeypatch):
    monkeypatch.setattr("care_data.reports.specimens.SAMPLE", 10)
    shelf.add("large", distinct("large", 30))
    shelf.add("small", distinct("small", 3))
    run("clean")
    sample = specimens_of(shelf).sample
    assert [output for output, _, _ in sample] == ["large/sft"] * 7 + ["small/sft"] * 3
    assert [name for _, name, _ in sample][:2] == ["large/sft/0.jsonl#3", "large/sft/0.jsonl#7"]
    assert sample[0][2] == [("instruction", distinct("large", 3)[2][0]), ("output", distinct("large", 3)[2][1])]


def test_what_is_only_converted_is_sampled_too(two, run):
    run("convert")
    found = specimens_of(two)
    assert (found.drops, found.changes, found.clusters) == ({}, {}, [])
    assert len(found.sample) == 18
    assert len(texts_of(found)) == len(set(texts_of(found)))
