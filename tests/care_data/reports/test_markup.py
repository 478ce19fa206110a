"""Markup that shows what it is given and obeys none of it."""

from care_data.reports.markup import both, escape, mark_pieces, name, quote, say, table
from care_data.reports.texts import Shown


def test_markup_in_data_is_shown():
    assert escape('<script>alert("1")</script>&]]>') == "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;]]&gt;"
    assert escape("a\x00\u202eb\ud800") == "a␀⟨U+202E⟩b?"


def test_words_are_in_both_languages():
    assert say("read") == '<span class="en" lang="en">read</span><span class="zh" lang="zh">读入</span>'
    assert both(("a<b", "甲")) == '<span class="en" lang="en">a&lt;b</span><span class="zh" lang="zh">甲</span>'
    assert name("x<y", {}) == "<code>x&lt;y</code>"


def test_a_long_text_is_cut_with_a_note():
    shown = quote(Shown("<" * 20_000, 1_000_000), 3)
    assert shown.startswith('<span class="text" dir="auto">&lt;&lt;&lt;</span> <span class="note">… 1,000,000 ')
    assert len(shown) < 300
    assert "note" not in quote(Shown("甲乙丙", 3), 3)


def test_differences_are_marked():
    pieces = [("same", "a"), ("gone", "<b>"), ("new", "b"), ("skip", "…")]
    assert (
        mark_pieces(pieces)
        == '<span class="text" dir="auto"><span>a</span><del>&lt;b&gt;</del><ins>b</ins><i>…</i></span>'
    )


def test_a_table_counts_what_it_leaves_out():
    rows = [[f"line {number}", number, 0.25, None] for number in range(5_000)]
    shown = table(["name", "count", "share", "none"], rows, most=2)
    assert shown.count("<tr>") == 3
    assert (
        '<th scope="row">line 1</th><td class="number">1</td><td class="number">25.0%</td><td class="number">–</td>'
        in shown
    )
    assert '<th scope="col">name</th><th scope="col" class="number">count</th>' in shown
    assert "4,998 " in shown
    last = table(["name", "count", "share", "none"], rows, most=2, last=True)
    assert '<tr class="sum"><th scope="row">line 4999</th>' in last
    assert "4,997 " in last
    assert "left out" not in table(["name"], [["one"]], most=1)
