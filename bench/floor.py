"""The least that deduplication by MinHash takes, with care_data's own kernels: a run without a search.

python bench/floor.py SOURCE KEPT TARGET

Reads Parquet, hashes all 5-grams, takes 128 permutations, and writes KEPT rows; one process, all cores.
"""

import sys

import numpy as np
import polars as pl

from care_data.fingerprints.normalisation import folding, pack
from care_data.fingerprints.shingles import fold, shingle
from care_data.fingerprints.signatures import blank, sign
from care_data.threads import spread

_BLOCK = 4096


def sign_all(texts: pl.Series) -> np.ndarray:
    """The signatures of all texts."""
    signatures = blank(len(texts))

    def fill(start: int, stop: int) -> None:
        keys, _, _ = fold(pack(texts[start:stop]))
        hashes, starts = shingle(keys, bits=32)
        sign(hashes, starts, signatures[start:stop])

    folding()  # made once, before several threads ask for it
    spread(fill, len(texts), _BLOCK)
    return signatures


if __name__ == "__main__":
    source, kept, target = sys.argv[1:]
    frame = pl.read_parquet(source)
    sign_all(frame["text"])
    frame.head(int(kept)).write_parquet(target, compression="lz4")
