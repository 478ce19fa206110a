"""HTML: a row for each element chosen, its heading apart, a line for each block, nothing twice."""

from typing import Any

import pytest

PAGE = """<!DOCTYPE html><html><head><title>书</title><style>p { color: red }</style></head><body>
<div id="menu"><p>目录</p></div>
<div id="content">
 <div class="section"><h1 class="title">测试书</h1></div>
 <div class="section"><h2>第一节
   <b>总说</b> A</h2><script>var x = 1;</script><p>药有
      四气，<em>亦有</em>
      five
      flavours。</p><!-- 注 --><p>&lt;甲&gt;&amp;乙</p>尾<br>巴</div>
 <div class="section"><ul><li>一<li>二</ul><table><tr><td>桂枝<td>三钱<tr><td>甘草<td>二钱</table>
 <h3>后题</h3><p>后文</p></div>
</div></body></html>"""


def test_a_row_for_each_element_chosen(read_bytes: Any) -> None:
    found = read_bytes(PAGE.encode(), "html", "title", "text", at="#content > .section")
    assert found.rows == [
        {"title": "测试书", "text": ""},
        {"title": "第一节 总说 A", "text": "药有四气，亦有 five flavours。\n<甲>&乙\n尾\n巴"},
        {"title": "后题", "text": "一\n二\n桂枝 三钱\n甘草 二钱\n后文"},
    ]
    assert found.numbers == [1, 2, 3]
    assert found.names == {"title", "text"}


def test_without_a_selector_the_body_is_the_row(read_bytes: Any) -> None:
    (row,) = read_bytes(
        b"<html><head><title>t</title></head><body><p>a<p>b</body></html>", "html", "title", "text"
    ).rows
    assert row == {"title": None, "text": "a\nb"}


def test_an_element_inside_another_stands_once(read_bytes: Any) -> None:
    page = '<div class="s"><h1>外</h1><p>一</p><div class="s"><h2>内</h2><p>二</p></div><p>三</p></div>'
    assert read_bytes(page.encode(), "html", "title", "text", at=".s").rows == [
        {"title": "外", "text": "一\n三"},
        {"title": "内", "text": "二"},
    ]


def test_a_second_heading_is_text(read_bytes: Any) -> None:
    (row,) = read_bytes("<h1>甲</h1><p>一</p><h2>乙</h2><p>二</p>".encode(), "html", "title", "text").rows
    assert row == {"title": "甲", "text": "一\n乙\n二"}


def test_other_encodings_and_bad_bytes(read_bytes: Any) -> None:
    data = "<p>丹砂</p>".encode("gb18030")
    assert read_bytes(data, "html", "text", encoding="gb18030").rows == [{"text": "丹砂"}]
    found = read_bytes(data, "html", "text")
    assert (found.rows, found.reasons) == ([], [(1, "bad_encoding")])
    assert found.bad[0].detail == "byte 0xB5 at 3 is not utf-8"


@pytest.mark.parametrize("page", ["", "<p>", "<<<", "no tags", "<div class='s'"])
def test_broken_pages_are_read_as_browsers_do(page: str, read_bytes: Any) -> None:
    assert read_bytes(page.encode(), "html", "text", at=".s").rows == []


def test_deep_nesting_is_read(read_bytes: Any) -> None:
    page = "<div>" * 5_000 + "底" + "</div>" * 5_000
    assert read_bytes(page.encode(), "html", "text").rows == [{"text": "底"}]
