"""The key of a text, the hash of all of it and the hashes of its 5-grams, in compiled loops over the Arrow buffer.

A key of fewer than five characters is one shingle, itself; the empty key is one shingle, `nothing`, so two empty texts
are alike (Jaccard 1) and an empty and a written one are not (0); one repeated character gives one shingle.
The tag of a group is mixed into its shingles: equal words in two groups are two shingles.
A shingle's hash is 64 bits wide, a polynomial of its characters through Murmur's finaliser: wide enough to stand for
the shingle itself (two of a pair of texts of 1,000 characters collide by chance 1 in 10¹³). Its upper 32 bits
are what MinHash takes.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts, compose, folding, frozen, pack
from care_data.kernels import kernel

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    import polars as pl

SHINGLE = 5
_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_4 = np.uint64(pow(0x9E3779B97F4A7C15, 4, 1 << 64))
_GROUP = np.uint64(0xD6E8FEB86659FD93)
_LENGTH = np.uint64(0xA0761D6478BD642F)
_LANE_1 = np.uint64(0xE7037ED1A0B428DB)
_LANE_2 = np.uint64(0x8EBC6AF09C88C6E3)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(32), np.uint64(29), np.uint64(33)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_BETWEEN_DIGITS, _JOINS = 1 << 31, 1 << 30
_BEYOND_TABLE = 0xE0000
_HAN, _AFTER_HAN = 0x4E00, 0xA000
_LOW = np.uint32(0x3F)


def fold_written(
    texts: "pl.Series", before: NDArray[np.uint64] | None = None
) -> tuple[Texts, NDArray[np.uint64], NDArray[np.int64]]:
    """fold() of texts as they are written: composed first, where one holds a character that may join another."""
    filled = texts.fill_null("") if texts.null_count() else texts
    keys, digests, lengths, joining = _fold_all(pack(filled), before)
    return fold(pack(compose(filled)), before) if joining else (keys, digests, lengths)


def fold(texts: Texts, before: NDArray[np.uint64] | None = None) -> tuple[Texts, NDArray[np.uint64], NDArray[np.int64]]:
    """Per composed text its key, a 128-bit hash of that (rows x 2) and its length in characters, dropped ones included.

    before: the hashes of an earlier group of the same records; the result then stands for both groups in their order.
    The same in every process, version and machine.
    """
    return _fold_all(texts, before)[:3]


def _fold_all(
    texts: Texts, before: NDArray[np.uint64] | None
) -> tuple[Texts, NDArray[np.uint64], NDArray[np.int64], int]:
    """The same, and how many characters may join the one before them."""
    state = np.zeros((len(texts), 2), np.uint64) if before is None else before.copy()
    size = int(texts.offsets[-1] - texts.offsets[0])
    # A character's lower case may take three bytes where it took two itself.
    data, offsets = np.empty(size + size // 2, np.uint8), np.zeros(len(texts) + 1, np.int64)
    lengths = np.zeros(len(texts), np.int64)
    joining = _fold(texts.data, texts.offsets, folding(), state, lengths, data, offsets)
    return Texts(frozen(data[: offsets[-1]]), frozen(offsets)), state, lengths, joining


def shingle(keys: Texts, group: int = 0, bits: int = 64) -> tuple[NDArray, NDArray[np.int64]]:
    """The hashes of all shingles of keys, one after the other (uint64, or uint32 for bits=32), repeats included.

    With them where each key's begin and the last's end (int64, rows + 1); every key has at least one.
    """
    size = int(keys.offsets[-1] - keys.offsets[0]) + len(keys)
    hashes = np.empty(size, np.uint32 if bits == 32 else np.uint64)
    starts = np.zeros(len(keys) + 1, np.int64)
    _shingle(keys.data, keys.offsets, np.uint64(group), np.uint64(64 - bits), hashes, starts)
    return hashes[: starts[-1]], starts


# A kernel calls kernels of its own file only: numba's cache on disk notices a change in that file alone.


@kernel
def _decode(data: NDArray, start: int, stop: int, codes: NDArray) -> int:
    """The code points of UTF-8 bytes into `codes`; returns their number."""
    read, at = 0, start
    while at < stop:
        byte = np.uint32(data[at])
        if byte & np.uint32(0xF0) == np.uint32(0xE0):  # first: all of Chinese is of three bytes
            two, three = np.uint32(data[at + 1]), np.uint32(data[at + 2])
            codes[read] = (byte & np.uint32(0x0F)) << np.uint32(12) | (two & _LOW) << np.uint32(6) | three & _LOW
            at += 3
            read += 1
            continue
        if byte < 0x80:
            code, at = byte, at + 1
        elif byte < 0xE0:
            code, at = (byte & 0x1F) << 6 | (data[at + 1] & 0x3F), at + 2
        else:
            code = (byte & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
            code |= (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F)
            at += 4
        codes[read] = code
        read += 1
    return read


@kernel
def _keep(codes: NDArray, read: int, table: NDArray) -> tuple[int, int]:
    """The key's code points, in place of the text's; returns their number, and of characters that may join others."""
    kept, joining, pending, after_digit = 0, 0, 0, False
    for at in range(read):
        code = codes[at]
        if _HAN <= code < _AFTER_HAN:  # itself: no look at the table, which does not fit the fastest cache
            codes[kept] = code
            kept += 1
            pending, after_digit = 0, False
            continue
        if code < table.shape[0]:
            code = table[code]
        elif code >= _BEYOND_TABLE:  # tags, more variation selectors, private use
            code = 0
        if code & _JOINS:
            joining += 1
            code ^= _JOINS
        if code & _BETWEEN_DIGITS:
            pending = code ^ _BETWEEN_DIGITS if after_digit else 0
            after_digit = False
            continue
        is_digit = 48 <= code <= 57
        if pending and is_digit:
            # Written where it was read or before: a character that waits was read, and none came after it.
            codes[kept] = pending
            kept += 1
        if code:
            codes[kept] = code
            kept += 1
        pending, after_digit = 0, is_digit
    return kept, joining


@kernel
def _encode(codes: NDArray, kept: int, data: NDArray, at: int) -> int:
    """The code points as UTF-8 from data[at] on; returns where they end."""
    for code in codes[:kept]:
        if 0x800 <= code < 0x10000:
            data[at], data[at + 1], data[at + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
            at += 3
        elif code < 0x80:
            data[at] = code
            at += 1
        elif code < 0x800:
            data[at], data[at + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
            at += 2
        else:
            data[at], data[at + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
            data[at + 2], data[at + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
            at += 4
    return at


@kernel
def _mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> _SHIFT_3)) * _MIX_1
    value = (value ^ (value >> _SHIFT_3)) * _MIX_2
    return value ^ (value >> _SHIFT_3)


@kernel
def _longest(offsets: NDArray) -> int:
    longest = 0
    for row in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@kernel
def _fold(
    texts: NDArray,
    offsets: NDArray,
    table: NDArray,
    state: NDArray,
    lengths: NDArray,
    data: NDArray,
    ends: NDArray,
) -> int:
    codes, joining = np.empty(_longest(offsets), np.uint32), 0
    for row in range(offsets.shape[0] - 1):
        read = _decode(texts, offsets[row], offsets[row + 1], codes)
        kept, found = _keep(codes, read, table)
        joining += found
        one, two = state[row, 0] ^ _LANE_2, state[row, 1] ^ _LANE_1
        for at in range(kept):
            code = np.uint64(codes[at])
            one = (one ^ code) * _LANE_1
            one ^= one >> _SHIFT_1
            two = (two ^ code) * _LANE_2
            two ^= two >> _SHIFT_2
        length = np.uint64(kept) * _LENGTH
        state[row, 0], state[row, 1] = _mix(one ^ length), _mix(two + length)
        lengths[row] = read
        ends[row + 1] = _encode(codes, kept, data, ends[row])
    return joining


@kernel
def _shingle(
    data: NDArray, offsets: NDArray, group: np.uint64, shift: np.uint64, hashes: NDArray, starts: NDArray
) -> None:
    codes = np.empty(_longest(offsets), np.uint32)
    out = 0
    for row in range(offsets.shape[0] - 1):
        kept = _decode(data, offsets[row], offsets[row + 1], codes)
        first = min(kept, SHINGLE)
        salt = group * _GROUP + np.uint64(first) * _LENGTH
        rolling = np.uint64(0)
        for at in range(first):
            rolling = rolling * _BASE + np.uint64(codes[at])
        hashes[out] = _mix(rolling ^ salt) >> shift
        out += 1
        for at in range(SHINGLE, kept):
            rolling = (rolling - np.uint64(codes[at - SHINGLE]) * _BASE_4) * _BASE + np.uint64(codes[at])
            hashes[out] = _mix(rolling ^ salt) >> shift
            out += 1
        starts[row + 1] = out
