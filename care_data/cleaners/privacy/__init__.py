"""Contact details and identities out of the text, typed tags in their place; figures of medicine untouched."""

from collections.abc import Mapping

import polars as pl

from care_data.cleaners.privacy import addresses, contacts
from care_data.cleaners.privacy.addresses import mask_address
from care_data.cleaners.privacy.contacts import mask_email, mask_qq, mask_wechat
from care_data.cleaners.privacy.identities import mask_identity, mask_record
from care_data.cleaners.privacy.names import mask_names
from care_data.cleaners.privacy.numbers import mask_landline, mask_mobile
from care_data.cleaners.privacy.replacement import mask_where

HOT = rf"[0-9](?:[-/／]?[0-9]){{3}}|[0-9]\.[0-9]\.[0-9]\.[0-9]\.|{contacts.HOT}|{addresses.HOT}"
"""What a text must hold to be looked at closer: one in forty does."""


def mask_privacy(text: pl.Expr) -> pl.Expr:
    """Text with typed tags (characters.TAGS) for e-mail, record numbers, ID cards, phones, QQ and WeChat, addresses.

    Of a keyword and its value ("住院号：109285") only the value goes. A mobile number given as a WeChat or QQ name is
    a phone. Names of people stay: see `mask_names`.
    """
    return mask_where(text, HOT, mask_all)


def private(columns: Mapping[str, int], names: bool = False) -> pl.Expr:
    """Some text of the record holds a value that `mask_privacy`, with `names` also `mask_names`, would mask.

    columns: column -> how many lists deep its texts lie (0 for a string). To be asked of texts not yet masked: a tag
    that stands in them already is no value.
    """
    return pl.any_horizontal(_holds(pl.col(name), depth, names) for name, depth in columns.items())


def _holds(text: pl.Expr, depth: int, names: bool) -> pl.Expr:
    if depth:
        return text.list.eval(_holds(pl.element(), depth - 1, names)).list.any().fill_null(False)
    masked = mask_names(mask_privacy(text)) if names else mask_privacy(text)
    return masked.ne_missing(text)


def mask_all(text: pl.Expr) -> pl.Expr:
    """Text with tags for all that is private in it."""
    for mask in MASKERS:
        text = mask(text)
    return text


MASKERS = (
    mask_email,
    mask_record,
    mask_identity,
    mask_mobile,
    mask_landline,
    mask_qq,
    mask_wechat,
    mask_address,
)
"""In the order they are asked; what one took, the next does not see."""
