"""The exact truth about near duplicates: all pairs of texts whose sets of character 5-grams are alike.

Shares no code with care_data. A 5-gram is numbered, not hashed, so that no two of them are ever one. Pairs are found
by an inverted index over the rarest 5-grams of each text: two sets of n and m elements with Jaccard >= t share one
among the first n - ceil(t n) + 1 and m - ceil(t m) + 1 of any common order. Texts shorter than five characters have
one element, the whole text.
"""

import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

SHINGLE = 5
_PAD = 0


@dataclass(frozen=True)
class Truth:
    """Pairs first < second (rows) of Jaccard >= the threshold among `rows` texts."""

    rows: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@dataclass(frozen=True)
class Errors:
    """What a tool did against the truth.

    leftover: pairs of which both are kept; false: removed, though no text at all is alike; orphans: removed, though no
    kept text is alike; recall: the share of pairs of which at most one is kept.
    """

    kept: int
    leftover: int
    false: int
    orphans: int
    recall: float


def judge(truth: Truth, kept: NDArray[np.bool_]) -> Errors:
    """The errors of keeping these rows (one bool a row)."""
    both = kept[truth.first] & kept[truth.second]
    has_pair, has_kept = np.zeros(truth.rows, np.bool_), np.zeros(truth.rows, np.bool_)
    for one, two in ((truth.first, truth.second), (truth.second, truth.first)):
        has_pair[one] = True
        has_kept[one[kept[two]]] = True
    leftover, pairs = int(both.sum()), len(truth.first)
    return Errors(
        kept=int(kept.sum()),
        leftover=leftover,
        false=int((~kept & ~has_pair).sum()),
        orphans=int((~kept & ~has_kept).sum()),
        recall=1 - leftover / pairs if pairs else 1.0,
    )


def find_pairs(texts: pl.Series, threshold: float) -> Truth:
    """All pairs of texts with Jaccard >= threshold."""
    owners, grams = number_shingles(texts)
    # Rarest first, ties by number: one order for all texts.
    _, inverse, counts = np.unique(grams, return_inverse=True, return_counts=True)
    place = np.empty(len(counts), np.int64)
    place[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ranks = place[inverse]
    order = np.lexsort((ranks, owners))
    values = ranks[order]
    starts = np.searchsorted(owners[order], np.arange(len(texts) + 1))
    first, second = _join(values, starts, len(counts), threshold)
    return Truth(len(texts), first, second)


def number_shingles(texts: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(row, number of the 5-gram) of every distinct 5-gram of every text; equal numbers are equal 5-grams."""
    codes, owners = _read_codes(texts)
    pairs, _ = _number(codes[:-1], codes[1:])
    fours, _ = _number(pairs[:-2], pairs[2:])
    fives, total = _number(fours[:-1], codes[4:])
    inside = owners[:-4] == owners[4:]
    keys = np.unique(owners[:-4][inside] * total + fives[inside])
    return keys // total, keys % total


def _read_codes(texts: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The characters of all texts one after the other, and the row of each.

    A text of fewer than five characters is filled up, so that the whole of it is its one 5-gram.
    """
    padded = texts.fill_null("").str.pad_end(SHINGLE, chr(_PAD))
    codes = np.frombuffer("".join(padded.to_list()).encode("utf-32-le"), np.uint32).astype(np.int64)
    lengths = padded.str.len_chars().to_numpy().astype(np.int64)
    return codes, np.repeat(np.arange(len(texts)), lengths)


def _number(one: NDArray[np.int64], two: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """One number for each pair of numbers, from 0 on without gaps, and how many there are."""
    found, numbers = np.unique(one * (int(two.max()) + 1) + two, return_inverse=True)
    return numbers.astype(np.int64), len(found)


@njit(cache=True)
def _common(values: NDArray, starts: NDArray, one: int, two: int) -> int:
    left, right, common = starts[one], starts[two], 0
    while left < starts[one + 1] and right < starts[two + 1]:
        if values[left] == values[right]:
            common, left, right = common + 1, left + 1, right + 1
        elif values[left] < values[right]:
            left += 1
        else:
            right += 1
    return common


@njit(cache=True)
def _join(values: NDArray, starts: NDArray, shingles: int, threshold: float) -> Any:
    """Each text against the earlier ones that share a 5-gram of its prefix."""
    rows = starts.shape[0] - 1
    heads = np.full(shingles, -1, np.int64)
    before, owners, used = np.empty(values.shape[0], np.int64), np.empty(values.shape[0], np.int64), 0
    asked = np.full(rows, -1, np.int64)
    first, second = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    for row in range(rows):
        size = starts[row + 1] - starts[row]
        prefix = size - int(np.ceil(threshold * size - 1e-9)) + 1
        for at in range(starts[row], starts[row] + prefix):
            entry = heads[values[at]]
            while entry >= 0:
                other = owners[entry]
                entry = before[entry]
                if asked[other] == row:
                    continue
                asked[other] = row
                both = size + starts[other + 1] - starts[other]
                common = _common(values, starts, other, row)
                if common >= threshold * (both - common) - 1e-9:
                    first.append(other)
                    second.append(row)
        for at in range(starts[row], starts[row] + prefix):
            before[used], owners[used] = heads[values[at]], row
            heads[values[at]] = used
            used += 1
    return np.array(first), np.array(second)


def normalise(text: str) -> str:
    """The text as care_data says that it compares it: width and case folded, spaces and punctuation dropped.

    Written from that description, not from its code. Signs of mathematics and currencies stay, and . - / : ~ between
    digits.
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(unicodedata.normalize("NFKC", c) if unicodedata.east_asian_width(c) in "FH" else c for c in text)
    text = text.lower()
    return "".join(c for at, c in enumerate(text) if _stays(text, at))


def _stays(text: str, at: int) -> bool:
    character = text[at]
    if character in ".-/:~":
        return 0 < at < len(text) - 1 and text[at - 1] in "0123456789" and text[at + 1] in "0123456789"
    if character in "%‰":
        return True
    category = unicodedata.category(character)
    return not (
        category[0] in "PZ"
        or category in ("Cc", "Cf", "Co", "Cs", "Sk", "So")
        or character == "|"
        or "\ufe00" <= character <= "\ufe0f"
    )
