import hashlib
import json
import threading

import pytest

from care_data.sources.checksums import Pin, Received
from care_data.sources.ledger import FOUND, NAME, Ledger, Line


def test_two_writers_do_not_lose_each_others_lines(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    first.note("a", Received(1, "0" * 64), Pin(), "network")
    second.note("b", Received(1, "1" * 64), Pin(), "package")
    stated = {"a.csv": Pin("0" * 64, "", 7, by="stated"), "b.csv": Pin()}
    second.note_listing("hub/o/n@1234567", "*.csv", stated)
    first.save()
    second.save()
    content = json.loads((tmp_path / NAME).read_text())
    assert list(content["files"]) == ["a", "b"]
    assert Ledger(tmp_path).listing("hub/o/n@1234567", "*.csv") == ["a.csv", "b.csv"]
    assert Ledger(tmp_path).statements("hub/o/n@1234567", "*.csv") == {**stated, "b.csv": Pin(by="stated")}


def test_only_listings_of_a_commit_are_remembered(tmp_path):
    ledger = Ledger(tmp_path)
    for folder in ("hub/o/n", "hub/o/n@main", "github/o/r@v1.0"):
        ledger.note_listing(folder, "*", {"a": Pin()})
        assert ledger.listing(folder, "*") is None
    ledger.note_listing("hub/o/n@1234567", "*", {})  # nothing found may be a mistake that is put right
    assert ledger.listing("hub/o/n@1234567", "*") is None


def test_a_file_nobody_wrote_down_is_read(tmp_path):
    ledger = Ledger(tmp_path)
    (tmp_path / "a").write_bytes(b"abc")
    sha = hashlib.sha256(b"abc").hexdigest()
    line = ledger.find("a", Pin(sha))
    assert line is not None
    assert (line.received, line.verified, line.origin) == (Received(3, sha), True, FOUND)
    assert ledger.find("b", Pin()) is None
    assert ledger.find("a/b", Pin()) is None


def test_a_git_blob_id_asked_for_later_is_read_then(tmp_path):
    ledger = Ledger(tmp_path)
    (tmp_path / "a").write_bytes(b"a")
    assert ledger.find("a", Pin()).git == ""
    git = "2e65efe2a145dda7ee51d1741299f848e5bf752e"
    assert ledger.find("a", Pin("", git)).git == git


def test_threads_do_not_lose_each_others_lines(tmp_path):
    ledger = Ledger(tmp_path)

    def write(number: int) -> None:
        for name in (f"{number}-{each}" for each in range(40)):
            (tmp_path / name).write_bytes(b"x")
            ledger.note(name, Received(1, "0" * 64), Pin(), "network")
            ledger.save()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((tmp_path / NAME).read_text())["files"]) == 160


@pytest.mark.parametrize(
    ("origin", "served_by", "binds"),
    [
        ("network", "", True),
        ("found", "", False),
        ("hand", "", False),
        ("package", "", False),
        ("mirror:/media/disk", "mirror", False),
        ("modelscope:o/n@v1", "modelscope:o/n@v1", True),
        ("proxy proxy.example", "proxy proxy.example", True),
    ],
)
def test_a_line_says_who_served_it_and_whether_upstream_had_it(origin, served_by, binds):
    line = Line(1, 2, "0" * 64, "", False, origin)
    assert (line.served_by, line.binds) == (served_by, binds)


def test_what_was_recorded_outlives_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    ledger = Ledger(tmp_path)
    line = ledger.note("a", Received(1, "0" * 64, stated=True), Pin(), "network")
    ledger.save()
    (tmp_path / "a").unlink()
    again = Ledger(tmp_path)
    assert (again.find("a", Pin()), again.record("a"), again.record("b")) == (None, line, None)
    assert line.stated
