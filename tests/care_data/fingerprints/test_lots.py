"""Lots: the same for a name on every day and machine, spread evenly, and others for another seed."""

import numpy as np
import polars as pl

from care_data.fingerprints.lots import draw, draw_shares
from care_data.fingerprints.normalisation import pack

ALL = (1 << 64) - 1


def draw_slowly(name, seed):
    """The same lot in plain Python."""
    value = (seed + 1) * 0x9E3779B97F4A7C15 & ALL
    for byte in name.encode():
        value = (value ^ byte) * 0x9E3779B97F4A7C15 & ALL
        value ^= value >> 33
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> 33)) * factor & ALL
    return value ^ (value >> 33)


def test_a_lot_is_of_the_name_and_the_seed_alone():
    names = ["", "one/sft/0.jsonl#1", "one/sft/0.jsonl#2", "语料/sft/文件.csv#7", "x" * 300]
    for seed in (0, 1, 12345):
        drawn = draw(pack(pl.Series(names)), seed)
        assert drawn.tolist() == [draw_slowly(name, seed) for name in names]
        assert draw(pack(pl.Series(names[::-1])), seed).tolist() == drawn.tolist()[::-1]


def test_lots_stay_what_they_were():
    """A release that is made again must hold the same records: these numbers may never change."""
    assert draw(pack(pl.Series(["one/sft/0.jsonl#1"]))).tolist() == [18120813149469442344]


def test_shares_are_spread_evenly_though_names_differ_by_a_digit():
    names = pl.Series([f"one/sft/0.jsonl#{row}" for row in range(100_000)])
    shares = draw_shares(names)
    assert shares.min() >= 0
    assert shares.max() < 1
    counts = np.histogram(shares, bins=20, range=(0, 1))[0]
    assert np.abs(counts - 5_000).max() < 350  # five standard deviations
    other = draw_shares(names, 1)
    assert abs(np.corrcoef(shares, other)[0, 1]) < 0.02
    assert abs(np.corrcoef(shares[1:], shares[:-1])[0, 1]) < 0.02


def test_no_names_draw_no_lots():
    assert draw_shares(pl.Series("id", [], pl.String)).tolist() == []
