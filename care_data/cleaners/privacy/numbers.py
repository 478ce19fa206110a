"""Telephone numbers out of the text: mobiles as [PHONE], desks and service lines as [LANDLINE]; figures stay."""

import polars as pl

from care_data.characters import TAGS
from care_data.cleaners.privacy.replacement import COUNTS, END, mask_where, replace_unless

CODED = (
    r"(?i:doi)[:：]?\s*10\.[^\s\p{Han}，。；]+|10\.[0-9]{4,9}/[^\s\p{Han}，。；]+"
    r"|(?:(?i:pmid|pmcid|pmc|isbn|issn|nct|chictr|gtin|ean|upc|udi|lot|sn|imei|(?:file|case|order|item) id)"
    r"|国药准字|国药证字|[药卫食]字|文号|注册[证号]|许可证|备案号|专利号|申请号|受理号|登录号|入藏号|发票|税号|型号|序列号"
    r"|条形?码|二维码|追溯码|防伪码|流向码|验证码|批[号次]|货号|编[号码]|订单|单号|流水)"
    r"号?[-\s:：#.是为]*[A-Za-z]{0,8}[-\s]?[0-9][-0-9]*"
)
"""Papers, approvals, lots, bar codes, all kinds of serial numbers."""

UNIT = (
    rf"(?:{COUNTS}|/\s*[mMμu]?[lL]|拷贝|粒(?:[^细]|$)|剂(?:[^量]|$)|[株枚吨亿万]|碱基|毫升|公斤|位点|IU|U/"
    r"|(?i:copies|cfu|pfu|cells|reads|cases|person|people|patients|doses|units|spores|particles|base pairs|bp|usd|rmb|"
    r"dollars|records|samples|ms|ng|pg|mg)(?-u:\b))"
)
TELLS = (
    r"(?:[总计读次人例份条]数|数[量目值]|计数池?|载量|总[量额计]|合计|金额|人口|坐标|定量|浓度|密度|[¥￥$€£≈≥≤±×]"
    r"|(?-u:\b)[nN]\s*=|(?i:(?-u:\b)(?:counts?|total(?: [a-z]+)?|cohort|population|sum|tit(?:er|re)|load|reads"
    r"|positions?|coordinates?|estimated)(?: of| was| is| were)?))"
)
COUNTED = (
    rf"{TELLS}\s*(?:为|是|达|约|共|[:：=])*\s*[0-9][0-9,.]*|[0-9]{{11}}(?:\s*[-~～—–至到]\s*[0-9]{{11}})?\s*{UNIT}"
    r"|[48]00-[0-9]{3,4}-[0-9]{3,4}\s*(?:[mμu]?g|IU|U|ml|mL|单位|毫克|[毫微]升)"
)
"""Counts, sums and doses, by the word before them or the unit behind."""

WORD = r"[0-9A-Za-z_]+(?:[-./][0-9A-Za-z_]+)*"
"""Any run of letters and digits: a number inside a longer one is not a phone."""

CALLED = (
    r"(?:(?:(?i:(?:tele?|mobile|cell|mob)?phone|mobile|mob|cell|tele?|vx|wx|wechat)|[电手][话机](?:号码?)?|号码"
    r"|[加+＋➕][vVqQ])[-.:：=]?\s?)?"
)
"""What stands before a phone and makes it one, whatever follows: 电话13800000000人工接听."""
LONG_NUMBER = r"(?:[0-9][-－—–‐ .·()（）转]{0,4}){7}"
CHINA = r"[（(]?[+＋]?(?:00)?86[）)]?[-\s.]?"
GAP = r"[-－ ]"
MOBILE = (
    rf"(?:{CHINA})?1[3-9](?:[0-9]{{9}}|[0-9]{GAP}[0-9]{{4}}{GAP}[0-9]{{4}}|[0-9]\.[0-9]{{4}}\.[0-9]{{4}}"
    rf"|[0-9]{GAP}[0-9]{{8}}|[0-9]{{5}}{GAP}[0-9]{{4}}|[0-9]{{2}}{GAP}[0-9]{{3}}{GAP}[0-9]{{4}})"
    r"|1[. ·]?[3-9](?:[.·][0-9]){9}"
    r"|[+＋](?:33|44|49|6[0-6]|8[124]|9[0-2]|85[23]|88[06]|971)[-. ]?\(?[0-9](?:[-. ()]?[0-9]){7,11}"
)
"""Mainland numbers, with or without +86, together or in groups; those of other countries with their +."""

AREA = r"(?:10|2[0-9]|[3-9][0-9]{2})"
LOCAL = r"[2-9](?:[0-9]{6,7}|[0-9]{2,3}[-－ ][0-9]{4})"
NORTH_AMERICA = r"(?:[2-9](?:[0-8][1-9]|[1-8]0)|800)"
"""Area codes: none is a round hundred, so 200-300-4000 units are no number."""
EXTENSION = r"\s?(?:转(?:分机)?号?|[-－]|(?i:ext\.?))\s?[0-9]{1,6}"

LANDLINE = (
    rf"(?:(?:{CHINA})?(?:[（(]0{AREA}[）)]\s?|0{AREA}(?:\s?[-—－–‐.]{{1,2}}\s?|\s)|[（(][+＋]?86[-\s]{AREA}[）)])"
    rf"|(?:[（(]?[+＋](?:00)?86[）)]?[-\s.]?|0086[-\s]?|86-){AREA}[-—－–‐ .])"
    rf"{LOCAL}(?:{EXTENSION})?(?:[/、]{LOCAL})*"
    rf"|[（(]?0{AREA}[）)]?[-. ]{{0,2}}[2-9](?:[.·][0-9]){{6,7}}"
    r"|[48]00(?:[-－](?:[0-9]{3}[-－]?[0-9]{4}|[0-9]{4}[-－]?[0-9]{3})|[0-9][-－][0-9]{3}[-－][0-9]{3})"
    rf"|(?:[+]?1[- .])?(?:\({NORTH_AMERICA}\) ?[2-9][0-9]{{2}}-"
    rf"|{NORTH_AMERICA}(?:-[2-9][0-9]{{2}}-|\.[2-9][0-9]{{2}}\.))[0-9]{{4}}"
)
DESK = (
    r"(?:电话|座机|固话|总机|热线|传真|致电|[拨打]|(?i:(?-u:\b)(?:tele?|fax|(?:tele)?phone)))(?:号码?|咨询|热线|改?[是为])*"
    r"\s*[:：.]?\s*"
)
DESK_VALUE = rf"(?:0{AREA}[2-9][0-9]{{6,7}}|(?:2[1-9]|[3-9][0-9])[0-9]{{5,6}}|[48]00[- ]?[0-9]{{3,4}}[- ]?[0-9]{{3,4}})"


def mask_mobile(text: pl.Expr) -> pl.Expr:
    """Text with [PHONE] for each mobile number, with or without its country, together or in groups."""
    return mask_where(text, LONG_NUMBER, lambda hot: mask_number(hot, MOBILE, TAGS["phone"]))


def mask_landline(text: pl.Expr) -> pl.Expr:
    """Text with [LANDLINE] for area code and number, 400 and 800 lines, North American numbers, or 电话 with digits."""
    said = text.str.replace_all(f"({DESK}){DESK_VALUE}{END}", f"${{1}}{TAGS['landline']}")
    return mask_where(said, LONG_NUMBER, lambda hot: mask_number(hot, LANDLINE, TAGS["landline"]))


def mask_number(text: pl.Expr, number: str, tag: str) -> pl.Expr:
    """Text with the tag for each `number` that is no code, no count, and no part of a longer word."""
    value = f"(?P<before>{CALLED})(?:{number})(?:{END}|(?P<after>(?i:qq|vx|wx|wechat)))"
    return replace_unless(text, f"{CODED}|{COUNTED}", value, tag, WORD)
