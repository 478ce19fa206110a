"""Publishing when the Hub, the line, the token or a neighbour is not as it should be: one change, or none and why."""

import threading
import time
from dataclasses import replace

import pytest
from hubs.calls import Reply
from hubs.repositories import git_oid
from hubs.server import EXPIRED, READER, STRANGER

from care_data import publishing
from care_data.errors import CareError, Exit
from care_data.sources.hosts import Hosts

REPO = "care/demo"
WAYS = pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
SHARD = "demo_consult_sft/train-00000-of-00001"


# The Hub is out of order for a while


def lose_commit(hub):
    hub.drop("commit", after=True)


def refuse_commits(hub):
    hub.refuse("commit", 503, times=2)


def limit_commits(hub):
    hub.refuse("commit", 429, Retry_After="1")


def break_commit(hub):
    hub.refuse("commit", 500)


def hang_up_on_commit(hub):
    hub.drop("commit")


def break_commit_that_landed(hub):
    hub.refuse("commit", 502, after=True)


def break_preupload(hub):
    hub.refuse("preupload", 500)


@WAYS
@pytest.mark.parametrize(
    "fault",
    [
        lose_commit,
        refuse_commits,
        limit_commits,
        break_commit,
        hang_up_on_commit,
        break_commit_that_landed,
        break_preupload,
    ],
)
def test_one_change_whatever_becomes_of_an_answer(scene, fault, xet):
    scene.client.use_xet(xet)
    fault(scene.hub)
    ended = scene.publish()
    assert (ended.code, ended.text) == (Exit.DONE, "")
    scene.check_published()


@pytest.mark.parametrize("kind", ["create", "tag", "lfs_put", "lfs_verify", "lfs_batch"])
@pytest.mark.parametrize("after", [True, False], ids=["lost", "dropped"])
def test_any_call_may_be_lost_once_and_a_second_run_mends_it(scene, kind, after):
    scene.client.use_xet(False)
    scene.hub.drop(kind, after=after)
    ended = scene.publish()
    assert ended.code in (Exit.DONE, Exit.NETWORK), ended.text
    if ended.code:
        assert scene.publish().code == Exit.DONE
    scene.check_published()


@pytest.mark.parametrize("kind", ["whoami", "info", "refs", "tree"])
def test_a_hub_that_is_out_of_order_is_told(scene, kind):
    scene.hub.create(REPO, private=True)
    scene.hub.refuse(kind, 503, times=99)
    ended = scene.publish()
    assert ended.code == Exit.NETWORK, ended.text
    assert "503" in ended.text
    scene.check_nothing_was_sent()


def test_a_hub_that_is_not_there_is_told(scene):
    scene.hosts = Hosts(hub="http://127.0.0.1:9", send_token=True)
    ended = scene.publish()
    assert ended.code == Exit.NETWORK
    assert "127.0.0.1:9" in ended.text


# Somebody else is at work


@WAYS
@pytest.mark.parametrize("path", ["README.md", "theirs.txt", f"{SHARD}.parquet"])
def test_a_change_by_somebody_else_is_shown_and_kept(scene, path, xet):
    scene.client.use_xet(xet)

    def push(reply):
        scene.hub.push(REPO, {path: b"theirs"})
        return reply

    scene.hub.change("preupload", push)
    ended = scene.publish()
    assert ended.code == Exit.DATA, ended.text
    assert path in ended.text
    assert scene.hub.files(REPO) == {path: b"theirs"}
    assert scene.hub.tags(REPO) == {}


def test_a_change_between_the_plan_and_the_upload_is_noticed(scene):
    scene.hub.create(REPO, private=True)
    plan = publishing.plan_repo(scene.release, REPO, scene.hosts)
    scene.hub.push(REPO, {"README.md": b"theirs"})
    with pytest.raises(CareError, match=r"README\.md") as caught:
        publishing.publish(plan, scene.hosts)
    assert caught.value.code == Exit.DATA
    assert scene.hub.files(REPO) == {"README.md": b"theirs"}


def test_a_repository_made_by_somebody_between_the_plan_and_the_upload(scene):
    plan = publishing.plan_repo(scene.release, REPO, scene.hosts)
    scene.hub.create(REPO, private=True)
    scene.hub.push(REPO, {"README.md": b"theirs"})
    with pytest.raises(CareError, match=r"README\.md") as caught:
        publishing.publish(plan, scene.hosts)
    assert caught.value.code == Exit.DATA
    assert scene.hub.files(REPO) == {"README.md": b"theirs"}


def test_a_second_run_of_the_same_beside_ours_is_no_conflict(scene):
    def push(reply):
        scene.hub.push(REPO, scene.tree)
        return reply

    scene.hub.change("preupload", push)
    ended = scene.publish()
    assert (ended.code, ended.text) == (Exit.DONE, "")
    scene.check_published()


# Who may


@pytest.mark.parametrize(
    ("token", "code", "told"),
    [
        ("", Exit.MANUAL, "hf auth login"),
        ("hf_unknown", Exit.MANUAL, "hf auth login"),
        (EXPIRED, Exit.MANUAL, "hf auth login"),
        (READER, Exit.POLICY, "read"),
        (STRANGER, Exit.POLICY, "care is not yours"),
    ],
    ids=["none", "unknown", "expired", "read-only", "another's namespace"],
)
def test_who_may_not_is_told_before_anything_is_sent(scene, token, code, told):
    scene.client.log_in(token)
    ended = scene.publish()
    assert ended.code == code, ended.text
    assert told in ended.text
    scene.check_nothing_was_sent()


@pytest.mark.parametrize("public", [True, False])
def test_a_repository_that_is_as_open_as_was_not_asked_for(scene, public):
    scene.hub.create(REPO, private=public)
    ended = scene.publish(public=public)
    assert ended.code == Exit.POLICY, ended.text
    assert ("is private" if public else "is public") in ended.text
    scene.check_nothing_was_sent()


def test_a_repository_made_public_between_the_plan_and_the_upload(scene):
    plan = publishing.plan_repo(scene.release, REPO, scene.hosts)
    scene.hub.create(REPO, private=False)
    with pytest.raises(CareError, match="is public") as caught:
        publishing.publish(plan, scene.hosts)
    assert caught.value.code == Exit.POLICY
    assert scene.hub.files(REPO) == {}


# Killed


KILLS = [
    ("preupload", False, True),
    ("preupload", True, False),
    ("lfs_put", False, False),
    ("lfs_put", True, False),
    ("lfs_verify", True, False),
    ("commit", False, True),
    ("commit", True, True),
    ("commit", False, False),
    ("commit", True, False),
    ("tag", False, True),
    ("tag", True, True),
]


@pytest.mark.parametrize(
    ("kind", "after", "xet"),
    KILLS,
    ids=["-".join([k, "after" if a else "before", "xet" if x else "lfs"]) for k, a, x in KILLS],
)
def test_killed_and_run_again(scene, kind, after, xet):
    scene.client.use_xet(xet)
    process = scene.start()
    scene.hub.act(kind, process.kill, nth=2 if kind == "lfs_put" else 1, after=after)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -9, err
    sent, blocks = set(scene.hub.blobs), scene.hub.xet.blocks()
    scene.hub.forget()
    ended = scene.publish()
    assert (ended.code, ended.text) == (Exit.DONE, "")
    scene.check_published()
    assert not sent & {call.name("oid") for call in scene.hub.asked_for("lfs_put")}
    assert blocks.items() <= scene.hub.xet.blocks().items()


def test_killed_while_xet_takes_the_bytes(scene):
    process = scene.start()

    def kill_at_first_block():
        until = time.monotonic() + 30
        while not scene.hub.xet.blocks() and time.monotonic() < until:
            time.sleep(0.0005)
        process.kill()

    threading.Thread(target=kill_at_first_block, daemon=True).start()
    scene.hub.act("commit", process.kill)  # at the latest, where this machine is busy
    _, err = process.communicate(timeout=60)
    assert process.returncode == -9, err
    scene.hub.faults.clear()
    assert scene.hub.files(REPO) == {}
    ended = scene.publish()
    assert (ended.code, ended.text) == (Exit.DONE, "")
    scene.check_published()


# What the Hub cannot do


def test_a_hub_without_xet(scene):
    scene.hub.xet = None
    ended = scene.publish()
    assert ended.code == Exit.NETWORK, ended.text
    assert "HF_HUB_DISABLE_XET=1" in ended.text
    assert scene.hub.files(REPO) == {}
    scene.client.use_xet(False)
    assert scene.publish().code == Exit.DONE
    scene.check_published()


@pytest.mark.parametrize("status", [403, 500])
def test_a_hub_that_gives_no_token_for_xet(scene, status):
    scene.hub.refuse("xet_write", status, times=99)
    ended = scene.publish()
    assert ended.code in (Exit.NETWORK, Exit.POLICY), ended.text
    assert f"{status}" in ended.text
    assert "HF_HUB_DISABLE_XET=1" in ended.text
    assert scene.hub.files(REPO) == {}


def test_a_xet_store_that_cannot_be_reached(scene):
    def lead_nowhere(reply):
        told = {**reply.json, "casUrl": "http://127.0.0.1:9"}
        return replace(reply.telling(told), headers={**reply.headers, "X-Xet-Cas-Url": "http://127.0.0.1:9"})

    scene.hub.change("xet_write", lead_nowhere, times=99)
    ended = scene.publish()
    assert ended.code == Exit.NETWORK, ended.text
    assert "127.0.0.1:9" in ended.text
    assert "HF_HUB_DISABLE_XET=1" in ended.text
    assert scene.hub.files(REPO) == {}


def test_parts_that_the_store_does_not_know(scene):
    scene.client.use_xet(False)
    scene.hub.parts_from, scene.hub.part = 10_000, 4_000
    scene.hub.change("lfs_part", lambda reply: Reply(200, b"", {"ETag": '"of something else"'}), times=99)
    ended = scene.publish()
    assert ended.code == Exit.NETWORK, ended.text
    assert "specified parts" in ended.text
    assert scene.hub.files(REPO) == {}


def test_an_object_that_the_store_loses(scene):
    scene.client.use_xet(False)

    def lose(reply):
        for call in scene.hub.asked_for("lfs_put"):
            scene.hub.blobs.pop(call.name("oid"), None)
        return reply

    scene.hub.change("lfs_put", lose, times=99)
    ended = scene.publish()
    assert ended.code == Exit.NETWORK, ended.text
    assert "404" in ended.text
    assert scene.hub.files(REPO) == {}


def test_large_files_in_parts(scene):
    scene.client.use_xet(False)
    scene.hub.parts_from, scene.hub.part = 10_000, 4_000
    assert scene.publish().code == Exit.DONE
    assert len(scene.hub.asked_for("lfs_part")) > 10
    scene.check_published()


# The Hub does not hold what was sent


def miss(node):
    return None if node["path"] == f"{SHARD}.parquet" else node


def flip_large(node):
    return {**node, "lfs": {**node["lfs"], "oid": "0" * 64}} if node["path"] == f"{SHARD}.parquet" else node


def flip_small(node):
    return {**node, "oid": git_oid(b"other")} if node["path"] == "README.md" else node


def shorten(node):
    return {**node, "size": node["size"] - 1} if node["path"] == "manifest.json" else node


@pytest.mark.parametrize(
    ("change", "told"),
    [(miss, SHARD), (flip_large, SHARD), (flip_small, "README.md"), (shorten, "manifest.json")],
)
def test_a_tree_that_is_not_what_was_sent_gets_no_tag(scene, change, told):
    scene.hub.create(REPO, private=True)
    # The first two trees are of the plan and before the upload.
    scene.hub.change(
        "tree", lambda reply: reply.telling([new for node in reply.json if (new := change(node))]), nth=3, times=99
    )
    ended = scene.publish()
    assert ended.code == Exit.INTEGRITY, ended.text
    assert told in ended.text
    assert scene.hub.tags(REPO) == {}


def test_a_tag_that_names_another_tree_is_left(scene):
    scene.hub.push(REPO, {"README.md": b"older"})
    scene.hub.repositories["datasets", REPO].private = True
    scene.hub.repositories["datasets", REPO].tags["v1"] = scene.hub.commits(REPO)[0].id
    ended = scene.publish(tag="v1")
    assert ended.code == Exit.DATA, ended.text
    assert "v1" in ended.text
    scene.check_nothing_was_sent()
