"""Which script a text is written in, counted in letters; no model of languages knows 头痛 for Chinese."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from care_data.kernels import kernel

LEAST = 20
"""Letters a text must have: HBsAg, Aspirin and qd po are what Chinese answers are made of."""

HAN, LATIN, KANA, OTHER = range(4)
SCRIPTS = {"zh": HAN, "en": LATIN}
"""Language -> its script."""

KANA_SHARE = 0.15
"""Share of kana from which a text with Han characters is Japanese; Japanese prose has more than twice of it."""

STRANGE = {"zh": r"[\p{Hiragana}\p{Katakana}\p{Hangul}\p{Cyrillic}\p{Arabic}\p{Thai}]", "en": r"[^\x00-\x7F]"}
"""Language -> a letter that stands in any text of another, but for those in Latin letters."""


def is_foreign(text: pl.Expr, language: str, share: float, least: int = LEAST) -> pl.Expr:
    """True where less than `share` of a text's letters are in the script of the language, or where it is Japanese.

    least: letters from which on a text is judged.
    """

    def tell(texts: pl.Series) -> pl.Series:
        unsure = texts.str.contains(STRANGE[language])
        if language == "zh":  # Han characters take three bytes, Latin letters one
            unsure |= texts.str.len_bytes() < 1.6 * texts.str.len_chars()
        at = unsure.arg_true()
        counts = count_letters(texts.gather(at))
        letters = counts.sum(axis=1)
        foreign = counts[:, SCRIPTS[language]] < share * letters
        if language == "zh":
            foreign |= counts[:, KANA] > KANA_SHARE * letters
        found = pl.Series(texts.name, [False], dtype=pl.Boolean).new_from_index(0, len(texts))
        return found.scatter(at, pl.Series(foreign & (letters >= least))) if len(at) else found

    return text.map_batches(tell, return_dtype=pl.Boolean(), is_elementwise=True)


def count_letters(texts: pl.Series) -> NDArray[np.int64]:
    """Letters of each text by script, columns HAN, LATIN, KANA, OTHER. Texts are without nulls."""
    array = texts.to_arrow()
    _, ends, data = array.buffers()
    if not len(array) or data is None:
        return np.zeros((len(array), 4), np.int64)
    return _count(np.frombuffer(data, np.uint8), np.frombuffer(ends, np.int64, len(array) + 1, array.offset * 8))


@kernel
def _count(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """count_letters, by ranges of code points: of the scripts that no text here is in, what is no letter counts too."""
    counts = np.zeros((len(offsets) - 1, 4), np.int64)
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            code = np.int64(data[at])
            size = 1 if code < 0x80 else 2 if code < 0xE0 else 3 if code < 0xF0 else 4
            if size > 1:
                code &= 0x3F >> (size - 1)
                for more in range(1, size):
                    code = (code << 6) | (data[at + more] & 0x3F)
            at += size
            if code < 0x250:
                plain = 0x41 <= code <= 0x5A or 0x61 <= code <= 0x7A
                if plain or (code >= 0xC0 and code != 0xD7 and code != 0xF7):
                    counts[row, 1] += 1
            elif 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or code >= 0x20000:
                counts[row, 0] += 1
            elif 0x3041 <= code <= 0x30FF and code != 0x30FB:
                counts[row, 2] += 1
            elif 0x370 <= code < 0x2000 or 0x2C00 <= code < 0x2E00 or 0xA000 <= code < 0xD800:
                counts[row, 3] += 1
    return counts
