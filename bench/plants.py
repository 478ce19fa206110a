"""Rows among which odd ones are planted, and what a conversion has to count for them."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import IO, Any

import numpy as np

PERIOD = 2_000
"""Rows after which the pattern of good and odd ones starts anew."""

Expected = dict[str, dict[str, Any]]
"""By output: rows read, records kept, rows dropped by reason."""


@dataclass(frozen=True)
class Case:
    """Files of one corpus at upstream's size. make: writes them into a mirror, scaled, and says what is to be counted.

    entry: the registry entry, for formats that no corpus of the registry has.
    """

    reader: str
    make: Callable[[Path, float], Expected]
    entry: str = ""


@dataclass(frozen=True)
class Odd:
    """An odd row. outcomes: for each row that a reader should see in it, the reason it is dropped for, or nothing."""

    data: bytes
    outcomes: tuple[str, ...] = ("",)


def odd(text: str | bytes, *outcomes: str, encoding: str = "utf-8") -> Odd:
    """An odd row of text or bytes; kept unless reasons are given."""
    return Odd(text if isinstance(text, bytes) else text.encode(encoding), outcomes or ("",))


def plant(
    stream: IO[bytes] | GzipFile, rows: int, good: list[bytes], odds: list[Odd], between: bytes = b"", first: int = 0
) -> Counter[str]:
    """Write so many rows, every odd one once in a period; `@N@` in a row becomes its number, counted from `first`.

    Returns how many rows are to be seen with each outcome.
    """
    spread = max(1, min(PERIOD, 100) // max(1, len(odds))) if rows < PERIOD else PERIOD // max(1, len(odds))
    at = {number * spread + spread // 2: one for number, one in enumerate(odds)}
    block = [at.get(place) or Odd(good[place % len(good)]) for place in range(PERIOD)]
    numbered = any(b"@N@" in one.data for one in block)
    seen: Counter[str] = Counter()
    for start in range(0, rows, PERIOD):
        part = block[: rows - start]
        texts = [one.data for one in part]
        if numbered:
            texts = [text.replace(b"@N@", b"%d" % (first + start + place)) for place, text in enumerate(texts)]
        stream.write(between.join(texts))
        if between and start + PERIOD < rows:
            stream.write(between)
        seen.update(outcome for one in part for outcome in one.outcomes)
    return seen


def expect(seen: Counter[str]) -> dict[str, Any]:
    """What an output counts, given the outcomes of its rows."""
    dropped = {reason: rows for reason, rows in sorted(seen.items()) if reason and rows}
    return {"read": seen.total(), "kept": seen[""], "dropped": dropped}


def scaled(rows: int, scale: float) -> int:
    """So many rows at a scale, at least one."""
    return max(1, round(rows * scale))


def at(mirror: Path, path: str) -> Path:
    """The path in the mirror, its folder made."""
    target = mirror / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


@contextmanager
def zipped(path: Path, member: str) -> Iterator[IO[bytes]]:
    """A member of a zip to write to; the zip is made, or grows by it."""
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as box,
        box.open(member, "w", force_zip64=True) as stream,
    ):
        yield stream


def draw(pool: list[str], count: int, seed: int, per_text: int = 1) -> list[str]:
    """Texts of so many sentences each, drawn from the pool."""
    picked = np.random.default_rng(seed).integers(0, len(pool), (count, per_text))
    return ["".join(pool[each] for each in row) for row in picked]
