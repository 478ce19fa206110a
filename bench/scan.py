"""What a conversion is measured against: polars scans every column of a file and sinks it to Arrow IPC.

python bench/scan.py SOURCE TARGET
"""

import sys

import polars as pl

if __name__ == "__main__":
    source, target = sys.argv[1:]
    lazy = pl.scan_csv(source, infer_schema=False) if source.endswith(".csv") else pl.scan_ndjson(source)
    lazy.sink_ipc(target)
