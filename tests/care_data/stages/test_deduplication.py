"""Who stays of records alike, what is kept of those that go, and that none goes uncounted."""

import json

import polars as pl
import pytest

LONG = "这几天总是头晕乏力，早上起床的时候最厉害，吃了早饭会好一点，血压量过是正常的，需要去医院查什么项目呢"
ANSWER = "先查血常规和空腹血糖，再看看睡眠够不够，如果还是头晕就到神经内科做进一步检查，平时起床动作要慢一些"


def records(shelf, corpus):
    frames = [pl.read_parquet(p) for p in sorted((shelf.data / "unique" / corpus).glob("*.parquet"))]
    return frames[0]


def removed(shelf):
    """(id, keeper, reason) of every record set aside."""
    paths = sorted(shelf.data.glob("unique/*/*.rejects.parquet"))
    return sorted(row for path in paths for row in pl.read_parquet(path).select("id", "keeper", "reason").iter_rows())


def test_the_corpus_of_higher_priority_keeps_its_own_though_shorter(shelf, up_to):
    shelf.add("aaa", [(LONG + "？谢谢", ANSWER + "。祝好")], priority=40)
    shelf.add("bbb", [(LONG + "？", ANSWER + "。")], priority=60)
    up_to("dedupe")
    assert removed(shelf) == [("aaa/sft/0.jsonl#1", "bbb/sft/0.jsonl#1", "near_duplicate")]


def test_of_equal_priority_the_longer_stays_whatever_its_place(shelf, up_to):
    rows = [(LONG + "？", ANSWER + "。"), (LONG + "？谢谢", ANSWER + "。祝好"), (LONG + "？谢", ANSWER + "。")]
    shelf.add("one", rows)
    up_to("dedupe")
    assert removed(shelf) == [
        ("one/sft/0.jsonl#1", "one/sft/0.jsonl#2", "near_duplicate"),
        ("one/sft/0.jsonl#3", "one/sft/0.jsonl#2", "near_duplicate"),
    ]


def test_of_equal_length_the_lower_id_stays(shelf, up_to):
    pair = (LONG + "？", ANSWER + "。")
    shelf.add("zzz", [pair])
    shelf.add("aaa", [pair, pair])
    up_to("dedupe", "zzz", "aaa")
    assert removed(shelf) == [
        ("aaa/sft/0.jsonl#2", "aaa/sft/0.jsonl#1", "exact_duplicate"),
        ("zzz/sft/0.jsonl#1", "aaa/sft/0.jsonl#1", "exact_duplicate"),
    ]


def test_a_corpus_that_republishes_stands_just_below_its_priority(shelf, up_to):
    pair = (LONG + "？", ANSWER + "。")
    shelf.add("aaa", [pair])
    shelf.add("bbb", [pair])
    entry = shelf.registry / "aaa.toml"
    text = entry.read_text(encoding="utf-8")
    entry.write_text(text.replace("citation =", 'mirror_of = "bbb"\ncitation =', 1), encoding="utf-8")
    up_to("dedupe")
    assert removed(shelf) == [("aaa/sft/0.jsonl#1", "bbb/sft/0.jsonl#1", "exact_duplicate")]


def test_what_goes_is_kept_aside_whole_and_what_stays_is_in_order(shelf, up_to, distinct):
    rows = distinct("one", 40)
    shelf.add("one", [*rows[:20], rows[12], *rows[20:], rows[30]])
    manifest = up_to("dedupe")["one"]
    assert manifest.counts == {"sft": {"read": 42, "kept": 40, "dropped": {"exact_duplicate": 2}}}
    assert records(shelf, "one")["instruction"].to_list() == [q for q, _ in rows]
    (path,) = (shelf.data / "unique/one").glob("*.rejects.parquet")
    aside = pl.read_parquet(path)
    assert aside.select("id", "corpus", "license", "instruction", "input", "output", "keeper", "jaccard").rows() == [
        ("one/sft/0.jsonl#21", "one", "MIT", rows[12][0], "", rows[12][1], "one/sft/0.jsonl#13", 1.0),
        ("one/sft/0.jsonl#42", "one", "MIT", rows[30][0], "", rows[30][1], "one/sft/0.jsonl#32", 1.0),
    ]


def test_the_same_question_with_another_answer_stays(shelf, up_to, distinct):
    (_, first), (_, second) = distinct("answers", 2)
    shelf.add("one", [(LONG, first), (LONG, second)])
    assert up_to("dedupe")["one"].counts["sft"]["kept"] == 2
    assert removed(shelf) == []


def test_compared_are_the_fields_an_output_names(shelf, up_to, distinct):
    """The question is one constant sentence; told apart by input and answer, as the entry says."""
    (one, two), (answer, other) = distinct("inputs", 2)
    shelf.add("one", [(one, answer), (two, answer), (one, other)])
    entry = shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8").replace('instruction = "{q}"', f'instruction = "{LONG}", input = "{{q}}"')
    entry.write_text(text.replace('instruction = "甲？"', 'input = "甲？"'), encoding="utf-8")
    assert up_to("dedupe")["one"].counts["sft"]["kept"] == 3
    text = entry.read_text(encoding="utf-8")
    entry.write_text(text.replace("shape  =", 'compare = ["output"]\nshape  =', 1), encoding="utf-8")
    assert up_to("dedupe")["one"].counts["sft"] == {"read": 3, "kept": 2, "dropped": {"exact_duplicate": 1}}


@pytest.mark.parametrize("order", [["one", "two"], ["two", "one"]])
def test_the_order_of_the_corpora_decides_nothing(shelf, up_to, distinct, order):
    rows = distinct("rows", 6)
    shelf.add("one", rows[:4])
    shelf.add("two", rows[2:])
    up_to("dedupe", *order)
    assert [(name, keeper) for name, keeper, _ in removed(shelf)] == [
        ("two/sft/0.jsonl#1", "one/sft/0.jsonl#3"),
        ("two/sft/0.jsonl#2", "one/sft/0.jsonl#4"),
    ]


def test_a_corpus_alone_loses_nothing_to_one_that_is_not_named(shelf, up_to, distinct):
    rows = distinct("rows", 6)
    shelf.add("one", rows, priority=90)
    shelf.add("two", rows)
    assert up_to("dedupe")["two"].counts["sft"]["kept"] == 0
    assert up_to("dedupe", "two")["two"].counts["sft"]["kept"] == 6
    assert up_to("dedupe")["two"].counts["sft"]["kept"] == 0


def aside(shelf):
    """All records set aside, with their corpora's folders in `folder`."""
    paths = sorted(shelf.data.glob("unique/*/*.rejects.parquet"))
    columns = ["id", "keeper", "reason", "jaccard"]
    return pl.concat([pl.read_parquet(p, columns=columns).with_columns(folder=pl.lit(p.parent.name)) for p in paths])


def test_ids_are_right_across_parts_and_corpora_and_all_are_counted(shelf, up_to, distinct):
    """Every upstream file is a part; what goes for what is known by the number in the question."""
    rows = distinct("rows", 90)
    wordier = [(question + "谢谢", answer + "祝好") for question, answer in rows]
    shelf.add("one", rows[:30], rows[20:50], wordier[40:60], priority=70)
    shelf.add("two", rows[45:70], rows[10:15], rows[60:80], priority=60)
    shelf.add("three", wordier[75:90], rows[:5])
    manifests = up_to("dedupe")
    gone = aside(shelf)
    kept = {}
    said = {}
    for path in sorted(shelf.data.glob("clean/*/*.parquet")):
        if "rejects" not in path.name:
            said |= dict(pl.read_parquet(path).select("id", pl.col("instruction").str.slice(0, 20)).rows())
    for corpus, manifest in manifests.items():
        frames = [
            pl.read_parquet(shelf.data / "unique" / corpus / f["path"])
            for f in manifest.files
            if f["kind"] == "records"
        ]
        kept |= dict.fromkeys(pl.concat(frames)["id"], corpus)
        counts, own = manifest.counts["sft"], gone.filter(folder=corpus)
        assert counts["kept"] == sum(frame.height for frame in frames)
        assert counts["dropped"] == dict(own["reason"].value_counts().sort("reason").rows())
        assert counts["read"] == counts["kept"] + own.height
    assert sum(manifest.counts["sft"]["read"] for manifest in manifests.values()) == len(said) == 150
    assert len(kept) == 90
    assert set(kept) | set(gone["id"]) == set(said)
    assert set(gone["keeper"]) <= set(kept)
    assert all(said[name] == said[keeper] for name, keeper in gone.select("id", "keeper").rows())
    ranks = {"one": 0, "two": 1, "three": 2}
    assert all(
        ranks[keeper.split("/")[0]] <= ranks[name.split("/")[0]] for name, keeper in gone.select("id", "keeper").rows()
    )
    crossing = gone.filter(pl.col("id").str.split("#").list.first() != pl.col("keeper").str.split("#").list.first())
    assert crossing.height > 30


def test_overlaps_are_in_the_manifests(shelf, up_to, distinct):
    rows = distinct("rows", 20)
    shelf.add("one", rows[:10], [(rows[3][0] + "谢谢", rows[3][1])])
    shelf.add("two", rows[4:12])
    shelf.add("three", [rows[3]], rows[15:])
    manifests = up_to("dedupe")
    assert {name: manifest.overlaps for name, manifest in manifests.items()} == {
        "one": {"two": 6, "three": 2},
        "two": {"one": 6},
        "three": {"one": 1},
    }
    assert all(manifest.warnings == [] for manifest in manifests.values())
    told = json.loads((shelf.data / "unique/one/manifest.json").read_text(encoding="utf-8"))
    assert told["overlaps"] == {"three": 2, "two": 6}
    assert up_to("dedupe", "one")["one"].overlaps == {}


@pytest.mark.parametrize(("shared", "doubted"), [(10, False), (5, False), (4, True), (0, True)])
def test_a_mirror_that_holds_little_of_what_it_mirrors_is_doubted(shelf, up_to, distinct, shared, doubted):
    rows = distinct("rows", 30)
    shelf.add("one", rows[:20])
    shelf.add("two", rows[20 - shared : 30 - shared])
    entry = shelf.registry / "two.toml"
    text = entry.read_text(encoding="utf-8")
    entry.write_text(text.replace("citation =", 'mirror_of = "one"\ncitation =', 1), encoding="utf-8")
    told = [f"is said to republish one, but only {shared} of its 10 records are in it"] if doubted else []
    manifests = up_to("dedupe")
    assert manifests["two"].warnings == told
    assert manifests["one"].warnings == []
    assert up_to("dedupe", "two")["two"].warnings == []  # the other is not there to look at


TALKS = """
[outputs.talk]
format = "sft"
shape = "dialogue"
rows  = "talks"
turns = { in = "said", marks = "inline" }
roles = { "患者:" = "user", "医生:" = "assistant" }
"""
TALK_EXAMPLE = """files.talks = '{"said": "患者:丙丙？医生:丁丁。"}'
records.talk = [{ instruction = "丙丙？", output = "丁丁。", history = [] }]"""


def test_a_dialogue_inside_a_longer_one_goes_across_outputs_and_corpora(shelf, up_to, distinct):
    rows = distinct("rows", 6)
    files = 'talks = { path = "talks/*.jsonl", format = "json" }'
    for corpus, talks in (("one", [rows[1:3], rows[3:6]]), ("two", [rows[:4], rows[4:5]])):
        shelf.add(
            corpus,
            rows[:2],
            priority=70 if corpus == "one" else 50,
            more=TALKS,
            extra_files=files,
            examples=TALK_EXAMPLE,
        )
        lines = [{"said": "\n".join(f"患者:{question}\n医生:{answer}" for question, answer in talk)} for talk in talks]
        (shelf.upstream(corpus) / "talks").mkdir()
        path = shelf.upstream(corpus) / "talks/0.jsonl"
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    manifests = up_to("dedupe")
    # two/talk 1 begins with the first pair and has both exchanges of one/talk 1, though `one` is of higher rank.
    whole = "two/talk/talks/0.jsonl#1"
    assert aside(shelf).select("id", "keeper", "reason", "jaccard").sort("id").rows() == [
        ("one/sft/0.jsonl#1", whole, "contained", None),
        ("one/talk/talks/0.jsonl#1", whole, "contained", None),
        ("two/sft/0.jsonl#1", whole, "contained", None),
        ("two/sft/0.jsonl#2", "one/sft/0.jsonl#2", "exact_duplicate", 1.0),
    ]
    assert manifests["one"].counts["talk"] == {"read": 2, "kept": 1, "dropped": {"contained": 1}}
    assert manifests["one"].overlaps == {"two": 3}


def test_other_rules_do_it_again_and_the_same_do_not(shelf, up_to, distinct, snapshot):
    rows = distinct("rows", 8)
    shelf.add("one", rows, [(question + "谢谢你们的回答", answer) for question, answer in rows])
    assert up_to("dedupe")["one"].counts["sft"]["kept"] == 16
    before = snapshot(shelf.data / "unique")
    assert up_to("dedupe", dedupe={"threshold": 0.7})["one"].counts["sft"]["kept"] == 8
    assert up_to("dedupe")["one"].parameters["threshold"] == 0.8
    assert snapshot(shelf.data / "unique") == before
    assert up_to("dedupe", workers=3)["one"].counts["sft"]["kept"] == 16
    assert snapshot(shelf.data / "unique") == before
