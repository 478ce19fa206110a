"""Downloads that go wrong: every row about one file and its bytes, each case with what must hold whatever happens.

The rows are those of the download matrix; what is expected here was written down before the code was looked at.
"""

import gzip
import hashlib
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from standins import github, hub, modelscope
from standins.faults import Page
from standins.scenes import BODY, PATH, PIN, PINNED, QUICK, SHA, held, want

from care_data.errors import Exit
from care_data.sources.session import Limits


def flipped(at: int) -> bytes:
    return BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]


def whole(scene, **settings) -> None:
    """The fetch succeeds, and what lies there is upstream's file."""
    ended = scene.take(**settings)
    assert (ended.code, ended.text) == (Exit.DONE, "")
    assert scene.final.read_bytes() == BODY


def refused(scene, code: Exit, *wants, **settings) -> str:
    """The fetch fails with that code, and nothing lies under the file's name."""
    ended = scene.take(*wants, **settings)
    assert (ended.code, scene.final.exists()) == (code, False), ended.text
    assert PATH in ended.text, "the message does not name the file"
    return ended.text


@pytest.mark.parametrize("cut", [0, 1, 511, len(BODY) // 2, len(BODY) - 1])
def test_a1_a_cut_body_is_resumed(scene, cut):
    scene.offer({"cut": cut})
    whole(scene)
    assert scene.ranges() == [None, f"bytes={cut}-" if cut else None]
    assert scene.store.sent == len(BODY)


def test_a2_cut_every_time_ends_with_what_is_kept(scene):
    scene.offer(*[{"cut": 1000}] * 20)
    text = refused(scene, Exit.NETWORK)
    asked = len(scene.ranges())
    assert asked <= QUICK.tries
    assert f"{1000 * asked} bytes" in text
    assert held(scene.raw) == 1000 * asked


@pytest.mark.parametrize(
    ("faults", "pin"),
    [
        pytest.param([{"no_length": True}], PINNED, id="absent-pinned"),
        pytest.param([{"no_length": True}], None, id="absent-announced"),
        pytest.param([{"no_length": True, "cut": len(BODY) // 2}], None, id="absent-and-cut"),
        pytest.param([{"chunked": True}], None, id="chunked"),
    ],
)
def test_a3_size_and_hash_decide_not_the_length(scene, faults, pin):
    scene.offer(*faults)
    ended = scene.take(want(pin=pin))
    assert (ended.code, ended.text) == (Exit.DONE, "")
    assert scene.final.read_bytes() == BODY


@pytest.mark.parametrize("length", [100, len(BODY) + 5], ids=["shorter", "longer"])
def test_a3_a_length_that_is_always_another_than_announced_is_never_accepted(scene, length):
    scene.offer(*[{"length": length}] * 20)
    refused(scene, Exit.INTEGRITY)
    assert len(scene.ranges()) <= 2


def test_a3_gzip_in_transit_is_taken_off(scene):
    scene.offer(sent=gzip.compress(BODY)).headers["Content-Encoding"] = "gzip"
    whole(scene)


@pytest.mark.parametrize("at", [0, len(BODY) // 2, len(BODY) - 1])
def test_a4_a_flipped_bit_is_put_aside(scene, at):
    wrong = flipped(at)
    other = hashlib.sha256(wrong).hexdigest()
    scene.offer(sent=wrong)
    for _ in range(2):  # the second run finds the first one's finding, and keeps one of it
        text = refused(scene, Exit.INTEGRITY, want(pin=PINNED))
        assert SHA in text
        assert other in text
    assert scene.final.with_name(f"x.csv.bad-{other[:8]}").read_bytes() == wrong
    assert len(list(scene.raw.rglob("*.bad-*"))) == 1
    assert len(scene.ranges()) <= 4


def unpinned_hub_lfs(scene, wrong):
    scene.offer(sent=wrong)
    return want(), (SHA, hashlib.sha256(wrong).hexdigest())


def unpinned_hub_git(scene, wrong):
    hub.publish(scene.hub, "o/n", PIN, {PATH: BODY})
    scene.front.body = wrong
    return want(), (github.blob_id(BODY), github.blob_id(wrong))


def unpinned_github_listed(scene, wrong):
    github.publish(scene.hub, "o/n", PIN, {PATH: BODY})
    scene.hub.pages[f"/o/n/{PIN}/{PATH}"].body = wrong
    return want("data/*.csv", f"github:o/n@{PIN}"), (github.blob_id(BODY), github.blob_id(wrong))


def unpinned_github_lfs(scene, wrong):
    github.publish(scene.hub, "o/n", PIN, {PATH: BODY}, lfs=(PATH,))
    scene.hub.pages[github.stored_at(SHA)].body = wrong
    return want(source=f"github:o/n@{PIN}"), (SHA, hashlib.sha256(wrong).hexdigest())


def unpinned_modelscope(scene, wrong):
    modelscope.publish(scene.hub, "o/n", PIN, {PATH: BODY})
    scene.hub.pages[modelscope.file_at("o/n", PIN, PATH)].body = wrong
    return want(source=f"modelscope:o/n@{PIN}"), (SHA, hashlib.sha256(wrong).hexdigest())


KINDS = [unpinned_hub_lfs, unpinned_hub_git, unpinned_github_listed, unpinned_github_lfs, unpinned_modelscope]


@pytest.mark.parametrize("kind", KINDS)
def test_a4_what_upstream_states_is_held_against_it_though_nothing_is_pinned(scene, kind):
    url = scene.hub.url
    scene.hosts = replace(scene.hosts, github=url, github_raw=url, github_api=url, modelscope=url)
    asked, hashes = kind(scene, flipped(7))
    text = refused(scene, Exit.INTEGRITY, asked)
    assert not [path for path in scene.raw.rglob("x.csv") if path.is_file()]
    assert all(each in text for each in hashes), text


@pytest.mark.parametrize(
    ("status", "after"),
    [
        (429, "7"),
        (503, formatdate(4e9, usegmt=True)),
        (502, "1000000000"),
        (500, "-5"),
        (503, None),
        (429, "soon"),
        (504, ""),
        (408, "0"),
        (425, None),
    ],
)
def test_a5_passing_trouble_is_waited_out_within_a_cap(scene, status, after):
    headers = {} if after is None else {"Retry-After": after}
    fault = {"status": status, "headers": headers}
    scene.offer(fault, fault)
    began = time.monotonic()
    whole(scene)
    assert len(scene.ranges()) == 3
    assert time.monotonic() - began < 3  # the cap is 0.05 s here
    assert Limits().longest_pause == 60


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, Exit.MANUAL),
        (403, Exit.MANUAL),
        (404, Exit.NETWORK),
        (410, Exit.NETWORK),
        (451, Exit.NETWORK),
    ],
)
def test_a6_a_refusal_is_final(scene, status, code):
    scene.offer()
    scene.front.faults = [{"status": status, "headers": {"X-Error-Code": "GatedRepo"}}] * 9
    text = refused(scene, code)
    assert str(status) in text
    assert len(scene.hub.asked(f"/datasets/o/n/resolve/{PIN}/{PATH}")) == 1
    if code == Exit.MANUAL:
        assert "token" in text
        assert "terms" in text


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 403}, Exit.MANUAL),
        ({"status": 404}, Exit.NETWORK),
        ({"status": 451}, Exit.NETWORK),
        ({"cut": 1000}, Exit.NETWORK),
        ({"body": b"<html><title>Expired</title></html>"}, Exit.MANUAL),
        ({"body": flipped(3)}, Exit.INTEGRITY),
        ({"status": 302, "headers": {"Location": f"file:///etc/hostname?{github.SIGNED}"}}, Exit.NETWORK),
    ],
    ids=["403", "404", "451", "cut", "page", "flipped", "file"],
)
def test_a6_a_signed_address_is_never_shown(scene, fault, code):
    """Git LFS: it is GitHub that signs the address asked for, so that every message about it could show the key."""
    url = scene.hub.url
    scene.hosts = replace(scene.hosts, github=url, github_raw=url)
    github.publish(scene.hub, "o/n", PIN, {PATH: BODY}, lfs=(PATH,))
    scene.hub.pages[github.stored_at(SHA)].faults = [fault] * 20
    refused(scene, code, want(source=f"github:o/n@{PIN}"), limits=replace(QUICK, tries=2))


def put_raw(scene) -> Page:
    """The file on GitHub, which says nothing of its checksum that could come to the rescue."""
    github.publish(scene.hub, "o/n", PIN, {PATH: BODY})
    scene.hosts = replace(scene.hosts, github_raw=scene.hub.url)
    return scene.hub.pages[f"/o/n/{PIN}/{PATH}"]


def take_raw(scene) -> bytes:
    """What the fetch of that file leaves in its place."""
    ended = scene.take(want(source=f"github:o/n@{PIN}"))
    assert ended.code == Exit.DONE, ended.text
    return (scene.raw / ended.result.files[0].local).read_bytes()


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        pytest.param({"ignore_range": True}, 2, id="range-ignored"),
        pytest.param({"shift": 10}, 3, id="another-range"),
        pytest.param({"status": 416}, 3, id="416"),
        pytest.param({"etag": '"two"'}, 2, id="etag-changed"),
        pytest.param({"ignore_if_range": True, "etag": '"two"', "body": b"z" * len(BODY)}, 3, id="if-range-ignored"),
    ],
)
def test_a7_parts_are_never_spliced(scene, fault, asked):
    page = put_raw(scene)
    page.faults = [{"cut": 1000}, fault]
    assert take_raw(scene) == BODY
    assert len(scene.hub.log) == asked


def test_a7_a_file_that_has_become_shorter_than_what_is_held(scene):
    page = put_raw(scene)
    page.faults = [{"cut": 1000}, *[{"ignore_if_range": True, "etag": '"two"', "body": b"short"}] * 9]
    assert take_raw(scene) == b"short"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"slow_head": 0.05}, id="slow-headers"),
        pytest.param({"cut": 70000, "stall": 20}, id="stall"),
        pytest.param({"drip": 0.05}, id="dribble"),
    ],
)
@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
def test_a8_slowness_is_cut_off(scene, fault, always):
    scene.offer(*[fault] * (9 if always else 1))
    limits = replace(QUICK, head=0.3, stall=0.3, window=0.3, tries=2)
    began = time.monotonic()
    if always:
        refused(scene, Exit.NETWORK, limits=limits)
    else:
        whole(scene, limits=limits)
    assert time.monotonic() - began < 5
    whole_run = Limits()
    assert max(whole_run.stall, whole_run.head, whole_run.window) <= 90


@pytest.mark.parametrize("endless", [False, True], ids=["larger", "endless"])
def test_a11_a_body_longer_than_pinned_is_not_read_to_its_end(scene, endless):
    scene.offer(*[{"no_length": True, "endless": True}] * 3 * endless, sent=BODY * 200)
    began = time.monotonic()
    text = refused(scene, Exit.INTEGRITY, want(pin=PINNED))
    assert str(len(BODY)) in text
    assert scene.store.sent < 30 << 20  # what the sockets' buffers hold besides; the body has 61 MB, or no end
    assert time.monotonic() - began < 5
    assert held(scene.raw) == 0
