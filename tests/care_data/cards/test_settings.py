"""What was done to personal data, as the manifest has it."""

from dataclasses import replace

import pytest

from care_data.cards.settings import tell_limits, tell_modes, tell_privacy, tell_settings


@pytest.mark.parametrize(
    ("chosen", "english", "chinese"),
    [
        ({"steps": ["privacy"]}, "- Masked by a tag that says the type (`[PHONE]`).", "已换为类别标签"),
        ({"steps": [], "pii": "drop"}, "- Records that held personal data were dropped whole", "已整条删去"),
        ({"steps": [], "pii": "keep"}, "- **Personal data was left as it stands upstream**.", "保持上游原样"),
        ({"steps": []}, "- **Personal data was left as it stands upstream**.", "保持上游原样"),
    ],
)
def test_the_card_says_what_was_done_to_personal_data(chosen, english, chinese, read_body, make_release, manifest):
    parameters = {"corpora": {"one": {"clean": {"sft": {"limits": {}, **chosen}}}}}
    body = read_body(make_release(manifest=replace(manifest, parameters=parameters)))
    assert english in body
    assert chinese in body
    modes = ("Masked by", "were dropped whole", "left as it stands")
    assert sum(mode in body for mode in modes) == 1
    assert "Not sought: names of people, doctors among them, dates" in body
    assert "未查找：人名（包括医生姓名）、日期" in body
    assert ("Sought by their form" in body) == ("left as it stands" not in body)


def test_settings_that_differ_by_corpus_are_told_of_each(manifest, source):
    corpora = {
        "one": {"clean": {"sft": {"steps": ["markup"]}, "rw": {"steps": []}}, "dedupe": {"threshold": 0.8}},
        "two": {"clean": {"pt": {"steps": ["markup"]}}, "dedupe": {"threshold": 0.7}},
    }
    mix = {
        "licence": "research",
        "shares": {"one": 0.5},
        "weights": {"*": 2.0},
        "sample": 1_000,
        "seed": 3,
        "splits": {"validation": 0.1, "test": 0.05},
    }
    counts = {name: {"read": 1, "kept": 1, "dropped": {}} for name in ("one_sft", "one_rw", "two_pt")}
    sources = {"one": source(), "two": source()}
    parameters = {"corpora": corpora, "mix": mix}
    told = tell_settings(replace(manifest, parameters=parameters, counts=counts, sources=sources))
    assert [line for line in told if "Deduplication" not in line] == [
        "Cleaning of `one_rw`: none.",
        "Cleaning of `one_sft`, `two_pt`: `markup`.",
        "Only corpora whose licence allows research use.",
        "Held out, by lot of whole groups of alike records: test 0.05, validation 0.1 of each training config.",
        "Highest share of a corpus: `one` 0.5.",
        "Weight of a corpus: `*` 2.",
        "A sample of 1000 of each format, drawn by lot (seed 3).",
        "Upstream's files hold the checksums they are pinned to; each is in `manifest.json` with its sha256.",
    ]
    assert "a Jaccard similarity of 0.7 or 0.8 of" in told[2]


def test_what_is_not_there_is_a_limit(manifest):
    lines = tell_limits(replace(manifest, skipped={"two": "licence <x>: unclear"}, missing=["one: a_b.csv"]))
    assert lines[-2:] == ["Left out: `two`, licence &lt;x&gt;: unclear.", r"Not found upstream: one: a\_b.csv."]


def test_what_was_done_to_private_values_is_told_of_each_output_where_it_differs():
    words = {"mask": "masked", "keep": "kept"}
    assert tell_modes({"mask": ["a", "b"], "names": ["b"]}, words, (": ", ", ", ".")) == ["masked."]
    assert tell_modes({"mask": ["a", "b"], "keep": ["c"]}, words, ("：", "、", "。")) == [
        "masked：`a`、`b`。",
        "kept：`c`。",
    ]


def test_where_doctors_were_sought_too_that_is_said(manifest):
    chosen = {"corpora": {"one": {"clean": {"sft": {"steps": ["privacy", "names"]}}}}}
    told = tell_privacy(replace(manifest, parameters=chosen))
    assert told[0] == "Masked by a tag that says the type (`[PHONE]`)."
    assert told[2] == "Doctors' names were sought too in `one_sft`."
    assert told[3].startswith("Not sought: names of patients and relatives, dates,")
