"""The stand-in answers the real client as the Hub does: what was sent comes back, what is wrong is refused."""

import hashlib
import json
from pathlib import Path

import pytest
from hubs.calls import Reply
from hubs.server import EXPIRED, READER, STRANGER, WRITER

huggingface_hub = pytest.importorskip("huggingface_hub")
pytest.importorskip("hf_xet")
from huggingface_hub.errors import (  # noqa: E402
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

NAME = "care/questions"
BODY = bytes(range(256)) * 1200  # 307,200 bytes
FILES = {
    "README.md": "# 试题\n".encode(),
    "qa/train-00000-of-00001.parquet": BODY,
    "qa/empty.txt": b"",
    "a/b.txt": b"x",
}
WAYS = pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    """The files in a folder."""
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


@pytest.fixture
def api(hub_client):
    hub_client.api.create_repo(NAME, repo_type="dataset", private=True)
    return hub_client.api


@pytest.fixture
def send(api, tmp_path):
    """send(files, …): upload them as a folder."""

    def upload(files=FILES, **settings):
        folder = lay(tmp_path / f"folder-{len(list(tmp_path.iterdir()))}", files)
        return api.upload_folder(repo_id=NAME, repo_type="dataset", folder_path=folder, **settings)

    return upload


def status_of(caught) -> int:
    return caught.value.response.status_code


def test_a_repository_is_made_once(hub, api):
    address = f"{hub.url}/datasets/{NAME}"
    assert str(api.create_repo(NAME, repo_type="dataset", exist_ok=True)) == address
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_repo(NAME, repo_type="dataset")
    assert status_of(caught) == 409
    info = api.dataset_info(NAME)
    assert (info.private, info.sha, len(hub.commits(NAME))) == (True, hub.commits(NAME)[0].id, 1)
    assert [call.status for call in hub.asked_for("create")] == [200, 409, 409]
    assert hub.files(NAME) == {}


@WAYS
def test_a_folder_that_was_sent_is_there_and_comes_back(hub, hub_client, send, tmp_path, xet):
    hub_client.use_xet(xet)
    commit = send(commit_message="甲")
    assert hub.files(NAME) == dict(sorted(FILES.items()))
    assert [(each.id, each.title) for each in hub.commits(NAME)][:1] == [(commit.oid, "甲")]
    stored = hub.repositories["datasets", NAME].find("main").files["qa/train-00000-of-00001.parquet"]
    assert (stored.large, bool(stored.xet)) == (True, xet)
    assert len(hub.asked_for("lfs_put")) == (0 if xet else 1)
    assert len(hub.asked_for("xet_write")) == (1 if xet else 0)
    hub.forget()
    folder = Path(hub_client.api.snapshot_download(NAME, repo_type="dataset", local_dir=tmp_path / "back"))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert len(hub.asked_for("xet_read")) == (1 if xet else 0)
    assert len(hub.asked_for("store")) == (0 if xet else 1)


@WAYS
def test_a_process_of_its_own_sends_and_another_takes_the_other_way(hub, hub_client, api, tmp_path, xet):
    hub_client.use_xet(xet)
    program = """if True:
        import sys, huggingface_hub as h
        body = bytes(range(256)) * 1200
        h.upload_file(path_or_fileobj=body, path_in_repo="a.bin", repo_id=sys.argv[1], repo_type="dataset")
    """
    hub_client.run(program, NAME)
    assert hub.files(NAME) == {"a.bin": BODY}
    hub_client.use_xet(not xet)
    path = hub_client.api.hf_hub_download(NAME, "a.bin", repo_type="dataset")
    assert Path(path).read_bytes() == BODY
    assert Path(path).is_relative_to(tmp_path)


@WAYS
def test_nothing_is_sent_twice(hub, hub_client, send, xet):
    hub_client.use_xet(xet)
    send()
    blocks = hub.xet.blocks()
    hub.forget()
    send()
    assert len(hub.commits(NAME)) == 2
    send({**FILES, "more.bin": BODY, "a/b.txt": b"y"})
    assert len(hub.commits(NAME)) == 3
    assert hub.asked_for("lfs_put", "lfs_part") == []
    assert (hub.xet.blocks(), bool(blocks)) == (blocks, xet)
    assert hub.files(NAME)["more.bin"] == BODY


def test_a_large_file_is_sent_in_parts_and_the_hub_checks_each(hub, hub_client, send):
    hub_client.use_xet(False)
    hub.parts_from = 1000
    send()
    assert hub.files(NAME) == dict(sorted(FILES.items()))
    assert sorted(call.name("number") for call in hub.asked_for("lfs_part")) == ["1", "2", "3", "4"]
    assert not any(call.authorized for call in hub.asked_for("lfs_part", "lfs_complete"))
    assert [call.authorized for call in hub.asked_for("lfs_verify")] == [True]
    hub.change("lfs_part", lambda reply: Reply(200, b"", {"ETag": '"of something else"'}))
    with pytest.raises(RuntimeError, match=r"other\.bin") as caught:
        send({"other.bin": BODY[::-1]})
    assert "specified parts" in str(caught.value.__cause__)
    assert "other.bin" not in hub.files(NAME)


def test_a_commit_upon_another_head_is_refused(hub, api, send):
    head = api.dataset_info(NAME).sha
    hub.push(NAME, {"theirs.txt": b"1"})
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as caught:
        send(parent_commit=head)
    assert status_of(caught) == 412
    assert hub.files(NAME) == {"theirs.txt": b"1"}
    send(parent_commit=hub.commits(NAME)[0].id)
    assert [each.title for each in hub.commits(NAME)][1:] == ["by someone else", "initial commit"]


def test_files_are_deleted_by_pattern(hub, send):
    send()
    send({"qa/train-00000-of-00002.parquet": b"PAR1"}, delete_patterns=["*.parquet"])
    assert set(hub.files(NAME)) == {*FILES, "qa/train-00000-of-00002.parquet"} - {"qa/train-00000-of-00001.parquet"}
    assert set(hub.files(NAME, hub.commits(NAME)[1].id)) == set(FILES)


def test_a_tag_names_a_commit_once(hub, hub_client, api, send):
    hub.push(NAME, {"a.txt": b"old"})
    api.create_tag(NAME, repo_type="dataset", tag="v1")
    hub.push(NAME, {"a.txt": b"new"})
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_tag(NAME, repo_type="dataset", tag="v1")
    assert status_of(caught) == 409
    assert hub.tags(NAME) == {"v1": hub.commits(NAME)[1].id}
    for revision, body in (("v1", b"old"), ("main", b"new"), (hub.commits(NAME)[1].id, b"old")):
        path = api.hf_hub_download(NAME, "a.txt", repo_type="dataset", revision=revision)
        assert Path(path).read_bytes() == body
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(NAME, "a.txt", repo_type="dataset", revision="v2")
    refs = api.list_repo_refs(NAME, repo_type="dataset")
    assert [(tag.name, tag.target_commit) for tag in refs.tags] == list(hub.tags(NAME).items())
    api.delete_tag(NAME, repo_type="dataset", tag="v1")
    api.create_branch(NAME, repo_type="dataset", branch="next")
    assert (hub.tags(NAME), hub.files(NAME, "next")) == ({}, {"a.txt": b"new"})


def test_a_tree_is_listed_over_several_pages(hub, api, send):
    send()
    hub.page = 2
    nodes = list(api.list_repo_tree(NAME, repo_type="dataset", recursive=True))
    listed = {node.path: node for node in nodes}
    assert sorted(node.path for node in nodes) == sorted([*FILES, ".gitattributes", "a", "qa"])
    assert [call.query.get("cursor") for call in hub.asked_for("tree")][-4:] == [None, "2", "4", "6"]
    large = listed["qa/train-00000-of-00001.parquet"]
    assert (large.size, large.lfs.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    small = listed["a/b.txt"]
    assert (small.size, small.blob_id, small.lfs) == (1, hashlib.sha1(b"blob 1\0x").hexdigest(), None)  # noqa: S324
    below = api.list_repo_tree(NAME, repo_type="dataset", path_in_repo="qa")
    assert sorted(node.path for node in below) == ["qa/empty.txt", "qa/train-00000-of-00001.parquet"]
    (told,) = api.get_paths_info(NAME, ["a/b.txt", "none"], repo_type="dataset")
    assert told.path == "a/b.txt"


def test_a_private_repository_is_there_for_its_owners(hub, hub_client, api):
    hub_client.log_in(READER)
    assert api.dataset_info(NAME).private
    for token, status in ((STRANGER, 404), ("", 401)):
        hub_client.log_in(token)
        with pytest.raises(RepositoryNotFoundError) as caught:
            api.dataset_info(NAME)
        assert status_of(caught) == status
    hub_client.log_in(WRITER)
    api.update_repo_settings(NAME, repo_type="dataset", visibility="public")
    hub_client.log_in("")
    assert not api.dataset_info(NAME).private
    assert not hub.asked_for("info")[-1].authorized


def test_a_gated_repository_lets_in_its_owners(hub, hub_client, api):
    hub.push(NAME, {"a.txt": b"1"})
    api.update_repo_settings(NAME, repo_type="dataset", gated="manual", visibility="public")
    for token, status in ((STRANGER, 403), ("", 401)):
        hub_client.log_in(token)
        with pytest.raises(GatedRepoError) as caught:
            api.hf_hub_download(NAME, "a.txt", repo_type="dataset")
        assert status_of(caught) == status


@pytest.mark.parametrize(
    ("token", "status"), [(EXPIRED, 401), ("hf_unknown", 401), ("", 401), (READER, 403), (STRANGER, 403)]
)
def test_who_may_not_write_is_told_so(hub, hub_client, token, status):
    hub.create(NAME)
    hub_client.log_in(token)
    body = {"path_or_fileobj": b"1", "path_in_repo": "a.txt", "repo_id": NAME, "repo_type": "dataset"}
    for call in (lambda: hub_client.api.create_repo("care/new"), lambda: hub_client.api.upload_file(**body)):
        with pytest.raises(HfHubHTTPError) as caught:
            call()
        assert status_of(caught) == status
    assert (hub.files(NAME), list(hub.repositories)) == ({}, [("datasets", NAME)])


def test_a_token_says_who_it_is(hub_client):
    told = hub_client.api.whoami()
    assert (told["name"], [group["name"] for group in told["orgs"]]) == ("tester", ["care"])
    hub_client.log_in(READER)
    assert hub_client.api.whoami(cache=False)["auth"]["accessToken"]["role"] == "read"


def test_the_token_does_not_reach_the_store(hub, hub_client, api, send):
    hub_client.use_xet(False)
    send()
    api.hf_hub_download(NAME, "qa/train-00000-of-00001.parquet", repo_type="dataset")
    assert [call.authorized for call in hub.asked_for("lfs_put", "store")] == [False, False]
    assert all(call.token == WRITER for call in hub.asked_for("create", "commit", "lfs_batch", "file", "head"))


def test_a_commit_whose_answer_was_lost_is_made_again(hub, hub_client, send):
    hub.drop("commit", after=True)
    send()
    assert [call.status for call in hub.asked_for("commit")] == [0, 200]
    assert len(hub.commits(NAME)) == 3  # as the Hub has it: the second is empty
    assert hub_client.waits == [1]


def test_faults_come_when_they_are_planned(hub, hub_client, send):
    hub.refuse("preupload", 503, times=2, Retry_After="0")
    hub.drop("commit", nth=2)
    hub.delay("commit", 0.01)
    send({"a.txt": b"1"})
    assert [call.status for call in hub.asked_for("preupload")] == [503, 503, 200]
    assert [call.status for call in hub.asked_for("commit")] == [200]
    send({"a.txt": b"2"})
    assert [call.status for call in hub.asked_for("commit")] == [200, 0, 200]
    assert len(hub.commits(NAME)) == 3  # the call that was dropped had done nothing


def test_a_client_is_killed_in_the_middle_of_a_call(hub, hub_client, api):
    program = """if True:
        import sys, huggingface_hub as h
        h.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=sys.argv[1], repo_type="dataset")
    """
    process = hub_client.start(program, NAME)
    hub.act("commit", process.kill, after=True)
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert hub.files(NAME) == {"a.txt": b"1"}
    assert hub.asked_for("commit")[0].status == 0


def test_a_reply_is_changed_on_its_way(hub, hub_client, api):
    hub.push(NAME, {"a.txt": b"1"})
    hub.change("tree", lambda reply: reply.telling([{**node, "size": 7} for node in reply.json]))
    assert {node.size for node in api.list_repo_tree(NAME, repo_type="dataset")} == {7}


def test_a_hub_without_xet_says_so(hub, hub_client, api, send):
    hub.xet = None
    with pytest.raises(Exception, match=r"404.*xet-write-token"):
        send()
    hub_client.use_xet(False)
    send()
    assert hub.files(NAME) == dict(sorted(FILES.items()))


def test_bytes_that_were_never_sent_make_no_commit(hub, api):
    line = {"key": "lfsFile", "value": {"path": "a.bin", "algo": "sha256", "oid": "0" * 64, "size": 1}}
    lines = [{"key": "header", "value": {"summary": "s"}}, line]
    body = "\n".join(map(json.dumps, lines)).encode()
    session = huggingface_hub.get_session()
    headers = {"Authorization": f"Bearer {WRITER}", "Content-Type": "application/x-ndjson"}
    reply = session.post(f"{hub.url}/api/datasets/{NAME}/commit/main", content=body, headers=headers)
    assert (reply.status_code, len(hub.commits(NAME))) == (400, 1)


@WAYS
def test_datasets_loads_from_it(hub, hub_client, api, tmp_path, xet):
    pytest.importorskip("datasets")
    import pyarrow as pa
    import pyarrow.parquet as pq

    hub_client.use_xet(xet)
    folder = tmp_path / "tree"
    (folder / "data").mkdir(parents=True)
    table = pa.table({"question": ["头痛怎么办？", "几天能好？"], "answer": ["多休息。", "三天。"]})
    pq.write_table(table, folder / "data/train-00000-of-00001.parquet")
    api.upload_folder(repo_id=NAME, repo_type="dataset", folder_path=folder)
    program = """if True:
        import sys, json, datasets
        print(json.dumps(datasets.load_dataset(sys.argv[1], split="train").to_list()))
    """
    assert json.loads(hub_client.run(program, NAME)) == table.to_pylist()
