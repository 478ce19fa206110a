"""Files shaped like published corpora, of any number of rows, the same bytes for the same arguments.

    python bench/generate.py SHAPE FORMAT ROWS PATH

Written in frames of 100,000 rows, so that memory does not grow with the file.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from phrases import ANSWERS, ASIDE, ASK, QUESTIONS

FRAME_ROWS = 100_000
SEED = 20_240
ASCII_EVERY = 50
r"""Every so many JSON lines have their letters escaped as \uXXXX, as files of several hands have."""
ODD_EVERY = 20
"""Of so many pairs one runs over several lines, one holds quotes, and one holds commas."""


def pair_frame(rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Questions of 35 to 150 characters and answers of 60 to 350, in the columns `question` and `answer`."""
    question = _join(rows, rng, [(QUESTIONS, 2, 3), (ASIDE, 1, 3), (ASK, 1, 1)])
    answer = _join(rows, rng, [(ANSWERS, 2, 7)])
    odd, asked, said = pl.int_range(rows) % ODD_EVERY, pl.col("question"), pl.col("answer")
    return pl.DataFrame({"question": question, "answer": answer}).with_columns(
        pl.when(odd == 13).then(pl.format('医生说"{}"', asked)).otherwise(asked).alias("question"),
        pl.when(odd == 3)
        .then(said.str.replace_all("。", "。\n", literal=True).str.strip_chars_end())
        .when(odd == 8)
        .then(said.str.replace_all("，", ",", literal=True))
        .otherwise(said)
        .alias("answer"),
    )


def marked_frame(rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Dialogues as a list of texts under `data`, 6 to 16 turns, `问：` and `答：` before each by turns."""
    offsets, asks, text = _turns(rows, rng)
    marked = pl.select(pl.when(asks).then(pl.lit("问：")).otherwise(pl.lit("答：")) + text).to_series()
    return pl.DataFrame({"data": _lists(offsets, marked)})


def message_frame(rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Dialogues as a list of objects under `messages`, with `role` and `content`."""
    offsets, asks, text = _turns(rows, rng)
    role = pl.when(asks).then(pl.lit("user")).otherwise(pl.lit("assistant")).alias("role")
    turns = pl.select(pl.struct(role, text.alias("content"))).to_series()
    return pl.DataFrame({"messages": _lists(offsets, turns)})


def _join(rows: int, rng: np.random.Generator, kinds: list[tuple[list[str], int, int]]) -> pl.Series:
    """Texts of a few sentences each: from every list between so many and so many, drawn at random."""
    columns = []
    for pool, least, most in kinds:
        texts, counts = pl.Series(pool), rng.integers(least, most, rows, endpoint=True)
        for place in range(most):
            drawn = texts.gather(rng.integers(0, len(pool), rows))
            columns.append(pl.select(pl.when(pl.Series(counts > place)).then(drawn)).to_series())
    return pl.select(pl.concat_str(columns, ignore_nulls=True)).to_series()


def _turns(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, pl.Series, pl.Series]:
    """Where each dialogue's turns begin, which of the turns are the patient's, and what they say."""
    counts = rng.integers(6, 16, rows, endpoint=True)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    asks = pl.Series(within % 2 == 0)
    question = _join(len(asks), rng, [(QUESTIONS, 0, 1), (ASK, 1, 1)])
    answer = _join(len(asks), rng, [(ANSWERS, 1, 1)])
    return offsets, asks, pl.select(pl.when(asks).then(question).otherwise(answer)).to_series()


def _lists(offsets: np.ndarray, values: pl.Series) -> pl.Series:
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values.to_arrow())))


def jsonl_bytes(frame: pl.DataFrame, first: bool) -> bytes:
    """The frame as JSON lines."""
    lines = frame.write_ndjson().encode().split(b"\n")
    lines[::ASCII_EVERY] = [json.dumps(json.loads(line)).encode() if line else line for line in lines[::ASCII_EVERY]]
    return b"\n".join(lines)


def csv_bytes(frame: pl.DataFrame, first: bool) -> bytes:
    """The frame as RFC 4180, quoted where it must be; the first one has the header."""
    return frame.write_csv(include_header=first).encode()


def frames(shape: str, rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a shape in frames."""
    for number, start in enumerate(range(0, rows, FRAME_ROWS)):
        yield SHAPES[shape](min(FRAME_ROWS, rows - start), np.random.default_rng([SEED, number]))


def write_file(shape: str, form: str, rows: int, path: Path) -> None:
    """A whole file under its name, or none."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        for number, frame in enumerate(frames(shape, rows)):
            stream.write(FORMATS[form](frame, number == 0))
    temporary.replace(path)


SHAPES: dict[str, Callable[[int, np.random.Generator], pl.DataFrame]] = {
    "pair": pair_frame,
    "marked": marked_frame,
    "messages": message_frame,
}

FORMATS: dict[str, Callable[[pl.DataFrame, bool], bytes]] = {"jsonl": jsonl_bytes, "csv": csv_bytes}

if __name__ == "__main__":
    write_file(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
