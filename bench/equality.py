"""Whether a conversion kept every text: rows of the scan against records, in order.

    python bench/equality.py SHAPE SCANNED RECORDS

Exit code 1 and the first row that differs, where they do not hold the same.
"""

import sys

import polars as pl

FRAME_ROWS = 100_000
END = "\0"
"""Stands between the texts of a row."""


def _paired(turns: pl.Expr) -> pl.Expr:
    """The turns without a question at the end that nobody answered."""
    return turns.list.head(turns.list.len() // 2 * 2).list.join(END)


_earlier = pl.col("history").list.eval(pl.element().list.join(END)).list.join(END)
_last = pl.concat_str("instruction", "output", separator=END)
SCANNED = {
    "pair": pl.concat_str("question", "answer", separator=END),
    "marked": _paired(pl.col("data").list.eval(pl.element().str.slice(2))),
    "messages": _paired(pl.col("messages").list.eval(pl.element().struct.field("content"))),
}
RECORDS = {"pair": _last, **dict.fromkeys(("marked", "messages"), pl.concat_str(_earlier, _last, separator=END))}


def compare_texts(shape: str, scanned: str, records: str) -> str:
    """What differs first; empty where nothing does."""
    left = pl.scan_ipc(scanned).select(text=SCANNED[shape])
    right = pl.scan_parquet(records).select(text=RECORDS[shape])
    rows = [side.select(pl.len()).collect().item() for side in (left, right)]
    if rows[0] != rows[1]:
        return f"{rows[0]} rows scanned, {rows[1]} records"
    for start in range(0, rows[0], FRAME_ROWS):
        ours, theirs = (side.slice(start, FRAME_ROWS).collect().to_series() for side in (right, left))
        if not ours.equals(theirs):
            first = (ours.ne_missing(theirs)).arg_true()[0]
            return f"row {start + first + 1}: {theirs[first]!r} became {ours[first]!r}"
    return ""


if __name__ == "__main__":
    sys.exit(compare_texts(*sys.argv[1:]) or 0)
