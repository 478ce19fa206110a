"""Identities out of the text: ID cards as [ID_CARD], numbers of medical records as [RECORD_NUMBER]."""

import re

import polars as pl

from care_data.characters import TAGS
from care_data.cleaners.privacy.replacement import END, replace_followers, replace_unless, replace_where

BIRTHDAY = r"(?:18|19|20)[0-9]{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12][0-9]|3[01])"
FOURS = (
    r"[1-9][0-9]{3}[ -][0-9]{2}(?:18|19|20)[ -][0-9]{2}(?:0[1-9]|1[0-2])[ -](?:0[1-9]|[12][0-9]|3[01])[0-9]{2}[ -]"
    r"[0-9][0-9Xx]"
)
NUMBER = rf"[1-9][0-9]{{2}}[ -]?[0-9]{{3}}[ -]?{BIRTHDAY}[ -]?[0-9]{{3}}[0-9Xx]|{FOURS}"
IDENTITY = re.compile(rf"(?<![0-9A-Za-z])((?i:sfz|id|no)?)({NUMBER})(?![0-9A-Za-z])", re.ASCII)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

IDENTITY_SAID = r"(?:身[份分]证(?:号码?|编号)?|公民身份号码|(?i:(?-u:\b)sfz)(?:号码?)?)\s*(?:[:：]|是|为)?\s*"
IDENTITY_VALUE = r"(?:[0-9]{6}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{3}[0-9Xx]|[0-9]{15})"
FIRST_SAID = r"证件号码?\s*(?:[:：]|是|为)?\s*"
FIRST_VALUE = r"[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}"
"""A card of the first kind, 15 digits, which no check digit proves."""

RECORD = (
    r"(?:(?:(?:病[历案]|档案|[住门]院|急诊|门诊|就诊|体检|检查|病理|患者|病人|病员|病理诊断)(?:本|卡)?(?:编号|号码?|ID号?)"
    r"|(?:诊疗卡|就诊卡|登记|影像|放射|超声|内镜|[标样]本|[医社]保卡?)号码?|ID号码?"
    r"|(?:(?-u:\b)(?:CT|MRI?|B超)|X[线光]|心电图?)片?号码?)"
    r"|(?i:(?-u:\b)(?:mrn|uhid|medical record (?:number|no\.?|#)"
    r"|(?:patient|hospital|chart|admission|inpatient|outpatient) (?:id|number|no\.?|#))))"
)
RECORD_SAYS = r"\s*[】）)\]]?\s*(?:[:：#=]|是|为)?\s*[（(【\[]?\s*(?i:no\.?)?\s*[#:：]?\s*"
RECORD_VALUE = r"[A-Za-z]{0,4}[-_]?[0-9](?:[-_/／]?[0-9]){3,19}[A-Za-z]?"
RECORD_KEPT = (
    r"(?:试验|注册|药品?|原料药|(?i:cas)|软件|作品|著作权|商标|域名|基因|序列|产品|器械|文献|专利|企业|工商|税务|产权)"
    rf"(?:信息)?\s?(?:登记|[标样]本|档案|检查)(?:编号|号码?){RECORD_SAYS}[0-9A-Za-z][-_0-9A-Za-z]*"
    rf"|{RECORD}{RECORD_SAYS}(?i:nct|chictr|ctr|isrctn|eudract|jprn|actrn|drks|ensg|rs)[-0-9]+"
    rf"|(?i:gene|pubmed|entrez|snp|uniprot|geo|zoom|会议|文献|产品|设备|视频|商品)\s?ID号?码?{RECORD_SAYS}[0-9A-Za-z]+"
)
"""Registers of trials, drugs, compounds, genes, firms."""


def mask_record(text: pl.Expr) -> pl.Expr:
    """Text with [RECORD_NUMBER] after 病历号, 住院号, MRN and their like."""
    tag = TAGS["record_number"]
    masked = replace_unless(text, RECORD_KEPT, f"(?P<before>{RECORD}{RECORD_SAYS}){RECORD_VALUE}{END}", tag)
    return replace_followers(masked, "[A-Za-z]{0,4}[0-9]{5,12}", tag)


def mask_identity(text: pl.Expr) -> pl.Expr:
    """Text with [ID_CARD] for 18 digits with a birthday and the right check digit, or whatever is called 身份证号.

    The check digit is computed in Python, on the texts that hold 18 such digits.
    """
    said = f"({IDENTITY_SAID}){IDENTITY_VALUE}{END}|({FIRST_SAID}){FIRST_VALUE}{END}"
    return replace_where(text.str.replace_all(said, f"${{1}}${{2}}{TAGS['id_card']}"), NUMBER, mask_checked)


def mask_checked(texts: pl.Series) -> pl.Series:
    """Texts with [ID_CARD] for each number whose check digit is right."""

    def mask(found: re.Match[str]) -> str:
        return found[1] + TAGS["id_card"] if is_identity(found[2]) else found[0]

    return pl.Series(texts.name, [IDENTITY.sub(mask, value) for value in texts], dtype=pl.String)


def is_identity(number: str) -> bool:
    """Whether the last character of 18 is the check digit of the rest (GB 11643, ISO 7064 MOD 11-2)."""
    digits = re.sub("[ -]", "", number)
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits[:17], strict=True))
    return digits[17].upper() == "10X98765432"[total % 11]
