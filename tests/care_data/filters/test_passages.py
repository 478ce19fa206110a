"""Rules on passages: what each drops, and the prescriptions, verses and tables near to it that stay."""

import polars as pl
import pytest

from care_data.filters import passages

VERSE = "\n".join(["甘草性平调百药，", "黄连味苦泻心火。", "当归补血兼行气，", "川芎上行治头风。"])
PRESCRIPTION = "麻黄三钱 桂枝二钱 杏仁二十枚 甘草一钱 " * 14


def breaks(rule: str, text: str, *limit: float | str) -> bool:
    return bool(pl.DataFrame({"text": [text]}).select(getattr(passages, rule)("pt", *limit)).item())


def lines(*texts: str) -> str:
    return "\n".join(texts)


def test_few_letters() -> None:
    assert breaks("few_letters", "12.5 | 13.8 | 99.1 | ++ | 7.7 | 10 合计", 0.3)
    assert not breaks("few_letters", "-" * 200 + "\n骨小肉脆，须缓缓调养。", 0.3)
    assert not breaks("few_letters", "白细胞 11.2×10⁹/L，中性粒细胞 78.5%", 0.3)


def test_few_stop_words() -> None:
    assert breaks("few_stop_words", "阿莫西林 头孢克肟 左氧氟沙星 " * 15, 2, "zh")
    assert not breaks("few_stop_words", "此方治风寒之在表者，其效甚速。" * 15, 2, "zh")
    assert not breaks("few_stop_words", "阿莫西林 头孢克肟", 2, "zh")
    assert breaks("few_stop_words", "aspirin ibuprofen " * 15, 2, "en")
    assert not breaks("few_stop_words", "The dose of aspirin in adults is low. " * 8, 2, "en")


def test_repeated_lines() -> None:
    body = [f"第{number}条，饭后服药。" for number in range(10)]
    assert breaks("repeated_lines", lines(*body, *["回到首页"] * 6), 0.287)
    assert not breaks("repeated_lines", lines(*body, *["回到首页"] * 5), 0.287)
    assert not breaks("repeated_lines", lines(*["短短几行"] * 9), 0.287)


def test_repeated_line_chars() -> None:
    body = [f"第{number}条，饭后服药。" for number in range(10)]
    again = "本站内容未经许可不得转载。"
    assert breaks("repeated_line_chars", lines(*body, again, again), 0.1)
    assert not breaks("repeated_line_chars", lines(*body, "返回", "返回"), 0.1)


def test_unended_lines() -> None:
    menu = [f"栏目{number}" for number in range(20)]
    assert breaks("unended_lines", lines(*menu), 0.106)
    assert breaks("unended_lines", lines(*menu[:18], *["饭后服药。"] * 2), 0.106)
    assert not breaks("unended_lines", lines(*menu[:17], *["饭后服药。"] * 3), 0.106)
    assert not breaks("unended_lines", lines(*menu[:16], *["饭后服药。"] * 4), 0.106)
    assert not breaks("unended_lines", lines(*menu[:9]), 0.106)


def test_short_lines() -> None:
    assert breaks("short_lines", lines(*["头痛", "发热"] * 10), 0.178)
    assert not breaks("short_lines", "\n".join([VERSE] * 4), 0.178)


@pytest.mark.parametrize("text", [VERSE, PRESCRIPTION, "卷一", "", "病案：男，四十二岁。\n初诊：脉浮。\n方：桂枝汤。"])
def test_what_the_lines_rules_leave_alone(text: str) -> None:
    limits = {"repeated_lines": 0.287, "repeated_line_chars": 0.1, "unended_lines": 0.106, "short_lines": 0.178}
    assert [rule for rule, limit in limits.items() if breaks(rule, text, limit)] == []


def test_null_is_no_passage() -> None:
    frame = pl.DataFrame({"text": [None]}, schema={"text": pl.String})
    rules = [passages.few_letters("pt", 0.3), passages.repeated_lines("pt", 0.2), passages.short_lines("pt", 0.1)]
    assert frame.select(rule.alias(str(at)) for at, rule in enumerate(rules)).row(0) == (False, False, False)
