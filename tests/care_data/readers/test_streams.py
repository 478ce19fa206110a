"""Blocks of whole lines whatever the size they are read in; a line too long is never held."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.errors import CareError
from care_data.readers import streams
from care_data.readers.encodings import decode_lines, recode
from care_data.readers.streams import cut_lines, decode_blocks, reason_of, too_long


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 10), st.booleans(), st.integers(0, 40))
def test_lines_come_whole_and_long_ones_by_their_head(lengths: list[int], size: int, ended: bool, begun: int) -> None:
    lines = [bytes([97 + n]) * length for n, length in enumerate(lengths)]
    data = b"\n".join(lines) + b"\n" * ended
    limit, streams.MAX_LINE = streams.MAX_LINE, 12
    try:
        found = list(cut_lines(io.BytesIO(data[begun:]), size, data[:begun]))
    finally:
        streams.MAX_LINE = limit
    short = b"".join(block for _, block, whole in found if whole)
    pieces = data.split(b"\n")
    whole = [piece + b"\n" * (n < len(pieces) - 1) for n, piece in enumerate(pieces)]
    if begun <= 12:  # what was read already may hold a longer line
        assert short == b"".join(piece for piece in whole if len(piece) <= 12)
        assert [offset for offset, _, kept in found if not kept] == [
            sum(map(len, whole[:n])) for n, piece in enumerate(whole) if len(piece) > 12
        ]
    assert all(data[offset : offset + len(block)] == block for offset, block, _ in found)


def test_of_a_long_line_only_the_head_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 10_000)
    found = list(cut_lines(io.BytesIO(b"a\n" + b"x" * 30_000 + b"\nb\n"), 1000))
    assert [(offset, len(block), whole) for offset, block, whole in found] == [
        (0, 2, True),
        (2, streams.HEAD, False),
        (30_003, 2, True),
    ]


def test_the_reason_is_told_by_the_problem() -> None:
    assert reason_of(too_long(7)) == "too_long"
    assert reason_of("byte 0xFF at 3 is not utf-8") == "bad_encoding"
    assert too_long(7) == "more than 64 MiB from byte 7 on"


@pytest.mark.parametrize("size", [1, 3, 4, 1000])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_wide_text_comes_in_blocks_cut_anywhere(encoding: str, size: int) -> None:
    text = "上一丐\n头😀痛\n"  # their bytes hold 0x0A where no line ends
    found = list(decode_blocks(io.BytesIO(text.encode(encoding)), encoding, size))
    assert "".join(part for _, part in found) == text


def test_wide_lines_stand_where_their_bytes_do() -> None:
    data = "上头\n😀\n好".encode("utf-16-le")
    assert [(offset, line) for offset, line, _ in decode_lines(io.BytesIO(data), "utf-16-le")] == [
        (0, "上头"),
        (6, "😀"),
        (12, "好"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_json_of_another_encoding_is_cut_inside_a_line(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("care_data.readers.encodings.BLOCK", size)
    text = '[{"问": "頭痛"}, {"问": "許功蓋"}, {"问": "好"}]'
    for encoding in ("gb18030", "big5"):
        data = text.replace("问", "問").encode(encoding)
        assert b"".join(recode(io.BytesIO(data), encoding)).decode() == text.replace("问", "問")


def test_a_bad_byte_of_a_one_line_array_costs_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    data = '["头", "X", "痛"]'.encode("gb18030").replace(b"X", b"\x80\xff")
    assert b"".join(recode(io.BytesIO(data), "gb18030")) == '["头", "X", "痛"]'.encode().replace(b"X", b"\xff\xff")
    monkeypatch.setattr("care_data.readers.encodings.MAX_LINE", 10)
    monkeypatch.setattr("care_data.readers.encodings.BLOCK", 4)
    with pytest.raises(CareError, match="without a quote or a line end"):
        list(recode(io.BytesIO(b"1" * 40), "gb18030"))
