"""MinHash signatures, bit for bit those of datasketch: the smallest value of each permutation over a text's shingles.

Scheme affine32 (datasketch 2): each hash goes once through Murmur's 32-bit finaliser; permutation k is
a_k * h + b_k mod 2**32 with a_k odd. Scheme legacy (before 2): (a_k * h + b_k mod 2**64) mod 2**61 - 1, its lowest 32
bits.
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


_PRIME, _LOW = np.uint64((1 << 61) - 1), np.uint64(0xFFFFFFFF)
SCHEMES = ("affine32", "legacy")


@cache
def permutations(num_perm: int = PERMUTATIONS, seed: int = SEED, scheme: str = SCHEMES[0]) -> tuple[NDArray, NDArray]:
    """The factors and summands of datasketch's permutations, equal to MinHash(num_perm, seed).permutations.

    Drawn as datasketch draws them, from numpy's frozen RandomState, because importing it costs 0.3 s a process.
    """
    generator = np.random.RandomState(seed)
    if scheme == "legacy":
        prime = int(_PRIME)
        drawn = [
            (generator.randint(1, prime, dtype=np.uint64), generator.randint(0, prime, dtype=np.uint64))
            for _ in range(num_perm)
        ]
        return np.array([a for a, _ in drawn], np.uint64), np.array([b for _, b in drawn], np.uint64)
    factors = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)


def blank(rows: int, num_perm: int = PERMUTATIONS) -> NDArray[np.uint32]:
    """Signatures of no shingles yet (rows x num_perm), to be filled by sign()."""
    return np.full((rows, num_perm), EMPTY, np.uint32)


def sign(
    hashes: NDArray[np.uint32],
    starts: NDArray[np.int64],
    signatures: NDArray[np.uint32],
    seed: int = SEED,
    scheme: str = SCHEMES[0],
) -> None:
    """Take the shingles of each text into its row of `signatures`, in place; call once for each group of a record.

    hashes: 32-bit shingle hashes, one text after the other; starts: where each begins and the last ends (rows + 1).
    """
    factors, summands = permutations(signatures.shape[1], seed, scheme)
    (_sign_legacy if scheme == "legacy" else _sign)(hashes, starts, factors, summands, signatures)


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


@kernel
def _sign_legacy(hashes: NDArray, starts: NDArray, factors: NDArray, summands: NDArray, signatures: NDArray) -> None:
    for row in range(starts.shape[0] - 1):
        for at in range(starts[row], starts[row + 1]):
            value = np.uint64(hashes[at])
            for k in range(signatures.shape[1]):
                moved = (factors[k] * value + summands[k]) % _PRIME & _LOW
                signatures[row, k] = min(signatures[row, k], np.uint32(moved))
