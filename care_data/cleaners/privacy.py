"""Contact details and identities out of the text, typed tags in their place; figures of medicine untouched.

Rust's regexes have no look-around, so a number that must stay (a PMID, a lot, a cell count) is matched first, with
what makes it one, and put back: see `mask_number`. ASCII word boundaries also fall between a digit and 请, where the
usual \\b never does.
"""

import re

import polars as pl

from care_data.characters import TAGS

HOT = r"[0-9](?:[-/／]?[0-9]){3}|[@＠]|[微薇徽维威]信|(?i:v信|vx|wx|加v|wechat|weixin)"
"""What a text must hold to be looked at closer: one in ten does."""
END = r"(?-u:\b)"
SAYS = r"\s*(?:[:：#]|是|为)?\s*"

EMAIL = r"[A-Za-z0-9._%+-]+[@＠][A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"

RECORD = (
    r"(?:病[历案]号|[住门]院号|门诊(?:卡)?号|就诊卡?号|诊疗卡号|登记号|病理号|检查号|影像号|[标样]本号|[医社]保卡?号"
    r"|(?:(?-u:\b)(?:CT|MRI?|B超)|X[线光]|超声|心电图?)号"
    r"|(?i:(?-u:\b)(?:mrn|medical record (?:number|no\.?|#)|patient id|(?:chart|hospital) (?:number|no\.?))))码?"
)
RECORD_VALUE = r"[A-Za-z]{0,4}-?[0-9](?:[-/／]?[0-9]){3,19}"

KEPT = (
    r"(?i:doi)[:：]?\s*10\.[^\s\p{Han}，。；]+|10\.[0-9]{4,9}/[^\s\p{Han}，。；]+"
    r"|(?:(?i:pmid|pmcid|pmc|isbn|issn|nct|chictr|gtin|ean|upc|lot|sn|(?:file|case|order|item) id)"
    r"|国药准字|国药证字|文号|注册证|许可证|条形?码|二维码|追溯码|批[号次]|货号|编[号码]|订单|单号|流水)"
    r"号?[-\s:：#.是为]*[A-Za-z]{0,8}[-\s]?[0-9][-0-9]*"
    r"|[0-9]{11}\s*(?:/\s*[mMμu]?[lL]|个|拷贝|元|人|例|次/|IU|U/|(?i:copies|cfu|cells))"
)
"""Numbers as long as a phone's that are none: papers, approvals, lots, bar codes, counts."""

WORD = r"[0-9A-Za-z_]+(?:[-./][0-9A-Za-z_]+)*"
"""Any other run of letters and digits: a number inside a longer one is not a phone."""

CALL = r"(?:(?i:(?:tele?|mobile|cell|mob)?(?:phone)?|mobile|tel)[-.:：]?)"
MOBILE = (
    r"(?:[（(]?[+＋]?(?:00)?86[）)]?[-\s]?)?"
    r"1[3-9][0-9](?:[0-9]{8}|[-－ ][0-9]{4}[-－ ][0-9]{4}|[-－ ][0-9]{8}|[0-9]{4}[-－ ][0-9]{4})"
)
AREA = r"0(?:10|2[0-9]|[3-9][0-9]{2})"
LOCAL = r"[2-9][0-9]{6,7}"
NORTH_AMERICA = r"(?:[2-9](?:[0-8][1-9]|[1-8]0)|800)"
"""Area codes: none is a round hundred, so 200-300-4000 units are no number."""

LANDLINE = (
    rf"(?:[（(]{AREA}[）)]\s?|{AREA}[-—－–‐ ]){LOCAL}(?:\s?(?:转|-|－|(?i:ext\.?))\s?[0-9]{{1,6}})?(?:[/、]{LOCAL})*"
    r"|[48]00[-－](?:[0-9]{3}[-－]?[0-9]{4}|[0-9]{4}[-－]?[0-9]{3})"
    rf"|(?:[+]?1[- .])?(?:\({NORTH_AMERICA}\) ?|{NORTH_AMERICA}-)[2-9][0-9]{{2}}-[0-9]{{4}}"
)
DESK = r"(?:电话|座机|热线|传真|致电|拨打|(?i:(?-u:\b)(?:tel|fax)))(?:号码?|咨询|热线)?\s*(?:[:：.]|是|为)?\s*"
DESK_VALUE = rf"(?:{AREA}{LOCAL}|(?:2[1-9]|[3-9][0-9])[0-9]{{5,6}}|[48]00[- ]?[0-9]{{3,4}}[- ]?[0-9]{{3,4}})"

IDENTITY = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[ -]?"
    r"[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
IDENTITY_SAID = r"身份证(?:号码?)?\s*(?:[:：]|是|为)?\s*"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

WECHAT = r"(?:微信|[薇徽维威]信|(?i:v信|wechat|weixin|(?-u:\b)vx|(?-u:\b)wx|加v))"
WECHAT_CALLED = r"(?:号码?|[账帐]号|(?i:\s?id|\s?account))"
QQ = r"(?:(?i:(?-u:\b)qq)(?:号码?|群号?|交流群)?|扣扣(?:号码?)?|企鹅(?:号码?|[:：]))"


def mask_privacy(text: pl.Expr) -> pl.Expr:
    """Text with typed tags (characters.TAGS) for e-mail, record numbers, ID cards, phones, WeChat and QQ names.

    Of a keyword and its value ("住院号：109285") only the value goes. A mobile number given as a WeChat or QQ name is
    a phone. Names of people and addresses stay.
    """
    hot: pl.Expr = pl.when(text.str.contains(HOT)).then(text)
    for step in (mask_email, mask_record, mask_identity, mask_mobile, mask_landline, mask_wechat, mask_qq):
        hot = step(hot)
    return pl.coalesce(hot, text)


def mask_email(text: pl.Expr) -> pl.Expr:
    """Text with [EMAIL] for each address."""
    return text.str.replace_all(EMAIL, TAGS["email"])


def mask_record(text: pl.Expr) -> pl.Expr:
    """Text with [RECORD_NUMBER] after 病历号, 住院号, MRN and their like."""
    return text.str.replace_all(f"({RECORD}{SAYS}){RECORD_VALUE}{END}", f"${{1}}{TAGS['record_number']}")


def mask_identity(text: pl.Expr) -> pl.Expr:
    """Text with [ID_CARD] for 18 digits with a birthday and the right check digit, or whatever is called 身份证号.

    The check digit is computed in Python, on the texts that hold 18 such digits.
    """
    said = text.str.replace_all(f"({IDENTITY_SAID})(?:[0-9]{{17}}[0-9Xx]|[0-9]{{15}}){END}", f"${{1}}{TAGS['id_card']}")
    return said.map_batches(mask_checked, return_dtype=pl.String, is_elementwise=True)


def mask_checked(texts: pl.Series) -> pl.Series:
    """Texts with [ID_CARD] for each number whose check digit is right."""
    held = texts.str.contains(r"[1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{6}[ -]?[0-9]{3}[0-9Xx]").fill_null(False)
    if not held.any():
        return texts
    found = [
        IDENTITY.sub(lambda match: TAGS["id_card"] if is_identity(match[0]) else match[0], value) if hit else value
        for value, hit in zip(texts, held, strict=True)
    ]
    return pl.Series(texts.name, found, dtype=pl.String)


def is_identity(number: str) -> bool:
    """Whether the last character of 18 is the check digit of the rest (GB 11643, ISO 7064 MOD 11-2)."""
    digits = re.sub("[ -]", "", number)
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits[:17], strict=True))
    return digits[17].upper() == "10X98765432"[total % 11]


def mask_mobile(text: pl.Expr) -> pl.Expr:
    """Text with [PHONE] for each mainland mobile number, with or without +86, together or as 3-4-4."""
    return mask_number(text, MOBILE, TAGS["phone"])


def mask_landline(text: pl.Expr) -> pl.Expr:
    """Text with [LANDLINE] for area code and number, 400 and 800 lines, North American numbers, or 电话 with digits."""
    said = text.str.replace_all(f"({DESK}){DESK_VALUE}{END}", f"${{1}}{TAGS['landline']}")
    return mask_number(said, LANDLINE, TAGS["landline"])


def mask_number(text: pl.Expr, number: str, tag: str) -> pl.Expr:
    """Text with the tag for each `number`, unless it is part of something that stays (KEPT, WORD).

    Every match is written mark, what stays, mark, tag; where something stays, the tag goes again, where nothing does,
    the two marks go. They are noncharacters (U+FDD0, U+FDD1), which `normalize_unicode` removes from every text.
    """
    marked = text.str.replace_all(f"({KEPT})|({CALL}){number}{END}|({WORD})", f"\ufdd0${{1}}${{3}}\ufdd1${{2}}{tag}")
    stayed = marked.str.replace_all(f"\ufdd0([^\ufdd0\ufdd1]+)\ufdd1{re.escape(tag)}", "${1}")
    return stayed.str.replace_all("\ufdd0\ufdd1", "", literal=True)


def mask_wechat(text: pl.Expr) -> pl.Expr:
    """Text with [WECHAT] after 微信, vx and their like: any name after a colon or 号, else one with a digit or _."""
    name, numbered = "[A-Za-z][-_A-Za-z0-9]{5,19}", "[A-Za-z][A-Za-z-]{0,18}[0-9_][-_A-Za-z0-9]{2,18}"
    sure = rf"(?:{WECHAT_CALLED}\s*(?:[:：]|是|为)?|\s*[:：])\s*"
    loose = r"\s*(?:是|为|(?i:is))?\s*"
    return text.str.replace_all(
        f"({WECHAT}{sure})(?:{name}|[0-9]{{5,12}}){END}", f"${{1}}{TAGS['wechat']}"
    ).str.replace_all(f"({WECHAT}{loose})(?:{numbered}|[0-9]{{6,12}}){END}", f"${{1}}{TAGS['wechat']}")


def mask_qq(text: pl.Expr) -> pl.Expr:
    """Text with [QQ] for 5 to 12 digits after QQ, 扣扣 or 企鹅号."""
    return text.str.replace_all(rf"({QQ}\s*(?:[:：]|是|为|加)?\s*)[1-9][0-9]{{4,11}}{END}", f"${{1}}{TAGS['qq']}")
