"""What printing and scanning left in a document's text: gaps at the ends of its lines, page numbers, marks of sites.

Made for guidelines turned from PDF into Word. These steps are for such corpora alone, by `clean` in their entries: in
a table, or in a list of names, what they take for furniture is text.
"""

import polars as pl

HAN = r"\p{Han}"
CLOSING = "，。、；：？！）》」』”’〉】…％"
OPENING = "（《「『“‘〈【"

GAP = rf"(?m)(\S{{4}}[{HAN}{CLOSING}]) ([{HAN}{CLOSING}{OPENING}](?:\S{{3}}|\S{{0,2}}$))"
"""A space between two Han characters with text on both sides; 张 三 李 四 and 前 言 are set that way on purpose."""

SITES = (
    r"(?m)^[ \t]*(?:\S{1,6}[ \t]+)?\S{0,8}(?i:medliv)\S{0,6}[ \t]*$",  # as read by a machine: guide.medlive.gn
    r"(?m)^[ \t]*(?i:(?:https?://)?(?:[a-z]+\.)*(?:cnki|wanfangdata)\.(?:net|com)(?:\.cn)?/?)[ \t]*$",
    r"(?m)^[ \t]*万方数据[ \t]*$",
)

PAGE = r"[0-9]{1,4}|[ivx]{1,4}|[IVX]{1,4}"
SAID = r"第[ \t]*[0-9]{1,4}[ \t]*页(?:[ \t]*[,，/]?[ \t]*共[ \t]*[0-9]{1,4}[ \t]*页)?"
FOOT = rf"[ \t]*(?:{PAGE}|[-—–·•][ \t]*[0-9]{{1,4}}[ \t]*[-—–·•]|{SAID})[ \t]*"
LEADER = r"(?:\.{4,}|…{2,}|·{4,}|(?:\. ){4,})"
CONTENTS = rf"(?m)^[ \t]*目[ \t]*[录次][ \t]*\n+(?:[^\n]*(?:\t|{LEADER})[ \t]*(?:{PAGE})[ \t]*(?:\n+|\z))+"
LED = rf"(?m)^[^\n]*\S[^\n]*?{LEADER}[ \t]*(?:{PAGE})[ \t]*$"

FIGURES = r"[ \t]*[0-9]+(?:\.[0-9]+)?[ \t]*"
COLUMN = rf"(?m)^{FIGURES}(?:(?:\n[ \t]*){{1,3}}{FIGURES})+$"
"""Lines of nothing but a figure, one after the other: the column of a table, not page numbers."""


def close_han_gaps(text: pl.Expr) -> pl.Expr:
    """Text without the space that the end of a printed line left inside Chinese words."""
    hot: pl.Expr = pl.when(text.str.contains(rf"[{HAN}{CLOSING}] [{HAN}{CLOSING}{OPENING}]")).then(text)
    for _ in range(2):  # a gap takes four letters of what follows, where the next one may already stand
        hot = hot.str.replace_all(GAP, "${1}${2}")
    return pl.coalesce(hot, text)


def strip_page_furniture(text: pl.Expr) -> pl.Expr:
    """Text without lines that only name a download site or a page number, and without its table of contents.

    A page number is a number alone on its line and alone among its neighbours: figures below each other stay.
    """
    for site in SITES:
        text = text.str.replace_all(site, "")
    text = text.str.replace_all(CONTENTS, "").str.replace_all(LED, "")
    return text.str.replace_all(rf"({COLUMN})|(?m:^{FOOT}$)", "${1}")
