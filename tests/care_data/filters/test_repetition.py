"""The share of repeated runs is that of a plain count."""

import polars as pl
import pytest

from care_data.filters.repetition import repeated_share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("短" * 59, 0.0),
        ("-" * 500, 0.0),
        ("0123456789" * 10, 81 / 91),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 100))), 0.0),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 60))) * 2, 51 / 111),
    ],
)
def test_repeated_share(text: str, share: float) -> None:
    frame = pl.DataFrame({"text": ["别的" * 40, text, None]})
    assert frame.select(repeated_share(pl.col("text"), 10))["text"].to_list()[1:] == [pytest.approx(share), 0.0]


def test_repeated_share_is_that_of_a_plain_count() -> None:
    texts = [("头痛发热咳嗽乏力" * (1 + size % 7) + "恶心呕吐腹泻" * (size % 5)) * 4 + str(size) for size in range(40)]
    runs = [[text[at : at + 10] for at in range(len(text) - 9)] for text in texts]
    plain = [1 - len(set(each)) / len(each) if len(text) >= 60 else 0.0 for text, each in zip(texts, runs, strict=True)]
    found = pl.DataFrame({"text": texts}).select(repeated_share(pl.col("text"), 10))["text"].to_list()
    assert found == pytest.approx(plain)
    assert max(plain) > 0.8
