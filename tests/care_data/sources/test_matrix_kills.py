"""Fetches that are killed, that meet another, or whose clock is wrong: rows A15 to A17, and each kind of source."""

import hashlib
import os
import random

import pytest
from standins import github, hub, modelscope
from standins.commands import ROWS, Command
from standins.scenes import BODY, PIN, TOKEN, held

from care_data.errors import Exit

SHA = hashlib.sha256(ROWS).hexdigest()
POINTS = random.Random(20).sample(range(1100), 20)  # thousandths of the file; above 1000 it is whole


@pytest.fixture
def command(tmp_path, server) -> Command:
    return Command(tmp_path, server)


def finish(command: Command, local: str, *words: str) -> None:
    """Run to the end: the one file is there and right, and nothing of it was sent twice but a tenth."""
    code, out, err = command.run(*words)
    assert (code, command.files()) == (Exit.DONE, {local: ROWS}), err
    assert command.server.sent <= 1.1 * len(ROWS)
    texts = [out, err, *(path.read_text("utf-8") for path in (command.data / "raw/one").glob("*.json"))]
    assert not [text for text in texts if TOKEN in text or "Signature" in text]
    assert not list((command.data / "raw/one").rglob("*.part*"))


@pytest.mark.parametrize("point", POINTS)
def test_a15_kill_9_and_run_again(command, point):
    hub.publish(command.server, "o/n", PIN, {"data/x.jsonl": ROWS}, lfs=("data/x.jsonl",))
    command.server.pages[hub.stored_at(ROWS)].faults = [command.throttle()]
    command.describe(f"hub:o/n@{PIN}")
    local = f"hub/o/n@{PIN}/data/x.jsonl"
    killed = command.kill(at=point * len(ROWS) // 1000, after=random.Random(point).uniform(0, 0.004))
    assert killed or point > 900
    assert command.files() in ({}, {local: ROWS})
    finish(command, local)
    asked = [headers.get("range") for headers in command.server.asked(hub.stored_at(ROWS))]
    assert len(asked) <= 2


def from_github(server):
    github.publish(server, "o/n", PIN, {"data/x.jsonl": ROWS})
    return f"github:o/n@{PIN}", f"/o/n/{PIN}/data/x.jsonl"


def from_github_lfs(server):
    github.publish(server, "o/n", PIN, {"data/x.jsonl": ROWS}, lfs=("data/x.jsonl",))
    return f"github:o/n@{PIN}", github.stored_at(SHA)


def from_hub(server):
    hub.publish(server, "o/n", PIN, {"data/x.jsonl": ROWS})
    return f"hub:o/n@{PIN}", f"/datasets/o/n/resolve/{PIN}/data/x.jsonl"


def from_modelscope(server):
    modelscope.publish(server, "o/n", PIN, {"data/x.jsonl": ROWS})
    return f"modelscope:o/n@{PIN}", modelscope.file_at("o/n", PIN, "data/x.jsonl")


@pytest.mark.parametrize("kind", [from_github, from_github_lfs, from_hub, from_modelscope])
@pytest.mark.parametrize("path", ["data/x.jsonl", "data/*.jsonl"], ids=["named", "listed"])
def test_each_kind_of_place_survives_a_kill(command, kind, path):
    source, address = kind(command.server)
    command.server.pages[address].faults = [command.throttle()]
    command.describe(source, path)
    assert command.kill(at=len(ROWS) // 2)
    assert command.files() == {}
    finish(command, f"{source.replace(':', '/')}/data/x.jsonl")


@pytest.mark.parametrize("pinned", ["@607a104f8f2b", ""])
def test_a_mirrors_address_survives_a_kill(command, pinned):
    address = f"/mirror/github/o/n{pinned}/data/x.jsonl"
    command.server.put(address, ROWS, faults=[command.throttle()])
    tables = f'[checksums.pairs]\n"data/x.jsonl" = {{ sha256 = "{SHA}", bytes = {len(ROWS)} }}'
    command.describe(f"github:o/n@{PIN}", tables=tables)
    words = ("--mirror", f"{command.server.url}/mirror")
    assert command.kill(*words, at=len(ROWS) // 2)
    assert command.files() == {}
    finish(command, f"github/o/n@{PIN}/data/x.jsonl", *words)


def test_what_is_put_there_by_hand_is_asked_for_checked_and_taken(command):
    tables = f'[checksums.pairs]\n"data/x.jsonl" = {{ sha256 = "{SHA}", bytes = {len(ROWS)} }}'
    command.describe("manual:tianchi.example.org/dataset/1", tables=tables)
    code, _, err = command.run()
    assert code == Exit.MANUAL
    folder = command.data / "raw/one/manual/tianchi.example.org/dataset/1"
    assert str(folder) in err
    assert "data/x.jsonl" in err
    assert "tianchi.example.org/dataset/1" in err
    target = folder / "data/x.jsonl"
    target.parent.mkdir(parents=True)
    target.write_bytes(ROWS[:1000])
    code, _, err = command.run()
    assert code == Exit.INTEGRITY
    assert SHA in err
    assert hashlib.sha256(ROWS[:1000]).hexdigest() in err
    assert target.read_bytes() == ROWS[:1000]
    target.write_bytes(ROWS)
    command.kill(at=0, after=0.25)
    assert target.read_bytes() == ROWS
    finish(command, "manual/tianchi.example.org/dataset/1/data/x.jsonl")


def test_a16_two_at_once_fetch_once(command):
    hub.publish(command.server, "o/n", PIN, {"data/x.jsonl": ROWS}, lfs=("data/x.jsonl",))
    address = hub.stored_at(ROWS)
    command.server.pages[address].faults = [command.throttle()] * 2
    command.describe(f"hub:o/n@{PIN}")
    runs = [command.start() for _ in range(2)]
    ends = [(*run.communicate(timeout=60), run.returncode) for run in runs]
    assert [code for *_, code in ends] == [Exit.DONE, Exit.DONE], ends
    assert sum("waiting for process" in err for _, err, _ in ends) == 1
    assert command.files() == {f"hub/o/n@{PIN}/data/x.jsonl": ROWS}
    assert len(command.server.asked(address)) == 1


@pytest.mark.parametrize("when", [0, 4_000_000_000], ids=["past", "future"])
def test_a17_a_clock_that_jumps_changes_nothing(scene, when):
    scene.offer({"cut": 1000}, *[{"status": 451}])
    assert scene.take().code == Exit.NETWORK
    assert held(scene.raw) == 1000
    for path in scene.raw.rglob("*"):
        os.utime(path, (when, when))
    assert scene.take().code == Exit.DONE
    assert scene.final.read_bytes() == BODY
    assert scene.store.sent == len(BODY) + len(b"trouble")
    for path in scene.raw.rglob("*"):
        os.utime(path, (when, when))
    assert scene.take().code == Exit.DONE
    assert scene.store.sent == len(BODY) + len(b"trouble")
