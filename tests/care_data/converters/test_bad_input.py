"""Bad files as a person meets them: one line that names corpus, file and row or byte, a code, nothing half-written."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from care_data import cli, registry
from care_data.converters import Converter
from care_data.entries import Output
from care_data.errors import CareError
from care_data.rows import Batch

ENTRY = """
title = "Invented"
from = "github:owner/repo@0123456789abcdef0123456789abcdef01234567"
license = {{ id = "MIT", use = "commercial", redistribute = true }}
citation = "none"
[files]
{files}
[outputs.sft]
shape = "pair"
rows = "rows"
{more}
fields = {{ instruction = "{{q}}", output = "{answer}" }}
[example]
files.rows = "q,a\\n问,答\\n"
records.sft = []
"""
GOOD = "q,a\n" + "".join(f"问题第{n}个，请问怎么办？,答案第{n}个\n" for n in range(30))

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(corpora, *options) -> (exit code, lines on stderr that are errors)."""
    (tmp_path / "registry").mkdir()
    monkeypatch.setenv("CARE_REGISTRY", str(tmp_path / "registry"))

    def convert(*corpora: str) -> tuple[int, list[str]]:
        registry.groups.cache_clear()
        folder, mirror = str(tmp_path / "data"), str(tmp_path / "mirror")
        argv = ["care-data", "convert", *corpora, "--to", folder, "--mirror", mirror]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        told = capsys.readouterr().err
        assert "Traceback" not in told
        return int(caught.value.code or 0), [line for line in told.splitlines() if line.startswith("care-data: ")]

    yield convert
    registry.groups.cache_clear()


def lay(
    folder: Path, name: str, files: dict[str, bytes], spec: str = 'format = "csv"', more: str = "", answer: str = "{a}"
) -> None:
    """An entry of one's own and what the mirror holds for it; the first file gives the rows, another is joined."""
    paths = "\n".join(
        f'{["rows", "other"][at]} = {{ path = "{name}/{path}", {spec} }}' for at, path in enumerate(files)
    )
    text = ENTRY.format(files=paths, more=more, answer=answer)
    (folder / "registry" / f"{name}.toml").write_text(text, encoding="utf-8")
    for path, data in files.items():
        target = folder / "mirror/github/owner/repo" / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def half_written(folder: Path) -> list[str]:
    """Everything under records/ of the data folder: a corpus that failed leaves nothing a reader could take."""
    return [path.name for path in (folder / "data/records").rglob("*") if path.is_file()]


def zipped(folder: Path, members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(folder / "made.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return (folder / "made.zip").read_bytes()


BAD_ROWS = "q,a\n" + "好,行\n" * 900 + "坏\n" * 20
OPEN_JSON = b'[{"q": "1", "a": "2"}]'
CSV = 'format = "csv"'


@pytest.mark.parametrize(
    ("files", "spec", "code", "told"),
    [
        (
            {"a.csv": GOOD.encode("gb18030")},
            CSV,
            1,
            "mine/rows/a.csv: 30 of 30 rows cannot be read (100.0%); the first, row 1: byte 0xCE at 4 is not "
            "utf-8; it reads as gb18030. Set encoding",
        ),
        (
            {"a.csv": GOOD.encode()},
            'format = "csv", encoding = "gb18030"',
            1,
            'mine/rows/a.csv: declared as gb18030, but it reads as utf-8. Set encoding = "utf-8" in the entry.',
        ),
        (
            {"a.json": '{"q": "问题怎么办？", "a": "没有办法了"}\n'.encode("gb18030") * 12},
            'format = "json"',
            1,
            "mine/rows/a.json: 12 of 12 rows cannot be read (100.0%); the first, row 1: byte 0xCE at 7 is not "
            "utf-8; it reads as gb18030. Set encoding",
        ),
        (
            {"a.csv": GOOD.encode("utf-16")},
            CSV,
            1,
            "mine/rows/a.csv: byte 0xFF at 0 is not utf-8; it reads as utf-16. Set",
        ),
        ({"a.csv": b"question,a\n1,2\n"}, CSV, 1, "mine/rows/a.csv: no column 'q'. The file has: a, question."),
        ({"a.csv": b"q;a\n1;2\n"}, CSV, 1, "mine/rows/a.csv: no column 'q'. The file has: q;a."),
        ({"a.csv": b"q,a\r1,2\r"}, CSV, 1, "mine/rows/a.csv: its lines end in CR alone."),
        (
            {"a.csv": BAD_ROWS.encode()},
            CSV,
            1,
            "mine/rows/a.csv: 20 of 920 rows cannot be read (2.2%); the first, row 901: 1 cells where the header "
            "has 2,",
        ),
        ({"a.json": OPEN_JSON}, 'format = "json", at = "*"', 1, 'mine/rows/a.json: at = "*" wants an object of rows.'),
        ({"a.json": OPEN_JSON}, 'format = "json", at = "x.y"', 1, "mine/rows/a.json: no 'x' on the way to 'x.y'. Mend"),
        ({"a.parquet": b"PAR1 and no more"}, 'format = "parquet"', 4, "mine/rows/a.parquet: no whole Parquet file ("),
    ],
)
def test_a_bad_file_ends_in_one_line_and_its_code(
    files: dict[str, bytes], spec: str, code: int, told: str, run: Run, tmp_path: Path
) -> None:
    lay(tmp_path, "mine", files, spec)
    found, (first, second) = run("mine")
    assert first.removeprefix("care-data: ").startswith(told)
    assert (second, found) == ("care-data: mine is left out.", code)
    assert half_written(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "code", "told"),
    [
        (
            "truncated",
            4,
            "mine/rows/a.zip: a.zip is damaged or cut short (File is not a zip file). Mend it in the mirror, then",
        ),
        ("flipped", 4, "mine/rows/a.zip!x.csv: a.zip is damaged or cut short ("),
        ("unsafe", 4, "mine/rows/a.zip: a.zip holds the unsafe name '../x.csv'. It is refused whole."),
        ("several", 1, "mine/rows/a.zip: a.zip holds several members. Name one with member = …: x.csv, y.csv."),
        ("bomb", 8, "mine/rows/a.zip!x.csv: a.zip grows beyond 200 times its size. It is refused."),
        ("member", 1, "mine/rows/a.zip!内科.csv: byte 0xB1 at 0 is not utf-8; it reads as gb18030. Set encoding"),
    ],
)
def test_a_bad_archive_ends_in_one_line_and_its_code(
    damage: str, code: int, told: str, run: Run, tmp_path: Path
) -> None:
    made = {
        "unsafe": {"../x.csv": GOOD.encode()},
        "several": {"x.csv": GOOD.encode(), "y.csv": GOOD.encode()},
        "bomb": {"x.csv": bytes(100 << 20)},
        "member": {"内科.csv": "标题,a\n1,2\n".encode("gb18030")},
    }
    data = bytearray(zipped(tmp_path, made.get(damage, {"x.csv": GOOD.encode()})))
    if damage == "truncated":
        data = data[:-30]
    elif damage == "flipped":
        data[90] ^= 0xFF
    lay(tmp_path, "mine", {"a.zip": bytes(data)})
    found, (first, _) = run("mine")
    assert first.removeprefix("care-data: ").startswith(told)
    assert found == code
    assert half_written(tmp_path) == []


def test_a_joined_file_without_its_key_is_an_error(run: Run, tmp_path: Path) -> None:
    files = {"a.csv": b"q,id\n1,7\n", "b.csv": b"number,text\n7,x\n"}
    lay(tmp_path, "mine", files, more='join.m = { file = "other", on = "id = id" }', answer="{m.text}")
    found, (first, _) = run("mine")
    assert first == "care-data: mine/other: no column 'id'. The file has: number, text."
    assert found == 1
    assert half_written(tmp_path) == []


def test_one_bad_corpus_leaves_the_others_whole(run: Run, tmp_path: Path) -> None:
    lay(tmp_path, "bad", {"a.csv": GOOD.encode("gb18030")})
    lay(tmp_path, "good", {"a.csv": GOOD.encode()})
    found, lines = run("bad", "good")
    assert found == 3
    assert len(lines) == 2
    assert sorted({path.split("-")[0] for path in half_written(tmp_path)}) == ["manifest.json", "sft"]


def test_a_process_of_its_own_ends_the_same_way(run: Run, tmp_path: Path) -> None:
    lay(tmp_path, "mine", {"a.csv": GOOD.encode("gb18030")})
    command = "import sys; from care_data.cli import main; sys.argv[0] = 'care-data'; main()"
    options = ["convert", "mine", "--to", str(tmp_path / "data"), "--mirror", str(tmp_path / "mirror"), "--json"]
    root = Path(cli.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", command, *options], capture_output=True, text=True, env=os.environ, cwd=root, check=False
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    (at,) = [n for n, line in enumerate(lines) if line.startswith("care-data: mine/rows/a.csv: ")]
    shown = lines[at + 1 : at + 11]
    assert shown[0].startswith("    row 1: bad_encoding: byte 0xCE at 4 is not utf-8; it reads as gb18030: \\xce\\xca")
    assert [line.partition(":")[0] for line in shown] == [f"    row {n}" for n in range(1, 11)]
    assert not lines[at + 11].startswith(" ")
    assert json.loads(done.stdout)["failures"]["mine"]["details"] == [line.strip() for line in shown]
    assert half_written(tmp_path) == []


def test_a_column_that_comes_with_a_later_batch_is_there():
    output = Output(name="sft", format="sft", shape="pair", rows="f", fields={"instruction": "{q}", "output": "{a}"})
    schema = {"_row": pl.UInt32, "q": pl.String, "a": pl.String}

    def convert(*batches: tuple[str | None, set[str]]) -> list[dict[str, int]]:
        read = [Batch(pl.DataFrame([[1, "问", answer]], schema, orient="row"), [], names) for answer, names in batches]
        return [dict(made.dropped) for made in Converter(output, "c", "MIT", []).convert_all(read, "f")]

    assert convert((None, {"q"}), ("答", {"q", "a"})) == [{"blank_output": 1}, {}]
    with pytest.raises(CareError, match="no column 'a'"):
        convert((None, {"q"}), (None, {"q"}))
