"""Doctors by name, and all that only looks like one."""

import polars as pl
import pytest

from care_data.cleaners.privacy import mask_names


def masked(texts: list[str | None]) -> list[str | None]:
    """These texts through the cleaner."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.select(mask_names(pl.col("text")))["text"].to_list()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("李大夫，您好", "[DOCTOR]，您好"),
        ("谢谢你王医生", "谢谢你[DOCTOR]"),
        ("麻烦张主任看看", "麻烦[DOCTOR]看看"),
        ("感谢谢医生", "感谢[DOCTOR]"),
        ("请问高大夫，药停吗", "请问[DOCTOR]，药停吗"),
        ("听说李晓霖主任在那边坐诊", "听说[DOCTOR]在那边坐诊"),
        ("某院血液科刘婷主治医师查房", "某院血液科[DOCTOR]查房"),
        ("欧阳若兰教授、张伟副主任医师和李主任", "[DOCTOR]、[DOCTOR]和[DOCTOR]"),
        ("主治医师：贺青山", "[DOCTOR]"),
        ("副主任医师陆雅琴，擅长小儿哮喘", "[DOCTOR]，擅长小儿哮喘"),
        ("主管医生王芳建议复查", "[DOCTOR]建议复查"),
        ("Regards, Dr. Emily K. Chen, General Physician", "Regards, [DOCTOR], General Physician"),
        ("Seen by Emily Rowe, MD", "Seen by [DOCTOR]"),
    ],
)
def test_names_with_titles(before: str, after: str) -> None:
    assert masked([before, after]) == [after, after]


STAY = """
大夫，我头痛
问医生，问大夫，看医生
高血压医生建议低盐
白内障大夫说等5个月再手术
康复医师说每天58分钟
于主治医师指导下减量
由于医生不在，对于医生的话
应向医生咨询，常向医师报告
任何医生都会，如何医生才好
非常感谢医生，谢谢医生，好的谢医生
经常医生查房，健康检查医生说没事
许多医生，也许医生知道
家庭医生、责任医生、儿童医院医生
任主任医师十年，历任主任、教授
主任医师查房3次，副主任医师4次
主任医师周一上午出诊
上周医生说可以
院方医生，对方医生
沈阳医生，欧洲医生
王氏保赤丸，李时珍，张仲景
李时珍医生写过本草，张仲景教授辨证
帕金森病，巴金森氏征，唐氏综合征
祝医生身体健康
Hi Doctor I have a fever. Doctor, My son coughs
Hello Dr. Please help. Thank you Doctor Thanks
Down syndrome, Parkinson disease
A clinic in Silver Spring, MD
""".strip().splitlines()


def test_all_else_stays() -> None:
    wrong = [(text, after) for text, after in zip(STAY, masked(STAY), strict=True) if text != after]
    assert wrong == []


def test_null_stays_null() -> None:
    assert masked([None, "李大夫", ""]) == [None, "[DOCTOR]", ""]
