"""The report as a whole, and its command."""

import json

import pytest

from care_data.errors import CareError
from care_data.reports import write_report
from care_data.store import Store


def test_the_same_data_gives_the_same_bytes(two, run, tmp_path):
    run("write", name="first")
    before = sorted(path for path in two.data.rglob("*"))
    numbers = [write_report([], Store(two.data), tmp_path / name) for name in ("one.html", "two.html")]
    assert numbers[0] == numbers[1]
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path for path in two.data.rglob("*")) == before


def test_where_the_page_cannot_be_written(two, run, tmp_path):
    run("convert")
    with pytest.raises(CareError, match=r"is a folder\. Name a file"):
        write_report([], Store(two.data), tmp_path)


def test_a_file_that_goes_while_it_is_read(two, run, tmp_path, monkeypatch):
    run("convert")
    folder = two.data / "records/alpha"

    def lose(scope):
        for path in folder.glob("*.parquet"):
            path.unlink()
        return []

    monkeypatch.setattr("care_data.reports.statistics._warnings", lose)
    with pytest.raises(CareError, match=r"a file of the data folder has gone\. Another command is at work"):
        write_report([], Store(two.data), tmp_path / "report.html")


def test_the_command(demo, care_data, tmp_path):
    folder, _ = demo
    done = care_data("report", "--to", folder, "--out", tmp_path / "page.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.rstrip().endswith(f"Report: {tmp_path / 'page.html'}")
    assert "decontaminated" in done.out
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    told = care_data("report", "--to", folder, "--json")
    assert json.loads(told.out)["total"]["read"]["records"] == sum(line["read"] for line in told.json["funnel"])
    wrong = care_data("report", "nosuch", "--to", folder)
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith("care-data: nothing of 'nosuch' is in the data folder.")
