import os
import threading

from care_data.sources.partials import FOLDER, hold, sweep


def test_who_waits_for_a_file_never_writes_into_the_finished_one(tmp_path):
    seen = []

    def wait() -> None:
        with hold(tmp_path, "a/x") as part:
            seen.append(part.held)
            part.write(b"second")
            part.keep(tmp_path / "a/y")

    with hold(tmp_path, "a/x") as part:
        part.write(b"first")
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.2)
        assert seen == []
        part.keep(tmp_path / "a/x")
    other.join(5)
    assert seen == [0]
    assert (tmp_path / "a/x").read_bytes() == b"first"
    assert (tmp_path / "a/y").read_bytes() == b"second"
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["a"]


def test_what_is_not_kept_stays_for_the_next_one(tmp_path):
    with hold(tmp_path, "x") as part:
        part.write_state({"url": "u"})
        part.write(b"half")
    with hold(tmp_path, "x") as part:
        assert (part.held, part.read_state()) == (4, {"url": "u"})
        part.write(b" and half")
        part.keep(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"half and half"
    assert os.listdir(tmp_path / FOLDER) == []


def test_a_name_as_long_as_names_can_be_has_a_partial_too(tmp_path):
    name = "名" * 85
    with hold(tmp_path, name) as part:
        part.write(b"x")
        part.keep(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"x"


def test_a_state_that_cannot_be_read_is_none(tmp_path):
    with hold(tmp_path, "x") as part:
        for content in (b"", b"{", b"[]", b"\xff"):
            part.state.write_bytes(content)
            assert part.read_state() == {}
        part.drop()
