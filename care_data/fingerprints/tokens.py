"""Texts as rows of tokens, and runs of tokens as hashes: how the overlap of a test set with other text is told.

A token is a Han character, or a run of other letters and digits, folded as in a text's key; all else parts tokens.
"""

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts, folding
from care_data.kernels import kernel

_BASE = np.uint64(0x9E3779B97F4A7C15)
_SALT = np.uint64(0xA0761D6478BD642F)
_MIX_1, _MIX_2, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)
_BETWEEN_DIGITS = 1 << 31
_UNMARKED = ~(1 << 30)
_BEYOND_TABLE = 0xE0000


def tokenise(texts: Texts) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of all tokens, one text after the other, and where each text's begin and the last's end (rows + 1)."""
    tokens = np.empty(int(texts.offsets[-1] - texts.offsets[0]), np.uint64)
    starts = np.zeros(len(texts) + 1, np.int64)
    _tokenise(texts.data, texts.offsets, folding(), tokens, starts)
    return tokens[: starts[-1]], starts


def runs(
    tokens: NDArray[np.uint64], starts: NDArray[np.int64], length: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of all runs of `length` tokens inside each text, and where each text's begin; short ones have none."""
    counts = np.maximum(np.diff(starts) - length + 1, 0)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    hashes = np.empty(int(ends[-1]), np.uint64)
    _runs(tokens, starts, length, np.uint64(pow(int(_BASE), length, 1 << 64)), hashes, ends)
    return hashes, ends


class Sieve:
    """Tells in no time that a hash is none of some; now and then it is one of them by mistake."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        bits = max(10, int(16 * len(hashes)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._marks = np.zeros(1 << bits, np.bool_)
        self._marks[hashes >> self._shift] = True

    def holds(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """For each hash whether it may be one of them."""
        return self._marks[hashes >> self._shift]


@kernel
def _mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> _SHIFT)) * _MIX_1
    value = (value ^ (value >> _SHIFT)) * _MIX_2
    return value ^ (value >> _SHIFT)


@kernel
def _is_han(code: int) -> bool:
    return 0x2E80 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x40000


@kernel
def _tokenise(data: NDArray, offsets: NDArray, table: NDArray, tokens: NDArray, starts: NDArray) -> None:
    out = 0
    for row in range(offsets.shape[0] - 1):
        at, stop = offsets[row], offsets[row + 1]
        word = np.uint64(0)
        while at < stop:
            byte = data[at]
            if byte < 0x80:
                code, at = byte, at + 1
            elif byte < 0xE0:
                code, at = (byte & 0x1F) << 6 | (data[at + 1] & 0x3F), at + 2
            elif byte < 0xF0:
                code = (byte & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F)
                at += 3
            else:
                code = (byte & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
                code |= (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F)
                at += 4
            if code < table.shape[0]:
                code = table[code]
            elif code >= _BEYOND_TABLE:
                code = 0
            code &= _UNMARKED
            parts = code == 0 or code & _BETWEEN_DIGITS or _is_han(code)
            if parts and word:
                tokens[out] = _mix(word)
                out += 1
                word = np.uint64(0)
            if not parts:
                word = word * _BASE + np.uint64(code)
            elif _is_han(code):
                tokens[out] = _mix(np.uint64(code))
                out += 1
        if word:
            tokens[out] = _mix(word)
            out += 1
        starts[row + 1] = out


@kernel
def _runs(tokens: NDArray, starts: NDArray, length: int, leaving: np.uint64, hashes: NDArray, ends: NDArray) -> None:
    salt = np.uint64(length) * _SALT
    for row in range(starts.shape[0] - 1):
        rolling, out = np.uint64(0), ends[row]
        for at in range(starts[row], starts[row + 1]):
            rolling = rolling * _BASE + tokens[at]
            if at >= starts[row] + length:
                rolling -= tokens[at - length] * leaving
            if at >= starts[row] + length - 1:
                hashes[out] = _mix(rolling ^ salt)
                out += 1
