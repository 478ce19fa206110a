"""What sites add to every consultation: phrases nobody wrote in answer to this question."""

import polars as pl

from care_data.selection import clean_where

PHRASES = (
    r"[（(【\[]?图片因隐私问题无法显示[）)】\]]?[。！!]?",  # stands for a photo the patient sent
    r"(?:非常)?感谢医生为我快速解答(?:[—―–－-]{1,6}(?:该|点击)?)?[。！!.]?",  # the form's own closing
    r"(?:^|[，,])?欢迎您?下次再来?咨询[。！!～~]?",
    r"(?m)真情寄语[:：]?\s*$",  # a section mark with nothing under it
    r"(?:病情分析|问题分析|指导意见|意见建议|建议|生活护理|医生询问)[:：]\s*$",  # the same at the end of a text
)
PLACEHOLDERS = r"^[（(]空[）)]$|^未填写$|^[（(]?暂无(?:内容|描述|回答)[）)]?$"
"""A whole text that says no text was given. 无 is not among them: it answers many questions."""

STOP = r"。！？!?；;\n"
REST = rf"[^{STOP}.0-9]"
"""Characters of a sentence that goes whole: none with a figure in it does, whatever it advertises."""

ADVERTISED = (
    r"(?:点击|请点)[^。！？!?；;\n.0-9]{0,16}(?:咨询|交流|采纳|专家|按钮|图标|客服|预约|对话|好评)"
    r"|(?:满意|有用|有帮助)[^。！？!?；;\n.0-9]{0,10}采纳|采纳为?(?:我的)?(?:最佳|满意)?(?:答案|回答)|[望请求][您你]?采纳"
)
ADVERTISEMENT = rf"(^|[{STOP}.]){REST}{{0,40}}(?:{ADVERTISED}){REST}{{0,30}}(?:[{STOP}]+|\.$|$)"
"""A sentence that sends the reader to a button; a longer one also says something else, and the filter advertising
decides."""

YOU = r"(?:[您你]们?|大家|患者|宝宝|孩子)"
WISH = (
    rf"(?:最后)?(?:衷心)?祝愿?{YOU}?的?(?:身体|早日|尽快|一切|天天|永远|生活|恢复|安好|工作)*(?:健康|康复|顺利|愉快|平安|如意|好运)"
    rf"(?:快乐|愉快)?|(?:真[心诚]|衷心)?[希期]望(?:以上|上述|我)?的?(?:回答|答案|建议|解答|答复|内容|意见)?"
    rf"(?:能够?|可以)?(?:对{YOU}(?:能够?|会)?有(?:所|一定的?|些)?帮助|(?:帮助|协助|帮)到?{YOU})(?:[，,]?谢谢)?"
    rf"|以上是对[^。！!\n]{{0,60}}问题的?(?:建议|回答|解答|答复)"
    rf"|如果?{YOU}?[还仍]?有(?:其他|什么|任何|别的)?(?:问题|疑问)[，,]?(?:请|欢迎|可以|可){{0,2}}(?:随时)?都?(?:可以|可)?(?:[向与和][我]们?)?"
    r"(?:联系|咨询|提问|追问)我?"
)
FAREWELL = rf"([{STOP}…~～]\s*)(?:(?:{WISH})[，,。！!.～~\s]*)+$"
"""Wishes at the end of a text that said something before. 不客气，祝您早日康复 is an answer and stays."""


HINTS = "图片因隐私|感谢医生|欢迎|真情寄语|点击|请点|采纳"
TAIL_HINTS = r"祝|[希期]望|问题|疑问|(?:分析|意见|建议|护理|询问)[:：]\s*$"
TAIL = 48
"""Characters at the end of a text in which a farewell or an empty section mark shows itself."""
SHORT = 40
"""Bytes a placeholder has at most."""


def strip_boilerplate(text: pl.Expr) -> pl.Expr:
    """Text without the sites' phrases, placeholders, calls to press a button and farewells, ends trimmed.

    What stood around a phrase stays as it was.
    """

    def is_hot(text: pl.Expr) -> pl.Expr:
        return (
            text.str.contains(HINTS) | text.str.slice(-TAIL).str.contains(TAIL_HINTS) | (text.str.len_bytes() <= SHORT)
        )

    return clean_where(text, is_hot, _strip_phrases).str.strip_chars()


def _strip_phrases(text: pl.Expr) -> pl.Expr:
    for phrase in PHRASES:
        text = text.str.replace_all(phrase, "")
    for sentence in (ADVERTISEMENT, FAREWELL):
        text = text.str.replace_all(sentence, "${1}")
    return text.str.strip_chars().str.replace(PLACEHOLDERS, "").str.replace(r"^无[（(]\d{4}-.{1,20}填写[）)]$", "无")
