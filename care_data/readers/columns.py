"""The short way: blocks of plain lines read by polars as columns, where that gives just what reading row by row gives.

Each function looks at a block first and gives None where it cannot be sure: a number where text is wanted, a key twice,
a quote that spans lines. The block is then read row by row, with its bad rows set aside.
"""

import io

import orjson
import polars as pl

from care_data.rows import Wanted


def read_json_block(block: bytes, wanted: Wanted) -> tuple[pl.DataFrame, set[str]] | None:
    """The wanted columns of a block of JSON lines and the keys of its objects; None where not all is plain.

    Plain: every line an object of the same keys in the same spelling, every value text, and no escaped surrogate. The
    keys are counted in the bytes: as many of each as there are lines, each followed by a string, so none stands twice.
    """
    if any(kind != pl.String or name in ("_value", "_key") for name, kind in wanted.items()):
        return None
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    head = block[: block.find(b"\n") if b"\n" in block else len(block)]
    try:
        first = orjson.loads(head)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(first, dict) or b"\\ud" in block or b"\\uD" in block or b"\r" in block:
        return None
    for key in first:
        spelled = orjson.dumps(key) + (b': "' if orjson.dumps(key) + b': "' in head else b':"')
        if block.count(spelled) != lines:
            return None
    # Four quotes for each key and its text, those inside texts being escaped: none is left for any other key.
    if block.count(b'"') - block.count(b'\\"') != 4 * lines * len(first):
        return None
    try:
        frame = pl.read_ndjson(io.BytesIO(block), schema={name: pl.String() for name in wanted if name in first})
    except pl.exceptions.PolarsError:
        return None
    if frame.height != lines or any(frame.null_count().row(0)):
        return None
    absent = [pl.lit(None, pl.String).alias(name) for name in wanted if name not in first]
    return frame.with_columns(absent).select(list(wanted)), set(first)


def read_csv_block(lines: list[tuple[int, str, str]], header: list[str], wanted: Wanted) -> pl.DataFrame | None:
    """The wanted cells of lines of CSV (offset, text, problem), a row each.

    None where a line is empty or has bad bytes, a cell spans lines, a row is ragged or a quote stands bare.
    """
    if len(header) == 1 or any(problem or not text for _, text, problem in lines):
        return None
    text = "\n".join([text for _, text, _ in lines])
    # polars drops an empty cell too many and fills up one too few, so lines that end in an empty cell are not sure.
    if "\r" in text or "\0" in text or ",\n" in text or text.endswith(","):
        return None
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            new_columns=header,
            schema={name: pl.String() for name in header},
            quote_char='"' if '"' in text else None,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != len(lines) or (frame.get_column(header[-1]) == "").any():
        return None
    return frame.select(pl.col(name) if name in header else pl.lit(None, pl.String).alias(name) for name in wanted)
