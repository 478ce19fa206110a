"""Rules on answers: what each drops, and the answers near to it that are right."""

import polars as pl
import pytest

from care_data.filters import answers

HISTORY = pl.List(pl.List(pl.String))


def breaks(rule: str, output: str, instruction: str = "孩子咳嗽三天了", said: int = 0, *limit: float) -> bool:
    """Whether an answer breaks the rule, after so many exchanges."""
    record = {"instruction": instruction, "input": "", "output": output, "history": [["在吗", "在的"]] * said}
    frame = pl.DataFrame([record], schema_overrides={"history": HISTORY})
    return bool(frame.select(getattr(answers, rule)("sft", *limit)).item())


@pytest.mark.parametrize(
    "output",
    [
        "好的。<|im_end|>",
        "多休息。\n### Response: 多喝水",
        "[INST] 咳嗽 [/INST] 多喝水",
        "多喝水。\nHuman: 还有呢？\nAssistant: 早点睡。",
    ],
)
def test_template_leakage(output: str) -> None:
    assert breaks("template_leakage", output)


@pytest.mark.parametrize(
    "output",
    [
        "### 用药\n一日三次",
        "Human papillomavirus: HPV",
        "<user> 是占位符",
        "GPT 是谷丙转氨酶，偏高要复查",
        "Human: 人\n第二行",
    ],
)
def test_no_template_leakage(output: str) -> None:
    assert not breaks("template_leakage", output)


@pytest.mark.parametrize(
    "output",
    [
        "很抱歉，作为一个语言模型，我无法给出诊断。",
        "作为AI助手，我不能开处方，请找医师。",
        "As an AI language model, I cannot diagnose you.",
        "抱歉，我无法回答这个问题。",
    ],
)
def test_refusal(output: str) -> None:
    assert breaks("refusal", output)


@pytest.mark.parametrize(
    "output",
    [
        "很抱歉听到您生病了。咳嗽三天多为感冒，多喝水。",
        "抱歉回复晚了，片子上没有问题。",
        "作为一种抗生素，它不能治疗病毒感染。",
        "作为医生，我不能不提醒您按时服药。",
        "抱歉，我无法判断是哪一型，但从症状看，先按支气管炎处理：多饮水，雾化吸入，观察体温，" + "必要时拍片，" * 10,
    ],
)
def test_no_refusal(output: str) -> None:
    assert not breaks("refusal", output)


@pytest.mark.parametrize(
    "output",
    [
        "建议去医院检查。",
        "您好，请及时到正规医院就诊，祝您健康！",
        "请及时就医。",
        "最好去医院看看吧",
        "建议尽快去当地医院进行检查和治疗。",
    ],
)
def test_see_a_doctor_only(output: str) -> None:
    assert breaks("see_a_doctor_only", output)
    assert not breaks("see_a_doctor_only", output, "这个要不要去医院？")
    assert not breaks("see_a_doctor_only", output, said=1)


@pytest.mark.parametrize(
    "output",
    [
        "建议到呼吸科就诊。",
        "去医院拍个胸片。",
        "考虑肺炎，请及时就医。",
        "请先停药，再去医院检查。",
        "建议检查血常规。",
    ],
)
def test_an_answer_that_says_more_than_hospital(output: str) -> None:
    assert not breaks("see_a_doctor_only", output)


@pytest.mark.parametrize("output", ["谢谢", "不客气！祝您早日康复！", "你好，好的。", "同问", "希望对您有帮助！"])
def test_says_nothing(output: str) -> None:
    assert breaks("says_nothing", output, "咳嗽怎么办？")
    assert not breaks("says_nothing", output, "谢谢医生，还有什么要注意吗？再见")
    assert not breaks("says_nothing", output, "咳嗽怎么办？", said=2)


@pytest.mark.parametrize("output", ["是", "阴性", "氧", "A", "好的，每天两次。", "你好，多喝水。", "明白，是过敏。"])
def test_short_answers_say_something(output: str) -> None:
    assert not breaks("says_nothing", output, "缺什么？")
    assert not breaks("see_a_doctor_only", output)


def test_too_short_to_explain() -> None:
    assert breaks("too_short_to_explain", "需要", "结节该怎么治疗？")
    assert breaks("too_short_to_explain", "是的。", "为什么会咳嗽？")
    assert breaks("too_short_to_explain", "Yes.", "How to treat a cough")
    assert not breaks("too_short_to_explain", "是的。", "为什么会咳嗽？是过敏吗？")
    assert not breaks("too_short_to_explain", "手术", "结节怎么治？")
    assert not breaks("too_short_to_explain", "氧", "呼吸困难如何处理？")
    assert not breaks("too_short_to_explain", "阴性", "结果如何")
    assert not breaks("too_short_to_explain", "是的。", "为什么会咳嗽？", said=1)


@pytest.mark.parametrize(
    "output",
    ["可用阿莫西林，以及", "常见原因包括", "这种情况（", "步骤如下：", "先消毒。2.", "降低费用和", "并发症，如果"],
)
def test_unfinished(output: str) -> None:
    assert breaks("unfinished", output)


@pytest.mark.parametrize(
    "output",
    ["性质温和", "谢谢您的参与", "症状得到缓和", "一天两次，", "血压 120/80", "体温38.5", "多休息", "是(+)", "疗程为2"],
)
def test_finished(output: str) -> None:
    assert not breaks("unfinished", output)


def test_cut_at() -> None:
    assert breaks("cut_at", "一" * 20, "问", 0, 20)
    assert not breaks("cut_at", "一" * 19 + "。", "问", 0, 20)
    assert not breaks("cut_at", "一" * 21, "问", 0, 20)


@pytest.mark.parametrize(
    "output",
    [
        "秘方管用，加我微信[WECHAT]详谈",
        "想买的加我扣10020030045",
        "请拨打咨询电话：[LANDLINE]",
        "详情点击左侧的咨询按钮",
        "全国包邮，货到付款",
    ],
)
def test_advertising(output: str) -> None:
    assert breaks("advertising", output)


@pytest.mark.parametrize(
    "output",
    [
        "病情加重时拨打急救电话120",
        "检查是免费的，到疾控中心即可",
        "可以通过微信随访",
        "加用阿司匹林，每日一次",
        "预约挂号后再来复诊",
        "点击痛处时是否加重？",
        "加我院开的药一起吃也行",
    ],
)
def test_no_advertising(output: str) -> None:
    assert not breaks("advertising", output)
