import unicodedata
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from care_data.fingerprints.normalisation import BETWEEN_DIGITS, JOINS, Texts, _fold, compose, folding, pack, take
from care_data.fingerprints.shingles import fold


def same(one: str, two: str) -> bool:
    keys, digests, _ = fold(pack(compose(pl.Series([one, two]))))
    equal = bool((digests[0] == digests[1]).all())
    assert equal == (unpack(keys)[0] == unpack(keys)[1])
    return equal


def unpack(texts: Texts) -> list[str]:
    ends = texts.offsets.tolist()
    return [bytes(texts.data[begin:end]).decode() for begin, end in pairwise(ends)]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("头痛怎么办？", "头痛 怎么办?"),
        ("ＡＢＣ１２３", "abc123"),
        ("血压：１４０／９０", "血压140/90"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("体温38\u2103。", "体温38"),
        ("头\u3000痛\u200b\ufe0f\n", "头痛"),
        ("共1,000例", "共1000例"),
        ("第1. 5页", "第15页"),
        ("**重点**｜“引文”", "重点引文"),
        ("\u212b", "\u00e5"),
        ("好😀", "好"),
        ("", "？！……"),
    ],
)
def test_equal_keys(one: str, two: str) -> None:
    assert same(one, two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("每次1.5mg", "每次15mg"),
        ("每次1．5mg", "每次15mg"),
        ("吃3-5天", "吃35天"),
        ("血压140/90", "血压14090"),
        ("乙肝表面抗原+", "乙肝表面抗原-"),
        ("收缩压>140", "收缩压<140"),
        ("浓度5%", "浓度5"),
        ("résumé", "resume"),
        ("头痛", "头疼"),
        ("\U00020000", "\U00020001"),
        ("①", "1"),
    ],
)
def test_different_keys(one: str, two: str) -> None:
    assert not same(one, two)


def test_folding_of_some_characters() -> None:
    table = folding()
    assert len(table) == 0x20000
    assert [int(table[ord(c)]) for c in "Aａ中ß１"] == [ord("a"), ord("a"), ord("中"), ord("ß"), ord("1")]
    assert [int(table[ord(c)]) for c in "，。 !\n(）"] == [0] * 7
    assert table[ord(".")] == table[ord("．")] == np.uint32(ord(".")) | BETWEEN_DIGITS


def test_the_table_says_what_its_rule_says_of_each_character() -> None:
    told = folding() & ~JOINS
    others = [
        code
        for code in range(len(told))
        if told[code] != (code if unicodedata.category(chr(code)) == "Cn" else _fold(chr(code)))
    ]
    assert others == []


def test_folding_twice_is_folding_once() -> None:
    table = folding()
    values = table[(table != 0) & (table < BETWEEN_DIGITS)] & ~JOINS
    values = values[values < len(table)]
    stray = values[table[values] & ~JOINS != values]
    assert len(values) > 90_000
    assert [unicodedata.name(chr(value)) for value in stray] == []


def test_compose_leaves_the_callers_series_alone() -> None:
    texts = pl.Series(["cafe\u0301", "头痛", None])
    assert compose(texts).to_list() == ["caf\u00e9", "头痛", ""]
    assert texts.to_list() == ["cafe\u0301", "头痛", None]
    marked = pl.Series(["cafe\u0301", "头痛"])
    assert compose(marked).to_list() == ["caf\u00e9", "头痛"]
    assert marked.to_list() == ["cafe\u0301", "头痛"]
    plain = pl.Series(["头痛"])
    assert compose(plain) is plain


def test_pack_of_slices_and_nothing() -> None:
    texts = pack(pl.Series(["一", "", "二三", "四"])[1:3])
    start, stop = texts.offsets[1], texts.offsets[2]
    assert len(texts) == 2
    assert bytes(texts.data[start:stop]).decode() == "二三"
    assert texts.offsets[0] == texts.offsets[1]
    assert len(pack(pl.Series([], dtype=pl.String))) == 0
    assert pack(pl.Series(["", ""])).offsets.tolist() == [0, 0, 0]


def test_take_gives_texts_in_the_order_asked() -> None:
    texts = pack(pl.Series(["一", "", "二三", "d"]))
    taken = take(texts, np.array([2, 0, 1, 2]))
    assert unpack(taken) == ["二三", "一", "", "二三"]
    assert unpack(take(taken, np.array([], np.int64))) == []
