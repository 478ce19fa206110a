"""Ways to write to somebody out of the text: [EMAIL], [WECHAT] and [QQ]; figures, files and drug names stay."""

import polars as pl

from care_data.characters import TAGS
from care_data.cleaners.privacy.replacement import COUNTS, END, OPEN, replace_followers, replace_unless

HOT = (
    r"[@＠]|艾特|[\[(（【](?i:at)[\])）】]|(?i: dot [a-z])|#(?i:qq|163|126|gmail)|[微薇徽维威]\s?信|我[微薇]|绿泡泡"
    r"|(?i:q\s?q|v\s?信|vx|wx|[加➕+＋]我?的?\s?[v微薇]|wechat|weixin|(?-u:\b)v[:：])"
)
"""Signs of an address without digits."""

LOCAL_PART = r"[A-Za-z0-9._%+-]+"
LABEL = r"[A-Za-z0-9-]+"
TOP = r"(?:com|cn|net|org|edu|gov|io|me|co|info|biz|top|uk|hk|tw|jp|de|fr|in|eu|au|ca)"
"""Ends of domains, where an address is spelled so loosely that anything else might be one too."""
AT = r"(?:\s?[(（\[【{<]\s?(?i:at|@)\s?[)）\]】}>]\s?|\s?艾特\s?|\s[@＠]\s?|[@＠]\s?)"
DOT = r"(?:[.．]|\s?[(（\[【]\s?(?i:dot|点|\.)\s?[)）\]】]\s?|\sdot\s|点)"
PROVIDER = r"(?i:qq|163|126|139|189|sina|sohu|foxmail|gmail|hotmail|outlook|yahoo|yeah|icloud)"

EMAIL = (
    rf"{LOCAL_PART}[@＠]{LABEL}(?:[.．]{LABEL})*[.．][A-Za-z]{{2,}}"
    rf"|{LOCAL_PART}{AT}{LABEL}(?:{DOT}{LABEL}){{0,3}}?{DOT}{TOP}(?:\.{TOP})?{END}"
    rf"|{LOCAL_PART} (?i:at) {LABEL}(?: (?i:dot) {LABEL}){{0,2}}? (?i:dot) {TOP}{END}"
    rf"|{LOCAL_PART}\s?[@＠#]\s?{PROVIDER}(?:[.．。点,，]?(?i:com|cn|net))?{END}"
)
PICTURE = (
    rf"{LOCAL_PART}[@＠][A-Za-z0-9.-]*\."
    rf"(?i:png|jpe?g|gif|bmp|svg|webp|tiff?|dcm|pdf|docx?|xlsx?|pptx?|txt|csv|zip|rar|7z|html?|mp[34]|avi|py|js|css){END}"
)
"""Files with an @ in their names (fig@2x.png)."""

WECHAT = (
    r"(?:微\s?信|[薇徽维威]信|(?i:v\s?信|wechat|weixin|(?-u:\b)[vw]x)|[加我➕]\s?[微薇]|绿泡泡|➕\s?[vV]|加我?的?\s?[vV])"
    r"(?:小?助[手理]|群主)?"
)
PLUS = r"(?P<plus>^|[^0-9A-Za-z)）])[+＋]\s?[vV微薇]\s?[:：]\s?"
"""Only with its colon, since +V is also a voltage, and only where nothing is added to something."""
ALONE = r"(?-u:\b)[vV][:：]"
CALLED = r"(?:号码?|[账帐]号|(?i:\s?(?:id|account)(?:\s+is)?))"
NAME = r"(?:[A-Za-z][-_A-Za-z0-9]{5,19}|[0-9]{5,12})"
NUMBERED = (
    r"[A-Za-z](?:[A-Za-z-]{4,18}[0-9_][-_A-Za-z0-9]{0,13}|[A-Za-z-]{0,18}[0-9_][-_A-Za-z0-9]{2,18}"
    r"|[A-Za-z-]{0,18}_[A-Za-z0-9]+)"
)
"""A name with a digit or _ in it, which no word is."""
SURELY = rf"\s*(?:{CALLED}\s*(?:[:：=]|就?是|为)?\s*[:：]?|[（(]?\s*(?i:id)?\s*[:：=]|[（(]\s*(?i:id))\s*{OPEN}\s*"
PERHAPS = (
    r"\s*(?:联系(?:我|方式)?|搜索?一?下?|添加|加我?|发送?到?|就?是|叫|为|名|昵称|同步更新|(?i:is|me at))?"
    rf"\s*[:：]?\s*[-－]?\s*{OPEN}\s*"
)
DOSE = r"[A-Za-z]{1,8}-?[0-9.]+(?:[mMμuk]?[gGlL]|mcg|IU|iu|U|u|mm|cm|Hz|Gy|mV|型)"
WECHAT_KEPT = rf"{WECHAT}\s?{DOSE}(?-u:\b)|{WECHAT}\s?[:：]?\s?[0-9]+\s?(?:{COUNTS}|步|分钟)"
"""加VPA500mg is a drug, 微信20000人 a crowd."""

QQ = (
    r"(?:(?i:(?-u:\b)q\s?q)(?:[1-9一二三四]号?[:：]|(?:号码?|群聊?号?|交流群|好友|联系|[账帐]号|[/／]?微信|[/／]?同(?:微信)?号?"
    r"|(?i:\s?(?:number|group|id)))*)|(?:[扣抠叩蔻]{2}|球球)(?:号码?|群)?|企鹅(?:群|号码?|[:：]))"
)
Q = (
    r"(?:[qQ]群号?码?|群号码?|(?-u:\b)[qQ]号码?|[加➕+＋]我?的?\s?[qQ扣]|我的?\s?[qQ]|[一二三四五0-9]群"
    r"|(?-u:\b)[qQ]\s?[:：])"
)
"""One letter may be a question, a quotient or a rhythm: longer numbers only, and no dates."""
QQ_SAYS = rf"】?\s*(?:就?是|为|加|(?i:is))?\s*[:：=;；－-]?\s*{OPEN}\s*[①-⑩]?\s*"
QQ_VALUE, Q_VALUE = "(?:[1-9][0-9]{4,11}|[1-9][0-9]{2} [0-9]{3} [0-9]{3,4})", "[1-9][0-9]{5,10}"
CROWD = rf"\s?(?:{COUNTS}|[步级])"
QQ_KEPT = (
    rf"(?:{QQ}|{Q}){QQ_SAYS}{QQ_VALUE}{CROWD}"
    rf"|{Q}{QQ_SAYS}(?:19|20)[0-9]{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]){END}"
)


def mask_email(text: pl.Expr) -> pl.Expr:
    """Text with [EMAIL] for each address, also where @ and dots are spelled out or misspelled."""
    return replace_unless(text, PICTURE, EMAIL, TAGS["email"])


def mask_wechat(text: pl.Expr) -> pl.Expr:
    """Text with [WECHAT] after 微信, vx and their like: any name after a colon or 号, else one with a digit or _."""
    tag = TAGS["wechat"]
    value = f"(?P<before>{WECHAT}{SURELY}){NAME}{END}"
    loose = f"(?P<before>{WECHAT}{PERHAPS}|{ALONE})(?:{NUMBERED}|[0-9]{{6,12}}){END}"
    sure = replace_unless(text, WECHAT_KEPT, value, tag).str.replace_all(f"({PLUS}){NAME}{END}", f"${{1}}{tag}")
    return replace_followers(replace_unless(sure, WECHAT_KEPT, loose, tag), NUMBERED, tag)


def mask_qq(text: pl.Expr) -> pl.Expr:
    """Text with [QQ] for 5 to 12 digits after QQ, 扣扣 or 企鹅号, and for 6 to 11 after Q群, 加Q or 群号."""
    tag = TAGS["qq"]
    value = rf"(?P<before>{QQ}{QQ_SAYS}){QQ_VALUE}{END}"
    loose = rf"(?P<before>{Q}{QQ_SAYS}){Q_VALUE}{END}"
    named = replace_unless(text, QQ_KEPT, value, tag)
    return replace_followers(replace_unless(named, QQ_KEPT, loose, tag), QQ_VALUE, tag)
