"""Rules on the wording of a text of any format: its script, what is broken, what it repeats, what none should say."""

import polars as pl

from care_data.characters import BROKEN
from care_data.filters.fields import FIELDS, PROMPTS, best, prompt
from care_data.filters.repetition import repeated_share
from care_data.filters.scripts import is_foreign
from care_data.selection import find_where

RUNS = {"zh": 10, "en": 40}
"""Language -> characters in a run of `repetitive`: about seven words."""

SPAM = (
    "六合彩|时时彩|博彩网|赌球|百家乐|老虎机|裸聊|约炮|援交|包夜服务|上门服务小姐|成人电影|情色电影|黄色网站|av女优|AV女优|代开发票|办证刻章"
    "|枪支出售|迷药出售|迷奸水|催情水|乖乖水|外挂下载|贷款秒批|高利贷|走私手机"
)
"""What sellers of no medicine write under questions. Words of sexual medicine are not among them."""

ABUSE = (
    r"傻[逼屄比]|操你|草泥马|妈了?个[逼b]|去死吧|你他妈|王八蛋|狗娘养|婊子|脑残(?:[^留余疾障]|$)|滚蛋"
    r"|(?i:\b(?:fuck|motherfuck|nigger|faggot)[a-z]*\b|\bbitch(?:es)?\b)"
)
HINTS = (
    rf"{SPAM}|傻[逼屄比]|操你|草泥马|妈了|他妈|死吧|王八|狗娘|婊子|脑残|滚蛋|uck|UCK|itch|ITCH|igge|IGGE|aggot|AGGOT"
)
"""One of these stands in whatever SPAM and ABUSE find."""


def mojibake(format: str) -> pl.Expr:
    """The text that has to be good, or the question, was read in a wrong encoding and is past repair."""
    return pl.any_horizontal(
        pl.col(name).fill_null("").str.contains(BROKEN) for name in FIELDS[format] if name != "history"
    )


def foreign_script(format: str, share: float, language: str) -> pl.Expr:
    """Less than `share` of the letters are in the script of the output's language, in the answer and in the question.

    A Chinese question with an English answer may be what was asked for.
    """
    foreign = is_foreign(best(format), language, share)
    if format not in PROMPTS:
        return foreign
    return find_where(foreign, FIELDS[format], is_foreign(prompt(format), language, share, 1))


def toxic(format: str) -> pl.Expr:
    """The text that has to be good sells vice or insults."""
    text = best(format)
    return find_where(text.str.contains(HINTS), FIELDS[format], text.str.contains(rf"{SPAM}|{ABUSE}"))


def repetitive(format: str, share: float, language: str) -> pl.Expr:
    """More than `share` of the text's runs of some seven words stand in it already: a model in a loop, a text pasted
    twice."""
    return repeated_share(best(format), RUNS[language]) > share
