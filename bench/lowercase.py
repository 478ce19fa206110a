"""What cleaning is measured against: polars reads the text columns of records, lower-cases them, and writes them.

python bench/lowercase.py RECORDS TARGET

Both are Parquet, compressed as ours are.
"""

import sys

import polars as pl

TEXTS = ("instruction", "input", "output")

if __name__ == "__main__":
    source, target = sys.argv[1:]
    history = pl.col("history").list.eval(pl.element().list.eval(pl.element().str.to_lowercase()))
    lowered = pl.scan_parquet(source).select(*(pl.col(name).str.to_lowercase() for name in TEXTS), history)
    lowered.sink_parquet(target, compression="lz4")
