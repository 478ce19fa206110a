"""Rules on questions with their answers: sft, rw, eval.

No rule goes by length alone, since 是, 阴性 and 氧 are right answers, and none but the plainest looks at an answer that
comes late in a dialogue: there 不客气 and 建议去医院 are what the turn before calls for.
"""

import polars as pl

from care_data.characters import DIGIT, HAN, LETTER, LINK, SIGN, TAGS
from care_data.filters.fields import (
    ANSWERS,
    FIELDS,
    GREETING,
    PROMPTS,
    WISH,
    bare,
    best,
    blank,
    first_letter,
    last_letter,
    opens_dialogue,
    prompt,
)
from care_data.selection import find_where

URL_TAG = TAGS["url"].replace("[", r"\[").replace("]", r"\]")

LEAKS = (
    r"<\|(?:im_start|im_end|endoftext|eot_id|user|assistant|system)\|>|\[/?INST\]|<</?SYS>>"
    r"|(?m:^\s*###\s*(?i:instruction|response|input|human|assistant)\s*[:：])"
    r"|(?m:^\s*(?i:human|user)\s*[:：][^\n]*\n(?s:.*?)^\s*(?i:assistant|gpt)\s*[:：])"
)

LEAK_HINTS = r"<\||INST\]|<<|###|ssistant|GPT|gpt"
"""One of these stands in whatever LEAKS finds."""

MODEL = (
    r"作为?(?:一|1)?[个名位款]?\s*(?i:AI|人工智能|自然语言|(?:大型?)?语言模型|智能(?:助手|机器人|客服)|聊天机器人|虚拟助[手理]|机器人)"
    r"|(?i:as an? (?:ai|artificial intelligence|(?:large )?language model|virtual assistant)\b)"
)
UNABLE = (
    r"无法|不能|不会|不具备|没有(?:办法|能力|权限|实时|关于|直接)|不是(?:一[名位个])?(?:医生|医疗)"
    r"|(?i:cannot|can't|can not|unable|not able|don't|do not|am not)"
)
SORRY = (
    r"^(?:(?:非常|很|十分|真)?(?:抱歉|对不起|遗憾)[，,。！!\s]*)(?:但是?|因为|由于)?我(?:们)?[^，。]{0,6}(?:无法|不能|没法|没有办法)"
    r"[^，。！!]{0,12}(?:回答|提供|判断|诊断|确定|给出|理解|看到|查看)"
)
OPENING = 40
SORRY_CHARS = 90
"""A longer answer that begins so goes on to say something."""

GO = r"(?:去|到|来|往|前往|找|上|在|及时|尽快|尽早|立即|马上|立刻|赶紧)"
PLACE = (
    r"(?:(?:当地|附近|正规|专业|专科|大型?|三甲|三级甲等|公立|权威|较?大|好|的|一?家|个|相关|综合|综合性|医疗)*"
    r"(?:医院|门诊|诊所|医疗机构|机构|医生|大夫|医师|专家))"
)
VISIT = (
    r"(?:(?:进行|做|接受|再|进一步|详细|系统|全面|仔细|认真|专业|相关|的|一下|个|具体|面)*"
    r"(?:就诊|就医|看看|看病|看一?下|检查|复查|诊断|治疗|咨询|诊治|面诊|确诊|诊疗|处理|评估))"
)
ADVISE = (
    r"(?:建议|请|最好|还是|应该?|需要?|可以|必须|你|您|患者|这种|这个|情况|的|先|是|要|尽量|亲自|本人|带孩子|带宝宝)"
)
ONLY_VISIT = (
    rf"^(?:{GREETING})*{ADVISE}{{1,8}}(?:{GO}|{PLACE}|{VISIT}|[，,、]|和|或|并|后|以|再|为好|比较好|吧|了|的){{1,14}}"
    rf"[，。！!,.\s]*(?:{WISH})*[，。！!,.~～\s]*$"
)
ONLY_VISIT_CHARS = 60
ASKS_VISIT = r"医院|就医|就诊|看医生|检查|门诊|哪里|哪儿|哪家|挂|什么科|哪个科|复查"
"""To such a question a place is the answer."""

NOTHING = (
    rf"^(?:{GREETING}|(?:不客气|不用谢|不谢|不用客气|别客气)[，,。！!~～\s]*"
    r"|(?:好的?|嗯+|哦+|噢|收到|知道了|明白了?|顶|路过|同问|沙发|不知道|不清楚|不懂|楼主)[啊呀吧的了，,。！!~～\s]*"
    rf"|(?:{WISH})[，,。！!~～\s]*|欢迎[^。！!]{{0,8}}(?:咨询|提问)[。！!]*)+$"
)
THANKS = r"[谢辞]|再见|(?i:thank)"
ASKS = r"[?？]|怎么|如何|什么|为何|吗|呢|多少|哪|能不能|可不可以|是否"

YES_OR_NO = (
    r"^\s*(?:是的?|不是|对的?|不对|有的?|没有|可以的?|不可以|能|不能|会的?|不会|需要|不需要|不用|好的?|行|不行|不|(?i:yes|no))"
    r"[。.！!，,\s]*$"
)
HOW = r"怎么办|怎样|怎么治|怎么回事|如何|为什么|为何|什么原因|(?i:\bhow\b|\bwhy\b)"
WHETHER = (
    r"吗|是否|能不能|可不可以|会不会|是不是|要不要|有没有|需不需要|对不对|好不好|严不严重|还是"
    r"|(?i:\b(?:is|are|does|do|can|should|will)\b)"
)
SHORT_BYTES = 16

SELLS = (
    r"加(?:我|一下|下)?的?(?:微信|[vV][信xX]?|薇信|扣扣?|企鹅|QQ|qq|好友)[^。！？\n，,]{0,10}"
    r"(?:\[WECHAT\]|\[QQ\]|\[PHONE\]|[0-9A-Za-z_-]{5,})"
    r"|(?:咨询|联系|热线|预约|拨打|订购|购买|加盟|代理)[^。！？\n]{0,12}(?:\[WECHAT\]|\[QQ\]|\[PHONE\]|\[LANDLINE\])"
    r"|点击[^。！？\n]{0,14}(?:咨询|交流|专家|按钮|图标|客服|预约|对话|链接)"
    r"|(?:搜索|百度)[^。！？\n]{0,10}(?:找到我|就能找到|加我)"
    r"|刷单|兼职赚|日赚|月入过万|躺赚|招代理|诚招|货到付款|包邮|淘宝店|微商"
)
"""Calls to buy, to call, to write to somebody; the tags are those of care_data.characters.TAGS."""
SELLS_HINTS = (
    r"加(?:我|一?下|微|v|V|薇|扣|企|Q|q|好友|的)|\[(?:PHONE|WECHAT|QQ|LANDLINE)\]"
    "|点击|搜索|百度|赚|刷单|月入|代理|诚招|包邮|货到|微商|淘宝"
)
"""One of these stands in whatever SELLS finds."""

OPEN_END = (
    r"(?:[（(\[【“‘《〈]|(?:以及|例如|比如|譬如|诸如|包括|因为|由于|但是|而且|并且|或者|如果|[^温缓饱柔平调中谐]和|[^参]与)"
    r"|(?:如下|以下(?:几[点种个方面]*|内容|症状|方法|措施|原因|步骤)?)[:：]|[。；;\n]\s*[0-9]{1,2}[.、．])\s*$"
)
FINAL = r"[。！？!?.…）)】”’\]》；;~～]\s*$"


def blank_prompt(format: str) -> pl.Expr:
    """Instruction and input are both empty."""
    return pl.all_horizontal(blank(column) for column in PROMPTS[format])


def blank_answer(format: str) -> pl.Expr:
    """An answer is empty; of a preference pair, either."""
    return pl.any_horizontal(blank(column) for column in ANSWERS[format])


def answer_equals_question(format: str) -> pl.Expr:
    """The answer repeats the instruction, the input or both, but for spaces, case and punctuation."""
    first, second = (pl.col(column).fill_null("") for column in PROMPTS[format])
    # Two equal texts begin and end alike, which is quickly seen; only where they do are they put beside each other.
    start, end = first_letter(best(format)), last_letter(best(format))
    hot = (start == first_letter(first)) | (start == first_letter(second))
    hot &= (end == last_letter(first)) | (end == last_letter(second))
    answer = bare(best(format))
    same = (answer == bare(first)) | (answer == bare(second)) | (answer == bare(first + second))
    return find_where(hot, FIELDS[format], (answer != "") & same)


def no_words(format: str) -> pl.Expr:
    """The answer has no letter, no Han character, no digit and no sign that can be a result ("。", "……", "😊")."""
    return ~best(format).str.contains(f"[{HAN}{LETTER}{DIGIT}{SIGN}]")


def url_only(format: str) -> pl.Expr:
    """The answer is links and nothing else, masked or not."""
    return best(format).str.contains(rf"^\s*(?:(?:{LINK}|{URL_TAG})[\s\p{{P}}]*)+$")


def equal_answers(_format: str) -> pl.Expr:
    """Chosen and rejected are the same text, but for spaces."""
    chosen, rejected = (pl.col(column).fill_null("").str.replace_all(r"\s+", "") for column in ANSWERS["rw"])
    return chosen == rejected


def template_leakage(format: str) -> pl.Expr:
    """The answer holds the marks of a chat template, or goes on with turns of its own (Human: … Assistant: …)."""
    hot = best(format).str.contains(LEAK_HINTS)
    return find_where(hot, FIELDS[format], best(format).str.contains(LEAKS))


def refusal(format: str) -> pl.Expr:
    """The answer is a model's excuse: it speaks of itself as one and of what it cannot do, or is sorry and no more."""
    text = best(format)
    # Both open an answer; only there are they looked for.
    hot = text.str.slice(0, OPENING).str.contains("作为|as a|As a|抱歉|对不起|遗憾")
    model = text.str.contains(rf"^[^。]{{0,24}}(?:{MODEL})[^。]{{0,50}}(?:{UNABLE})")
    sorry = text.str.contains(SORRY) & (text.str.len_chars() <= SORRY_CHARS)
    return find_where(hot, FIELDS[format], model | sorry)


def see_a_doctor_only(format: str) -> pl.Expr:
    """The answer sends the patient to a hospital and says nothing else, though the question was not where to go.

    A department named (到神经内科就诊) is something said.
    """
    text = best(format)
    test = opens_dialogue() & text.str.contains(ONLY_VISIT) & ~prompt(format).str.contains(ASKS_VISIT)
    return find_where(text.str.len_chars() <= ONLY_VISIT_CHARS, FIELDS[format], test)


def says_nothing(format: str) -> pl.Expr:
    """Greetings, thanks and wishes are all of the answer to a question that opens a dialogue."""
    text = best(format)
    asked = prompt(format)
    test = opens_dialogue() & text.str.contains(NOTHING) & asked.str.contains(ASKS) & ~asked.str.contains(THANKS)
    return find_where(text.str.len_chars() <= ONLY_VISIT_CHARS, FIELDS[format], test)


def too_short_to_explain(format: str) -> pl.Expr:
    """The answer is a bare yes or no where the question asks how or why, and not whether."""
    text = best(format)
    asked = prompt(format)
    test = opens_dialogue() & text.str.contains(YES_OR_NO) & asked.str.contains(HOW) & ~asked.str.contains(WHETHER)
    return find_where(text.str.len_bytes() <= SHORT_BYTES, FIELDS[format], test)


def advertising(format: str) -> pl.Expr:
    """The answer calls the reader to a chat, a telephone or a shop."""
    text = best(format)
    return find_where(text.str.contains(SELLS_HINTS), FIELDS[format], text.str.contains(SELLS))


def unfinished(format: str) -> pl.Expr:
    """The answer ends in the midst of a phrase: at an open bracket, a joining word, the number of its next item."""
    return best(format).str.contains(OPEN_END)


def cut_at(format: str, chars: float) -> pl.Expr:
    """The answer is exactly `chars` characters long and ends without a final mark: a limit of upstream cut it."""
    return (best(format).str.len_chars() == chars) & ~best(format).str.contains(FINAL)
