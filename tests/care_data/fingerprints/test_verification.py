import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.fingerprints.normalisation import Texts, pack
from care_data.fingerprints.shingles import shingle
from care_data.fingerprints.verification import jaccard, verify

# Letters, digits and Chinese only: the key of such a text is the text.
KEYS = st.text("ab12头痛咳", max_size=40)


def reference(one: str, two: str) -> float:
    sets = [{key[at : at + 5] for at in range(max(1, len(key) - 4))} for key in (one, two)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def measure(one: str, two: str) -> float:
    hashes, starts = shingle(pack(pl.Series([one, two])))
    return float(jaccard(hashes, starts, np.array([0]), np.array([1]))[0])


@given(KEYS, KEYS)
@settings(max_examples=300, deadline=None)
def test_jaccard_is_that_of_the_sets(one: str, two: str) -> None:
    assert measure(one, two) == reference(one, two)


@given(KEYS, st.text("ab头", max_size=3))
@settings(max_examples=200, deadline=None)
def test_jaccard_of_a_text_and_its_longer_copy(text: str, more: str) -> None:
    assert measure(text, text + more) == measure(text + more, text) == reference(text, text + more)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("", "", 1.0),
        ("", "头", 0.0),
        ("头痛", "头痛", 1.0),
        ("头痛", "头疼", 0.0),
        ("啊" * 6, "啊" * 600, 1.0),
        ("abcdef", "abcdeg", 1 / 3),
        ("abcdefghi", "abcdefgh", 4 / 5),
        ("ababababab", "abababab", 1.0),
    ],
)
def test_jaccard_at_the_edges(one: str, two: str, expected: float) -> None:
    assert measure(one, two) == expected


def test_many_pairs_in_one_call_do_not_disturb_each_other() -> None:
    generator = np.random.default_rng(1)
    texts = ["".join(generator.choice(list("ab"), generator.integers(0, 60))) for _ in range(80)]
    hashes, starts = shingle(pack(pl.Series(texts)))
    one, two = generator.integers(0, 80, 2000), generator.integers(0, 80, 2000)
    expected = [reference(texts[a], texts[b]) for a, b in zip(one, two, strict=True)]
    assert jaccard(hashes, starts, one, two).tolist() == expected


@pytest.mark.parametrize("workers", [1, 3])
def test_verify_takes_the_smallest_group(workers: int) -> None:
    prompts = pl.Series(["abcdefghi", "abcdefgh", "abcdefghi", "xyz"])
    answers = pl.Series(["多休息", "多休息", "多喝水", "多休息"])

    def texts(records: np.ndarray, group: int) -> Texts:
        return pack([prompts, answers][group].gather(pl.Series(records)))

    first = np.array([0, 0, 0, 1] * 2000, np.int32)
    second = np.array([1, 2, 3, 2] * 2000, np.int32)
    assert verify(first, second, texts, 2, 0.8, workers).tolist() == [4 / 5, 0.0, 0.0, 0.0] * 2000


def test_verify_nothing() -> None:
    nothing = np.zeros(0, np.int32)
    assert len(verify(nothing, nothing, lambda records, group: pack(pl.Series([""])), 1, 0.8)) == 0
