"""fetch() as a whole: what a second run, a killed run and two runs at once do."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from standins import modelscope

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, partials
from care_data.sources.hosts import Hosts
from care_data.sources.ledger import NAME
from care_data.sources.limits import Limits

PIN = "607a104f8f2bdc1db8e9515d325a83c6aa35d4c1"
QUICK = Limits(pause=0.01, longest_pause=0.05)
SCOPE = "modelscope:o/n@v1"
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
    target, kept = tmp_path / f"hub/o/n@{PIN}/x.bin", [0]
    for share in (0.1, 0.35, 0.6, 0.9):
        process = start(tmp_path)
        until = time.monotonic() + 20
        while held(tmp_path) < share * len(BODY) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not target.exists()
        kept.append(held(tmp_path))
    out, err = start(tmp_path).communicate(timeout=20)
    assert (out.strip(), err) == (sha(BODY), "")
    assert target.read_bytes() == BODY
    assert [headers.get("range", "bytes=0-") for _, headers in hosts.log] == [f"bytes={at}-" for at in kept]
    assert kept == sorted(kept)
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
    assert line == {"bytes": 1, "git": "", "origin": "network", "sha256": sha(b"a"), "stated": False, "verified": True}
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


def change(hosts, body: bytes) -> str:
    """Another body at upstream; where it is."""
    return hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", body)


def test_another_file_than_the_one_fetched_first_is_refused(hosts, tmp_path):
    change(hosts, b"first")
    target = tmp_path / fetch([want()], tmp_path).files[0].local
    ledger = (tmp_path / NAME).read_bytes()
    target.unlink()
    change(hosts, b"second")
    for _ in range(2):
        with pytest.raises(CareError, match="--accept-changed") as caught:
            fetch([want()], tmp_path)
        assert caught.value.code == Exit.INTEGRITY
        assert sha(b"first") in str(caught.value)
        assert sha(b"second") in str(caught.value)
    aside = target.with_name(f"x.bin.bad-{sha(b'second')[:8]}")
    assert (os.listdir(target.parent), aside.read_bytes()) == ([aside.name], b"second")
    assert (tmp_path / NAME).read_bytes() == ledger
    change(hosts, b"first")
    assert fetch([want()], tmp_path).files[0].sha256 == sha(b"first")


def test_a_change_that_is_accepted_is_the_new_record(hosts, tmp_path):
    change(hosts, b"first")
    target = tmp_path / fetch([want()], tmp_path).files[0].local
    target.unlink()
    change(hosts, b"second")
    assert fetch([want()], tmp_path, accept_changed=True).files[0].sha256 == sha(b"second")
    target.unlink()
    assert fetch([want()], tmp_path).files[0].sha256 == sha(b"second")
    assert os.listdir(target.parent) == ["x.bin"]


def test_a_pin_goes_before_the_record_and_is_not_accepted_away(hosts, tmp_path):
    change(hosts, b"first")
    fetch([want()], tmp_path)
    change(hosts, b"second")
    pins = {"x.bin": {"sha256": sha(b"second")}}
    assert fetch([want(checksums=pins)], tmp_path).files[0].verified
    pins = {"x.bin": {"sha256": sha(b"third")}}
    with pytest.raises(CareError, match="is not what was pinned") as caught:
        fetch([want(checksums=pins)], tmp_path, accept_changed=True)
    assert caught.value.code == Exit.INTEGRITY


def test_a_sample_of_a_mirror_does_not_bind(hosts, tmp_path, plant):
    fetch([want()], tmp_path / "raw", mirror=str(plant("hub/o/n/x.bin", b"cut")))
    (tmp_path / f"raw/hub/o/n@{PIN}/x.bin").unlink()
    change(hosts, b"whole")
    assert fetch([want()], tmp_path / "raw").files[0].sha256 == sha(b"whole")


def mirrored(path: str = "x.bin", checksums=None, mirrors: tuple[str, ...] = (SCOPE,), optional: bool = False) -> Want:
    return Want("rows", f"hub:o/n@{PIN}", path, optional, checksums or {}, mirrors)


@pytest.fixture
def both(hosts):
    """A hub and a ModelScope; the latter has x.bin in two data sets."""
    for name, revision in (("o/n", "v1"), ("o/again", "v2")):
        modelscope.publish(hosts, name, revision, {"x.bin": b"body", "y.bin": b"y"})
    return Hosts(hub=hosts.url, modelscope=hosts.url)


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ({"status": 404}, "does not exist"),
        ({"status": 403}, "is closed to us"),
        ({"status": 500}, "the host answers 500"),
        ({"body": b"b0dy"}, "is not what was pinned"),
        ({"body": b"<html>"}, "is a web page"),
    ],
)
def test_a_mirror_of_the_entry_serves_what_the_source_does_not(both, hosts, tmp_path, fault, finding):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"body", faults=[fault] * 9)
    want = mirrored(checksums={"x.bin": {"sha256": sha(b"body")}})
    result = fetch([want], tmp_path, hosts=both, limits=QUICK)
    (file,) = result.files
    assert (file.local, file.served_by, file.verified, file.stated) == (f"hub/o/n@{PIN}/x.bin", SCOPE, True, True)
    assert result.notes[0].startswith(f"rows: x.bin came from {SCOPE}; ")
    assert finding in result.notes[0]
    assert json.loads((tmp_path / NAME).read_text())["files"][file.local]["origin"] == SCOPE
    again = fetch([want], tmp_path, hosts=both, limits=QUICK)
    assert (again.files, again.notes) == ([file], [])


def test_a_mirrors_bytes_that_are_not_pinned_are_not_verified(both, hosts, tmp_path):
    (file,) = fetch([mirrored()], tmp_path, hosts=both).files
    assert (file.served_by, file.verified) == (SCOPE, False)


def test_a_mirror_that_serves_something_else_is_passed_over(both, hosts, tmp_path):
    pins = {"x.bin": {"sha256": sha(b"other")}}
    wrong = (SCOPE, "modelscope:o/again@v2")
    with pytest.raises(CareError) as caught:
        fetch([mirrored(checksums=pins, mirrors=wrong)], tmp_path, hosts=both)
    assert caught.value.code == Exit.INTEGRITY
    assert all(source in str(caught.value) for source in (f"resolve/{PIN}/x.bin does not exist", *wrong))
    modelscope.publish(hosts, "o/again", "v2", {"x.bin": b"other"})
    result = fetch([mirrored(checksums=pins, mirrors=wrong)], tmp_path, hosts=both)
    assert (result.files[0].served_by, result.files[0].verified) == (wrong[1], True)
    assert sha(b"body") in result.notes[0]


def test_a_file_that_no_mirror_has_is_absent(both, hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", b"body")
    result = fetch([mirrored(), mirrored("z.bin", optional=True)], tmp_path, hosts=both)
    assert ([file.path for file in result.files], result.missing) == (["x.bin"], ["rows: z.bin"])
    with pytest.raises(CareError, match=rf"z\.bin does not exist \(404\); {SCOPE}: .* has no 'z\.bin'"):
        fetch([mirrored("z.bin")], tmp_path, hosts=both)


def test_a_source_out_of_reach_is_not_asked_again_first(both, hosts, tmp_path):
    modelscope.publish(hosts, "o/n", "v1", {f"{number}.bin": b"body" for number in range(9)})
    dead = Hosts(hub="http://127.0.0.1:9", modelscope=both.modelscope)
    result = fetch([mirrored("*.bin")], tmp_path, hosts=dead, limits=QUICK)
    assert [(file.path, file.served_by) for file in result.files] == [(f"{n}.bin", SCOPE) for n in range(9)]
    assert "; 127.0.0.1:9/datasets" in result.notes[0]
    assert result.notes[8] == f"rows: 8.bin came from {SCOPE}"


def test_four_files_come_at_a_time_and_in_order(hosts, tmp_path):
    now, most = [0], [0]

    def answer(content: bytes) -> tuple[int, bytes]:
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.2)
        now[0] -= 1
        return 200, b"body"

    for number in range(8):
        hosts.put(f"/datasets/o/n/resolve/{PIN}/{number}", b"", make=answer)
    result = fetch([want("{7,3,5,1,0,2,4,6}")], tmp_path)
    assert [file.path for file in result.files] == list("01234567")
    assert most[0] == 4


def test_the_error_is_that_of_the_first_file_in_order(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/a", b"a" * 9, faults=[{"drip": 0.05}])
    hosts.put(f"/datasets/o/n/resolve/{PIN}/b", b"", faults=[{"status": 429}, {"status": 403}])
    hosts.put(f"/datasets/o/n/resolve/{PIN}/c", b"", faults=[{"status": 403}] * 9)
    with pytest.raises(CareError, match="/b is closed"):
        fetch([want("{a,b,c}")], tmp_path, limits=QUICK)
    assert (tmp_path / f"hub/o/n@{PIN}/a").read_bytes() == b"a" * 9  # what was under way came to its end


def test_what_comes_before_a_want_that_cannot_be_is_fetched(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/a", b"a")
    with pytest.raises(CareError, match="nothing is known of sources 'ftp:'"):
        fetch([want("a"), want(source="ftp:b")], tmp_path)
    assert (tmp_path / f"hub/o/n@{PIN}/a").exists()


def test_a_stop_ends_all_and_keeps_what_came(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", BODY, faults=[{"drip": 0.05, "size": 1 << 16}])
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    began = time.monotonic()
    with pytest.raises(CareError, match="stopped") as caught:
        fetch([want()], tmp_path, stop=stop)
    assert time.monotonic() - began < 2
    assert caught.value.code == Exit.INTERRUPTED
    assert held(tmp_path) > 0
    assert fetch([want()], tmp_path).files[0].sha256 == sha(BODY)
    assert hosts.log[1][1]["range"].startswith("bytes=")


def test_an_interrupt_ends_a_host_that_says_nothing(hosts, tmp_path):
    faults = [{"length": len(BODY), "cut": 70000, "stall": 30}]
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.bin", BODY, faults=faults)
    process = start(tmp_path)
    until = time.monotonic() + 20
    while held(tmp_path) < 70000 and time.monotonic() < until:
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert held(tmp_path) == 70000


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
