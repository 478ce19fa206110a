"""compare: what changed between two releases, record by record, against what was changed in them."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from care_data import release
from care_data.audits import comparison, matching
from care_data.audits.comparison import Move, Names, Value, compare
from care_data.audits.matching import Change, Example, cut_apart
from care_data.audits.sections import LINES, RECORD_HEADER, record_cells, tell_difference
from care_data.errors import CareError, Exit
from care_data.parts import PartWriter
from care_data.publishing.trees import write_tree
from care_data.records import arrow_schema
from care_data.release import Dataset
from care_data.store import MANIFEST, Manifest, read_manifest, writing

LICENSE = {"id": "MIT", "use": "commercial", "redistribute": True}


def row(number, output="", **more):
    asked = {"instruction": f"第{number}问？", "input": "", "output": output or f"第{number}答。", "history": []}
    return {"id": f"one/sft/f#{number}", "corpus": "one", "license": "MIT", **asked, **more}


def written(count):
    """The stages of a dataset that lost nothing."""
    return {"one_sft": [{"stage": "write", "read": count, "kept": count, "dropped": {}}]}


@pytest.fixture
def make(tmp_path):
    """make(name, {dataset: rows}, …): a release of these, each of its corpus, the first part of its name."""

    def write(name, datasets, extra=(), **stated):
        made = []
        for dataset, rows in datasets.items():
            corpus, output, *split = dataset.split("_")
            schema = arrow_schema("sft", extra)
            frame = pl.DataFrame(rows, schema_overrides={"history": pl.List(pl.List(pl.String))})
            path = tmp_path / f"{name}-{dataset}.parquet"
            part = PartWriter(path, schema)
            with writing(path) as temporary:
                part.write(frame.select(schema.names), temporary)
                part.close({"read": len(rows), "kept": len(rows), "dropped": {}}, temporary)
            made.append(Dataset(corpus, output, "sft", "train", "MIT", "zh", extra, [path], split="".join(split)))
        corpora = sorted({dataset.corpus for dataset in made})
        source = {"title": "One", "from": "github:t/one", "citation": "none", "languages": ["zh"], "license": LICENSE}
        manifest = Manifest(
            **{
                "stage": "release",
                "name": name,
                "key": "ab" * 32,
                "inputs": [],
                "parameters": {"corpora": {corpus: {} for corpus in corpora}},
                "counts": {name: {"read": len(r), "kept": len(r), "dropped": {}} for name, r in datasets.items()},
                "sources": dict.fromkeys(corpora, source),
                "files": [],
                "verified": True,
                "version": "1",
                "code": "c",
                **stated,
            }
        )
        release.write(tmp_path / name, made, manifest)
        return tmp_path / name

    return write


def test_records_that_were_added_gone_and_altered_are_counted_and_shown(make):
    rows = [row(n) for n in range(100)]
    new = [row(n, "改" if n in (7, 50) else "") for n in range(3, 104)]
    found = compare(make("a", {"one_sft": rows}), make("b", {"one_sft": new}))
    assert found.records["one_sft"] == Change(
        before=100,
        after=101,
        same=95,
        added=4,
        gone=3,
        altered=2,
        examples={
            "added": [Example(f"one/sft/f#{n}") for n in (100, 101, 102)],
            "gone": [Example(f"one/sft/f#{n}") for n in (0, 1, 2)],
            "altered": [Example(f"one/sft/f#{n}", [("output", f"第{n}答。", "改")]) for n in (7, 50)],
        },
    )
    assert found.differs
    assert found.has_other_records
    assert json.loads(json.dumps(found.to_json()))["total"] == {"same": 95, "added": 4, "gone": 3, "altered": 2}


def test_the_order_of_records_is_no_difference_of_theirs(make):
    rows = [row(n) for n in range(50)]
    found = compare(make("a", {"one_sft": rows}), make("b", {"one_sft": rows[::-1]}))
    assert not found.same_shards
    assert not found.differs
    assert found.records["one_sft"].same == 50


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"input": "x"}, ("input", "", "x")),
        ({"license": "CC0"}, ("license", "MIT", "CC0")),
        ({"history": [["早", "好"]]}, ("history", "[]", '[["早", "好"]]')),
    ],
)
def test_a_change_of_any_field_alters_a_record(make, changed, told):
    found = compare(make("a", {"one_sft": [row(1), row(2)]}), make("b", {"one_sft": [row(1), row(2, **changed)]}))
    assert found.records["one_sft"].examples["altered"] == [Example("one/sft/f#2", [told])]


def test_words_that_pass_from_one_field_to_the_next_alter_a_record(make):
    one = make("a", {"one_sft": [row(1, "乙", instruction="甲", history=[["丙", "丁"], ["戊", "己"]])]})
    for number, changed in enumerate(
        [
            row(1, "甲", instruction="乙", history=[["丙", "丁"], ["戊", "己"]]),
            row(1, "乙", instruction="甲", history=[["丙", "丁", "戊", "己"]]),
            row(1, "乙", instruction="甲", history=[["丙", "丁戊", "", "己"]]),
        ]
    ):
        assert compare(one, make(f"b{number}", {"one_sft": [changed]})).records["one_sft"].altered == 1


def test_a_column_that_only_one_release_has_alters_the_records_with_words_in_it(make):
    one = make("a", {"one_sft": [row(n) for n in range(3)]})
    two = make("b", {"one_sft": [row(n, system="你是医生。" if n == 1 else "") for n in range(3)]}, extra=("system",))
    told = ("system", "", "你是医生。")
    assert compare(one, two).records["one_sft"].examples["altered"] == [Example("one/sft/f#1", [told])]
    assert compare(two, one).records["one_sft"].altered == 1


def test_equal_shards_are_not_read(make, monkeypatch):
    rows = [row(n) for n in range(10)]
    a = make("a", {"one_sft": rows, "two_sft": rows[:3]})
    b = make("b", {"one_sft": rows, "two_sft": rows[:3]})
    opened = []
    read = matching.read_frames
    monkeypatch.setattr(matching, "read_frames", lambda shard, *more: opened.append(shard.name) or read(shard, *more))
    found = compare(a, b)
    assert opened == []
    assert found.same_shards
    assert not found.differs
    assert [change.same for change in found.records.values()] == [10, 3]
    assert tell_difference(found)[0][1] == [("in short", "the same records: all shards are equal byte for byte")]
    compare(a, make("c", {"one_sft": rows, "two_sft": rows[:2]}))
    assert set(opened) == {"two_sft/train-00000-of-00001.arrow"}


def test_shards_that_are_equal_are_left_out_of_a_dataset_that_is_not(make, monkeypatch):
    """Shards are cut by rows, so that here the first of two is the same file in both."""
    monkeypatch.setattr(release, "SHARD_BYTES", 600)
    one = make("a", {"one_sft": [row(n) for n in range(10, 26)]})
    two = make("b", {"one_sft": [row(n, "改" if n == 25 else "") for n in range(10, 26)]})
    shards = len(list(one.glob("one_sft/*.arrow")))
    assert shards > 1
    opened = []
    read = matching.read_frames
    monkeypatch.setattr(matching, "read_frames", lambda shard, *more: opened.append(shard.name) or read(shard, *more))
    change = compare(one, two).records["one_sft"]
    assert (change.same, change.altered) == (15, 1)
    assert set(opened) == {f"one_sft/train-{shards - 1:05d}-of-{shards:05d}.arrow"}
    assert change.examples["altered"] == [Example("one/sft/f#25", [("output", "第25答。", "改")])]


def test_records_are_shown_wherever_they_lie(make, monkeypatch):
    """In the last of several shards, and as the first row of a batch."""
    monkeypatch.setattr(release, "SHARD_BYTES", 100_000)
    monkeypatch.setattr("care_data.audits.shards.FRAME_ROWS", 1)
    one = make("a", {"one_sft": [row(n) for n in range(5_000)]})
    shards = len(list(one.glob("one_sft/*.arrow")))
    lots = [5_000 // shards, 1_000, 4_999]
    two = make("b", {"one_sft": [row(n, "改" if n in lots else "") for n in range(5_000)][::-1]})
    assert 2 < shards < 5  # and so some of more than a batch
    change = compare(one, two).records["one_sft"]
    told = [Example(f"one/sft/f#{n}", [("output", f"第{n}答。", "改")]) for n in sorted(lots)]
    assert change.examples["altered"] == told
    assert (change.same, change.altered) == (4_997, 3)


def test_a_shard_that_is_there_twice_is_matched_once(make):
    listed = comparison._shards(folder := make("a", {"one_sft": [row(1), row(2)]}), read_manifest(folder))["one_sft"]
    assert matching.match_records([*listed, *listed], listed).change.gone == 2
    assert matching.match_records(listed, [*listed, *listed]).change.added == 2


def test_a_flipped_byte_of_a_published_shard_is_no_other_record(make, tmp_path):
    one = make("a", {"one_sft": [row(n) for n in range(40)]}, funnel=written(40))
    write_tree(one, tmp_path / "tree")
    shard = tmp_path / "tree/one_sft/train-00000-of-00001.parquet"
    content, refused = shard.read_bytes(), 0
    for at in range(60, 600, 20):
        flipped = bytearray(content)
        flipped[at] ^= 1
        shard.write_bytes(flipped)
        try:
            assert not compare(one, tmp_path / "tree").has_other_records
        except CareError:
            refused += 1
    assert refused > 20


def test_a_release_and_what_is_published_of_it_hold_the_same_records(make, tmp_path):
    rows = [row(n, history=[["早", "好"]] * (n % 3)) for n in range(40)]
    one = make("a", {"one_sft": rows}, funnel=written(40))
    write_tree(one, tmp_path / "tree")
    found = compare(one, tmp_path / "tree")
    assert found.records["one_sft"] == Change(40, 40, 40, examples={"added": [], "gone": [], "altered": []})
    assert not found.same_shards
    assert not found.has_other_records
    assert (found.settings, found.counts, found.corpora, found.datasets) == ([], [], Names(), Names())
    assert ("in short", "no record differs") in tell_difference(found)[0][1]


def test_records_that_went_to_another_dataset_are_told(make):
    rows = [row(n) for n in range(10)]
    one = make("a", {"one_sft": rows[2:], "one_sft_validation": rows[:2]})
    two = make("b", {"one_sft": rows[1:]})
    found = compare(one, two)
    assert found.moved == [Move("one_sft_validation", "one_sft", 1)]
    assert found.datasets == Names(gone=["one_sft_validation"])
    assert (found.records["one_sft"].added, found.records["one_sft_validation"].gone) == (1, 2)
    card = dict(tell_difference(found))
    told = "1 added, 2 gone; 1 of those added and of those gone moved to another dataset"
    assert dict(card[f"{one} → {two}"])["in short"] == told
    assert card["Moved"] == [("", "1: one_sft_validation → one_sft")]
    assert list(card) == [f"{one} → {two}", "Counts", "Moved", "one_sft"]
    assert card["one_sft"] == [("added", "one/sft/f#1")]


def test_what_the_manifests_state_is_compared(make):
    rows = [row(n) for n in range(6)]
    both = {"dedupe": {"threshold": 0.8}, "clean": {"sft": {"steps": ["markup", "unicode"]}}}
    other = {"dedupe": {"threshold": 0.7}, "clean": {"sft": {"steps": ["unicode"]}}}
    datasets = {"one_sft": rows, "two_sft": rows}
    inputs = [{"path": f"{name}/f", "bytes": 1, "sha256": "0" * 64} for name in ("one", "two", "old")]
    funnel = [
        {"stage": "convert", "read": 8, "kept": 7, "dropped": {"blank_output": 1}},
        {"stage": "write", "read": 7, "kept": 6, "dropped": {"held_out": 1}},
    ]
    a = make(
        "a",
        {**datasets, "old_sft": rows},
        parameters={"corpora": {"one": both, "two": both, "old": both}, "mix": {"seed": 0}},
        inputs=inputs,
        funnel={"one_sft": funnel},
    )
    b = make(
        "b",
        {**datasets, "new_sft": rows},
        parameters={"corpora": {"one": other, "two": {**both, "dedupe": {"threshold": 0.7}}, "new": both}},
        inputs=[{**inputs[0], "sha256": "1" * 64}, inputs[1], {**inputs[1], "path": "two/g"}],
        funnel={"one_sft": [{**funnel[0], "read": 9, "dropped": {"blank_output": 2}}, funnel[1]]},
        sources={
            name: {"title": name, "from": "github:t/one", "citation": "none", "languages": ["zh"], "license": license}
            for name, license in [("one", {**LICENSE, "id": "GPL-3.0"}), ("two", LICENSE), ("new", LICENSE)]
        },
        code="d",
    )
    found = compare(a, b)
    assert found.made_by == [Value("code", "c", "d")]
    assert found.corpora == Names(added=["new"], gone=["old"])
    assert found.datasets == Names(added=["new_sft"], gone=["old_sft"])
    assert found.inputs == Names(added=["two/g"], altered=["one/f"])
    assert found.settings == [
        Value("mix.seed", 0, "absent"),
        Value("clean.sft.steps", ["markup", "unicode"], ["unicode"], ["one"]),
        Value("dedupe.threshold", 0.8, 0.7, ["one", "two"]),
    ]
    assert found.sources == [
        Value("license.id", "MIT", "GPL-3.0", ["one"]),
        Value("title", "One", "one", ["one"]),
        Value("title", "One", "two", ["two"]),
    ]
    assert found.counts == [
        Value("dropped.blank_output", 1, 2, ["one_sft", "convert"]),
        Value("read", 8, 9, ["one_sft", "convert"]),
    ]
    assert not found.same_shards
    card = dict(tell_difference(found))
    assert card["Settings"] == [
        ("", 'mix.seed: 0 → absent\nclean.sft.steps: ["markup", "unicode"] → ["unicode"]  (one)\n'
             "dedupe.threshold: 0.8 → 0.7  (one, two)")
    ]  # fmt: skip
    assert card["Counts"] == [("", "one_sft convert: blank_output 1 → 2, read 8 → 9")]
    assert dict(card[f"{a} → {b}"])["corpora"] == "+ new\n− old"


def test_a_reason_that_came_up_in_one_release_only_counts_from_zero(make):
    rows = [row(n) for n in range(3)]
    a = make("a", {"one_sft": rows}, counts={"one_sft": {"read": 3, "kept": 3, "dropped": {}}})
    b = make("b", {"one_sft": rows}, counts={"one_sft": {"read": 4, "kept": 3, "dropped": {"blank_output": 1}}})
    assert compare(a, b).counts == [Value("dropped.blank_output", 0, 1, ["one_sft"]), Value("read", 3, 4, ["one_sft"])]


def test_a_card_has_a_bounded_number_of_lines(make):
    rows = [row(1)]
    a = make("a", {"one_sft": rows}, parameters={f"p{n:02d}": 0 for n in range(50)})
    b = make("b", {"one_sft": rows}, parameters={f"p{n:02d}": 1 for n in range(50)})
    found = compare(a, b)
    assert len(found.settings) == 50
    lines = dict(tell_difference(found))["Settings"][0][1].split("\n")
    assert lines[0] == "p00: 0 → 1"
    assert lines[LINES:] == ["… and 30 more"]


def test_the_table_of_records_has_a_row_for_each_dataset_and_their_sum(make):
    a = make("a", {"one_sft": [row(n) for n in range(1_200)], "two_sft": [row(0)]})
    b = make("b", {"one_sft": [row(n) for n in range(1, 1_200)], "two_sft": [row(0)]})
    assert RECORD_HEADER == ["dataset", "before", "after", "same", "added", "gone", "altered"]
    assert record_cells(compare(a, b)) == [
        ["one_sft", "1,200", "1,199", "1,199", "–", "1", "–"],
        ["two_sft", "1", "1", "1", "–", "–", "–"],
        ["all", "1,201", "1,200", "1,200", "–", "1", "–"],
    ]


def test_records_shown_are_cut_to_where_they_part(make):
    long = "很" * 500
    a, b = ({"one_sft": [row(1, long + word + long)]} for word in "好坏")
    [example] = compare(make("a", a), make("b", b)).records["one_sft"].examples["altered"]
    [(name, before, after)] = example.fields
    assert name == "output"
    assert before == "…" + "很" * 20 + "好" + "很" * 59 + "…"
    assert after == "…" + "很" * 20 + "坏" + "很" * 59 + "…"


@pytest.mark.parametrize(
    ("before", "after", "cut"),
    [
        ("abc", "abd", ("abc", "abd")),
        ("", "abc", ("", "abc")),
        ("abcdefghij", "abcdefghijK", ("…cdefghij", "…cdefghijK"[:10])),
        ("xabcdefghij", "yabcdefghij", ("xabcdefgh…", "yabcdefgh…")),
    ],
)
def test_texts_are_cut_around_the_place_where_they_part(before, after, cut):
    found = cut_apart(before, after, most=9)
    assert all(len(text.strip("…")) <= 9 for text in found)
    assert found == cut


ids = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=30)


@given(before=ids, after=ids)
@example(before=[(1, 0), (1, 1), (2, 0)], after=[(2, 0), (1, 1), (1, 0)])
@settings(max_examples=300, deadline=None)
def test_joining_agrees_with_counting_by_hand(before, after):
    """Where ids are shared by several records too: as many of each id as there are, equal contents first met."""

    def digest(pairs):
        columns = [np.array([pair[at] for pair in pairs], np.uint64) for at in (0, 1)]
        return matching._Digest(*columns)

    altered, gone, added = matching._join(digest(before), digest(after))
    numbers = Counter(number for number, _ in before), Counter(number for number, _ in after)
    assert Counter(before[at][0] for at in gone) == numbers[0] - numbers[1]
    assert Counter(after[at][0] for at in added) == numbers[1] - numbers[0]
    assert len(set(altered[:, 0])) == len(set(altered[:, 1])) == len(altered)
    assert gone.tolist() == sorted(gone)
    assert altered[:, 0].tolist() == sorted(altered[:, 0])
    for one, two in altered:
        assert before[one][0] == after[two][0]
        assert before[one][1] != after[two][1]
    if max([*numbers[0].values(), *numbers[1].values()], default=0) <= 1:
        old, new = dict(before), dict(after)
        assert len(altered) == sum(old[key] != new[key] for key in old.keys() & new.keys())
    if sorted(before) == sorted(after):
        assert len(altered) == 0


def test_a_shard_with_other_rows_than_listed_is_refused(make):
    a, b = make("a", {"one_sft": [row(n) for n in range(3)]}), make("b", {"one_sft": [row(n) for n in range(4)]})
    shard = "one_sft/train-00000-of-00001.arrow"
    (a / shard).write_bytes((make("c", {"one_sft": [row(9)]}) / shard).read_bytes())
    with pytest.raises(CareError) as caught:
        compare(a, b)
    assert str(caught.value) == f"{shard}: not the rows that are listed. See what else is with care-data verify."
    assert caught.value.code == Exit.INTEGRITY
    (a / shard).unlink()
    with pytest.raises(CareError) as caught:
        compare(a, b)
    assert str(caught.value).startswith(f"{shard}: cannot be read (")
    assert caught.value.code == Exit.INTEGRITY


def test_what_is_no_release_is_refused(make, tmp_path, demo):
    a = make("a", {"one_sft": [row(1)]})
    for folder, what in ((tmp_path / "absent", "no such release"), (demo[0] / "clean/demo_consult", "not a release")):
        with pytest.raises(CareError) as caught:
            compare(a, folder)
        assert str(caught.value).startswith(f"{folder}: {what}. Name ")
        assert caught.value.code == Exit.USAGE
    manifest = make("b", {"one_sft": [row(1)]}) / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"one_sft"', b'"one_sfu"'))
    with pytest.raises(CareError) as caught:
        compare(a, manifest.parent)
    assert caught.value.code == Exit.INTEGRITY


def test_paths_that_leave_a_release_are_not_opened(make):
    a, b = make("a", {"one_sft": [row(1)]}), make("b", {"one_sft": [row(2)]})
    told = json.loads((b / MANIFEST).read_text())
    told.pop("digest")
    for line in told["files"]:
        line["path"] = line["path"].replace("one_sft/", "../a/one_sft/")
    (b / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(CareError) as caught:
        compare(a, b)
    assert caught.value.code == Exit.INTEGRITY


def test_the_difference_is_the_same_bytes_each_time(make):
    a = make("a", {"one_sft": [row(n) for n in range(300)]})
    b = make("b", {"one_sft": [row(n, "改" * (n % 5 == 0)) for n in range(50, 400)]})
    assert json.dumps(compare(a, b).to_json()) == json.dumps(compare(a, b).to_json())
    assert replace(compare(a, b), before=Path("x")).to_json()["before"] == "x"
    assert comparison.STAGES == ("release", "publish")
