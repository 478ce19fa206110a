"""Phrases of the sites go, the same words in a sentence of a person stay."""

import polars as pl
import pytest

from care_data.cleaners.boilerplate import strip_boilerplate


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("孩子低烧三天。感谢医生为我快速解答——该。", "孩子低烧三天。"),
        ("吃什么药好？感谢医生为我快速解答――该", "吃什么药好？"),
        ("手指发麻，非常感谢医生为我快速解答——点击", "手指发麻，"),
        ("注意保暖。欢迎您下次再咨询！", "注意保暖。"),
        ("注意保暖，欢迎下次再来咨询。", "注意保暖"),
        ("图片因隐私问题无法显示", ""),
        ("（图片因隐私问题无法显示）这是化验单", "这是化验单"),
        ("指导意见：多休息。\n真情寄语：", "指导意见：多休息。"),
        ("未填写", ""),
        ("（空）", ""),
        ("无（2020-03-01填写）", "无"),
        # kept
        ("病情分析：考虑胃炎。指导意见：少食辛辣。", "病情分析：考虑胃炎。指导意见：少食辛辣。"),
        ("无", "无"),
        ("感谢医生的建议，我会注意。", "感谢医生的建议，我会注意。"),
        ("真情寄语：愿您保持好心情。", "真情寄语：愿您保持好心情。"),
        ("欢迎您的理解和配合", "欢迎您的理解和配合"),
        ("空腹抽血，（空）腹八小时", "空腹抽血，（空）腹八小时"),
    ],
)
def test_phrases(before: str, after: str) -> None:
    assert pl.select(strip_boilerplate(pl.lit(before))).item() == after
