"""Gaps inside words and the furniture of printed pages go; names, tables and numbered text stay as they are."""

import polars as pl
import pytest

from care_data.cleaners import clean
from care_data.cleaners.layout import close_han_gaps, strip_page_furniture


def close(text: str) -> str:
    return str(pl.select(close_han_gaps(pl.lit(text))).item())


def strip(text: str) -> str:
    return str(pl.select(strip_page_furniture(pl.lit(text))).item())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("术后第二天即可下床活 动，以防止静脉血栓。", "术后第二天即可下床活动，以防止静脉血栓。"),
        ("每天饮水不少于两千毫 升。", "每天饮水不少于两千毫升。"),  # the end of the paragraph follows
        ("先观察二十分钟，如无 不适，再回病房继续休 息。", "先观察二十分钟，如无不适，再回病房继续休息。"),
        ("出现皮疹、发热、 关节疼痛时停药", "出现皮疹、发热、关节疼痛时停药"),  # after a full-width sign
        ("请参阅随后所附的 “用药须知”第三条", "请参阅随后所附的“用药须知”第三条"),
        ("一二三四五 六七八九十 甲乙丙丁戊 己庚辛", "一二三四五六七八九十甲乙丙丁戊己庚辛"),
        ("这一行的末尾有空 格\n下一行另起的开头也 有", "这一行的末尾有空格\n下一行另起的开头也有"),
        # kept
        ("前 言", "前 言"),
        ("组长： 赵 甲 乙", "组长： 赵 甲 乙"),
        ("赵甲乙 钱丙丁 孙 戊 李己庚", "赵甲乙 钱丙丁 孙 戊 李己庚"),
        ("每日两次 口服", "每日两次 口服"),  # too short to have come to the end of a line
        ("每日服用三次共计 600 毫克", "每日服用三次共计 600 毫克"),
        ("维生素缺乏时可用 vitamin K 治疗", "维生素缺乏时可用 vitamin K 治疗"),
        ("第一列的文字 | 第二列的文字", "第一列的文字 | 第二列的文字"),
        ("两个空格不是换行  留下的空格", "两个空格不是换行  留下的空格"),
        ("跨行的句子不合\n并成为一行", "跨行的句子不合\n并成为一行"),
        ("", ""),
    ],
)
def test_gaps(before: str, after: str) -> None:
    assert close(before) == after
    assert close(after) == after


def test_a_list_of_names_is_not_glued_however_often_it_is_cleaned() -> None:
    names = "编写专家委员会名单： 周 甲 吴乙丙 郑 丁 王戊己 冯 庚"
    frame = pl.DataFrame({"text": [names]})
    done, _ = clean(frame, ["close_han_gaps", "unicode"], ["text"])
    assert done.item() == names


BODY = "正文的第一段。\n\n正文的第二段。"


@pytest.mark.parametrize(
    "line",
    [
        "12", " 3 ", "IV", "xii", "- 7 -", "— 108 —", "第 5 页", "第5页 共 20 页", "第5页/共20页", "·9·",
        "guide.medlive.cn", "\tabc\tguide.medlive.cn", "'medlive.cn", ".medlive;cn", "   guide.medlive.gp",
        "www.cnki.net", "http://www.cnki.net", "g.wanfangdata.com.cn", "万方数据",
        "发热的处理............ 12", "发热的处理………… 3",
    ],
)  # fmt: skip
def test_a_line_of_furniture_goes(line: str) -> None:
    assert strip(BODY.replace("\n\n", f"\n{line}\n")) == BODY


@pytest.mark.parametrize(
    "line",
    [
        "12片", "3.", "IV期", "I类", "2021年", "1.5", "第5页的图", "12345", "见 guide.medlive.cn 上的全文说明",
        "体温\t37", "……", "未完待续……", "脉搏 80", "-", "C", "正常值：3.9……6.1 12例",
    ],
)  # fmt: skip
def test_a_line_of_text_stays(line: str) -> None:
    text = BODY.replace("\n\n", f"\n{line}\n")
    assert strip(text) == text


def test_a_column_of_figures_stays_and_a_page_number_near_it_goes() -> None:
    column = "剂量\n5\n7.5\n10\n\n频次\n1\n\n2\n3"
    assert strip(column) == column
    assert strip(f"上一页的末尾\n41\n{column}\n说明\n42\n下一页") == f"上一页的末尾\n\n{column}\n说明\n\n下一页"


def test_a_table_of_contents_goes_with_its_heading_and_no_tabbed_table_with_it() -> None:
    contents = "目 次\n\t前 言\tII\n\n\t1 范围\t1\n\t2 术语和定义\t12\n"
    assert strip(f"封面\n{contents}第一章\n体温\t37\n脉搏\t80\n") == "封面\n第一章\n体温\t37\n脉搏\t80\n"
    assert strip("封面\n目录\n") == "封面\n目录\n"


def test_the_steps_run_before_unicode_takes_the_tabs() -> None:
    frame = pl.DataFrame({"text": ["目录\n\t总则\t1\n\t用药\t2\n总则的第一条是安全用 药。\n\f3\n"]})
    done, counts = clean(frame, ["unicode", "close_han_gaps", "page_furniture"], ["text"])
    assert done.item() == "总则的第一条是安全用药。"
    assert counts == {"changed_page_furniture": 1, "changed_close_han_gaps": 1, "changed_unicode": 1}
