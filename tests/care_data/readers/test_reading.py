"""A file read whole: what names the place of an error, and when bad rows are too many."""

import zipfile
from pathlib import Path

import polars as pl
import pytest

from care_data import readers
from care_data.entries import File
from care_data.errors import CareError, Exit

WANTED = {"q": pl.String()}


def read(path: Path, form: str = "csv", max_bad: float = 0.01, **spec: str) -> tuple[list[str], int]:
    batches = list(readers.read(path, File("rows", "package:x", path.name, form, **spec), WANTED, max_bad))
    return [q for batch in batches for q in batch.frame.get_column("q")], sum(len(batch.bad) for batch in batches)


def table(path: Path, good: int, bad: int) -> Path:
    path.write_text("q,a\n" + "好,行\n" * good + "坏\n" * bad, encoding="utf-8")
    return path


def test_few_bad_rows_are_set_aside_whatever_their_share(tmp_path: Path) -> None:
    assert read(table(tmp_path / "a.csv", 1, 10)) == (["好"], 10)


def test_more_than_ten_must_stay_below_the_share(tmp_path: Path) -> None:
    assert read(table(tmp_path / "a.csv", 1089, 11))[1] == 11
    with pytest.raises(CareError) as caught:
        read(table(tmp_path / "a.csv", 1088, 11))
    assert str(caught.value) == (
        "a.csv: 11 of 1099 rows cannot be read (1.0%); the first, row 1089: 1 cells where the header has 2, at byte "
        "8708. Set encoding or format in the entry, or allow more with --max-bad."
    )
    assert read(table(tmp_path / "a.csv", 1088, 11), max_bad=0.02)[1] == 11
    assert caught.value.details == tuple(
        f"row {1089 + n}: ragged: 1 cells where the header has 2, at byte {8708 + 4 * n}: 坏" for n in range(10)
    )


def test_the_text_of_a_bad_row_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,a\n" + "长" * 61 + "\n" + "短" * 60 + "\n", encoding="utf-8")
    with pytest.raises(CareError) as caught:
        read(tmp_path / "a.csv")
    first, second = caught.value.details
    assert first.endswith(": " + "长" * 60 + "…")
    assert second.endswith(": " + "短" * 60)


def test_a_file_without_a_good_row_is_refused(tmp_path: Path) -> None:
    told = r"^a.csv: 1 of 1 rows cannot be read \(100.0%\); the first, row 1: 1 cells"
    with pytest.raises(CareError, match=told) as caught:
        read(table(tmp_path / "a.csv", 0, 1))
    assert caught.value.details == ("row 1: ragged: 1 cells where the header has 2, at byte 4: 坏",)
    assert read(table(tmp_path / "a.csv", 0, 0)) == ([], 0)


def test_the_member_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("内科/b.csv", "标题\n".encode("gb18030"))
    with pytest.raises(CareError) as caught:
        read(tmp_path / "a.zip")
    told = "a.zip!内科/b.csv: byte 0xB1 at 0 is not utf-8; it reads as gb18030. Set encoding in the entry."
    assert str(caught.value) == told


def test_members_are_read_one_after_another_each_from_row_1(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.csv", "q\n二\n")
        archive.writestr("a.csv", "q\n一\n")
    file = File("rows", "package:x", "a.zip", "csv", member="*.csv")
    batches = list(readers.read(tmp_path / "a.zip", file, WANTED))
    assert [(batch.member, batch.frame.rows()) for batch in batches] == [("a.csv", [(1, "一")]), ("b.csv", [(1, "二")])]


def test_damage_names_the_file_and_its_code(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CareError) as caught:
        read(tmp_path / "a.zip")
    assert str(caught.value) == ("a.zip: a.zip is damaged or cut short (File is not a zip file). Fetch it again.")
    assert caught.value.code == Exit.INTEGRITY


def test_a_member_of_one_row_may_be_bad_if_others_are_good(tmp_path: Path) -> None:
    file = File("rows", "package:x", "a.zip", "json", member="*.json")
    for good, bad in ((3, 1), (0, 2), (2000, 15), (100, 11)):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for number in range(good):
                archive.writestr(f"g{number:04}.json", '{"q": "好"}')
            for number in range(bad):
                archive.writestr(f"b{number:04}.json", '{"q": ')
        if bad <= readers.FEW_BAD < good + bad or bad <= 0.01 * (good + bad) or (good and bad <= readers.FEW_BAD):
            batches = list(readers.read(tmp_path / "a.zip", file, WANTED))
            assert sum(batch.frame.height for batch in batches) == good
            assert sum(len(batch.bad) for batch in batches) == bad
        else:
            with pytest.raises(CareError, match=f"a.zip: {bad} of {good + bad} rows cannot be read") as caught:
                list(readers.read(tmp_path / "a.zip", file, WANTED))
            assert len(caught.value.details) == min(bad, 10)
            assert caught.value.details[1].startswith("b0001.json, row 1: bad_json: ")


def test_what_an_archive_holds_instead_of_the_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/c.csv", "q\n二\n")
    (tmp_path / "a.csv").write_text("q\n一\n", encoding="utf-8")
    told = "no member of a.zip fits '**/*.json'. It holds b/c.csv"
    assert readers.lacks_member(tmp_path / "a.zip", File("r", "package:x", "a", "json", member="**/*.json")) == told
    assert readers.lacks_member(tmp_path / "a.zip", File("r", "package:x", "a", "csv", member="**/*.csv")) == ""
    assert readers.lacks_member(tmp_path / "a.csv", File("r", "package:x", "a", "csv", member="**/*.csv")) == ""
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CareError, match="damaged"):
        readers.lacks_member(tmp_path / "a.zip", File("r", "package:x", "a", "csv", member="**/*.csv"))
