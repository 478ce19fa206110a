"""Files that are not what their entry says, read whole: nothing merged, nothing guessed, memory bounded."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from care_data import readers
from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers import encodings, scans, streams
from care_data.readers.brackets import Scanner

TEXT = "头痛三天了，该怎么办？"


def read(path: Path, form: str, *names: str, **spec: Any) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    """(rows, (row, reason) of the others)."""
    wanted = dict.fromkeys(names or ("q",), pl.String())
    batches = list(readers.read(path, File("rows", "package:x", path.name, form, **spec), wanted, 1.0))
    rows = [row for batch in batches for row in batch.frame.drop("_row").rows()]
    return rows, [(bad.row, bad.reason) for batch in batches for bad in batch.bad]


def lay(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


# The declared encoding is not the file's


LAYOUTS = {
    "csv": (b"q,a\n", b"%s,%s\n", ("q", "a")),
    "tsv": (b"q\ta\n", b"%s\t%s\n", ("q", "a")),
    "json": (b"", b'{"q": "%s", "a": "%s"}\n', ("q", "a")),
    "lines": (b"", b"%s %s\n", ("_value",)),
}


@pytest.mark.parametrize("form", LAYOUTS)
@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16-le", "utf-16", "latin-1"])
def test_another_encoding_than_utf_8_is_refused_and_never_mojibake(encoding: str, form: str, tmp_path: Path) -> None:
    head, row, names = LAYOUTS[form]
    words = ("fièvre élevée", "repos à la maison") if encoding == "latin-1" else ("頭痛怎麼辦", "多休息")
    text = head.decode() + "".join(row.decode() % words for _ in range(30))
    path = lay(tmp_path, "a", text.encode(encoding))
    with pytest.raises(CareError) as caught:
        list(readers.read(path, File("r", "package:x", "a", form), dict.fromkeys(names, pl.String())))
    assert caught.value.code == Exit.DATA
    told = str(caught.value)
    assert "is not utf-8" in told or "declared as utf-8, but" in told or "cannot be read" in told
    assert "\n" not in told


@pytest.mark.parametrize("form", LAYOUTS)
def test_utf_8_declared_otherwise_is_refused_wherever_its_text_begins(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodings, "BLOCK", 2000)
    head, row, names = LAYOUTS[form]
    data = head + row % (b"plain", b"words") * 9000 + row % (TEXT.encode(), TEXT.encode()) * 20
    with pytest.raises(CareError, match=r'but it reads as utf-8\. Set encoding = "utf-8" in'):
        read(lay(tmp_path, "a", data), form, *names, encoding="gb18030")


@pytest.mark.parametrize("form", ["json", "lines"])
@pytest.mark.parametrize(("encoding", "told"), [("utf-16-le", "more than a quarter of its"), ("utf-16", "0xFF at 0")])
def test_plain_words_in_utf_16_do_not_pass_as_words_with_zeros(
    encoding: str, told: str, form: str, tmp_path: Path
) -> None:
    _, row, names = LAYOUTS[form]
    data = (row.decode() % ("fever", "rest") * 30).encode(encoding)
    with pytest.raises(CareError, match=told):
        read(lay(tmp_path, "a", data), form, *names)
    rows, bad = read(lay(tmp_path, "a", data), form, *names, encoding=encoding)
    assert (len(rows), bad) == (30, [])


def lucky(form: str, others: list[str]) -> bytes:
    """A file in GB18030, a line of which reads as UTF-8 by chance."""
    head, row, _ = LAYOUTS[form]
    return head + b"".join(row % (text.encode("gb18030"), b"x") for text in ["头痛", *others])


@pytest.mark.parametrize("form", LAYOUTS)
def test_lines_that_are_utf_8_by_chance_do_not_pass_as_other_letters(form: str, tmp_path: Path) -> None:
    assert "头痛".encode("gb18030").decode("utf-8") == "\u0377\u0374"
    data = lucky(form, ["发热怎么办", "plain", "咳嗽三天了", *["words"] * 20])
    with pytest.raises(CareError, match="some of it is not utf-8 but reads as gb18030, and so does the rest"):
        read(lay(tmp_path, "a", data), form, *LAYOUTS[form][2])
    rows, bad = read(lay(tmp_path, "a", data), form, *LAYOUTS[form][2], encoding="gb18030")
    assert (rows[0][0].split(" ")[0], len(rows), bad) == ("头痛", 24, [])


@pytest.mark.parametrize("form", LAYOUTS)
def test_a_few_lines_of_gb18030_in_a_file_of_utf_8_are_set_aside(form: str, tmp_path: Path) -> None:
    """One line that GB18030 has no reading for proves what the others are."""
    head, row, names = LAYOUTS[form]
    good = [f"第{n}个问题，怎么办？好" for n in range(20)]
    assert not encodings._decodes(good[0].encode(), "gb18030")
    lines = [row % (text.encode(), b"x") for text in good]
    lines.insert(3, row % ("发热怎么办".encode("gb18030"), b"x"))
    rows, bad = read(lay(tmp_path, "a", head + b"".join(lines)), form, *names)
    assert ([text.split(" ")[0] for text, *_ in rows], bad) == (good, [(4, "bad_encoding")])


@pytest.mark.parametrize("form", LAYOUTS)
def test_damaged_bytes_among_plain_words_are_no_doubt(form: str, tmp_path: Path) -> None:
    head, row, names = LAYOUTS[form]
    data = head + row % (b"fi\xe8vre", b"x") + row % (b"fever", b"x") * 3 + row % ("50 °C".encode(), b"x")
    if form == "json":
        data = data.replace(b"\xe8v", b"\xff")
    damaged = data.replace(b"\xe8v", b"\xff")  # reads as nothing, so GB18030 is no likelier than damage
    rows, bad = read(lay(tmp_path, "a", damaged), form, *names)
    assert (len(rows), bad) == (4, [(1, "bad_encoding")])


# What never ends


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lines and values may have a thousand bytes only."""
    for module in (streams, encodings):
        monkeypatch.setattr(module, "MAX_LINE", 1000)
    monkeypatch.setattr("care_data.readers.documents.MAX_LINE", 1000)
    monkeypatch.setattr("care_data.readers.blocks.MAX_LINE", 1000)
    monkeypatch.setitem(Scanner.__init__.__kwdefaults__, "limit", 1000)
    monkeypatch.setattr(encodings, "BLOCK", 200)
    monkeypatch.setattr(scans, "BLOCK", 200)
    monkeypatch.setattr(scans, "LINES_BYTES", 200)
    monkeypatch.setattr(scans, "SNIFF", 200)
    return 1000


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "lines"])
@pytest.mark.parametrize("length", [980, 2000, 20_000])
def test_a_line_too_long_is_set_aside_by_itself(form: str, length: int, small: int, tmp_path: Path) -> None:
    head, row, names = LAYOUTS[form]
    long = row % (b"x" * length, b"y")
    data = head + row % (b"one", b"1") + long + row % (b"two", b"2")
    rows, bad = read(lay(tmp_path, "a", data), form, *names)
    assert bad == ([(2, "too_long")] if len(long) > small else [])
    assert [text[:3] for text, *_ in rows] == (["one", "two"] if bad else ["one", "xxx", "two"])


def test_where_the_long_line_stands_is_told(small: int, tmp_path: Path) -> None:
    path = lay(tmp_path, "a", b"q\none\n" + b"x" * 3000 + b"\n")
    (batch,) = readers.read(path, File("r", "package:x", "a", "csv", encoding="gb18030"), {"q": pl.String()}, 1.0)
    ((row, reason, detail, text),) = [(bad.row, bad.reason, bad.detail, bad.text) for bad in batch.bad]
    assert (row, reason, detail, set(text)) == (2, "too_long", "more than 0 MiB from byte 6 on", {"x"})


@pytest.mark.parametrize("layout", ["array", "object", "pretty"])
def test_a_value_too_long_is_set_aside_by_itself(layout: str, small: int, tmp_path: Path) -> None:
    rows = [{"q": "one"}, {"q": "x" * 5000}, {"q": "two"}]
    value: Any = {f"k{n}": row for n, row in enumerate(rows)} if layout == "object" else rows
    path = lay(tmp_path, "a", json.dumps(value, indent=2 if layout == "pretty" else None).encode())
    found, bad = read(path, "json", "q", at="*" if layout == "object" else None)
    assert (found, bad) == ([("one",), ("two",)], [(2, "too_long")])


def test_a_row_of_blocks_too_long_is_set_aside(small: int, tmp_path: Path) -> None:
    data = b"id=1\none\nid=2\n" + b"words\n" * 500 + b"id=3\ntwo\n"
    rows, bad = read(lay(tmp_path, "a", data), "blocks", "_value", start=r"id=\d+")
    assert (rows, bad) == ([("one",), ("two",)], [(2, "too_long")])


def test_a_page_too_long_is_set_aside(small: int, tmp_path: Path) -> None:
    path = lay(tmp_path, "a", b"<body>" + b"x" * 2000)
    with pytest.raises(CareError, match="1 of 1 rows cannot be read") as caught:
        read(path, "html", "text")
    assert caught.value.details[0].startswith("row 1: too_long: more than 0 MiB from byte 0 on: <body>xxx")


GENERATE = """
import sys
import polars as pl
from pathlib import Path
from care_data import readers
from care_data.entries import File
path, form, name, at = sys.argv[1:5]
file = File("r", "package:x", "a", form, at=at or None)
batches = list(readers.read(Path(path), file, {name: pl.String()}, 1.0))
print(sum(batch.frame.height for batch in batches), [(bad.row, bad.reason) for batch in batches for bad in batch.bad])
# ru_maxrss would be that of the process that started this one, where that is larger.
status = Path("/proc/self/status")
peak = status.read_text().partition("VmHWM:")[2].split()[0] if status.exists() else 0
print(int(peak) >> 10)
"""
"""Reads a file; prints the rows, the others, and the memory used in MiB."""

MIB = 1 << 20
ENDLESS = {
    "csv": ("csv", "q", "", [b"q,a\none,1\n", (b"x" * MIB, 200), b",2\ntwo,2\n"], "2 [(2, 'too_long')]"),
    "json line": (
        "json",
        "q",
        "",
        [b'{"q": "one"}\n{"q": "', (b"x" * MIB, 200), b'"}\n{"q": "two"}\n'],
        "2 [(2, 'too_long')]",
    ),
    "array on one line": (
        "json",
        "q",
        "",
        [b'[{"q": "one"}, {"q": ["', (b'\\n\\"]}' * (MIB // 6), 200), b'"]}, {"q": "two"}]'],
        "2 [(2, 'too_long')]",
    ),
    "a value of many values": (
        "json",
        "q",
        "",
        [b'[{"q": "one"}, {"q": [0', (b", 1" * (MIB // 3), 200), b']}, {"q": "two"}]'],
        "2 [(2, 'too_long')]",
    ),
    "lines": ("lines", "_value", "", [b"one\n", (b"x" * MIB, 200), b"\ntwo\n"], "2 [(2, 'too_long')]"),
    "a member": (
        "json",
        "q",
        "*",
        [b'{"a": {"q": "', (b"x" * MIB, 200), b'"}, "b": {"q": "two"}}'],
        "1 [(1, 'too_long')]",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_200_mib_without_an_end_are_never_held(name: str, tmp_path: Path) -> None:
    form, column, at, parts, told = ENDLESS[name]
    with (tmp_path / "a").open("wb") as stream:
        for part in parts:
            for _ in range(part[1] if isinstance(part, tuple) else 1):
                stream.write(part[0] if isinstance(part, tuple) else part)
    command = [sys.executable, "-c", GENERATE, str(tmp_path / "a"), form, column, at]
    root = Path(readers.__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, env=os.environ, timeout=120)
    (tmp_path / "a").unlink()
    assert done.returncode == 0, done.stderr
    found, memory = done.stdout.splitlines()
    assert found == told
    assert int(memory) < 700


# Parquet that is not whole, or made to mislead


@pytest.fixture
def parquet(tmp_path: Path) -> bytes:
    path = tmp_path / "whole"
    pl.DataFrame({"q": [f"问题{n}" for n in range(500)], "a": ["x"] * 500}).write_parquet(path)
    return path.read_bytes()


def test_parquet_cut_anywhere_is_refused(parquet: bytes, tmp_path: Path) -> None:
    for cut in (0, 4, 100, len(parquet) // 2, len(parquet) - 8, len(parquet) - 1):
        with pytest.raises(CareError) as caught:
            read(lay(tmp_path, "a", parquet[:cut]), "parquet", "q")
        assert (caught.value.code, "no whole Parquet file" in str(caught.value)) == (Exit.INTEGRITY, True), cut


def test_parquet_with_a_footer_that_lies_is_refused_or_read_right(parquet: bytes, tmp_path: Path) -> None:
    rows = [(f"问题{n}",) for n in range(500)]
    size = int.from_bytes(parquet[-8:-4], "little")
    told = []
    for at in range(len(parquet) - 8 - size, len(parquet), 7):
        data = bytearray(parquet)
        data[at] ^= 0x55
        try:
            found, bad = read(lay(tmp_path, "a", bytes(data)), "parquet", "q")
        except CareError as error:
            told.append(str(error))
            continue
        assert (found, bad) == (rows, []), at
    assert len(told) > 20
    assert not [text for text in told if "\n" in text]


def test_no_bad_row_at_all_is_taken_where_none_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"q": "1"}\n{"q": 2,\n{"q": "3"}\n')
    file = File("r", "package:x", "a", "json")
    (batch,) = readers.read(tmp_path / "a", file, {"q": pl.String()})
    assert (batch.frame.height, len(batch.bad)) == (2, 1)
    with pytest.raises(CareError, match="1 of 3 rows cannot be read"):
        list(readers.read(tmp_path / "a", file, {"q": pl.String()}, 0))
