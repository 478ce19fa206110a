"""Where somebody lives or sees patients: [ADDRESS] for a street or village with the number of the house.

A city, a district or a hospital by its name alone says too little to be masked, and is what answers are about.
"""

import polars as pl

from care_data.characters import TAGS
from care_data.cleaners.privacy.replacement import mask_where, replace_unless

NAMED = r"[\p{Han}--[在到于住寄往至去址是为来请我你他她您的了与及或从由写位搬送递所馆厂司距离过有把这那每就]]"
"""A character of a name, none of the words that stand before one."""

PROVINCE = (
    r"(?:(?:北京|上海|天津|重庆)市?|(?:河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川"
    r"|贵州|云南|陕西|甘肃|青海|台湾)省?|(?:内蒙古|西藏)(?:自治区)?|广西(?:壮族自治区)?|宁夏(?:回族自治区)?|新疆(?:维吾尔自治区)?"
    r"|香港|澳门)"
)
CITY = r"(?:呼和浩特|鄂尔多斯|乌鲁木齐|克拉玛依|锡林郭勒|连云港|哈尔滨|齐齐哈尔|石家庄|来宾|无为)市|于洪区"
REGION = rf"(?:{CITY}|{NAMED}{{2,3}}?(?:[省市盟州旗县区镇乡]|街道|社区)|{NAMED}{{2,7}}?(?:自治[州县旗]|开发区|新区))"
PLACE = rf"(?:{PROVINCE}\s?(?:{REGION}\s?){{0,5}}|(?:{REGION}\s?){{1,5}})"

NUMBER = r"(?:[附甲]?[0-9]{1,5}[A-Za-z]?(?:[-－—/][0-9]{1,5})*|[一二三四五六七八九十百〇零]{1,5})"
STREET = (
    rf"{NAMED}{{1,4}}?(?:[\p{{Han}}--[电线思尿回管气通铁网胆丝]]路|[街巷]|胡同|大道|公路)"
    r"(?:[东南西北中]?[一二三四五六七八九十]?(?:段|里|巷|横[街巷路]|支[路弄]|[路街弄]))?"
)
SETTLEMENT = rf"{NAMED}{{1,5}}?(?:村|社区|[屯庄寨坊湾]|新村|小区|花园|[苑里]|家园|公寓)"
HOUSE = r"\s?(?:号楼|号院|号|弄|组|队|社|[栋幢](?:[0-9]{3,4}(?-u:\b))?)"
HOT = (
    rf"[路街巷同道段里弄村区屯庄寨坊湾园苑寓]{NUMBER}\s?[号弄组队社栋幢座]"
    r"|[路街道](?:交[叉汇]|路口)"
    r"|[a-z]\s(?:R(?:oa)?d|St(?:reet)?|Ave(?:nue)?|Lane|Ln|Boulevard|Blvd|Drive|Terrace|Parkway|Highway|Crescent|Way|Court"
    r"|Place|Square)"
)
"""What every address holds: a number between the end of the name of a street or village and 号, or a crossing."""

BLOCK = rf"{NAMED}{{1,5}}?(?:[苑府园庭居城里]|小区|花园|大厦|公寓|广场|家园)"
ROOM = (
    r"[0-9A-Za-z]{1,5}(?:[-－][0-9A-Za-z]{1,5})*\s?"
    r"(?:号楼|号院|大院|[院栋幢座室房楼层号户区组弄]|单元)(?:[0-9]{3,4}(?-u:\b))?"
)
REST = rf"(?:\s?(?:大院|院)|\s?(?:{BLOCK})?\s?附?{ROOM}|{BLOCK}[0-9]{{1,3}}(?:[-－][0-9]{{1,5}}){{1,3}})*"

BEFORE = (
    r"(?P<before>(?:诊所|医院|药店|工厂|学校|公司|门诊|院区|中心|单位|老家|隔壁|附近|对面|旁边|地址|住址|院址|会所|现居|户籍|籍贯"
    r"|家属|病人|患者|家里|收货|上门|回|走|找)[:：]?)?"
)
CHINESE = (
    rf"(?:{PLACE}(?:{NAMED}{{1,6}}?(?:街口|路口))?(?:{STREET}|{NAMED}{{1,4}}?道){NUMBER}{HOUSE}|{STREET}{NUMBER}\s?[号弄]"
    rf"|{PLACE}{SETTLEMENT}{NUMBER}{HOUSE}"
    rf"|{PLACE}{NAMED}{{1,5}}?[路街道][与和]{NAMED}{{1,5}}?[路街道](?:交[叉汇][口处]|路口)"
    rf"|{NAMED}{{2,6}}?(?:小区|花园|家园|公寓|新村){NUMBER}\s?(?:号楼|栋|幢|座)\s?{ROOM}){REST}"
)
CAPITAL = r"[A-Z][A-Za-z'’.-]{1,15}"
ENGLISH = (
    rf"(?:(?i:(?-u:\b)no\.?)\s?)?(?-u:\b)[0-9]{{1,5}}[A-Za-z]?,?\s(?:[NSEW]\.?\s)?(?:{CAPITAL}\s){{1,3}}(?:"
    r"(?:Road|Street|Avenue|Lane|Boulevard|Drive|Terrace|Parkway|Highway|Crescent)(?-u:\b)"
    r"|(?:Rd|St|Ave|Blvd|Ln|Way|Court|Place|Square)\.?,\s[A-Z][a-z]+)"
    r"(?:,?\s(?:Suite|Apt\.?|Apartment|Unit|Floor|Room)\s?#?[0-9A-Za-z-]{1,6})?"
    r"(?:,\s[A-Z][a-z]+(?:\s[A-Z][a-z]+){0,2}){0,3}(?:,?\s[A-Z]{2}\s[0-9]{5}(?:-[0-9]{4})?)?"
)
KEPT = (
    rf"(?:{NAMED}{{1,4}}[路街])?{NUMBER}\s?号(?:线|车|公交|染色体|方|电梯|窗口|诊室|台|床|病房|位点|公路|高速)|唐宁街{NUMBER}号"
    r"|[0-9]{1,3}\s(?:Hours?|Minutes?|Mins?|Miles?|Days?|Km)\s[A-Z][a-z]+"
)
"""Lines, wards and windows have numbers too."""


def mask_address(text: pl.Expr) -> pl.Expr:
    """Text with [ADDRESS] for each street or village with a house number, with the city before and the room behind."""
    return mask_where(text, HOT, mask_written)


def mask_written(text: pl.Expr) -> pl.Expr:
    """Text with [ADDRESS] for each address."""
    return replace_unless(text, KEPT, f"{BEFORE}{CHINESE}|{ENGLISH}", TAGS["address"])
