"""Traditional characters to simplified ones, by OpenCC, for texts that are written in them; asked for by name."""

from functools import cache
from typing import Any

import polars as pl

from care_data.errors import CareError, Exit
from care_data.selection import clean_where

HINTS = list("這個們來時會說國過對發學沒還後經體現點關問題間醫藥療診氣熱風濕陰陽脈臟腎膽腸頭腦湯傷內為於與無種開")
"""Characters that simplified text has not, one of which nearly every sentence in traditional ones has."""

SHARE = 0.1
"""Share of Han characters that conversion changes from which a text counts as traditional: of such texts it changes a
third, of simplified ones with an old name in them hardly any."""


def simplify(text: pl.Expr) -> pl.Expr:
    """Text in simplified characters where it is in traditional ones; any other as it was.

    Raises CareError where OpenCC is not installed.
    """
    convert = _converter()

    def convert_all(texts: pl.Series) -> pl.Series:
        return pl.Series(texts.name, [_simplify(value, convert) if value else value for value in texts], pl.String)

    return clean_where(
        text,
        lambda text: text.str.contains_any(HINTS),
        lambda hot: hot.map_batches(convert_all, return_dtype=pl.String, is_elementwise=True),
    )


def _simplify(text: str, convert: Any) -> str:
    simple = convert(text)
    if len(simple) != len(text):  # phrases may differ in length; then count what is gone
        changed = len(text) - sum(letter in simple for letter in text)
    else:
        changed = sum(old != new for old, new in zip(text, simple, strict=True))
    han = sum("\u3400" <= letter <= "\u9fff" for letter in text)
    return simple if changed >= SHARE * han else text


@cache
def _converter() -> Any:
    try:
        from opencc import OpenCC
    except ImportError as error:
        fix = "Install it: pip install 'care-llm[opencc]'."
        raise CareError("the step simplify needs OpenCC, which is not installed", fix=fix, code=Exit.USAGE) from error
    return OpenCC("t2s").convert
