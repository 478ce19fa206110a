"""What a release takes of each corpus: quotas by hand and by property, choices by lot, licences, and what is said."""

import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.stages.mixing import Mix, bar, parse_numbers, share_out
from care_data.store import Store

PREFERENCES = """
[outputs.rw]
shape  = "preference"
rows   = "pairs"
fields = { instruction = "{q}", chosen = "{a}", rejected = "{a}不过也可以再想想别的办法。" }
"""
BENCHMARK = """
[outputs.held]
format = "sft"
like   = "sft"
role   = "benchmark"
rows   = "kept_back"
"""
HELD = """
files.kept_back = '{"q": "丙？", "a": "丁。"}'
records.held = [{ instruction = "丙？", output = "丁。" }]
"""
REJECTED = 'records.rw = [{ instruction = "甲？", output = ["乙。", "乙。不过也可以再想想别的办法。"] }]'


@pytest.fixture
def write(shelf):
    """write(*corpora, mix settings): the release's manifest, and its records by dataset."""

    def run(*corpora, workers=1, pii="mask", **wanted):
        settings = Settings(Store(shelf.data), str(shelf.mirror), workers, pii=pii, mix=Mix(**wanted))
        registry.groups.cache_clear()
        named = list(corpora) or shelf.names
        entries = [registry.load(name) for name in named]
        result = run_stages(entries, settings, "write", lambda *_: None)
        assert result.failures == {}
        (manifest,) = result.manifests["write"].values()
        info = json.loads((result.release / "dataset_info.json").read_text(encoding="utf-8"))
        shards = {name: sorted((result.release / name).glob("*.arrow")) for name in info}
        held = {name: pl.concat([pl.read_ipc_stream(path) for path in paths]) for name, paths in shards.items()}
        assert {name: entry["care"]["rows"] for name, entry in info.items()} == {n: f.height for n, f in held.items()}
        return manifest, held, info

    return run


def ids(frame):
    return set(frame["id"])


# Quotas


@pytest.mark.parametrize(
    ("rows", "mix", "taken"),
    [
        ({"a": 900, "b": 100}, Mix(), {"a": 900, "b": 100}),
        # 100 of b are 70 in 100, so a has 30 in 100.
        ({"a": 900, "b": 70}, Mix(shares={"a": 0.3}), {"a": 30, "b": 70}),
        ({"a": 20, "b": 70}, Mix(shares={"a": 0.3}), {"a": 20, "b": 70}),
        # c stands for the half that is left; a and b may have a quarter each.
        ({"a": 900, "b": 800, "c": 50}, Mix(shares={"a": 0.25, "b": 0.25}), {"a": 25, "b": 25, "c": 50}),
        ({"a": 900, "b": 800, "c": 50, "d": 60}, Mix(shares={"*": 0.3}), {"a": 82, "b": 82, "c": 50, "d": 60}),
        ({"a": 900, "b": 50}, Mix(shares={"*": 0.5}), {"a": 50, "b": 50}),
        ({"a": 900, "b": 50}, Mix(shares={"*": 0.5, "a": 1.0}), {"a": 900, "b": 50}),
        ({"a": 100, "b": 100}, Mix(weights={"a": 0.5}), {"a": 50, "b": 100}),
        ({"a": 100, "b": 100}, Mix(weights={"a": 2}), {"a": 100, "b": 50}),
        ({"a": 100, "b": 100, "c": 10}, Mix(weights={"*": 0.5, "c": 1}), {"a": 50, "b": 50, "c": 10}),
        ({"a": 100}, Mix(weights={"a": 0.5}), {"a": 50}),
        ({"a": 100, "b": 100}, Mix(weights={"a": 0}), {"a": 0, "b": 100}),
        ({"a": 900, "b": 100}, Mix(sample=100), {"a": 90, "b": 10}),
        ({"a": 900, "b": 100}, Mix(sample=0.5), {"a": 450, "b": 50}),
        ({"a": 900, "b": 100}, Mix(sample=5000), {"a": 900, "b": 100}),
        ({"a": 900, "b": 100}, Mix(sample=200, weights={"b": 9}), {"a": 100, "b": 100}),
        # b gives all it has, and the others what is wanting.
        ({"a": 900, "b": 100}, Mix(sample=600, weights={"b": 9}), {"a": 500, "b": 100}),
        # The sample is as large as it can be with the share kept: a has its 300, b gives the rest.
        ({"a": 9000, "b": 1000}, Mix(sample=1000, shares={"a": 0.3}), {"a": 300, "b": 700}),
        ({"a": 9000, "b": 490}, Mix(sample=1000, shares={"a": 0.3}), {"a": 210, "b": 490}),
        # A tenth of what there would be without it: 30 and 70.
        ({"a": 900, "b": 70}, Mix(sample=0.1, shares={"a": 0.3}), {"a": 3, "b": 7}),
    ],
)
def test_quotas_are_as_worked_out_by_hand(rows, mix, taken):
    assert share_out(rows, mix) == taken


CORPORA = "abcde"
ROWS = st.dictionaries(st.sampled_from(CORPORA), st.integers(0, 5000), min_size=1)
WEIGHTS = st.dictionaries(st.sampled_from([*CORPORA, "*"]), st.sampled_from([0.1, 0.5, 1, 2, 7]))
SHARES = st.dictionaries(st.sampled_from([*CORPORA, "*"]), st.floats(0.05, 1))


@given(ROWS, WEIGHTS, SHARES, st.none() | st.floats(0.01, 0.99) | st.integers(1, 20_000))
def test_no_quota_is_above_the_rows_or_the_share(rows, weights, shares, sample):
    mix = Mix(weights=weights, shares=shares, sample=sample)
    try:
        taken = share_out(rows, mix)
    except CareError as error:
        limits = [shares.get(corpus, shares.get("*", 1.0)) for corpus, count in rows.items() if count]
        assert (sum(limits) < 1, error.code) == (True, Exit.USAGE), "others there are could fill the mix"  # noqa: PT017
        return
    assert set(taken) == set(rows)
    assert all(0 <= taken[corpus] <= rows[corpus] for corpus in rows)
    total = sum(taken.values())
    for corpus, count in taken.items():
        limit = shares.get(corpus, shares.get("*", 1.0))
        # One record more by rounding, and as much as all the others' rounding moves the whole.
        assert count <= limit * total + 1 + limit * len(rows) / 2
    if sample is not None and sample >= 1:
        assert total <= sample + len(rows) / 2
        if not shares:
            pulled = sum(count for corpus, count in rows.items() if weights.get(corpus, weights.get("*", 1.0)))
            assert math.isclose(total, min(sample, pulled), abs_tol=len(rows) / 2)


@given(ROWS, WEIGHTS, SHARES, st.integers(1, 9_000), st.integers(1, 9_000))
def test_of_two_samples_the_smaller_takes_no_more_of_any_corpus(rows, weights, shares, one, two):
    few, many = sorted((one, two))
    try:
        less = share_out(rows, Mix(weights=weights, shares=shares, sample=few))
        more = share_out(rows, Mix(weights=weights, shares=shares, sample=many))
    except CareError:
        return
    assert all(less[corpus] <= more[corpus] for corpus in rows)


# Choices


def add_benchmark(shelf, name, rows, held):
    """A corpus of training records that holds a test set, too."""
    files = 'kept_back = { path = "held.json", format = "json" }'
    shelf.add(name, rows, more=BENCHMARK, extra_files=files, examples=HELD)
    (shelf.upstream(name) / "held.json").write_text(json.dumps([{"q": q, "a": a} for q, a in held]), encoding="utf-8")


def test_what_is_chosen_is_as_many_as_the_quotas_and_adds_up(shelf, write, distinct):
    shelf.add("one", distinct("one", 60), distinct("one", 40, 60))
    shelf.add("two", distinct("two", 50))
    manifest, held, _ = write(shares={"one": 0.4}, sample=50)
    assert {name: frame.height for name, frame in held.items()} == {"one_sft": 20, "two_sft": 30}
    assert manifest.counts["one_sft"] == {"read": 100, "kept": 20, "dropped": {"not_chosen": 80}}
    assert manifest.counts["two_sft"] == {"read": 50, "kept": 30, "dropped": {"not_chosen": 20}}
    assert manifest.parameters["mix"]["shares"] == {"one": 0.4}
    whole = write()[1]
    for name, frame in held.items():
        chosen = whole[name].filter(pl.col("id").is_in(frame["id"].to_list()))
        assert frame.equals(chosen), "records are as they were, in their order"


def test_a_smaller_sample_is_inside_a_larger_one_and_another_seed_draws_others(shelf, write, distinct):
    shelf.add("one", distinct("one", 100))
    samples = [ids(write(sample=size)[1]["one_sft"]) for size in (10, 40, 0.8)]
    assert [len(sample) for sample in samples] == [10, 40, 80]
    assert samples[0] < samples[1] < samples[2]
    other = ids(write(sample=40, seed=1)[1]["one_sft"])
    assert len(other) == 40
    assert other != samples[1]


def test_formats_are_mixed_each_for_itself_and_benchmarks_not_at_all(shelf, write, distinct):
    shelf.add("one", distinct("one", 40), more=PREFERENCES, examples=REJECTED)
    add_benchmark(shelf, "two", distinct("two", 30), distinct("held", 25))
    _, held, info = write(sample=20, splits={"test": 0.3})
    sizes = {name: frame.height for name, frame in held.items()}
    assert sizes["one_sft"] + sizes["two_sft"] == 20
    assert sizes["one_rw"] == 20
    assert sizes["two_held"] == 25
    assert {name: entry["care"]["role"] for name, entry in info.items()} == {
        "one_rw": "train",
        "one_rw_test": "test",
        "one_sft": "train",
        "one_sft_test": "test",
        "two_held": "benchmark",
        "two_sft": "train",
        "two_sft_test": "test",
    }


def test_a_corpus_of_no_weight_is_in_no_split_either(shelf, write, distinct):
    shelf.add("one", distinct("one", 60))
    shelf.add("two", distinct("two", 60))
    manifest, held, _ = write(weights={"two": 0}, splits={"test": 0.3})
    assert set(held) == {"one_sft", "one_sft_test"}
    assert manifest.counts["two_sft"] == {"read": 60, "kept": 0, "dropped": {"not_chosen": 60}}


def test_workers_and_the_order_of_corpora_change_no_byte(shelf, write, distinct, snapshot):
    for name in ("one", "two", "three"):
        shelf.add(name, distinct(name, 30), distinct(name, 20, 30))
        answers = [answer for _, answer in distinct(f"{name} too", 20)]
        asked = [question for question, _ in distinct("asked", 20)]
        lines = [json.dumps({"q": q, "a": a}) + "\n" for q, a in zip(asked, answers, strict=True)]
        (shelf.upstream(name) / "2.jsonl").write_text("".join(lines), encoding="utf-8")
    wanted = {"sample": 70, "splits": {"test": 0.2, "validation": 0.1}, "shares": {"one": 0.4}}
    write("one", "two", "three", **wanted)
    (folder,) = (shelf.data / "releases").iterdir()
    first = snapshot(folder)
    for order, workers in ((("three", "one", "two"), 1), (("two", "three", "one"), 2)):
        (folder / "manifest.json").unlink()
        write(*order, workers=workers, **wanted)
        assert snapshot(folder) == first
    assert len(first) > 8


def test_nothing_asked_for_leaves_all_as_it_was(shelf, write, distinct):
    shelf.add("one", distinct("one", 5))
    manifest, held, _ = write()
    assert "mix" not in manifest.parameters
    assert held["one_sft"].height == 5


# Licences


def allow(shelf, name, use):
    path = shelf.registry / f"{name}.toml"
    said = f'use = "{use}", redistribute = {"false" if use == "unclear" else "true"}'
    text = path.read_text(encoding="utf-8").replace('use = "commercial", redistribute = true', said)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("licence", "there"),
    [("any", {"free", "studied", "doubtful"}), ("research", {"free", "studied"}), ("commercial", {"free"})],
)
def test_a_licence_bars_corpora_and_the_manifest_says_why(shelf, write, distinct, licence, there):
    for name in ("free", "studied", "doubtful"):
        shelf.add(name, distinct(name, 3))
    allow(shelf, "studied", "research")
    allow(shelf, "doubtful", "unclear")
    manifest, held, _ = write(licence=licence)
    assert set(held) == {f"{name}_sft" for name in there}
    told = {
        "studied": "licence MIT: it is for research use",
        "doubtful": "licence MIT: what it may be used for is not clear",
    }
    assert manifest.skipped == {name: why for name, why in told.items() if name not in there}


def test_no_record_goes_for_one_of_a_corpus_that_is_barred(shelf, write, distinct):
    rows = distinct("shared", 4)
    shelf.add("doubtful", rows, priority=90)
    shelf.add("free", rows)
    allow(shelf, "doubtful", "unclear")
    manifest, held, _ = write(licence="commercial")
    assert held["free_sft"].height == 4
    assert manifest.counts["free_sft"]["dropped"] == {}


def test_a_barred_benchmark_still_takes_its_items_out_of_others_training_records(shelf, write, distinct):
    held = distinct("held", 3)
    add_benchmark(shelf, "doubtful", distinct("doubtful", 4), held)
    allow(shelf, "doubtful", "unclear")
    shelf.add("free", [*distinct("free", 5), *held])
    manifest, there, _ = write(licence="commercial")
    assert {name: frame.height for name, frame in there.items()} == {"free_sft": 5}
    assert manifest.counts["free_sft"]["dropped"] == {"exact_benchmark": 3}
    assert list(manifest.parameters["corpora"]) == ["free"]
    assert not (shelf.data / "unique/doubtful").exists()


def test_all_corpora_barred_is_said_before_any_work(shelf, distinct):
    shelf.add("one", distinct("one", 2))
    shelf.add("two", distinct("two", 2))
    allow(shelf, "one", "research")
    allow(shelf, "two", "unclear")
    with pytest.raises(CareError) as caught:
        bar([registry.load("one"), registry.load("two")], "commercial")
    assert caught.value.code == Exit.POLICY
    assert str(caught.value) == (
        "no corpus may be used as --licence commercial asks. See care-data show CORPUS for what each allows."
    )
    assert caught.value.details == (
        "one: licence MIT: it is for research use",
        "two: licence MIT: what it may be used for is not clear",
    )


def test_the_command_says_what_is_left_out(shelf, care_data, distinct):
    shelf.add("free", distinct("free", 3))
    shelf.add("doubtful", distinct("doubtful", 3))
    allow(shelf, "doubtful", "unclear")
    words = ["--mirror", shelf.mirror, "--to", shelf.data, "--licence", "commercial"]
    environment = {"CARE_REGISTRY": shelf.registry}
    for _ in range(2):  # done, and nothing to do
        done = care_data("write", "free", "doubtful", *words, **environment)
        assert done.code == 0, done.err
        assert "         left out, not being for commercial use: doubtful" in done.err.split("\n")
    assert not (shelf.data / "raw/doubtful").exists(), "what is barred and no benchmark is not even fetched"
    done = care_data("run", "doubtful", *words, **environment)
    assert done.code == 7
    assert "    doubtful: licence MIT: what it may be used for is not clear" in done.err


# What cannot be meant


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"licence": "mine"}, "--licence mine is not known. Write one of: commercial, research, any."),
        ({"shares": {"tow": 0.5}}, "--max-share tow: no such corpus here. They are: one, two."),
        ({"weights": {"": 0.5}}, "--weight : no such corpus here. They are: one, two."),
        ({"shares": {"one": 0}}, "--max-share one=0 is not above 0 and at most 1. Write CORPUS=0.3."),
        ({"shares": {"*": 30}}, "--max-share *=30 is not above 0 and at most 1. Write CORPUS=0.3."),
        ({"shares": {"one": math.nan}}, "--max-share one=nan is not above 0 and at most 1. Write CORPUS=0.3."),
        ({"weights": {"one": -1}}, "--weight one=-1 is no weight. Write CORPUS=0.5, or 0 for none of it."),
        ({"weights": {"one": math.inf}}, "--weight one=inf is no weight. Write CORPUS=0.5, or 0 for none of it."),
        ({"sample": 0}, "--sample 0 is no number of records. Write 10000, or 0.1 for a tenth."),
        ({"sample": math.nan}, "--sample nan is no number of records. Write 10000, or 0.1 for a tenth."),
        ({"splits": {"dev": 0.1}}, "--split dev: no such split. Write one of: validation, test."),
        ({"splits": {"test": 2}}, "--split test=2 is not between 0 and 1. Write test=0.02."),
        ({"splits": {"test": 0.5, "validation": 0.5}}, "nothing would be left to train on. Hold out less."),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(shelf, write, distinct, wanted, told):
    for name in ("one", "two"):
        shelf.add(name, distinct(name, 2))
    with pytest.raises(CareError) as caught:
        write(**wanted)
    assert str(caught.value) == told
    assert caught.value.code == Exit.USAGE
    assert not (shelf.data / "raw").exists()


def test_numbers_by_name_are_read():
    assert parse_numbers(["one=0.5", " two = 2"], "--weight") == {"one": 0.5, "two": 2.0}
    for text in ("one", "one=", "one=a third"):
        with pytest.raises(CareError) as caught:
            parse_numbers([text], "--weight")
        assert str(caught.value) == f"--weight {text}: no number. Write --weight NAME=NUMBER."
        assert caught.value.code == Exit.USAGE


def test_shares_that_cannot_be_kept_are_told_with_the_format(shelf, write, distinct):
    for name in ("one", "two"):
        shelf.add(name, distinct(name, 9))
    with pytest.raises(CareError) as caught:
        write(shares={"*": 0.4})
    assert str(caught.value) == (
        "sft records: no mix keeps to the shares one=0.4, two=0.4, there being no others. "
        "Name more corpora that have such records, or allow these more."
    )
    assert caught.value.code == Exit.USAGE
