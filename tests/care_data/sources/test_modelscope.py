import hashlib
import json

import pytest
from standins.modelscope import file_at, publish

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch
from care_data.sources.hosts import Hosts

REVISION = "v1.0"
SOURCE = f"modelscope:o/n@{REVISION}"
TREE = "/api/v1/datasets/o/n/repo/tree"


def want(path: str, checksums=None, source: str = SOURCE) -> Want:
    return Want("rows", source, path, False, checksums or {})


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def hosts(server):
    return Hosts(modelscope=server.url)


def list_as(server, nodes: list[dict], **rest) -> None:
    """Put a tree of one page, made of these lines."""
    body = {"Code": 200, "Data": {"Files": nodes, "TotalCount": len(nodes)}, "Success": True, **rest}
    server.put(TREE, json.dumps(body).encode(), kind="application/json")


def refused(hosts, tmp_path, path: str = "a.json") -> CareError:
    with pytest.raises(CareError) as caught:
        fetch([want(path)], tmp_path, hosts=hosts)
    assert not list(tmp_path.rglob("*.json"))
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_file_is_held_to_the_tree(server, hosts, tmp_path):
    publish(server, "o/n", REVISION, {"数据/a b.json": b"[]"})
    (file,) = fetch([want("数据/a b.json")], tmp_path, hosts=hosts, token="hf_secret").files
    assert (file.local, file.sha256) == (f"modelscope/o/n@{REVISION}/数据/a b.json", sha(b"[]"))
    assert (file.stated, file.verified, file.served_by) == (True, False, "")
    assert not any("authorization" in headers for _, headers in server.log)


def test_a_star_reads_all_pages_once(server, hosts, tmp_path):
    files = {f"data/{number}.json": str(number).encode() for number in range(7)} | {"README.md": b"#"}
    publish(server, "o/n", REVISION, files, page=3)
    found = fetch([want("data/*.json")], tmp_path, hosts=hosts).files
    assert [file.path for file in found] == [f"data/{number}.json" for number in range(7)]
    assert len(server.asked(TREE)) == 3  # 8 files and a folder


def test_a_host_that_repeats_its_page_is_done(server, hosts, tmp_path):
    nodes = [{"Path": "a.json", "Type": "blob", "Size": 2, "Sha256": sha(b"[]")}]
    server.put(TREE, json.dumps({"Code": 200, "Data": {"Files": nodes}}).encode(), kind="application/json")
    server.put(file_at("o/n", REVISION, "a.json"), b"[]")
    assert fetch([want("*.json")], tmp_path, hosts=hosts).files[0].bytes == 2
    assert len(server.asked(TREE)) == 2


@pytest.mark.parametrize("path", ["a.json", "*.json"])
def test_a_flipped_byte_is_refused(server, hosts, tmp_path, path):
    publish(server, "o/n", REVISION, {"a.json": b"[1]"})
    server.put(file_at("o/n", REVISION, "a.json"), b"[2]")
    error = refused(hosts, tmp_path, path)
    assert error.code == Exit.INTEGRITY
    assert str(error).startswith("rows/a.json: 127.0.0.1:")
    assert sha(b"[1]") in str(error)
    assert sha(b"[2]") in str(error)


@pytest.mark.parametrize("lack", [{"Sha256": ""}, {"Sha256": None}, {"Sha256": "abc"}, {"Size": None}, {"Size": -1}])
def test_without_size_and_sha256_nothing_is_taken(server, hosts, tmp_path, lack):
    list_as(server, [{"Path": "a.json", "Type": "blob", "Size": 2, "Sha256": sha(b"[]"), **lack}])
    server.put(file_at("o/n", REVISION, "a.json"), b"[]")
    error = refused(hosts, tmp_path)
    assert error.code == Exit.INTEGRITY
    assert "does not state size and sha256 of 'a.json'" in str(error)
    assert len(server.log) == 1


def test_what_the_tree_lacks_is_absent(server, hosts, tmp_path):
    publish(server, "o/n", REVISION, {"b.json": b"[]"})
    assert "has no 'a.json'" in str(refused(hosts, tmp_path))


def test_a_refusal_with_status_200_is_one(server, hosts, tmp_path):
    list_as(server, [], Code=404, Success=False, Message="data set not found")
    error = refused(hosts, tmp_path)
    assert error.code == Exit.NETWORK
    assert "answers: data set not found (404)" in str(error)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"Data": {"Files": [1]}}', b"not json"])
def test_a_tree_that_is_none_is_refused(server, hosts, tmp_path, body):
    server.put(TREE, body, kind="application/json")
    assert refused(hosts, tmp_path).code == Exit.NETWORK


@pytest.mark.parametrize("name", ["../../evil.json", "/etc/evil.json", "a\\evil.json"])
def test_a_name_of_the_tree_does_not_leave(server, hosts, tmp_path, name):
    list_as(server, [{"Path": name, "Type": "blob", "Size": 2, "Sha256": sha(b"[]")}])
    assert refused(hosts, tmp_path, "**").code == Exit.INTEGRITY
