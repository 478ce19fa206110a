"""A published release brought back by whoever may, from a Hub that is not as it was; and where the token goes."""

import hashlib
import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from hubs.server import STRANGER

from care_data.errors import CareError, Exit
from care_data.publishing.retrieval import bring_release
from care_data.sources.hosts import Hosts
from care_data.store import Store

REPO = "care/demo"
SHARD = "demo_consult_sft/train-00000-of-00001"


# Brought back


@pytest.fixture
def bring(scene, tmp_path):
    """bring(): fetch what is published; the release's folder, or the error."""
    assert scene.publish().code == Exit.DONE
    scene.hub.forget()
    (tag,) = scene.hub.tags(REPO)

    def fetch(tag=tag, **settings):
        hosts = replace(scene.hosts, **settings)
        try:
            return bring_release(f"hub:{REPO}@{tag}", Store(tmp_path / "other"), hosts=hosts)
        except CareError as error:
            assert not list((tmp_path / "other").glob("releases/*/manifest.json"))
            return error

    return fetch


def test_a_release_comes_back_as_it_was_sent(scene, bring):
    brought = bring()
    got = {
        path.relative_to(brought.folder).as_posix(): path.read_bytes()
        for path in brought.folder.rglob("*")
        if path.is_file()
    }
    assert (brought.fresh, got) == (True, scene.tree)
    assert not bring().fresh


@pytest.mark.parametrize(("token", "told"), [("", "401"), (STRANGER, "403")])
def test_a_gated_release(scene, bring, token, told):
    repository = scene.hub.repositories["datasets", REPO]
    repository.private, repository.gated = False, "manual"
    scene.client.log_in(token)
    error = bring()
    assert error.code == Exit.MANUAL, str(error)
    assert told in str(error)


@pytest.mark.parametrize("token", ["", STRANGER])
def test_a_private_release(scene, bring, token):
    scene.client.log_in(token)
    error = bring()
    # To others the Hub says that it is not there.
    assert error.code == (Exit.DATA if token else Exit.MANUAL), str(error)


def test_a_tag_that_is_gone(scene, bring):
    error = bring("v0")
    assert error.code == Exit.DATA, str(error)
    assert "v0" in str(error)


NAMES = ["../x", "/etc/x", "a/../../x", "C:\\x", "a\\..\\x", "a\0b", "~/x", "*.parquet"]


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_that_names_a_path_elsewhere(scene, bring, name, tmp_path):
    (tag,) = scene.hub.tags(REPO)
    told = json.loads(scene.hub.files(REPO)["manifest.json"])
    told["files"][0]["path"] = name
    told.pop("digest", None)
    scene.hub.push(REPO, {"manifest.json": json.dumps(told).encode()})
    scene.hub.repositories["datasets", REPO].tags[tag] = scene.hub.commits(REPO)[0].id
    before = {path for path in tmp_path.rglob("*") if "other" not in path.parts}
    error = bring()
    assert error.code == Exit.INTEGRITY, str(error)
    assert str(error).isprintable()
    assert {path for path in tmp_path.rglob("*") if "other" not in path.parts} == before
    assert not any(quote(name) in call.path for call in scene.hub.asked_for("file"))


@pytest.mark.parametrize("path", [f"{SHARD}.parquet", "README.md"])
def test_a_flipped_byte(scene, bring, path):
    body = scene.hub.files(REPO)[path]
    flipped = body[:100] + bytes([body[100] ^ 1]) + body[101:]
    scene.hub.blobs[hashlib.sha256(body).hexdigest()] = flipped
    error = bring()
    assert error.code == Exit.INTEGRITY, str(error)
    assert path.rpartition("/")[2] in str(error)
    scene.hub.blobs[hashlib.sha256(body).hexdigest()] = body
    assert bring().fresh


def test_a_flipped_byte_of_the_manifest(scene, bring):
    (tag,) = scene.hub.tags(REPO)
    body = scene.hub.files(REPO)["manifest.json"]
    scene.hub.push(REPO, {"manifest.json": body.replace(b'"kept": 139', b'"kept": 138', 1)})
    scene.hub.repositories["datasets", REPO].tags[tag] = scene.hub.commits(REPO)[0].id
    error = bring()
    assert isinstance(error, CareError)
    assert (error.code, error.what) == (Exit.INTEGRITY, "its manifest.json is damaged")


@pytest.mark.parametrize("path", [f"{SHARD}.parquet", "README.md"])
def test_a_file_that_is_another_than_the_manifest_says(scene, bring, path):
    (tag,) = scene.hub.tags(REPO)
    scene.hub.push(REPO, {path: scene.hub.files(REPO)[path][::-1]})
    scene.hub.repositories["datasets", REPO].tags[tag] = scene.hub.commits(REPO)[0].id
    error = bring()
    assert error.code == Exit.INTEGRITY, str(error)
    assert path.rpartition("/")[2] in str(error)


@pytest.mark.parametrize(("path", "code"), [(f"{SHARD}.parquet", Exit.INTEGRITY), ("manifest.json", Exit.DATA)])
def test_a_file_that_is_gone(scene, bring, path, code):
    (tag,) = scene.hub.tags(REPO)
    scene.hub.push(REPO, {path: None})
    scene.hub.repositories["datasets", REPO].tags[tag] = scene.hub.commits(REPO)[0].id
    error = bring()
    assert isinstance(error, CareError)
    assert error.code == code, str(error)
    assert path.rpartition("/")[2] in str(error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"stage": "release"}'], ids=["empty", "list", "cut", "stage"])
def test_a_repository_that_is_no_release(scene, bring, body):
    (tag,) = scene.hub.tags(REPO)
    scene.hub.push(REPO, {"manifest.json": body})
    scene.hub.repositories["datasets", REPO].tags[tag] = scene.hub.commits(REPO)[0].id
    error = bring()
    assert error.code == Exit.DATA, str(error)
    assert "manifest.json" in str(error)


# Another host than the Hub gets no token


@pytest.mark.parametrize("offline", [True, False], ids=["dry run", "publish"])
def test_a_mirror_gets_no_token_with_a_publishing(scene, offline):
    scene.hosts = Hosts(hub=scene.hub.url)
    ended = scene.publish(offline=offline)
    assert ended.code == Exit.POLICY, ended.text
    assert "--send-token" in ended.text
    assert scene.hub.journal == []


def test_a_mirror_gets_no_token_with_a_fetch(scene, bring):
    scene.hub.repositories["datasets", REPO].private = False
    assert bring(send_token=False).fresh
    assert len(scene.hub.asked_for("file")) == len(scene.tree)
    assert not any(call.authorized for call in scene.hub.journal)


def test_the_store_gets_no_token_with_a_fetch(scene, bring):
    assert bring().fresh
    assert len(scene.hub.asked_for("store")) == sum(path.endswith(".parquet") for path in scene.tree)
    assert not any(call.authorized for call in scene.hub.asked_for("store"))
    assert all(call.authorized for call in scene.hub.asked_for("file"))
