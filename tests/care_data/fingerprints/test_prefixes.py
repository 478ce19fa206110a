import math

import numpy as np
import polars as pl

from care_data.fingerprints.normalisation import Texts, pack
from care_data.fingerprints.prefixes import Sets, arrange

OWN = ["abcdefgh", "ijklmnopq", "rstuvwxyzabc", "12", "", "abababababab"]
SHARED = "头痛三天伴有恶心呕吐需要做什么检查"


def read(records: np.ndarray, group: int) -> Texts:
    texts = pl.Series([text + SHARED for text in OWN]) if group == 0 else pl.Series(OWN)
    return pack(texts.gather(pl.Series(records)))


def part(sets: Sets, record: int, group: int) -> list[int]:
    at = record * sets.groups + group
    return sets.values[sets.starts[at] : sets.starts[at + 1]].tolist()


def grams(text: str) -> set[str]:
    return {text[at : at + 5] for at in range(max(1, len(text) - 4))}


def test_sets_are_sorted_without_repeats_and_in_place() -> None:
    sets = arrange(np.arange(6, dtype=np.int32), read, 2)
    assert len(sets.starts) == 13
    for record, own in enumerate(OWN):
        assert len(part(sets, record, 0)) == len(grams(own + SHARED))
        assert len(part(sets, record, 1)) == len(grams(own))
        assert part(sets, record, 0) == sorted(set(part(sets, record, 0)))
    both = set(part(sets, 0, 0)) & set(part(sets, 1, 0))
    assert len(both) == len(grams(OWN[0] + SHARED) & grams(OWN[1] + SHARED)) == len(grams(SHARED))


def test_shared_shingles_come_last() -> None:
    sets = arrange(np.arange(3, dtype=np.int32), read, 1)
    boilerplate = set(part(sets, 0, 0)) & set(part(sets, 1, 0)) & set(part(sets, 2, 0))
    for record in range(3):
        size = len(part(sets, record, 0))
        prefix = part(sets, record, 0)[: size - math.ceil(0.8 * size) + 1]
        assert boilerplate.isdisjoint(prefix)


def test_workers_and_blocks_do_not_matter() -> None:
    records = np.array([4, 0, 2, 2, 1] * 4000, np.int32)
    one, many = arrange(records, read, 2, workers=1), arrange(records, read, 2, workers=4)
    assert one.starts.tolist() == many.starts.tolist()
    assert (one.values == many.values).all()
    assert part(one, 0, 1) == part(one, 19995, 1)
