"""Bytes to lines: every encoding, bad bytes anywhere, blocks cut anywhere, wrong declarations both ways."""

import io

import pytest

from care_data.errors import CareError
from care_data.readers import encodings
from care_data.readers.encodings import bad_byte, decode_lines, guess

TEXT = "体检前一天晚上能喝水吗？\n可以，但别喝酒。\r\n\n第二行结束了"
LINES = ["体检前一天晚上能喝水吗？", "可以，但别喝酒。", "", "第二行结束了"]


def lines(data: bytes, encoding: str) -> list[tuple[int, str, str]]:
    return list(decode_lines(io.BytesIO(data), encoding))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "UTF_16_BE", "utf-32"]
)
def test_text_comes_back_in_every_encoding(encoding: str) -> None:
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    found = lines(TEXT.encode(encoding), declared)
    assert [text for _, text, _ in found] == LINES
    assert {problem for _, _, problem in found} == {""}


def test_big5_and_latin_1_come_back() -> None:
    assert [text for _, text, _ in lines("頭痛怎麼辦\n多休息".encode("big5"), "big5")] == ["頭痛怎麼辦", "多休息"]
    assert [text for _, text, _ in lines("fièvre élevée\ncafé".encode("latin-1"), "latin-1")] == [
        "fièvre élevée",
        "café",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_taken_off_and_only_at_the_head(encoding: str) -> None:
    found = lines("\ufeffa\n\ufeffb".encode(encoding), encoding)
    assert [text for _, text, _ in found] == ["a", "\ufeffb"]


def test_offsets_are_those_of_the_bytes() -> None:
    data = TEXT.encode("gb18030")
    found = lines(data, "gb18030")
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == 0x0A)]
    assert [offset for offset, _, _ in found] == starts


@pytest.mark.parametrize("block", [1, 2, 3, 5, 7, 16])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5"])
def test_blocks_may_be_cut_anywhere(block: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = "頭痛\n\n多休息,一兩天\r\n好".encode(encoding) + b"\n\xff\xff\nend"
    whole = lines(data, encoding)
    assert len(whole) == 6
    monkeypatch.setattr(encodings, "BLOCK", block)
    assert lines(data, encoding) == whole


def test_a_second_byte_that_is_a_backslash_stays_inside_its_character() -> None:
    text = "乗車誠意\\n許功蓋"  # in GBK and Big5 some of these end in 0x5C
    for encoding in ("gb18030", "big5"):
        data = "許功蓋\n後".encode(encoding)
        assert [line for _, line, _ in lines(data, encoding)] == ["許功蓋", "後"]
    assert b"\x5c" in "許功蓋".encode("big5")
    assert b"\x5c" in "乗".encode("gbk")
    assert [line for _, line, _ in lines(text.encode("gb18030"), "gb18030")] == [text]


def test_one_bad_byte_costs_its_line_wherever_it_stands() -> None:
    """At every position of a GB18030 text one byte becomes 0xFF: that line is bad, the others are as they were."""
    good = "血压高,能吃咸菜吗\n建议少吃\n每天不要超过五克\n".encode("gb18030")
    before = [text for _, text, _ in lines(good, "gb18030")]
    seen = 0
    for at in range(len(good)):
        if good[at] == 0x0A:
            continue
        data = good[:at] + b"\xff" + good[at + 1 :]
        found = lines(data, "gb18030")
        number = good[:at].count(b"\n")
        bad = [n for n, (_, _, problem) in enumerate(found) if problem]
        assert bad == [number], at
        assert [text for n, (_, text, _) in enumerate(found) if n != number] == before[:number] + before[number + 1 :]
        seen += 1
    assert seen == len(good) - 3


def test_a_character_cut_by_the_end_of_its_line_costs_only_that_line() -> None:
    data = "头".encode("gb18030") + "痛".encode("gb18030")[:1] + b"\n" + "好".encode("gb18030")
    assert [(text, bool(problem)) for _, text, problem in lines(data, "gb18030")][1] == ("好", False)
    assert lines(data, "gb18030")[0][2].startswith("byte 0xCD at 2 is not gb18030")


def test_a_wrong_declaration_is_told_with_the_byte_and_what_it_reads_as() -> None:
    data = "标题,回答\n".encode("gb18030") + "头痛怎么办,多休息\n".encode("gb18030")
    (_, _, first), (_, _, second) = lines(data, "utf-8")
    assert first == "byte 0xB1 at 0 is not utf-8; it reads as gb18030"
    assert second == "byte 0xD4 at 14 is not utf-8; it reads as gb18030"  # 头痛 in GB18030 happens to be UTF-8


def test_utf_8_declared_as_another_encoding_is_refused() -> None:
    with pytest.raises(CareError, match="declared as gb18030, but it reads as utf-8"):
        lines(("体检前能喝水吗" * 20).encode(), "gb18030")
    assert [text for _, text, _ in lines(b"ascii only", "gb18030")] == ["ascii only"]


def test_one_lost_byte_refuses_a_utf_16_file_whole() -> None:
    """Every byte behind it would come out as other characters."""
    data = "头痛,上火\n好,行\n".encode("utf-16")
    with pytest.raises(CareError, match=r"^byte 0x0A at 18 is not utf-16\. Fetch it again\.$"):
        lines(data[:6] + data[8:-1], "utf-16")
    assert lines(b"", "utf-16") == []


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("体检前一天", "utf-8", "utf-8"),
        ("体检前一天", "gb18030", "gb18030"),
        ("體檢前一天晚上", "utf-16", "utf-16"),
        ("plain", "ascii", "utf-8"),
    ],
)
def test_the_ladder_names_the_encoding(text: str, encoding: str, found: str) -> None:
    assert guess(text.encode(encoding)) == found


def test_a_sample_cut_inside_a_character_is_still_told() -> None:
    data = "体检前一天晚上".encode()
    assert [guess(data[:cut]) for cut in range(len(data) - 3, len(data))] == ["utf-8"] * 3
    assert guess(b"ok " * 5 + b"\xff\xff\xff\xff\xff" + b" ok" * 5) == ""


def test_bad_byte_says_nothing_of_good_bytes() -> None:
    assert bad_byte("好".encode(), "utf-8", 7) == ""
