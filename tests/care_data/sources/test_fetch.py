"""fetch() as a whole: what a second run, a killed run and two runs at once do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, partials
from care_data.sources.ledger import NAME

PIN = "607a104f8f2bdc1db8e9515d325a83c6aa35d4c1"
ROOT = Path(__file__).parents[3]
BODY = os.urandom(1 << 16) * 96  # 6 MiB
SCRIPT = f"""
import sys
from pathlib import Path
from care_data.sources import Want, fetch
result = fetch([Want("rows", "hub:o/n@{PIN}", "x.bin", False, {{}})], Path(sys.argv[1]))
print(result.files[0].sha256)
"""


def want(path: str = "x.bin", checksums=None, source: str = f"hub:o/n@{PIN}") -> Want:
    return Want("rows", source, path, False, checksums or {})


def sha(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def hosts(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def start(raw: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SCRIPT, str(raw)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def held(raw: Path) -> int:
    return sum(path.stat().st_size for path in raw.glob(f"{partials.FOLDER}/*.part"))


def test_kill_9_again_and_again_costs_next_to_nothing(hosts, tmp_path):
    slow = {"drip": 0.004, "size": 1 << 16}
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", BODY, faults=[slow] * 9)
    target = tmp_path / f"hub/o/n@{PIN}/x.bin"
    for share in (0.1, 0.35, 0.6, 0.9):
        process = start(tmp_path)
        until = time.monotonic() + 20
        while held(tmp_path) < share * len(BODY) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not target.exists()
    out, err = start(tmp_path).communicate(timeout=20)
    assert (out.strip(), err) == (sha(BODY), "")
    assert target.read_bytes() == BODY
    assert len(hosts.log) == 5
    assert all(headers.get("range") for _, headers in hosts.log[1:])
    assert hosts.sent <= 1.1 * len(BODY)
    assert sorted(os.listdir(tmp_path)) == [NAME, "hub"]


def test_two_at_once_fetch_once(hosts, tmp_path):
    slow = {"drip": 0.01, "size": 1 << 16}
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", BODY, faults=[slow] * 2)
    runs = [start(tmp_path) for _ in range(2)]
    assert [run.communicate(timeout=20) for run in runs] == [(sha(BODY) + "\n", "")] * 2
    assert len(hosts.log) == 1


def test_a_second_run_reads_no_byte(hosts, tmp_path, monkeypatch):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", BODY)
    pins = {"x.bin": {"sha256": sha(BODY)}}
    first = fetch([want(checksums=pins)], tmp_path)
    before = (tmp_path / NAME).read_bytes(), (tmp_path / NAME).stat().st_mtime_ns
    monkeypatch.setattr("care_data.sources.ledger.measure", lambda *_: pytest.fail("the file is read"))
    began = time.perf_counter()
    assert fetch([want(checksums=pins)], tmp_path) == first
    assert time.perf_counter() - began < 0.5
    assert ((tmp_path / NAME).read_bytes(), (tmp_path / NAME).stat().st_mtime_ns) == before
    assert len(hosts.log) == 1
    assert first.files[0].verified


def test_the_ledger_is_sorted_and_says_what_is_there(hosts, tmp_path):
    for name in ("b", "a"):
        hosts.put(f"/datasets/o/n/resolve/{PIN}/{name}", name.encode())
    fetch([want("b"), want("a", {"a": {"sha256": sha(b"a")}})], tmp_path)
    files = json.loads((tmp_path / NAME).read_text())["files"]
    assert list(files) == [f"hub/o/n@{PIN}/a", f"hub/o/n@{PIN}/b"]
    line = files[f"hub/o/n@{PIN}/a"]
    assert line.pop("mtime_ns") == (tmp_path / f"hub/o/n@{PIN}/a").stat().st_mtime_ns
    assert line == {"bytes": 1, "git": "", "origin": "network", "sha256": sha(b"a"), "verified": True}
    assert not files[f"hub/o/n@{PIN}/b"]["verified"]


def test_a_touched_file_is_read_again_and_kept(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"body")
    first = fetch([want()], tmp_path)
    os.utime(tmp_path / first.files[0].local, (1, 4e9))
    assert fetch([want()], tmp_path) == first
    assert len(hosts.log) == 1


def test_a_damaged_file_is_fetched_again(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"body")
    first = fetch([want()], tmp_path)
    (tmp_path / first.files[0].local).write_bytes(b"bod")
    assert fetch([want()], tmp_path) == first
    assert (tmp_path / first.files[0].local).read_bytes() == b"body"
    assert len(hosts.log) == 2


@pytest.mark.parametrize("ledger", [b"", b"{", b"[]", b'{"files": {"x": 1}, "listings": {}}', None])
def test_a_lost_ledger_costs_reading_not_fetching(hosts, tmp_path, ledger):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"body")
    first = fetch([want()], tmp_path)
    (tmp_path / NAME).unlink()
    if ledger is not None:
        (tmp_path / NAME).write_bytes(ledger)
    assert fetch([want()], tmp_path) == first
    assert len(hosts.log) == 1


def test_a_file_that_was_cut_in_a_mirror_is_fetched_from_upstream(hosts, tmp_path, plant):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"whole body")
    pins = {"x.bin": {"sha256": sha(b"whole body")}}
    mirror = plant("hub/o/n/x.bin", b"whole")
    assert not fetch([want(checksums=pins)], tmp_path / "raw", mirror=str(mirror)).files[0].verified
    assert fetch([want(checksums=pins)], tmp_path / "raw").files[0].verified
    assert (tmp_path / f"raw/hub/o/n@{PIN}/x.bin").read_bytes() == b"whole body"


def test_a_wrong_download_does_not_replace_what_is_there(hosts, tmp_path, plant):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"wrong")
    pins = {"x.bin": {"sha256": sha(b"right")}}
    fetch([want(checksums=pins)], tmp_path / "raw", mirror=str(plant("hub/o/n/x.bin", b"cut")))
    with pytest.raises(CareError) as caught:
        fetch([want(checksums=pins)], tmp_path / "raw")
    assert caught.value.code == Exit.INTEGRITY
    assert str(caught.value).startswith("rows: 127.0.0.1:")
    assert sha(b"wrong") in str(caught.value)
    assert sha(b"right") in str(caught.value)
    assert (tmp_path / f"raw/hub/o/n@{PIN}/x.bin").read_bytes() == b"cut"


def test_what_was_fetched_before_an_error_is_not_fetched_again(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/a", b"a")
    for _ in range(2):
        with pytest.raises(CareError, match="does not exist"):
            fetch([want("a"), want("b")], tmp_path)
    assert len(hosts.asked(f"/datasets/o/n/resolve/{PIN}/a")) == 1


def test_one_file_wanted_twice_is_fetched_once(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"body")
    twice = [want(), Want("again", f"hub:o/n@{PIN}", "x.bin", False, {})]
    assert [file.name for file in fetch(twice, tmp_path).files] == ["rows", "again"]
    assert len(hosts.log) == 1


def test_progress_names_path_and_bytes(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", BODY)
    seen = []
    fetch([want()], tmp_path, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("x.bin", len(BODY), len(BODY))
    assert [there for _, there, _ in seen] == sorted(there for _, there, _ in seen)


def test_an_unknown_scheme_lists_those_known(tmp_path):
    with pytest.raises(CareError, match=r"'ftp:'.*drive:, github:, hub:, manual:, modelscope:, package:, web:"):
        fetch([want(source="ftp:a")], tmp_path)


def test_a_raw_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "raw").write_bytes(b"a file")
    with pytest.raises(CareError) as caught:
        fetch([want()], tmp_path / "raw")
    assert caught.value.code == Exit.DATA
    assert str(tmp_path / "raw") in str(caught.value)


def test_nothing_wanted_is_nothing_done(tmp_path):
    assert fetch([], tmp_path).files == []


def test_importing_stays_light():
    code = "import sys, care_data.sources; print(sorted({'httpx2', 'ssl', 'numba'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
