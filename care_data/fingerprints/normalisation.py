"""The key of a text: what is compared, while the record stays as it is.

Composed (NFC), width and case folded, spaces and punctuation dropped. Signs that carry meaning stay: mathematical
ones, currencies and per cent (阳性 is +, and >140 is not <140), and . - / : ~ where digits stand on both sides, since
1.5 mg is not 15 mg. Characters unassigned in Unicode and all beyond the first two planes stay as they are.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.kernels import kernel

if TYPE_CHECKING:
    import polars as pl

# What str.normalize("NFC") may join to the character before it: combining marks and the vowels and finals of Hangul.
COMPOSABLE = r"\p{M}|[\u{1161}-\u{1175}\u{11A8}-\u{11C2}]"
# Mark an entry of the table: kept only with a digit on both sides; may be joined to the character before it.
BETWEEN_DIGITS, JOINS = np.uint32(1 << 31), np.uint32(1 << 30)
_TABLED = 0x20000
# Han, Hangul and Tangut: letters, or not assigned yet, and in either case themselves.
_THEMSELVES = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xAC00, 0xD7A4), range(0x17000, 0x18B00))
_DROPPED = frozenset({"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs", "Sk", "So"})
_KEPT = frozenset("%‰")
_KEPT_BETWEEN_DIGITS = frozenset(".-/:~")
_DROPPED_BESIDES = frozenset("|")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)  # the same character, drawn differently
_EXCEPTIONS = frozenset({*_KEPT, *_KEPT_BETWEEN_DIGITS, *_DROPPED_BESIDES, "Σ"})  # Σ is lowered by what stands beside


@dataclass(frozen=True)
class Texts:
    """Texts as Arrow holds them: UTF-8 bytes (uint8), and where each begins and the last ends (int64, rows + 1)."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def compose(texts: "pl.Series") -> "pl.Series":
    """The same texts in NFC, null as the empty text; the series itself where nothing is to be done."""
    texts = texts.fill_null("") if texts.null_count() else texts
    marked = texts.str.contains(COMPOSABLE)
    if not marked.any():
        return texts
    # scatter writes in place: into a copy, since the series may be the caller's.
    return texts.clone().scatter(marked.arg_true(), texts.filter(marked).str.normalize("NFC"))


def pack(texts: "pl.Series") -> Texts:
    """The Arrow buffers of a String series without nulls."""
    array = texts.to_arrow()
    _, offsets, data = array.buffers()
    if len(array) == 0 or data is None:
        return Texts(frozen(np.zeros(0, np.uint8)), frozen(np.zeros(len(array) + 1, np.int64)))
    ends = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
    return Texts(np.frombuffer(data, np.uint8), ends)


def unpack(texts: Texts) -> "pl.Series":
    """The texts as a String series."""
    import polars as pl
    import pyarrow as pa

    buffers = [None, pa.py_buffer(texts.offsets), pa.py_buffer(texts.data)]
    return pl.Series(pa.Array.from_buffers(pa.large_string(), len(texts), buffers), dtype=pl.String)


def take(texts: Texts, rows: NDArray[np.int64]) -> Texts:
    """The texts of these rows, in this order."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(texts.offsets[rows + 1] - texts.offsets[rows], out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    _take(texts.data, texts.offsets, rows, data, offsets)
    return Texts(frozen(data), frozen(offsets))


@cache
def folding() -> NDArray[np.uint32]:
    """For each code point of the first two planes what it is in the key: 0 where it is dropped, and its marks."""
    table = np.arange(_TABLED, dtype="<u4")
    codes = np.delete(table, np.concatenate(_THEMSELVES))
    characters = codes.tobytes().decode("utf-32-le", "surrogatepass")
    categories = np.frombuffer("".join(map(unicodedata.category, characters)).encode(), "S2")
    decomposed = np.fromiter(map(len, map(unicodedata.decomposition, characters)), np.int32) > 0
    lower = characters.replace("İ", "i").lower()  # the one that would be two
    table[codes] = np.frombuffer(lower.encode("utf-32-le", "surrogatepass"), "<u4")
    table[codes[np.isin(categories.view("<u2"), np.array(sorted(_DROPPED), "S2").view("<u2"))]] = 0
    one_by_one = {*codes[decomposed].tolist(), *map(ord, _EXCEPTIONS), *_VARIATION_SELECTORS}
    for code in one_by_one:
        table[code] = _fold(chr(code))
    joining = codes[(categories == b"Mn") | (categories == b"Mc") | (categories == b"Me")]
    table[[*joining, *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]] |= JOINS
    return frozen(table)


def _fold(character: str) -> int:
    if ord(character) in _VARIATION_SELECTORS:
        return 0
    character, category = _narrow(character)
    if character in _KEPT_BETWEEN_DIGITS:
        return ord(character) | int(BETWEEN_DIGITS)
    if character in _DROPPED_BESIDES or (category in _DROPPED and character not in _KEPT):
        return 0
    lower = character.lower()
    return ord(lower if len(lower) == 1 else character)


def _narrow(character: str) -> tuple[str, str]:
    """The character composed and at its own width, with its category."""
    form = unicodedata.decomposition(character)
    if form.startswith(("<wide>", "<narrow>")):
        character = chr(int(form.split()[1], 16))
    composed = unicodedata.normalize("NFC", character)
    character = composed if len(composed) == 1 else character
    return character, unicodedata.category(character)


def frozen(array: np.ndarray) -> np.ndarray:
    """Read-only as Arrow's buffers are, so that the kernels are compiled for one type of array."""
    array.flags.writeable = False
    return array


@kernel
def _take(data: NDArray, offsets: NDArray, rows: NDArray, taken: NDArray, ends: NDArray) -> None:
    for at in range(rows.shape[0]):
        begin, out = offsets[rows[at]], ends[at]
        for byte in range(ends[at + 1] - out):
            taken[out + byte] = data[begin + byte]
