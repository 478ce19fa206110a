"""The chain of one record, whatever became of it, and what is said where there is none."""

import json

import pytest

from care_data import provenance, registry
from care_data.errors import CareError, Exit
from care_data.pipeline import run_stages
from care_data.sheets import tell_story
from care_data.stages import Settings
from care_data.stages.cleaning import TWICE, cleaned_columns
from care_data.stages.mixing import Mix
from care_data.store import Store

BENCHMARK = """
[outputs.held]
format = "sft"
like   = "sft"
role   = "benchmark"
rows   = "kept_back"
[outputs.rw]
default = false
shape  = "preference"
rows   = "pairs"
fields = { instruction = "{q}", chosen = "{a}", rejected = "{a}不过也可以再想想别的办法。" }
"""
EXAMPLES = """
files.kept_back = '{"q": "丙？", "a": "丁。"}'
records.held = [{ instruction = "丙？", output = "丁。" }]
records.rw = [{ instruction = "甲？", output = ["乙。", "乙。不过也可以再想想别的办法。"] }]
"""
LONG = "夜里咳嗽得厉害，白天又好一些，已经两个星期了，吃过止咳糖浆也没有用，想问问还需要做哪些检查？"
MANY = "<p>您的电话是13812345678吗？&nbsp;建议多喝水，注意休息，三天以后再来复查一次。</p>"


@pytest.fixture
def told(shelf, distinct):
    """A run over two corpora; told(id): the story of one of their records."""
    plain, leak, *more = distinct("one", 6)
    rows = [plain, (LONG, MANY), ("", "没有问题的回答。"), ("咽痛怎么办？", "咽痛怎么办"), leak, *more, plain]
    files = 'kept_back = { path = "held.json", format = "json" }'
    shelf.add("one", rows, more=BENCHMARK, extra_files=files, examples=EXAMPLES, priority=60)
    held = [{"q": leak[0], "a": "另外一个答案，和别的都不一样。"}]
    (shelf.upstream("one") / "held.json").write_text(json.dumps(held), encoding="utf-8")
    shelf.add("two", [("请问" + LONG, MANY), *distinct("two", 3)])
    run(shelf)
    return lambda name: provenance.explain(name, Store(shelf.data))


def run(shelf, last="write", name=None, **changes):
    settings = Settings(Store(shelf.data), str(shelf.mirror), 1, **changes)
    registry.groups.cache_clear()
    entries = [registry.load(corpus) for corpus in shelf.names]
    result = run_stages(entries, settings, last, lambda *_: None, name)
    assert result.failures == {}
    return result.release.name if result.release else ""


def fates(story):
    return {stage: fate if fate is None else fate.get("reason", "kept") for stage, fate in story.fates.items()}


ALL_KEPT = dict.fromkeys(("convert", "clean", "dedupe", "decontaminate"), "kept")


def test_a_record_that_stays_is_kept_by_every_stage_and_in_the_release(shelf, told):
    story = told("one/sft/0.jsonl#6")
    assert fates(story) == ALL_KEPT
    assert (story.corpus, story.row, story.license["id"]) == ("one", 6, "MIT")
    assert (story.file["path"].rpartition("/")[2], story.file["verified"]) == ("0.jsonl", False)
    assert story.changes == story.copies == []
    (release,) = (shelf.data / "releases").iterdir()
    assert story.releases == [release.name]


def test_a_row_that_became_no_record_is_told_with_the_reason(told):
    story = told("one/sft/0.jsonl#3")
    assert fates(story) == {"convert": "blank_instruction"}
    assert json.loads(story.fates["convert"]["detail"]) == {"q": "", "a": "没有问题的回答。"}
    assert (story.record, story.changes, story.releases) == ({}, [], [])


def test_a_record_that_a_filter_dropped(told):
    story = told("one/sft/0.jsonl#4")
    assert fates(story) == {"convert": "kept", "clean": "answer_equals_question"}
    assert story.record["output"] == "咽痛怎么办"
    assert story.releases == []


def test_every_change_is_told_by_its_step_in_order(told):
    story = told("one/sft/0.jsonl#2")
    steps = [(step, field) for step, field, _, _ in story.changes]
    assert steps == [("markup", "output"), ("unicode", "output"), ("privacy", "output")]
    assert story.changes[0][2] == story.record["output"] == MANY
    assert [change[3] for change in story.changes][:-1] == [change[2] for change in story.changes][1:]
    assert story.changes[-1][3] == "您的电话是[PHONE]吗？ 建议多喝水，注意休息，三天以后再来复查一次。"


def test_a_record_that_went_for_another_and_the_one_that_stays(told):
    story = told("two/sft/0.jsonl#1")
    assert fates(story) == {"convert": "kept", "clean": "kept", "dedupe": "near_duplicate"}
    assert story.fates["dedupe"]["keeper"] == "one/sft/0.jsonl#2"
    share = story.fates["dedupe"]["jaccard"]
    assert 0.9 < share < 1
    keeper = told("one/sft/0.jsonl#2")
    assert keeper.copies == [("two/sft/0.jsonl#1", "near_duplicate", share)]
    assert fates(keeper) == ALL_KEPT
    copy = told("one/sft/0.jsonl#10")
    assert (copy.fates["dedupe"]["reason"], copy.fates["dedupe"]["keeper"]) == ("exact_duplicate", "one/sft/0.jsonl#1")
    assert told("one/sft/0.jsonl#1").copies == [("one/sft/0.jsonl#10", "exact_duplicate", 1.0)]


def test_a_record_that_holds_an_item_of_a_benchmark_and_the_item(shelf, told):
    story = told("one/sft/0.jsonl#5")
    assert fates(story) == {**ALL_KEPT, "decontaminate": "exact_benchmark"}
    assert story.fates["decontaminate"]["item"] == "one/held/held.json#1"
    assert story.releases == []
    item = told("one/held/held.json#1")
    assert fates(item) == {"convert": "kept", "clean": "kept"}, "a benchmark is compared with no record"
    (release,) = (shelf.data / "releases").iterdir()
    assert item.releases == [release.name]


def test_a_release_tells_what_it_holds_a_record_out_for(shelf, told):
    run(shelf, name="all")
    run(shelf, name="halves", mix=Mix(splits={"test": 0.5}))
    rows = [f"one/sft/0.jsonl#{row}" for row in (1, 2, 6, 7, 8, 9)]
    found = {release for name in rows for release in told(name).releases}
    assert {"all", "halves", "halves (test)"} <= found
    assert all("all" in told(name).releases for name in rows)
    assert all(("halves" in told(name).releases) != ("halves (test)" in told(name).releases) for name in rows)


def test_a_release_that_was_not_finished_is_none(shelf, told):
    (release,) = (shelf.data / "releases").iterdir()
    release.rename(release.with_name(f".{release.name}.tmp-123"))
    assert told("one/sft/0.jsonl#6").releases == []


def test_a_dialogue_that_another_contains(shelf, care_data, distinct):
    """Told as all that went: by the reason, and by the record that holds it."""
    (first, second) = distinct("turns", 2)
    shelf.add("one", [first])
    entry = shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8")
    text = text.replace('shape  = "pair"', 'shape  = "dialogue"').replace(
        'fields = { instruction = "{q}", output = "{a}" }',
        'turns = { in = "said", marks = "element" }\nroles = { "问：" = "user", "答：" = "assistant" }',
    )
    text = text.replace('\'{"q": "甲？", "a": "乙。"}\'', '\'{"said": ["问：甲？", "答：乙。"]}\'')
    entry.write_text(text, encoding="utf-8")
    turns = [f"问：{first[0]}", f"答：{first[1]}", f"问：{second[0]}", f"答：{second[1]}"]
    lines = [json.dumps({"said": said}) + "\n" for said in (turns[:2], turns)]
    (shelf.upstream("one") / "0.jsonl").write_text("".join(lines), encoding="utf-8")
    run(shelf)
    story = provenance.explain("one/sft/0.jsonl#1", Store(shelf.data))
    assert fates(story) == {"convert": "kept", "clean": "kept", "dedupe": "contained"}
    assert provenance.explain("one/sft/0.jsonl#2", Store(shelf.data)).copies == [
        ("one/sft/0.jsonl#1", "contained", None)
    ]
    done = care_data("explain", "one/sft/0.jsonl#1", "--to", shelf.data, CARE_REGISTRY=shelf.registry)
    assert "dropped: contained" in done.out


# Half-done


def test_stages_that_were_not_run_are_said_to_be_open(shelf, distinct):
    shelf.add("one", distinct("one", 2))
    store = Store(shelf.data)
    run(shelf, "convert")
    assert fates(provenance.explain("one/sft/0.jsonl#1", store)) == {"convert": "kept", "clean": None}
    run(shelf, "dedupe")
    story = provenance.explain("one/sft/0.jsonl#1", store)
    assert fates(story) == {"convert": "kept", "clean": "kept", "dedupe": "kept", "decontaminate": None}


def test_a_stage_run_on_what_is_there_no_longer_is_open(shelf, distinct):
    shelf.add("one", [("咳嗽怎么办？", "请打13812345678问问医生，多喝水，多休息。"), *distinct("one", 2)])
    run(shelf)
    run(shelf, "clean", pii="drop")
    assert fates(provenance.explain("one/sft/0.jsonl#1", Store(shelf.data))) == {"convert": "kept", "clean": "private"}
    assert fates(provenance.explain("one/sft/0.jsonl#2", Store(shelf.data))) == {
        "convert": "kept",
        "clean": "kept",
        "dedupe": None,
    }


def test_a_stage_whose_files_are_gone_is_open(shelf, told):
    next((shelf.data / "unique/one").glob("sft-*[!s].parquet")).unlink()
    assert fates(told("one/sft/0.jsonl#6"))["dedupe"] is None


# What is none


@pytest.mark.parametrize(
    ("name", "problem", "code"),
    [
        ("one", "'one' is no id of a record. An id is corpus/output/path#row", Exit.USAGE),
        ("one/sft/0.jsonl", "'one/sft/0.jsonl' is no id of a record.", Exit.USAGE),
        ("one/sft/0.jsonl#x", "'one/sft/0.jsonl#x' is no id of a record.", Exit.USAGE),
        ("nine/sft/0.jsonl#1", "no corpus named 'nine'. Did you mean one?", Exit.USAGE),
        ("one/stf/0.jsonl#1", "one: no output named 'stf'. Outputs are: sft, held, rw.", Exit.DATA),
        ("one/sft/0.jsonl#99", "no record 'one/sft/0.jsonl#99'. See that path and row", Exit.DATA),
        ("one/rw/0.jsonl#1", "nothing of one/rw is converted. Run `care-data convert one --output one.rw`", Exit.DATA),
    ],
)
def test_what_is_no_record_is_said_so(told, name, problem, code):
    with pytest.raises(CareError) as caught:
        told(name)
    assert problem in str(caught.value)
    assert caught.value.code == code


def test_a_corpus_that_is_not_there_names_the_command_that_brings_it(shelf, distinct, care_data):
    shelf.add("one", distinct("one", 2))
    words = ["explain", "one/sft/0.jsonl#1", "--to", shelf.data, "--json"]
    done = care_data(*words, CARE_REGISTRY=shelf.registry)
    assert done.code == 1
    assert done.json["error"] == f"{shelf.data}: nothing of one is converted. Run `care-data convert one` first."
    assert not shelf.data.exists()


# As it is shown


def test_the_command_shows_the_chain(shelf, told, care_data):
    done = care_data("explain", "one/sft/0.jsonl#2", "--to", shelf.data, CARE_REGISTRY=shelf.registry)
    assert done.code == 0
    for line in ("one/sft/0.jsonl#2", "As converted", "Changed by cleaning", "What became of it", "Went for it"):
        assert line in done.out.split("\n")
    assert "→ …" in done.out or "→ 您的电话是" in done.out
    told_json = care_data("explain", "one/sft/0.jsonl#2", "--to", shelf.data, "--json", CARE_REGISTRY=shelf.registry)
    assert told_json.json["fates"] == {stage: {} for stage in ALL_KEPT}
    assert told_json.json["changes"][0][:2] == ["markup", "output"]


def test_of_a_long_text_what_changed_is_shown_with_some_of_what_is_around_it(told):
    story = told("one/sft/0.jsonl#2")
    story.changes = [("links", "output", "头" * 99 + "一" + "尾" * 99, "头" * 99 + "二二" + "尾" * 99)]
    (shown,) = dict(tell_story(story))["Changed by cleaning"]
    head, tail = "…" + "头" * 30, "尾" * 30 + "…"
    assert shown == ("links: output", f"{head}一{tail}\n→ {head}二二{tail}")
    story.changes = [("links", "output", "头头", "头")]
    assert dict(tell_story(story))["Changed by cleaning"] == [("links: output", "头头\n→ 头")]


def test_preferences_are_told_by_the_column_that_is_cleaned(shelf, told):
    run(shelf, outputs=frozenset({"one.rw"}))
    story = told("one/rw/0.jsonl#2")
    assert {field for _, field, _, _ in story.changes} == {"output"}
    record = replay(story, "rw", cleaned_columns(registry.load("one").outputs["rw"]))
    assert record["chosen"].startswith("您的电话是[PHONE]吗？")
    assert record["rejected"].endswith("办法。")


def replay(story, record_format, columns):
    """The record as converted after all changes told of it, each of which must begin where the one before ended."""
    record = dict(story.record)
    for _, field, before, after in story.changes:
        assert field in columns
        assert record[field] == before
        record[field] = after
    for name, at in TWICE.get(record_format, {}).items():
        record[name] = record["output"][at]
    return record
