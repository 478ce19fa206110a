"""HTML and Markdown links out of the text, what only looks like a tag left in.

A tag is a name from the lists below in well-formed brackets: 血压<140/90mmHg，血糖>7.0, <user> and 口服<阿莫西林>0.5g
are text. Names that serve as placeholders in de-identified text (<address>, <time>, <data>) are not on the lists.
"""

import html
import re
from html.entities import html5

import polars as pl

from care_data.characters import LINK, TAGS
from care_data.selection import clean_where

BREAKS = (
    "p br hr div li ul ol dl dt dd tr table tbody thead tfoot caption h[1-6] blockquote pre section article header "
    "footer nav aside main figure figcaption form fieldset center html head body title"
)
INLINE = (
    "span font strong em big small sub sup strike del ins img button select option textarea label iframe embed video "
    "audio canvas svg noscript td th col colgroup code kbd samp tt cite abbr acronym mark nobr wbr o:p st1:[a-z]+"
)
LETTERS = "abisuq"
"""One-letter names are variables too (若a<b>c): without attributes they go only where the text closes them."""

ATTRIBUTED = "area base input link map meta object param path source"
"""In HTML these never stand without attributes; where they do, they are somebody's placeholder."""

FLAGS = "alt async checked compact controls defer disabled hidden multiple noshade nowrap readonly required selected"
"""Attributes that stand without a value; any other word would make <p value> a tag."""

VALUED = r"""\s+[a-z@:_][\w:.-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""
ATTRIBUTES = rf"(?:{VALUED}|\s+(?:{FLAGS.replace(' ', '|')}))*\s*/?"
TARGET = r"\s*(?i:https?[:：]//|ftp://|www\.|mailto:|tel:|\[URL\])(?:[^\s()]|\([^\s()]*\))*(?:\s+\"[^\"]*\")?\s*"
REFERENCE = re.compile(r"&#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6});")
NAMED = {f"&{name}": value for name, value in html5.items() if name.endswith(";")}


def raised() -> dict[str, str]:
    """Table of <sup>9</sup> to ⁹, numbers up to 99 and charges; without it 10<sup>9</sup>/L would become 109/L."""
    high = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
    numbers = [str(number) for number in range(100)]
    signed = [form.format(number) for number in numbers for form in ("{}", "-{}", "−{}", "+{}", "{}+", "{}-")]
    return {f"<sup>{value}</sup>": value.translate(high) for value in (*signed, *"+-−")}


RAISED = raised()


def tag(names: str) -> str:
    """Regex of the opening and closing tags of these names."""
    return rf"(?i)</?(?:{names.replace(' ', '|')}){ATTRIBUTES}>"


def strip_markup(text: pl.Expr) -> pl.Expr:
    """Text without HTML tags, comments, scripts and styles; entities as characters; [words](link) as its words.

    Block tags become line breaks, table cells a space. Only well-formed entities are read (&lt; and &#60;, not &lt),
    also where they were escaped twice.
    """

    def is_hot(text: pl.Expr) -> pl.Expr:
        return text.str.contains(r"[<&]|\]\(")

    return clean_where(text, is_hot, lambda marked: unlink(unescape(strip_tags(marked))))


def strip_tags(text: pl.Expr) -> pl.Expr:
    """Text without tags, comments, scripts and styles."""
    text = (
        text.str.replace_all(r"(?is)<!--.*?-->|<!doctype[^<>]*>", "")
        .str.replace_all(r"(?s)<!\[CDATA\[(.*?)\]\]>", "${1}")
        .str.replace_all(r"(?is)<script\b[^<>]*>.*?</script\s*>|<style\b[^<>]*>.*?</style\s*>", "")
        .str.replace_all(r"(?i)</?(?:script|style)\b[^<>]*>", "")
        .str.replace_many(RAISED, ascii_case_insensitive=True)
        .str.replace_all(rf"(?i)<sup{ATTRIBUTES}>\s*([-+−]?[0-9])", "^${1}")  # a longer or styled one
        .str.replace_all(tag(BREAKS), "\n")
        .str.replace_all(r"(?i)</t[dh]\s*>", " ")
        .str.replace_all(tag(INLINE), "")
    )
    for letter in LETTERS:
        text = text.str.replace_all(rf"(?is)<{letter}>(.*?)</{letter}\s*>", "${1}")
    names = rf"(?:[{LETTERS}]|{ATTRIBUTED.replace(' ', '|')})"
    return text.str.replace_all(rf"(?i)<{names}{VALUED}{ATTRIBUTES}>|</{names}\s*>", "")


def unescape(text: pl.Expr) -> pl.Expr:
    """Text with its well-formed entities as characters.

    Numeric ones are read in Python, on the texts that hold one: no expression turns a number into its character.
    """

    def read(text: pl.Expr) -> pl.Expr:
        named = text.str.replace_all("&(?:amp;)+", "&").str.replace_many(NAMED)
        return named.map_batches(unescape_numbers, return_dtype=pl.String, is_elementwise=True)

    return clean_where(text, lambda text: text.str.contains("&", literal=True), read)


def unescape_numbers(texts: pl.Series) -> pl.Series:
    """Texts with &#8451; and &#x2103; as ℃."""
    if not texts.str.contains("&#", literal=True).any():
        return texts
    values = [
        REFERENCE.sub(lambda found: html.unescape(found[0]), value) if value and "&#" in value else value
        for value in texts
    ]
    return pl.Series(texts.name, values, dtype=pl.String)


def unlink(text: pl.Expr) -> pl.Expr:
    """Text with [words](link) and ![words](link) as their words, <link> as the link; [18F](FDG) is no link."""
    return text.str.replace_all(rf"!?\[([^\[\]]*)\]\({TARGET}\)", "${1}").str.replace_all(f"<({LINK})>", "${1}")


def mask_links(text: pl.Expr) -> pl.Expr:
    """Text with [URL] for each bare link; a DOI's link becomes doi:10.…, for it names a paper."""
    papers = text.str.replace_all(r"(?i)https?://(?:dx\.)?doi\.org/(10\.)", "doi:${1}")
    return papers.str.replace_all(LINK, TAGS["url"])
