"""The page as people meet it, in a real browser: nothing here is asked of the server behind the browser's back."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from care_train.generation import Chatbot, Engine
from care_train.notices import NOTICE, NOTICE_ZH
from care_train.tokens import encode_prompt

FIRST = "先喝温水，早些休息。头痛两天不退，就去看医生。"
HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(2)> [来](javascript:alert(3)) ![p](http://192.0.2.1/p)

<details open ontoggle=alert(4)>x</details>
$\\frac{1}{2}$ \\(y\\) ${alert(5)} {{value}} `</code><svg onload=alert(6)>`"""


def test_two_turns_stream_and_the_second_knows_the_first(
    bot: Chatbot, script: Any, show: Any, visit: Any, prompts: list[list[int]], connected: list[Any]
) -> None:
    visitor = visit(show(script(FIRST, "好的。", pause=0.03)))
    lengths = []
    visitor.ask("头痛怎么办？", wait=False)
    visitor.tab.wait_for_selector("#live .text p")
    while visitor.tab.locator("#live .text p").count():
        lengths.append(visitor.tab.evaluate("document.querySelector('#live .text')?.innerText.trim().length || 0"))
        visitor.tab.wait_for_timeout(60)
    grown = [one for one in dict.fromkeys(lengths) if one]
    assert len(grown) >= 4, "the answer came at once"
    assert grown == sorted(grown)
    assert visitor.read("#past .text") == FIRST
    assert visitor.tab.input_value("#question textarea") == ""
    assert "tokens · " in visitor.read("#past .note")
    visitor.ask("还有呢？")
    assert visitor.read("#past .text") == "好的。"
    history = [("头痛怎么办？", FIRST)]
    assert prompts == [
        encode_prompt(bot.tokenizer, bot.template, "头痛怎么办？", [], ""),
        encode_prompt(bot.tokenizer, bot.template, "还有呢？", history, ""),
    ]
    assert (visitor.foreign, visitor.alarms) == ([], [])
    assert {address[0] for address in connected if isinstance(address, tuple)} <= {"127.0.0.1"}


def test_stop_keeps_what_was_written_and_frees_the_row(
    endless: Engine, show: Any, visit: Any, wait_until: Callable[..., None]
) -> None:
    visitor = visit(show(endless))
    visitor.ask("头痛怎么办？", wait=False)
    visitor.tab.wait_for_selector("#live .text p")
    assert endless.load == (1, 0)
    visitor.tab.click("#stop")
    visitor.tab.wait_for_selector("#past .note")
    wait_until(lambda: endless.load == (0, 0), 1.0)
    assert "stopped" in visitor.read("#past .note")
    assert visitor.read("#past .text")
    assert visitor.tab.is_visible("#send")
    assert not visitor.tab.is_visible("#stop")


def test_a_closed_tab_frees_the_row_and_others_share_the_batch(
    endless: Engine, show: Any, visit: Any, wait_until: Callable[..., None]
) -> None:
    url = show(endless, max_new_tokens=1500)
    one, two = visit(url), visit(url)
    one.ask("头痛", wait=False)
    two.ask("咳嗽", wait=False)
    wait_until(lambda: endless.load == (2, 0))
    one.tab.close()
    wait_until(lambda: endless.load == (1, 0))
    assert "咳嗽" in two.read("#live .ask")
    two.tab.reload()
    wait_until(lambda: endless.load == (0, 0))


def test_hostile_text_is_text_whoever_writes_it(script: Any, show: Any, visit: Any) -> None:
    visitor = visit(show(script(HOSTILE)))
    visitor.ask(HOSTILE)
    visitor.tab.wait_for_timeout(300)
    assert visitor.read("#past .ask").removeprefix("You\n").split() == HOSTILE.split()
    said = HOSTILE.replace("`", "").split()
    assert visitor.read("#past .text").split() == said
    assert visitor.tab.locator("#talk :is(script, img, a, svg, details)").count() == 0
    assert (visitor.foreign, visitor.alarms) == ([], [])


def test_again_take_back_download_and_begin_anew(
    bot: Chatbot, script: Any, show: Any, visit: Any, prompts: list[list[int]]
) -> None:
    visitor = visit(show(script("一", "二", "三")))
    tab = visitor.tab
    assert not tab.is_enabled("#retry")
    visitor.ask("甲？")
    tab.click("#retry")
    tab.wait_for_selector("#past .text :text('二')")
    assert tab.locator("#past .exchange").count() == 1
    tab.click("#settings button")
    assert tab.input_value("#seed input") == "43"
    tab.fill("#system textarea", "请简短。")
    visitor.ask("乙？")
    assert prompts[-1] == encode_prompt(bot.tokenizer, bot.template, "乙？", [("甲？", "二")], "请简短。")
    with tab.expect_download() as download:
        tab.click("#save")
    story = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert [(one["role"], one["content"]) for one in story["messages"]] == [
        ("system", "请简短。"), ("user", "甲？"), ("assistant", "二"), ("user", "乙？"), ("assistant", "三"),
    ]  # fmt: skip
    assert (story["model"], story["template"], story["sampling"]["seed"]) == (bot.name, "llama2", 43)
    tab.click("#undo")
    tab.wait_for_function("document.querySelectorAll('#past .exchange').length === 1")
    assert tab.input_value("#question textarea") == "乙？"
    tab.click("#clear")
    tab.wait_for_selector("#past .welcome")
    assert not tab.is_enabled("#save")


def test_both_languages_on_a_phone(script: Any, show: Any, visit: Any) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    visitor = visit(show(script("好。")), locale="zh-CN", **phone)
    tab = visitor.tab
    assert visitor.read("#head .notice") == NOTICE_ZH
    assert tab.inner_text("#send") == "发送"
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    visitor.ask("头痛？")
    assert "个词元" in visitor.read("#past .note")
    tab.click("#settings button")
    tab.click("#about button")
    tab.wait_for_selector(".card dl")
    places = "['#head', '#talk', '#ask', '#send', '#acts', '#settings', '#system', '#seed', '.card']"
    rights = tab.evaluate(f"{places}.map((one) => document.querySelector(one).getBoundingClientRect().right)")
    assert max(rights) <= 390 == tab.evaluate("document.documentElement.scrollWidth")
    tab.click("#switch")
    tab.wait_for_function("document.documentElement.lang === 'en'")
    assert visitor.read("#head .notice") == NOTICE
    assert visitor.read("#past .ask").endswith("头痛？")
    assert "tokens · " in visitor.read("#past .note")


def test_too_long_a_question_is_said_in_one_line(script: Any, show: Any, visit: Any) -> None:
    visitor = visit(show(script("好。", window=64), notice=False), locale="zh-CN")
    question = "头痛" * 60
    visitor.ask(question, wait=False)
    visitor.tab.wait_for_selector("#talk .problem")
    assert visitor.read("#talk .problem") == "问题太长：模型一次最多读 64 个词元。请缩短后再问。"
    assert visitor.tab.input_value("#question textarea") == question
    assert visitor.tab.locator("#head .notice").count() == 0
    visitor.ask("头痛？")
    assert visitor.read("#past .text") == "好。"
    assert visitor.tab.locator("#talk .problem").count() == 0


def test_enter_that_ends_a_word_of_an_input_method_sends_nothing(script: Any, show: Any, visit: Any) -> None:
    visitor = visit(show(script("好。")))
    visitor.tab.fill("#question textarea", "tou tong")
    for composing in (True, False):
        assert visitor.tab.input_value("#question textarea") == "tou tong"
        options = f"{{key: 'Enter', bubbles: true, cancelable: true, isComposing: {str(composing).lower()}}}"
        for kind in ("keydown", "keypress"):
            event = f"new KeyboardEvent('{kind}', {options})"
            visitor.tab.evaluate(f"document.querySelector('#question textarea').dispatchEvent({event})")
        visitor.tab.wait_for_timeout(400)
    visitor.tab.wait_for_selector("#past .note")
    assert visitor.read("#past .ask").endswith("tou tong")


def test_a_fault_of_ours_is_one_line_here_and_told_in_full_on_the_server(
    script: Any, show: Any, visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = visit(show(script()))  # its script has no text to say
    visitor.ask("头痛？", wait=False)
    visitor.tab.wait_for_selector("#talk .problem")
    assert visitor.read("#talk .problem") == "No answer came: IndexError"
    assert visitor.tab.input_value("#question textarea") == "头痛？"
    assert "pop from empty list" in caplog.text


def test_old_turns_that_no_longer_fit_are_told_of(script: Any, show: Any, visit: Any) -> None:
    visitor = visit(show(script("好。" * 20, "行。", window=100), max_new_tokens=40))
    visitor.ask("头痛怎么办，已经三天了？" * 2)
    visitor.ask("咳嗽怎么办，已经三天了？" * 2)
    assert "left out: 1" in visitor.read("#past .note")
