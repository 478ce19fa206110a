import numpy as np
import polars as pl
import pytest

from care_data.fingerprints.normalisation import pack
from care_data.fingerprints.shingles import digest, shingle

WORDS = 1 << 64


def hashes_of(text: str, group: int = 0) -> list[int]:
    hashes, starts = shingle(pack(pl.Series([text])), group)
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
    texts = pack(pl.Series(["头痛三天伴有恶心", "", "take it with food"]))
    wide, starts = shingle(texts)
    narrow, same_starts = shingle(texts, bits=32)
    assert narrow.dtype == np.uint32
    assert (narrow == (wide >> np.uint64(32)).astype(np.uint32)).all()
    assert starts.tolist() == same_starts.tolist() == [0, 4, 5, 5 + len("takeitwithfood") - 4]


def test_rows_do_not_depend_on_their_neighbours() -> None:
    texts = ["咳嗽两周", "", "1.5mg一日3次", "x" * 300, "1", ".5"]
    hashes, starts = shingle(pack(pl.Series(texts)))
    alone = [hashes_of(text) for text in texts]
    assert [hashes[starts[row] : starts[row + 1]].tolist() for row in range(len(texts))] == alone


def test_digest_counts_characters_as_written() -> None:
    digests, lengths = digest(pack(pl.Series(["头痛？", "头 痛", "头疼", "a\U00020000é"])))
    assert lengths.tolist() == [3, 3, 2, 3]
    assert (digests[0] == digests[1]).all()
    assert len({tuple(row) for row in digests.tolist()}) == 3


def test_digest_of_groups_knows_where_one_ends() -> None:
    def two(prompt: str, answer: str) -> tuple[int, ...]:
        first, _ = digest(pack(pl.Series([prompt])))
        return tuple(digest(pack(pl.Series([answer])), first)[0][0].tolist())

    assert len({two("头痛", "多休息"), two("头痛多", "休息"), two("", "头痛多休息"), two("多休息", "头痛")}) == 4
    assert two("头痛", "多休息") == two("头痛？", "多休息。")


def test_hashes_are_frozen() -> None:
    # An index written by one version is read by the next, in another process and on another machine.
    texts = pack(pl.Series(["高血压能吃党参吗？"]))
    known = [2224916408457504993, 5626376777557579257, 13892997986143172200, 13067320708363765814]
    assert shingle(texts)[0].tolist() == reference("高血压能吃党参吗") == known
    assert digest(texts)[0].tolist() == [[3210035739088352438, 14517900579563282602]]
