"""Who stays of records alike, what is kept of those that go, and that none goes uncounted."""

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
