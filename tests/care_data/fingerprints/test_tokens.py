import unicodedata
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from care_data.fingerprints.normalisation import pack
from care_data.fingerprints.tokens import Sieve, runs, tokenise

MIXED = st.lists(st.text("ab头痛。 ,1.5-ＡＢ", max_size=20), max_size=8)


def tokens_of(*texts: str) -> list[list[int]]:
    hashes, starts = tokenise(pack(pl.Series(texts, dtype=pl.String)))
    return [hashes[begin:end].tolist() for begin, end in pairwise(starts.tolist())]


def reference(text: str) -> list[str]:
    """Tokens of a text of letters, digits, Han, spaces and common marks: every mark parts them."""
    found, word = [], ""
    for character in unicodedata.normalize("NFKC", text).lower() + " ":
        if character.isascii() and character.isalnum():
            word += character
            continue
        found += [word] if word else []
        found += [character] if character.isalnum() else []
        word = ""
    return found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("，。 ！\n", 0),
        ("头痛", 2),
        ("头 痛。", 2),
        ("headache", 1),
        ("头痛headache头痛", 5),
        ("a b  c", 3),
        ("CD4阳性", 3),
        ("120/80mmHg", 2),
        ("𠀀𠀁", 2),  # beyond the first plane
        ("㐀", 1),
        ("한국 말", 2),
    ],
)
def test_a_han_character_or_a_word_is_a_token(text: str, count: int) -> None:
    assert len(tokens_of(text)[0]) == count


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("头痛？", "头痛"),
        ("CT检查", "ｃｔ检查"),
        ("Fever, cough", "FEVER cough"),
        ("1.5 mg", "１．５　ｍｇ"),
        ("体温：38℃", "体温38℃"),
        ("一，二", "一\n二"),
    ],
)
def test_width_case_and_marks_do_not_count(one: str, two: str) -> None:
    assert tokens_of(one) == tokens_of(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1.5", "15"),  # marks between digits part tokens: 1 and 5
        ("120/80", "12080"),
        ("2-3天", "23天"),
        ("头痛", "痛头"),
        ("ab", "ba"),
        ("a b", "ab"),
        ("阳性+", "阳性"),  # a sign that carries meaning is a token
    ],
)
def test_what_means_another_thing_is_told_apart(one: str, two: str) -> None:
    assert tokens_of(one) != tokens_of(two)


@given(MIXED)
@example(["1.5", "a.b", "ＡＢ头"])
@settings(max_examples=300, deadline=None)
def test_equal_tokens_have_equal_hashes_and_no_others(texts: list[str]) -> None:
    hashes = [hash_ for text in tokens_of(*texts) for hash_ in text]
    words = [word for text in texts for word in reference(text)]
    assert len(hashes) == len(words)
    assert len(set(zip(hashes, words, strict=True))) == len(set(hashes)) == len(set(words))


def test_a_slice_of_texts_gives_their_own_tokens() -> None:
    texts = pl.Series(["头痛", "fever", "咳嗽 3 天"])
    hashes, starts = tokenise(pack(texts.slice(1, 2)))
    assert starts.tolist() == [0, 1, 5]
    assert [hashes.tolist()] == tokens_of("fever 咳嗽 3 天")


@given(st.lists(st.lists(st.integers(0, 3), max_size=12), max_size=8), st.integers(1, 6))
@example([], 3)
@example([[1, 2], [], [1, 2, 1, 2, 1]], 2)
@settings(max_examples=400, deadline=None)
def test_runs_are_those_of_a_search_by_hand(texts: list[list[int]], length: int) -> None:
    tokens = np.array([token * 77 + 5 for text in texts for token in text], np.uint64)
    starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    hashes, ends = runs(tokens, starts, length)
    by_hand = [[tuple(text[at : at + length]) for at in range(len(text) - length + 1)] for text in texts]
    assert np.diff(ends).tolist() == [len(each) for each in by_hand]
    known = dict(zip([run for text in by_hand for run in text], hashes.tolist(), strict=True))
    assert hashes.tolist() == [known[run] for text in by_hand for run in text]  # an equal run, an equal hash
    assert len(set(known.values())) == len(known)


def test_runs_of_two_lengths_are_no_runs_of_one_another() -> None:
    tokens, starts = np.zeros(6, np.uint64), np.array([0, 6])
    assert len({runs(tokens, starts, length)[0][0] for length in range(1, 6)}) == 5


@given(st.sets(st.integers(0, (1 << 64) - 1), max_size=200), st.sets(st.integers(0, (1 << 64) - 1), max_size=200))
@settings(max_examples=100, deadline=None)
def test_a_sieve_loses_no_member(members: set[int], others: set[int]) -> None:
    sieve = Sieve(np.array(sorted(members), np.uint64))
    assert sieve.holds(np.array(sorted(members), np.uint64)).all()
    assert sieve.holds(np.array(sorted(others), np.uint64)).shape == (len(others),)


def test_a_sieve_lets_hardly_anything_else_pass() -> None:
    generator = np.random.default_rng(2)
    members, others = generator.integers(0, 1 << 64, (2, 100_000), np.uint64)
    passed = int(Sieve(members).holds(others).sum())
    assert 0 < passed < 7000  # at most one slot in 16 is taken
    assert not Sieve(members[:0]).holds(others).any()
