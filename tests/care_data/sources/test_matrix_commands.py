"""The exit code of the command itself, one fault of each kind: what it says fits one line, and --json stays JSON."""

import json
from typing import Any

import pytest
from standins import hub
from standins.commands import ROWS, Command
from standins.github import blob_id
from standins.scenes import PIN, TOKEN

from care_data.errors import Exit

PATH = "data/x.jsonl"
WRONG = b"x" + ROWS[1:]
LOGIN = b"<!doctype html><title>Log in</title>"


def away(location: str) -> dict[str, Any]:
    return {"status": 302, "headers": {"Location": location}}


CASES = {
    "A4 flipped": ({"body": WRONG}, Exit.INTEGRITY, blob_id(WRONG)),
    "A6 401": ({"status": 401}, Exit.MANUAL, "401"),
    "A6 404": ({"status": 404}, Exit.NETWORK, "404"),
    "A6 451": ({"status": 451}, Exit.NETWORK, "451"),
    "A9 file": (away("file:///etc/hostname"), Exit.NETWORK, "file:"),
    "A9 loop": (away(f"/datasets/o/n/resolve/{PIN}/{PATH}"), Exit.NETWORK, "redirects"),
    "A10 login": ({"body": LOGIN}, Exit.MANUAL, "web page"),
}


@pytest.fixture
def command(tmp_path, server) -> Command:
    made = Command(tmp_path, server)
    hub.publish(server, "o/n", PIN, {PATH: ROWS})
    made.describe(f"hub:o/n@{PIN}")
    return made


@pytest.mark.parametrize("case", CASES)
def test_the_exit_code_of_a_fault(command, case):
    fault, code, named = CASES[case]
    command.server.pages[f"/datasets/o/n/resolve/{PIN}/{PATH}"].faults = [fault] * 20
    ended, out, err = command.run("--json")
    assert (ended, command.files().get(f"hub/o/n@{PIN}/{PATH}")) == (code, None), err
    lines = [line for line in err.splitlines() if "one/pairs" in line]
    assert len(lines) == 1, err
    assert named in lines[0]
    assert PATH in lines[0]
    assert "Traceback" not in err
    assert TOKEN not in out + err
    json.loads(out)


def test_no_way_to_the_host(command):
    (command.folder / "config.toml").write_text('[hosts]\nhub = "http://127.0.0.1:9"\n')
    ended, _, err = command.run()
    assert ended == Exit.NETWORK
    assert "no connection" in err
    assert "Traceback" not in err


def test_all_is_well(command):
    ended, out, err = command.run("--json")
    assert ended == Exit.DONE, err
    assert TOKEN not in out + err
    json.loads(out)
    assert command.files() == {f"hub/o/n@{PIN}/{PATH}": ROWS}
