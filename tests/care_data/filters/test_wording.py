"""Rules on wording: broken encodings, scripts, repetition, vice; and the medical words near to them."""

import polars as pl
import pytest

from care_data.filters import wording


def breaks(rule: str, text: str, *limit: float | str, question: str = "怎么办？") -> bool:
    frame = pl.DataFrame({"instruction": [question], "input": [""], "output": [text], "history": [[]]})
    return bool(frame.select(getattr(wording, rule)("sft", *limit)).item())


@pytest.mark.parametrize("text", ["服药\ufffd天", "锟斤拷锟斤拷", "烫烫烫烫烫烫", "ç³å°¿ç", "澶寸棝涓夊ぉ锛屾€"])
def test_mojibake(text: str) -> None:
    assert breaks("mojibake", text)
    assert breaks("mojibake", "多休息", question=text)


@pytest.mark.parametrize(
    "text", ["枸杞茶", "水温不烫烫手", "涓涓细流", "Müller, naïve, café", "publié», déjà", "棘球绦虫"]
)
def test_no_mojibake(text: str) -> None:
    assert not breaks("mojibake", text)


@pytest.mark.parametrize(
    ("text", "question", "foreign"),
    [
        ("You should drink water and rest for a while.", "What should I do about my cough?", True),
        ("You should drink water and rest for a while.", "咳嗽的英文建议怎么写？", False),
        ("予阿司匹林100mg qd po，氯吡格雷75mg qd po", "What should I do about my cough?", False),
        ("HBsAg(+), HBeAg(-), ALT 40U/L", "HBsAg HBeAg?", False),
        ("高血圧症の治療法について説明します。まずは減塩です。", "高血圧はどうすればよいですか。早く教えて。", True),
        (
            "충분히 쉬고 물을 많이 마시고 잠을 충분히 자는 것이 좋습니다",
            "기침이 나요 어떻게 해야 하나요 좀 알려주세요 네",
            True,
        ),
        ("α-干扰素与β受体", "α波", False),
        ("HBsAg and HBeAg are both markers of hepatitis B.", "HBsAg HBeAg 阳性?", False),
    ],
)
def test_foreign_script(text: str, question: str, foreign: bool) -> None:
    assert breaks("foreign_script", text, 0.1, "zh", question=question) is foreign


def test_foreign_script_of_english() -> None:
    chinese = "孩子咳嗽三天，夜里加重，建议多喝水，注意观察体温变化。"
    assert breaks("foreign_script", chinese, 0.1, "en", question=chinese)
    assert not breaks("foreign_script", "Café-au-lait spots – 5 µm wide.", 0.1, "en", question="Naïve β-cells?")


def test_repetitive() -> None:
    said = "咳嗽三天多为感冒引起，多喝水，注意观察体温变化，必要时复诊。"
    assert breaks("repetitive", said * 3, 0.4, "zh")
    assert not breaks("repetitive", said + "若伴有胸痛、气促，应拍胸片，排除肺炎、胸膜炎等其他疾病的可能。", 0.4, "zh")
    assert not breaks("repetitive", "Avoidant personality disorder, paranoid personality disorder, schizoid "
                      "personality disorder, borderline personality disorder", 0.4, "en")  # fmt: skip


@pytest.mark.parametrize("text", ["想赢钱来玩时时彩", "代开发票请联系", "你他妈有病", "what the fuck"])
def test_toxic(text: str) -> None:
    assert breaks("toxic", text)


@pytest.mark.parametrize(
    "text",
    [
        "贫贱人多郁症",
        "阴茎勃起功能障碍与手淫无关",
        "吸食海洛因成瘾的治疗",
        "妈妈说孩子抽搐",
        "pitch, switch, duck",
        "脑残留病灶",
        "脑残障儿童",
    ],
)
def test_words_of_medicine_are_not_toxic(text: str) -> None:
    assert not breaks("toxic", text)
