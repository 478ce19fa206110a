"""HTML, entities and links: what is markup goes, what only looks like it stays."""

import polars as pl
import pytest

from care_data.cleaners.markup import mask_links, strip_markup


def stripped(text: str) -> str:
    """One text through the markup cleaner."""
    return pl.select(strip_markup(pl.lit(text))).item()


def linked(text: str) -> str:
    """One text through the links cleaner."""
    return pl.select(mask_links(pl.lit(text))).item()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>多喝水</p>", "\n多喝水\n"),
        ("多喝水<br>多休息<BR/>少熬夜<br />早睡", "多喝水\n多休息\n少熬夜\n早睡"),
        ('<div class="box" id=top>主诉</div>', "\n主诉\n"),
        ("<font color='red' size=3>禁忌</font>：孕妇", "禁忌：孕妇"),
        ('<span title="血压>140">偏高</span>', "偏高"),
        ("<tr><td>钾</td><td>4.1</td></tr>", "\n钾 4.1 \n"),
        ("<b>注意</b>：若a<b>c", "注意：若a<b>c"),
        ('见<a href="http://x.example/1">指南</a>', "见指南"),
        ("<img src=/a/1.png alt><img src='b.gif' hidden/>选", "选"),
        ("好<script>var a = '<p>1</p>';</script><style>p {color:red}</style>转", "好转"),
        ("好<!-- 广告 <p> -->转", "好转"),
        ("<![CDATA[低热]]>", "低热"),
        ("10<sup>9</sup>/L，Ca<sup>2+</sup>，s<SUP>-1</SUP>", "10⁹/L，Ca²⁺，s⁻¹"),
        ("10<sup class='x'>12</sup>/L", "10^12/L"),
        ("CO<sub>2</sub>", "CO2"),
        ("白细胞&nbsp;&lt;4.0&#215;10&#x2079;/L", "白细胞\u00a0<4.0×10⁹/L"),
        ("&quot;思密达&quot;&amp;益生菌&hellip;", '"思密达"&益生菌…'),
        ("双重&amp;amp;转义&amp;quot;", '双重&转义"'),
        ("体温38&#8451;&#65281;", "体温38℃！"),
        ("见[诊疗指南](https://a.example/x_(1).html)。", "见诊疗指南。"),
        ('![胸片](http://a.example/1.png "图一")', "胸片"),
        ("<https://a.example/x>", "https://a.example/x"),
        ("写信给[我们](mailto:a@b.example)", "写信给我们"),
    ],
)
def test_changed(before: str, after: str) -> None:
    assert stripped(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "血压<140/90mmHg，WBC<4.0×10^9/L，血糖>7.0",
        "口服<阿莫西林胶囊>0.5g",
        "39℃<br 服药后<退热>",
        "<user>: 你好 <bot>: 您好",
        "<NAME>，<address>，<time>，<input>",
        "<目录>卷三<篇名>贪食",
        "P<0.05，r>0.8",
        "若a<b>c则停药",
        "组间差异<p value>未列",
        "A&B，R&D；AT&T",
        "&lt140，&nbsp无分号，&65533;，&#xZZ;，&madeup;",
        "[18F](FDG)显像，见[1](表2)",
        "血钾[3.5](正常)",
    ],
)
def test_kept(text: str) -> None:
    assert stripped(text) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("详见https://a.example/x?y=1&z=2，谢谢", "详见[URL]，谢谢"),
        ("请看www.a-b.example/c.html。", "请看[URL]。"),
        ("请看 http：//www.a.example/1 那里", "请看 [URL] 那里"),
        ("See https://a.example/x.", "See [URL]."),
        ("（ftp://a.example/x）", "（[URL]）"),
        ("见 https://doi.org/10.1000/abc.1。", "见 doi:10.1000/abc.1。"),
        ("网址是www，后缀.com，HTTP协议", "网址是www，后缀.com，HTTP协议"),
        ("比值1:2，mg/kg，and/or", "比值1:2，mg/kg，and/or"),
    ],
)
def test_links(before: str, after: str) -> None:
    assert linked(before) == after
    assert linked(after) == after


def test_null_stays_null() -> None:
    frame = pl.DataFrame({"text": [None, "<p>&#8451;"]}, schema={"text": pl.String})
    assert frame.select(strip_markup(pl.col("text")))["text"].to_list() == [None, "\n℃"]
