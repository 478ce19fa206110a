"""Questions and answers for measuring cleaning: JSON lines of grown texts, some with what cleaning is for.

python bench/pairs.py SOURCE ROWS TARGET

SOURCE is Parquet with the columns id and text, grown as grow.py does it. The question is a text up to its first end of
a sentence, or its first third, the answer the rest. Of 50 records one has tags and entities, one a phone number, one a
greeting and one a link; the others are as they are in SOURCE, with all the numbers, units and names of theirs.
"""

import sys
from pathlib import Path

import polars as pl
from grow import grow

EVERY = 50
PLANTS = {
    1: ("<p>", "&nbsp;请多喝水。</p>"),
    12: ("", "有事可以打13812345678，加微信也行。"),
    25: ("您好！很高兴为您解答。", "感谢您的提问，祝您早日康复！"),
    37: ("", "详情请看https://www.example.com/ask/12345.html。"),
}
"""Record number modulo EVERY to what stands before its answer and behind it."""
ENDS = "。？！\n"
LEAST = 8


def split(texts: pl.Series, first: int) -> pl.DataFrame:
    """Texts as questions and answers; `first` is the number of the first."""
    ended = pl.col("text").str.extract(f"(?s)^(.{{{LEAST},}}?[{ENDS}]+)")
    third = pl.col("text").str.slice(0, pl.max_horizontal(1, pl.col("text").str.len_chars() // 3))
    asked = pl.when(ended.str.len_chars() < pl.col("text").str.len_chars()).then(ended).otherwise(third)
    frame = texts.alias("text").to_frame().with_columns(question=asked)
    frame = frame.with_columns(answer=pl.col("text").str.slice(pl.col("question").str.len_chars()))
    place = pl.int_range(first, first + pl.len()) % EVERY
    answer = pl.col("answer")
    for number, (head, tail) in PLANTS.items():
        answer = pl.when(place == number).then(pl.lit(head) + pl.col("answer") + pl.lit(tail)).otherwise(answer)
    return frame.select("question", answer=answer)


def write(source: pl.DataFrame, rows: int, target: Path) -> None:
    """The records as JSON lines; the file is there only when it is whole."""
    partial, first = target.with_suffix(".part"), 0
    with partial.open("wb") as sink:
        for texts in grow(source, rows):
            split(texts, first).write_ndjson(sink)
            first += len(texts)
    partial.rename(target)


if __name__ == "__main__":
    source, rows, target = sys.argv[1:]
    write(pl.read_parquet(source), int(rows), Path(target))
