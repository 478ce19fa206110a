from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.fingerprints.normalisation import BETWEEN_DIGITS, JOINS, Texts, folding, pack
from care_data.fingerprints.shingles import fold, shingle

WORDS = 1 << 64


def keys_of(texts: list[str]) -> Texts:
    return fold(pack(pl.Series(texts)))[0]


def hashes_of(text: str, group: int = 0) -> list[int]:
    hashes, starts = shingle(keys_of([text]), group)
    assert starts.tolist() == [0, len(hashes)]
    return hashes.tolist()


def mix(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD % WORDS
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 % WORDS
    return value ^ value >> 33


def reference(key: str, group: int = 0) -> list[int]:
    """The hashes by definition: each shingle's polynomial on its own, nothing rolled."""
    grams = [key[at : at + 5] for at in range(len(key) - 4)] if len(key) >= 5 else [key]
    salt = group * 0xD6E8FEB86659FD93 + min(len(key), 5) * 0xA0761D6478BD642F
    polynomials = [
        sum(ord(c) * 0x9E3779B97F4A7C15 ** (len(gram) - 1 - at) for at, c in enumerate(gram)) for gram in grams
    ]
    return [mix((polynomial ^ salt % WORDS) % WORDS) for polynomial in (value % WORDS for value in polynomials)]


@pytest.mark.parametrize(
    "key", ["", "头", "头痛怎么", "头痛怎么办", "头痛怎么办呢abc123", "a\u00e9中\U00020000\U0002a6d6xyz"]
)
@pytest.mark.parametrize("group", [0, 1, 2])
def test_rolled_hashes_are_those_of_each_shingle(key: str, group: int) -> None:
    assert hashes_of(key, group) == reference(key, group)


def test_short_empty_and_repeated_texts() -> None:
    assert len(hashes_of("")) == len(hashes_of("？？")) == len(hashes_of("头痛")) == 1
    assert hashes_of("") == hashes_of("。。。") != hashes_of("头")
    assert len(set(hashes_of("啊" * 40))) == 1
    assert set(hashes_of("啊" * 5)) == set(hashes_of("啊" * 40))
    assert set(hashes_of("啊" * 4)).isdisjoint(hashes_of("啊" * 5))


def test_groups_share_no_shingle() -> None:
    assert set(hashes_of("头痛三天伴有恶心", 0)).isdisjoint(hashes_of("头痛三天伴有恶心", 1))


def test_narrow_hashes_are_the_upper_half() -> None:
    keys = keys_of(["头痛三天伴有恶心", "", "take it with food"])
    wide, starts = shingle(keys)
    narrow, same_starts = shingle(keys, bits=32)
    assert narrow.dtype == np.uint32
    assert (narrow == (wide >> np.uint64(32)).astype(np.uint32)).all()
    assert starts.tolist() == same_starts.tolist() == [0, 4, 5, 5 + len("takeitwithfood") - 4]


def test_rows_do_not_depend_on_their_neighbours() -> None:
    texts = ["咳嗽两周", "", "1.5mg一日3次", "x" * 300, "1", ".5"]
    hashes, starts = shingle(keys_of(texts))
    alone = [hashes_of(text) for text in texts]
    assert [hashes[starts[row] : starts[row + 1]].tolist() for row in range(len(texts))] == alone


def test_digest_counts_characters_as_written() -> None:
    _, digests, lengths = fold(pack(pl.Series(["头痛？", "头 痛", "头疼", "a\U00020000é"])))
    assert lengths.tolist() == [3, 3, 2, 3]
    assert (digests[0] == digests[1]).all()
    assert len({tuple(row) for row in digests.tolist()}) == 3


def test_digest_of_groups_knows_where_one_ends() -> None:
    def two(prompt: str, answer: str) -> tuple[int, ...]:
        _, first, _ = fold(pack(pl.Series([prompt])))
        return tuple(fold(pack(pl.Series([answer])), first)[1][0].tolist())

    assert len({two("头痛", "多休息"), two("头痛多", "休息"), two("", "头痛多休息"), two("多休息", "头痛")}) == 4
    assert two("头痛", "多休息") == two("头痛？", "多休息。")


def test_hashes_are_frozen() -> None:
    # An index written by one version is read by the next, in another process and on another machine.
    texts = pack(pl.Series(["高血压能吃党参吗？"]))
    known = [2224916408457504993, 5626376777557579257, 13892997986143172200, 13067320708363765814]
    keys, digests, _ = fold(texts)
    assert shingle(keys)[0].tolist() == reference("高血压能吃党参吗") == known
    assert digests.tolist() == [[3210035739088352438, 14517900579563282602]]


def read_back(keys: Texts) -> list[str]:
    return [bytes(keys.data[begin:end]).decode() for begin, end in pairwise(keys.offsets.tolist())]


SCALARS = [*range(0xD800), *range(0xE000, 0x30000)]
BEYOND = [*range(0x30000, 0x30050), *range(0x3FFF0, 0x40000), 0x50000, 0xDFFFF, 0xE0000, 0xE0001, 0xE0020, 0xE0100]
BEYOND += [0xF0000, 0x100000, 0x10FFFF]


def expect(code: int) -> str:
    """The key of one character with no digit about it."""
    if code >= 0xE0000:
        return ""
    folded = int(folding()[code] & ~JOINS) if code < 0x20000 else code
    return "" if folded == 0 or folded & int(BETWEEN_DIGITS) else chr(folded)


def test_keys_of_every_character_are_whole_utf8() -> None:
    codes = [*SCALARS, *BEYOND]
    alone = read_back(keys_of([chr(code) for code in codes]))
    assert [code for code, key in zip(codes, alone, strict=True) if key != expect(code)] == []
    assert len(alone) > 190_000
    assert [key for key in alone if len(key) > 1] == []
    between = read_back(keys_of([f"头{chr(code)}é" for code in codes]))
    assert [code for code, key in zip(codes, between, strict=True) if key != f"头{expect(code)}é"] == []


def test_keys_of_every_character_between_digits() -> None:
    codes = [*SCALARS, *BEYOND]
    marks = "".join(chr(code) for code in codes if code < 0x20000 and folding()[code] >= BETWEEN_DIGITS)
    assert set(marks) >= set(".-/:~．－／：～")
    assert len(marks) < 40
    found = read_back(keys_of([f"1{chr(code)}5" for code in codes]))
    told = {code: f"1{expect(code)}5" for code in codes}
    told |= {ord(mark): f"1{chr(int(folding()[ord(mark)] & ~BETWEEN_DIGITS & ~JOINS))}5" for mark in marks}
    assert [code for code, key in zip(codes, found, strict=True) if key != told[code]] == []


def test_a_key_may_be_longer_than_its_text() -> None:
    # Ⱥ (two bytes) is ⱥ (three) in lower case.
    texts = ["Ⱥ" * 1000, "头" * 1000, "", "ȺȾ"]
    assert read_back(keys_of(texts)) == ["ⱥ" * 1000, "头" * 1000, "", "ⱥⱦ"]


ANYTHING = st.lists(
    st.text(st.characters(exclude_categories=["Cs"])) | st.text("1 0.-/:~．５，。aＡé\u0301头\U0002a6d6\U000e0100\n"),
    max_size=8,
)


@given(ANYTHING)
@settings(max_examples=300, deadline=None)
def test_folding_twice_is_folding_once(texts: list[str]) -> None:
    once, digests, _ = fold(pack(pl.Series(texts, dtype=pl.String)))
    twice, again, lengths = fold(once)
    assert read_back(twice) == read_back(once)
    assert digests.tolist() == again.tolist()
    assert lengths.tolist() == [len(key) for key in read_back(once)]


@given(st.lists(st.text("1 .-/:５头aＡ，", max_size=12), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_marks_stay_between_digits_only(texts: list[str]) -> None:
    def reference(text: str) -> str:
        text = text.replace("５", "5").replace("Ａ", "a")
        inner = {at for at in range(1, len(text) - 1) if text[at - 1].isdigit() and text[at + 1].isdigit()}
        return "".join(c for at, c in enumerate(text) if c not in " ，.-/:" or (c in ".-/:" and at in inner))

    assert read_back(keys_of(texts)) == [reference(text) for text in texts]


@given(ANYTHING, st.data())
@settings(max_examples=100, deadline=None)
def test_a_text_folds_alike_in_any_company_and_in_a_slice(texts: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    column = pl.Series(texts, dtype=pl.String)
    keys, digests, lengths = fold(pack(column))
    part, part_digests, part_lengths = fold(pack(column[start:]))
    assert read_back(part) == read_back(keys)[start:]
    assert part_digests.tolist() == digests.tolist()[start:]
    assert part_lengths.tolist() == lengths.tolist()[start:]


@given(st.lists(st.tuples(st.text("ab头。", max_size=4), st.text("ab头。", max_size=4)), min_size=2, max_size=9))
@settings(max_examples=200, deadline=None)
def test_digests_of_groups_are_equal_where_all_keys_are(records: list[tuple[str, str]]) -> None:
    first, one, _ = fold(pack(pl.Series([prompt for prompt, _ in records])))
    second, both, _ = fold(pack(pl.Series([answer for _, answer in records])), one)
    keys = list(zip(read_back(first), read_back(second), strict=True))
    told = list(map(tuple, both.tolist()))
    assert all((told[a] == told[b]) == (keys[a] == keys[b]) for a in range(len(keys)) for b in range(a))
    assert one.tolist() == fold(pack(pl.Series([prompt for prompt, _ in records])))[1].tolist()  # left as it was
