"""The page: small, the same every time, asking nobody, showing hostile text as text, searched in a real browser."""

import json
import re
from dataclasses import replace

import pytest
from browser import CHROMIUM, Browser

from care_data.duplicates.showcase import Cluster, Member
from care_data.errors import CareError, Exit
from care_data.reports import page
from care_data.reports.funnels import find_funnels
from care_data.reports.page import LARGEST, build_page
from care_data.reports.scopes import find_scope
from care_data.reports.specimens import Change, Drop, Specimens, gather_specimens
from care_data.store import Store

HOSTILE = (
    "<script>window.stolen=1</script></script><!-- ]]> <img src=http://127.0.0.1:9/x onerror='window.stolen=1'>"
    "\u202egnp.exe\u202c \x00 \ud800 &lt;b&gt; 头痛怎么办"
)
SEEN = HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\u202c", "⟨U+202C⟩").replace("\x00", "␀").replace("\ud800", "?")
LINE = "甲<" * 500_000

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def hostile(text):
    """Specimens with the text wherever a record's text or name can be."""
    fields = [("instruction", text), (text, text)]
    return Specimens(
        {("clean", "no_words"): [Drop(text, fields, {"keeper": text, "jaccard": 0.9}, fields)]},
        {"markup": [Change(text, "instruction", text, text + "!"), Change(text, "instruction", "", text)]},
        [Cluster(2, [Member(text, "kept", 1.0, (text,)), Member(text, "near_duplicate", 0.8, (text, text))])],
        [(f"corpus/{number % 7}", text, fields) for number in range(1_000)],
    )


@pytest.fixture
def told(two, run, numbers):
    run("write", name="first")
    scope = find_scope([], Store(two.data))
    return numbers(), gather_specimens(scope, find_funnels(scope))


def named_hostile(numbers):
    """The numbers with hostile names of corpora, reasons and warnings."""
    numbers["warnings"] = [{"stage": "fetch", "corpus": HOSTILE, "text": HOSTILE}]
    numbers["funnel"][0] |= {"corpus": HOSTILE, "output": HOSTILE}
    numbers["reasons"][0]["reason"] = HOSTILE
    return numbers


@pytest.mark.parametrize(
    "text", [HOSTILE, LINE, "\u202e" * 5_000, "a" * 300, ""], ids=["tags", "1 MB", "bidi", "a", ""]
)
def test_the_page_stays_small_whatever_the_texts_are(told, text):
    numbers, _ = told
    made = build_page(numbers, hostile(text))
    assert 20_000 < len(made.encode()) < LARGEST
    assert made.count("<script") == 2
    assert made.count("</script") == 2
    assert "<img" not in made
    assert not re.search("[\x00-\x08\u202a-\u202e\ud800-\udfff]", made)


def test_a_page_that_cannot_be_small_is_refused(told, monkeypatch):
    monkeypatch.setattr(page, "LARGEST", 10_000)
    with pytest.raises(CareError, match="the page grows too large") as caught:
        build_page(*told)
    assert caught.value.code == Exit.LIMIT


def test_nothing_is_asked_for_and_nothing_foreign_runs(told):
    made = build_page(*told)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', made).group(1)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'; "
        r"base-uri 'none'; form-action 'none'",
        policy,
    )
    assert not re.search(r'(?:src|href|action)="(?!#)|@import|url\(|style="|\son\w+="', made)


def test_personal_data_is_nowhere_on_the_page(told):
    made = build_page(*told)
    assert "13812345678" not in made
    assert "[PHONE]" in made


def test_examples_and_sample_are_on_the_page(told):
    made = build_page(*told)
    assert "<del>&lt;b&gt;</del>" in made
    assert "<code>beta/sft/0.jsonl#1</code> · 1.00" in made
    sample = json.loads(re.search(r'id="sample">(.*?)</script>', made).group(1))
    assert sample["outputs"] == ["alpha/sft", "beta/sft", "beta/test"]
    assert len(sample["records"]) == 14


def test_a_text_cut_for_the_search_says_how_long_it_was(told):
    numbers, specimens = told
    long = replace(specimens, sample=[("one/sft", "id", [("output", "甲" * 5_000)])])
    sample = json.loads(re.search(r'id="sample">(.*?)</script>', build_page(numbers, long)).group(1))
    assert sample["records"] == [[0, "id", [["output", "甲" * 1_500, 5_000]]]]


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path / "profile") as opened:
        yield opened


@needs_browser
def test_in_a_browser_hostile_text_is_text(told, tmp_path, browser):
    numbers, _ = told
    path = tmp_path / "report.html"
    path.write_text(build_page(named_hostile(numbers), hostile(HOSTILE)), encoding="utf-8")
    browser.open(f"{path.as_uri()}#en")
    browser.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browser.run("window.stolen === undefined && document.scripts.length === 2 && document.images.length === 0")
    for place in ("#reasons article", "#changes article", "#duplicates article", "#results article", "#warnings td"):
        assert SEEN in browser.run(f"[...document.querySelectorAll('{place}')].map((part) => part.textContent).join()")
    assert browser.requests == [path.as_uri()]
    assert browser.complaints == []


@needs_browser
def test_in_a_browser_the_sample_is_searched(told, tmp_path, browser, distinct):
    path = tmp_path / "report.html"
    path.write_text(build_page(*told), encoding="utf-8")
    browser.open(f"{path.as_uri()}#zh")
    wanted = distinct("own", 6)[4][1]

    def search(text, output=""):
        return browser.run(
            f"""new Promise((done) => {{
                const query = document.getElementById("query"), output = document.getElementById("output");
                query.value = {json.dumps(text)};
                output.value = {json.dumps(output)};
                query.dispatchEvent(new Event("input"));
                setTimeout(() => done([
                    document.getElementById("matches").textContent,
                    [...document.querySelectorAll("#results .id")].map((part) => part.textContent),
                    [...document.querySelectorAll("#results mark")].map((part) => part.textContent),
                ]), 300);
            }})"""
        )

    assert search("")[0] == "14"
    assert search(wanted[3:9]) == ["1", ["alpha/sft/0.jsonl#5"], [wanted[3:9]]]
    assert search("ＡＬＰＨＡ")[0] == "7"  # full width and case do not matter
    assert search(f"{wanted[3:6]} {wanted[7:9]}")[1] == ["alpha/sft/0.jsonl#5"]  # every word must be there
    assert search(wanted[3:9], "1") == ["0", [], []]
    assert search("<b>")[0] == "0"
    assert browser.requests == [path.as_uri()]
    assert browser.complaints == []


@needs_browser
def test_in_a_browser_one_language_is_shown_at_a_time(told, tmp_path, browser):
    path = tmp_path / "report.html"
    path.write_text(build_page(*told), encoding="utf-8")
    shown = "document.querySelector('#overview h2').innerText + document.documentElement.lang"
    browser.open(f"{path.as_uri()}#zh")
    assert browser.run(shown) == "总览zh"
    browser.run("document.getElementById('lang-en').click()")
    assert browser.run(shown) == "Overviewen"
    visible = "[...document.querySelectorAll('main .zh')].filter((part) => part.getClientRects().length).length"
    assert browser.run(visible) == 0
    assert browser.run("document.querySelectorAll('main .zh').length === document.querySelectorAll('main .en').length")
