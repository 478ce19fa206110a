"""The traps of Chinese medical text that cleaners and filters made for the web fall into, a test for each."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

from care_data.cleaners import clean
from care_data.filters import reason
from care_data.filters.scripts import is_foreign

DEFAULTS = tomllib.loads((Path(__file__).parents[2] / "registry" / "_defaults.toml").read_text("utf-8"))
HISTORY = pl.List(pl.List(pl.String))


def cleaned(text: str, language: str = "zh") -> str:
    """A text after the default steps of a language."""
    frame, _ = clean(pl.DataFrame({"text": [text]}), DEFAULTS["clean"][language], ["text"])
    return str(frame.item())


def why(question: str, answer: str, history: list[list[str]] | None = None) -> str | None:
    """Why a pair is dropped under the default limits."""
    record = {"instruction": question, "input": "", "output": answer, "history": history or []}
    frame = pl.DataFrame([record], schema_overrides={"history": HISTORY})
    return frame.select(reason("sft", DEFAULTS["filters"]["sft"])).item()


def test_trap_comparison_signs_are_no_tags() -> None:
    for text in ("血压<140/90mmHg，WBC<4.0×10⁹/L，血糖>7.0", "若a<b>c则停药", "P<0.05，r>0.8", "39℃<br 服药后<退热>"):
        assert cleaned(text) == text


def test_trap_brackets_around_a_drug_are_no_tag() -> None:
    for text in ("口服<阿莫西林胶囊>0.5g", "<目录>卷三<篇名>贪食", "<user>: 你好 <bot>: 您好"):
        assert cleaned(text) == text


def test_trap_tags_go_with_scripts_and_their_text() -> None:
    assert cleaned("好<script>var a = '<p>1</p>';</script>转<br>多喝水") == "好转\n多喝水"


def test_trap_entities_are_read_after_tags_are_gone() -> None:
    assert cleaned("白细胞&lt;4.0，血小板&gt;100") == "白细胞<4.0，血小板>100"


def test_trap_powers_stay_powers() -> None:
    assert cleaned("白细胞10⁹/L，面积2m²，H₂O") == "白细胞10⁹/L，面积2m²，H₂O"
    assert cleaned("白细胞10<sup>9</sup>/L") == "白细胞10⁹/L"
    assert cleaned("面积2㎡") == "面积2m²"


def test_trap_signs_and_numbers_stay_what_they_are() -> None:
    for text in ("①头痛②恶心", "½片", "Ⅱ型", "38.5℃", "㊙方", "5μm", "±", "+++"):
        assert cleaned(text) == text
    assert cleaned("注射２㏄") == "注射2cc"  # a cc is not always a millilitre


def test_trap_chinese_punctuation_stays_full_width() -> None:
    text = "头痛？发热！（偶有）“刺痛”：左侧；右侧，"
    assert cleaned(text) == text


def test_trap_full_width_letters_and_digits_become_narrow() -> None:
    assert cleaned("ＡＢＣ１２３") == "ABC123"


def test_trap_radicals_are_characters() -> None:
    assert cleaned("⽔肿、⽣化、贫⾎") == "水肿、生化、贫血"


def test_trap_micro_sign_is_mu() -> None:
    assert cleaned("50µg") == "50μg"


def test_trap_joined_emoji_stay_joined() -> None:
    assert cleaned("👨\u200d👩\u200d👧好") == "👨\u200d👩\u200d👧好"
    assert cleaned("低\u200d热\u200b不\ufeff退") == "低热不退"


def test_trap_indented_paragraphs() -> None:
    assert cleaned("\u3000\u3000病史：两年。\n\u3000\u3000查体：无殊。") == "病史：两年。\n查体：无殊。"


def test_trap_mojibake_is_repaired_or_named() -> None:
    assert cleaned("ç³\u0096å°¿ç\u0097\u0085") == "糖尿病"
    assert cleaned("ç³–å°¿ç—…") == "糖尿病"
    for lost in ("锟斤拷患者头痛", "烫烫烫烫烫", "患者\ufffd头痛"):
        assert why("怎么办？", cleaned(lost)) == "mojibake"


def test_trap_short_chinese_is_chinese() -> None:
    texts = ["头痛", "予阿司匹林100mg qd po，氯吡格雷75mg qd po", "I have 高血压 and 糖尿病, 请问怎么办", "HBsAg+", ""]
    frame = pl.DataFrame({"text": texts})
    assert frame.select(is_foreign(pl.col("text"), "zh", 0.1))["text"].to_list() == [False] * 5


def test_trap_japanese_has_han_characters_too() -> None:
    texts = [
        "高血圧症 糖尿病 治療法についての説明です、ご覧ください",
        "高血压、糖尿病的治疗方法说明，请看下文，の字招牌",
    ]
    frame = pl.DataFrame({"text": texts})
    assert frame.select(is_foreign(pl.col("text"), "zh", 0.1))["text"].to_list() == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "国药准字H20013456", "PMID: 28812345678", "血小板138×10^9/L", "2019-08-12入院", "ISBN 978-7-117-12345-6",
        "条形码6901234567892", "doi:10.1000/13812345678",
    ],
)  # fmt: skip
def test_trap_numbers_of_medicine_are_no_telephones(text: str) -> None:
    assert cleaned(text) == text


def test_trap_a_number_beside_chinese_characters_is_seen() -> None:
    assert cleaned("我的电话13812345678请回电") == "我的电话[PHONE]请回电"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("这是偏头痛吗？", "是"),
        ("结果是什么？", "阴性"),
        ("最缺的是什么气体？", "氧"),
        ("分型是？", "A"),
        ("尿蛋白多少？", "+++"),
        ("应该怎么治疗？", "手术"),
        ("挂哪个科？", "建议去神经内科就诊。"),
        ("要不要去医院？", "请及时就医。"),
    ],
)
def test_trap_short_answers_are_right_answers(question: str, answer: str) -> None:
    assert why(question, answer) is None


def test_trap_a_polite_turn_answers_a_polite_turn() -> None:
    assert why("谢谢医生", "不客气，祝您早日康复！", [["头痛怎么办？", "多休息。"]]) is None
    assert cleaned("不客气，祝您早日康复！") == "不客气，祝您早日康复！"


def test_trap_one_line_answers_are_not_held_to_the_rules_of_web_pages() -> None:
    assert why("头痛怎么办？", "多休息") is None
    assert {"repeated_lines", "unended_lines", "few_stop_words"} & set(DEFAULTS["filters"]["sft"]) == set()


def test_trap_prescriptions_have_no_stop_words() -> None:
    frame = pl.DataFrame(
        {"text": ["麻黄三钱 桂枝二钱 杏仁二十枚 甘草一钱炙 石膏一两研 " * 3 + "水煎温服，饭后半个时辰"]}
    )
    limits = DEFAULTS["filters"]["pt"] | {"repetitive": False}
    assert frame.select(reason("pt", limits)).item() is None
    assert limits["few_stop_words"] is False


def test_trap_section_marks_are_text() -> None:
    text = "病情分析：考虑胃炎。\n指导意见：少食辛辣。"
    assert cleaned(text) == text
    assert cleaned(f"{text}\n真情寄语：") == text
