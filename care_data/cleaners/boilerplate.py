"""What sites add to every consultation: phrases nobody wrote in answer to this question."""

import polars as pl

PHRASES = (
    r"[（(【\[]?图片因隐私问题无法显示[）)】\]]?[。！!]?",  # stands for a photo the patient sent
    r"(?:非常)?感谢医生为我快速解答(?:[—―–－-]{1,6}(?:该|点击)?)?[。！!.]?",  # the form's own closing
    r"(?:^|[，,])?欢迎您?下次再来?咨询[。！!～~]?",
    r"(?m)真情寄语[:：]?\s*$",  # a section mark with nothing under it
)
PLACEHOLDERS = r"^[（(]空[）)]$|^未填写$|^[（(]?暂无(?:内容|描述|回答)[）)]?$"
"""A whole text that says no text was given. 无 is not among them: it answers many questions."""


def strip_boilerplate(text: pl.Expr) -> pl.Expr:
    """Text without the sites' phrases and placeholders, ends trimmed; what stood around a phrase stays as it was."""
    for phrase in PHRASES:
        text = text.str.replace_all(phrase, "")
    return text.str.strip_chars().str.replace(PLACEHOLDERS, "").str.replace(r"^无[（(]\d{4}-.{1,20}填写[）)]$", "无")
