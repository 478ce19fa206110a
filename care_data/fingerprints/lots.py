"""Lots drawn by name: a number for each text that is the same on every day and machine, and spread evenly."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.fingerprints.normalisation import Texts, pack
from care_data.kernels import kernel

if TYPE_CHECKING:
    import polars as pl

_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)


def draw(names: Texts, seed: int = 0) -> NDArray[np.uint64]:
    """A number below 2**64 for each name (its bytes, not its key)."""
    drawn = np.empty(len(names), np.uint64)
    _draw(names.data, names.offsets, np.uint64(seed), drawn)
    return drawn


def draw_shares(names: "pl.Series", seed: int = 0) -> NDArray[np.float64]:
    """A number from 0 to below 1 for each name: the first 53 bits of its lot, which a float holds."""
    return (draw(pack(names), seed) >> np.uint64(11)).astype(np.float64) / (1 << 53)


@kernel
def _draw(data: NDArray, offsets: NDArray, seed: np.uint64, drawn: NDArray) -> None:
    for row in range(drawn.shape[0]):
        value = (seed + np.uint64(1)) * _BASE
        for at in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[at])) * _BASE
            value ^= value >> _SHIFT
        value = (value ^ (value >> _SHIFT)) * _MIX_1
        value = (value ^ (value >> _SHIFT)) * _MIX_2
        drawn[row] = value ^ (value >> _SHIFT)
