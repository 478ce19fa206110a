"""The Hub's own client against the same stand-in: it keeps a flipped byte of the right size, and our fetch refuses it.

Where the Hub's file is in Git LFS, and where it is in Xet, whose store is a folder here.
"""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from standins import hub
from standins.github import blob_id
from standins.scenes import BODY, PATH, PIN, PLACE, SHA, want

from care_data.errors import Exit

WRONG = BODY[:9] + bytes([BODY[9] ^ 1]) + BODY[10:]
FLIPPED = hashlib.sha256(WRONG).hexdigest()
README = b"# Invented\n"
CLIENT = """
import json, sys
from huggingface_hub import hf_hub_download, snapshot_download
common = {"repo_id": "o/n", "repo_type": "dataset", "revision": sys.argv[2], "token": False, "endpoint": sys.argv[1]}
if sys.argv[3] == "one":
    path = hf_hub_download(filename="data/x.csv", **common)
else:
    path = snapshot_download(**common) + "/data/x.csv"
print(json.dumps(open(path, "rb").read().hex()))
"""


def ask_client(scene, how: str, **environment: str) -> bytes:
    """The bytes that the Hub's client brings, in a process with a cache of its own."""
    pytest.importorskip("huggingface_hub")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(scene.raw.parent / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", CLIENT, scene.hub.url, PIN, how]
    done = subprocess.run(
        command, env={**kept, **home, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return bytes.fromhex(json.loads(done.stdout))


def offer(scene, sent: bytes) -> None:
    """A commit of two files, the larger in the store, which sends `sent` for it."""
    hub.publish(scene.hub, "o/n", PIN, {PATH: BODY, "README.md": README}, lfs=(PATH,), store=scene.store)
    scene.store.pages[hub.stored_at(BODY)].body = sent


@pytest.mark.parametrize("how", ["one", "all"])
def test_the_client_takes_the_flipped_byte_from_lfs_and_we_do_not(scene, how):
    offer(scene, WRONG)
    assert ask_client(scene, how, HF_HUB_DISABLE_XET="1") == WRONG
    ended = scene.take()
    assert ended.code == Exit.INTEGRITY
    assert SHA in ended.text
    assert FLIPPED in ended.text
    assert not scene.final.exists()


@pytest.mark.parametrize("how", ["one", "all"])
def test_the_client_and_we_agree_where_nothing_is_wrong(scene, how):
    offer(scene, BODY)
    assert ask_client(scene, how, HF_HUB_DISABLE_XET="1") == BODY
    ended = scene.take(want("**"))
    assert [(file.path, file.sha256) for file in ended.result.files] == [
        ("README.md", hashlib.sha256(README).hexdigest()),
        (PATH, SHA),
    ]
    assert (scene.raw / f"hub/o/n@{PIN}/README.md").read_bytes() == README
    assert PLACE.endswith(PIN)


def put_into_xet(body: bytes, folder) -> str:
    """Put bytes into a Xet store that is a folder; their Xet hash."""
    hf_xet = pytest.importorskip("hf_xet")
    folder.mkdir()
    [stored] = hf_xet.upload_bytes([body], f"local://{folder}", None, None, None, "dataset")
    return stored.hash


@pytest.mark.parametrize("stored", [BODY, WRONG], ids=["right", "flipped"])
def test_the_client_takes_what_xet_has_and_we_only_what_was_announced(scene, tmp_path, stored):
    offer(scene, stored)
    xet = put_into_xet(stored, tmp_path / "cas")
    hub.offer_xet(scene.hub, "o/n", PIN, PATH, xet, tmp_path / "cas")
    assert ask_client(scene, "one") == stored
    assert hub.stored_at(BODY) not in [path for path, _ in scene.store.log]  # it came by Xet
    ended = scene.take()
    assert ended.code == (Exit.DONE if stored == BODY else Exit.INTEGRITY)
    assert scene.final.exists() == (stored == BODY)
    assert ended.code == Exit.DONE or (SHA in ended.text and FLIPPED in ended.text)


def test_a_file_that_is_not_large_is_held_against_its_git_blob_id(scene):
    offer(scene, BODY)
    scene.hub.pages[f"/datasets/o/n/resolve/{PIN}/README.md"].body = b"# invented\n"
    ended = scene.take(want("README.md"))
    assert ended.code == Exit.INTEGRITY
    assert blob_id(README) in ended.text
    assert blob_id(b"# invented\n") in ended.text
