"""MinHash signatures, bit for bit those of datasketch 2 (MinHash, scheme affine32).

Each hash goes once through Murmur's 32-bit finaliser; permutation k is a_k * h + b_k mod 2**32 with a_k odd; a
signature is the smallest value of each permutation over the text's shingles.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from care_data.kernels import kernel

PERMUTATIONS = 128
SEED = 1
EMPTY = np.uint32(0xFFFFFFFF)
_MIX_1, _MIX_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_SHIFT_1, _SHIFT_2 = np.uint32(16), np.uint32(13)


@cache
def permutations(num_perm: int = PERMUTATIONS, seed: int = SEED) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The factors and summands of datasketch's permutations, equal to MinHash(num_perm, seed).permutations.

    Drawn as datasketch draws them, from numpy's frozen RandomState, because importing it costs 0.3 s a process.
    """
    generator = np.random.RandomState(seed)
    factors = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)


def blank(rows: int, num_perm: int = PERMUTATIONS) -> NDArray[np.uint32]:
    """Signatures of no shingles yet (rows x num_perm), to be filled by sign()."""
    return np.full((rows, num_perm), EMPTY, np.uint32)


def sign(
    hashes: NDArray[np.uint32], starts: NDArray[np.int64], signatures: NDArray[np.uint32], seed: int = SEED
) -> None:
    """Take the shingles of each text into its row of `signatures`, in place; call once for each group of a record.

    hashes: 32-bit shingle hashes, one text after the other; starts: where each begins and the last ends (rows + 1).
    """
    factors, summands = permutations(signatures.shape[1], seed)
    _sign(hashes, starts, factors, summands, signatures)


@kernel
def _mix(value: np.uint32) -> np.uint32:
    # numba widens a product of two uint32 to uint64: every step is cut back to 32 bits.
    value = np.uint32(value ^ (value >> _SHIFT_1))
    value = np.uint32(value * _MIX_1)
    value = np.uint32(value ^ (value >> _SHIFT_2))
    value = np.uint32(value * _MIX_2)
    return np.uint32(value ^ (value >> _SHIFT_1))


@kernel
def _sign(hashes: NDArray, starts: NDArray, factors: NDArray, summands: NDArray, signatures: NDArray) -> None:
    width = signatures.shape[1]
    for row in range(starts.shape[0] - 1):
        least = signatures[row]
        at, stop = starts[row], starts[row + 1]
        # Four shingles a turn: the inner loop vectorises, and loads and stores are shared among the four.
        while at + 4 <= stop:
            one, two = _mix(hashes[at]), _mix(hashes[at + 1])
            three, four = _mix(hashes[at + 2]), _mix(hashes[at + 3])
            for k in range(width):
                a, b = factors[k], summands[k]
                left = min(np.uint32(a * one + b), np.uint32(a * two + b))
                right = min(np.uint32(a * three + b), np.uint32(a * four + b))
                least[k] = min(least[k], min(left, right))
            at += 4
        while at < stop:
            one = _mix(hashes[at])
            for k in range(width):
                least[k] = min(least[k], np.uint32(factors[k] * one + summands[k]))
            at += 1
