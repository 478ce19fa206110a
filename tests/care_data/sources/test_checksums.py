import hashlib
import subprocess

import pytest

from care_data.errors import CareError
from care_data.sources.checksums import Pin, Received, blob_id, measure, parse_pin, write_pointer

SHA, GIT = "A" * 64, "b" * 40


def test_a_pin_is_read_in_lower_case():
    assert parse_pin({"x": {"sha256": SHA, "bytes": 7}}, "x") == Pin("a" * 64, "", 7)
    assert parse_pin({"x": {"git": GIT}}, "x") == Pin("", GIT)
    assert parse_pin({"x": {"git": GIT}}, "y") == Pin()
    assert not parse_pin({}, "x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "a" * 63},
        {"git": "g" * 40},
        {"bytes": 7},
        {"md5": "a" * 32},
        {"git": GIT, "bytes": -1},
        {"git": GIT, "bytes": True},
        {"git": GIT, "size": 3},
    ],
)
def test_a_misspelt_pin_is_an_error(wrong):
    with pytest.raises(CareError, match="the checksum of 'x' is misspelt"):
        parse_pin({"x": wrong}, "x")


def test_git_blob_ids_are_those_of_git(tmp_path):
    file = tmp_path / "f"
    file.write_bytes("多休息。\n".encode() * 99)
    told = subprocess.run(["git", "hash-object", str(file)], capture_output=True, text=True, check=True).stdout.strip()
    measured = measure(file, Pin("", GIT))
    assert measured == Received(1287, hashlib.sha256(file.read_bytes()).hexdigest(), told)
    assert measure(file, Pin(SHA)).git == ""


def test_every_checksum_given_has_to_hold():
    file = Received(7, "a" * 64, GIT)
    assert Pin("a" * 64, GIT, 7).holds(file)
    assert Pin("", GIT).holds(file)
    assert Pin("b" * 64, GIT, 7).differs(file).startswith(f"sha256 is {'a' * 64}, pinned is {'b' * 64}")
    assert Pin("a" * 64, "c" * 40).differs(file).startswith(f"git blob id is {GIT}, pinned is {'c' * 40}")
    assert Pin("a" * 64, "", 8).differs(file).startswith("it has 7 bytes, pinned are 8")
    assert not any(pin.holds(file) for pin in (Pin("b" * 64, GIT, 7), Pin("a" * 64, "c" * 40), Pin("a" * 64, "", 8)))


def test_the_pin_of_a_pointer_is_kept_by_the_file_it_stands_for(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"large" * 99)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 495\n".encode()
    assert write_pointer(sha256, 495) == pointer
    pin = Pin("", hashlib.sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False).hexdigest())
    assert blob_id(pointer) == pin.git
    assert pin.holds(measure(file, pin))
    file.write_bytes(b"large" * 98 + b"small")
    assert not pin.holds(measure(file, pin))


def test_a_difference_says_whose_word_it_is():
    stated = Pin("b" * 64, by="stated")
    assert stated.differs(Received(7, "a" * 64)) == f"sha256 is {'a' * 64}, stated is {'b' * 64} (7 bytes)"
