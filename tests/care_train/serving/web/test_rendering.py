"""What is written by people and models is text, whatever it looks like."""

from dataclasses import replace
from pathlib import Path

import pytest

from care_train.generation import Chatbot
from care_train.serving.chat import Answer
from care_train.serving.web.rendering import (
    render_answer,
    render_card,
    render_exchange,
    render_exchanges,
    render_head,
    render_problem,
)
from care_train.serving.web.texts import CHINESE, ENGLISH


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("a <img src=x onerror=y> b", "<p>a &lt;img src=x onerror=y&gt; b</p>\n"),
        ("[a](javascript:b)", "<p>[a](javascript:b)</p>\n"),
        ("[a](https://b.example)", "<p>[a](https://b.example)</p>\n"),
        ("![a](https://b.example/c.png)", "<p>![a](https://b.example/c.png)</p>\n"),
        ("<https://b.example>", "<p>&lt;https://b.example&gt;</p>\n"),
        ("[a][b]\n\n[b]: https://c.example", "<p>[a][b]</p>\n<p>[b]: https://c.example</p>\n"),
        (r"$\frac{1}{2}$ \(x\)", "<p>$\\frac{1}{2}$ \\(x\\)</p>\n"),
        ("&lt;b&gt; &copy;", "<p>&amp;lt;b&amp;gt; &amp;copy;</p>\n"),
        ('```"><b>\n</code></pre><i>\n```', '<pre><code class="language-&quot;&gt;&lt;b&gt;">&lt;/code&gt;'),
    ],
)
def test_markup_that_could_do_something_is_shown_as_it_is(written: str, shown: str) -> None:
    assert render_answer(written).startswith(shown)


def test_an_answers_lists_tables_and_lines_are_laid_out() -> None:
    assert render_answer("**早**\n睡") == "<p><strong>早</strong><br>\n睡</p>\n"
    assert render_answer("1. 一\n2. 二") == "<ol>\n<li>一</li>\n<li>二</li>\n</ol>\n"
    assert "<td>2</td>" in render_answer("|a|b|\n|-|-|\n|1|2|")


def test_an_exchange_says_what_it_took() -> None:
    answer = Answer("头痛<b>？", "好。", 9, 1234, "length", 2, 3.25)
    html = render_exchange(answer, ENGLISH)
    assert "头痛&lt;b&gt;？" in html
    assert '<div class="note">1,234 tokens · 3.2 s · cut at the longest answer · too long for the model' in html
    assert "the oldest turns were left out: 2<button" in html
    html = render_exchange(replace(answer, finish="cancelled", left_out=0), CHINESE)
    assert '<div class="note">1,234 个词元 · 3.2 秒 · 已停止<button' in html
    assert 'lang="zh-CN"' in html
    growing = render_exchange(answer, ENGLISH, growing=True)
    assert 'class="dots"' in growing
    assert 'class="note"' not in growing


def test_a_conversation_or_an_invitation() -> None:
    assert render_exchanges([], CHINESE) == '<p class="welcome" lang="zh-CN">请输入问题，开始对话。</p>'
    one = Answer("a", "b", 1, 1, "stop", 0, 0.1)
    assert render_exchanges([one, one], ENGLISH) == render_exchange(one, ENGLISH) * 2
    assert render_problem("a <b>", ENGLISH) == '<p class="problem" role="alert" lang="en">a &lt;b&gt;</p>'


def test_the_head_has_the_notice_unless_it_was_taken_away(bot: Chatbot) -> None:
    named = replace(bot, name="<i>")
    assert "<h1>&lt;i&gt;</h1>" in render_head(named, ENGLISH, notice=True)
    assert ENGLISH["notice"] in render_head(named, ENGLISH, notice=True)
    assert "notice" not in render_head(named, ENGLISH, notice=False)


def test_a_card_loses_its_front_matter_its_pictures_and_what_could_run(bot: Chatbot, tmp_path: Path) -> None:
    trained = replace(bot.trained, adapters=(tmp_path / "a&b",), bits=4, base="org/base")
    card = "---\nlicense: mit\n---\n# Title\n![loss](x.png)<script>y</script>\n"
    card += "[a](https://b.example/?c&d) [e](javascript:f)\n"
    html = render_card(replace(bot, trained=trained), card, ENGLISH)
    assert "<dt>Base model</dt><dd>org/base</dd><dt>Adapter</dt><dd>a&amp;b</dd><dt>Template</dt>" in html
    assert "<dt>Weights</dt><dd>4 bits</dd>" in html
    assert "license" not in html
    assert "<img" not in html
    assert "&lt;script&gt;y&lt;/script&gt;" in html
    assert '<a href="https://b.example/?c&amp;d" target="_blank" rel="noopener noreferrer">a</a> <a>e</a>' in html
    assert ENGLISH["no_card"] in render_card(bot, "", ENGLISH)
    assert str(bot.trained.base) not in render_card(bot, "", ENGLISH)
