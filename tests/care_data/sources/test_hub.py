import hashlib
import json

import pytest
from standins.faults import FaultServer, running
from standins.github import blob_id
from standins.hub import publish, stored_at

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, hub
from care_data.sources.hosts import Hosts
from care_data.sources.limits import Limits
from care_data.sources.session import Session

PIN = "607a104f8f2bdc1db8e9515d325a83c6aa35d4c1"
TREE = f"/api/datasets/o/n/tree/{PIN}"
QUICK = Limits(pause=0.01, longest_pause=0.05)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def want(path: str, checksums=None) -> Want:
    return Want("rows", f"hub:o/n@{PIN}", path, False, checksums or {})


@pytest.fixture
def hosts(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
    return server


def test_a_file_comes_from_the_endpoint_at_the_revision_without_a_token(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/data/甲.json", b"[]")
    result = fetch([Want("rows", f"hub:o/n@{PIN}", "data/甲.json", False, {})], tmp_path, token="hf_secret")
    assert [(file.local, file.bytes) for file in result.files] == [(f"hub/o/n@{PIN}/data/甲.json", 2)]
    assert all("authorization" not in headers for _, headers in hosts.log)


def test_the_token_is_for_the_hub_alone():
    assert hub.choose_token(Session(token="hf_secret")) == "hf_secret"
    for mirror in ("https://hf-mirror.example", "https://huggingface.co.evil.example", "http://huggingface.co"):
        assert hub.choose_token(Session(token="hf_secret", hosts=Hosts(hub=mirror))) is None
        assert hub.choose_token(Session(token="hf_secret", hosts=Hosts(hub=mirror, send_token=True))) == "hf_secret"


def test_a_mirror_gets_the_token_only_when_told_so(server, tmp_path):
    publish(server, "o/n", PIN, {"a.json": b"[]"})
    fetch([want("*.json")], tmp_path / "one", token="hf_secret", hosts=Hosts(hub=server.url))
    assert not any("authorization" in headers for _, headers in server.log)
    fetch([want("*.json")], tmp_path / "two", token="hf_secret", hosts=Hosts(hub=server.url, send_token=True))
    assert [headers.get("authorization") for _, headers in server.log[2:]] == ["Bearer hf_secret"] * 2


def test_the_token_does_not_reach_the_store(server, tmp_path):
    with running(FaultServer()) as store:
        publish(server, "o/n", PIN, {"a.bin": b"large"}, lfs=("a.bin",), store=store)
        fetch([want("a.bin")], tmp_path, token="hf_secret", hosts=Hosts(hub=server.url, send_token=True))
        assert server.log[0][1]["authorization"] == "Bearer hf_secret"
        assert [path for path, _ in store.log] == [stored_at(b"large")]
        assert "authorization" not in store.log[0][1]


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("path", ["a.bin", "*.bin"])
def test_a_flipped_byte_is_refused_though_nothing_is_pinned(hosts, tmp_path, large, path):
    body = bytes(range(256)) * 9
    publish(hosts, "o/n", PIN, {"a.bin": body}, lfs=("a.bin",) if large else ())
    flipped = body[:700] + b"!" + body[701:]
    hosts.pages[stored_at(body) if large else f"/datasets/o/n/resolve/{PIN}/a.bin"].body = flipped
    with pytest.raises(CareError, match=r"a\.bin is not what was stated") as caught:
        fetch([want(path)], tmp_path)
    assert caught.value.code == Exit.INTEGRITY
    check = sha if large else blob_id
    assert check(flipped) in str(caught.value)
    assert check(body) in str(caught.value)
    assert not (tmp_path / f"hub/o/n@{PIN}/a.bin").exists()
    assert (tmp_path / f"hub/o/n@{PIN}/a.bin.bad-{sha(flipped)[:8]}").read_bytes() == flipped


@pytest.mark.parametrize("large", [True, False])
def test_a_statement_that_holds_is_noted_and_is_no_pin(hosts, tmp_path, large):
    publish(hosts, "o/n", PIN, {"a.bin": b"body"}, lfs=("a.bin",) if large else ())
    for _ in range(2):  # the second time from fetched.json
        (file,) = fetch([want("a.bin")], tmp_path).files
        assert (file.stated, file.verified) == (True, False)
    assert len(hosts.asked(f"/datasets/o/n/resolve/{PIN}/a.bin")) == 1


def test_a_listing_states_what_the_headers_do_not(hosts, tmp_path):
    publish(hosts, "o/n", PIN, {"a.bin": b"body"})
    hosts.put(f"/datasets/o/n/resolve/{PIN}/a.bin", b"b0dy")
    with pytest.raises(CareError, match="stated is " + blob_id(b"body")):
        fetch([want("*.bin")], tmp_path)


def test_a_listing_read_before_still_states(hosts, tmp_path):
    publish(hosts, "o/n", PIN, {"a.bin": b"body"})
    hosts.pages[f"/datasets/o/n/resolve/{PIN}/a.bin"].faults += [{"status": 403}]
    with pytest.raises(CareError, match="closed to us"):
        fetch([want("*.bin")], tmp_path)
    hosts.put(f"/datasets/o/n/resolve/{PIN}/a.bin", b"b0dy")
    with pytest.raises(CareError, match="stated is " + blob_id(b"body")):
        fetch([want("*.bin")], tmp_path)
    assert len(hosts.asked(TREE)) == 1


def test_a_pin_goes_before_a_statement(hosts, tmp_path):
    publish(hosts, "o/n", PIN, {"a.bin": b"body"})
    hosts.pages[f"/datasets/o/n/resolve/{PIN}/a.bin"].body = b"pinned"
    (file,) = fetch([want("a.bin", {"a.bin": {"sha256": sha(b"pinned")}})], tmp_path).files
    assert (file.verified, file.stated) == (True, False)


def test_no_length_is_made_up_for_by_a_statement(hosts, tmp_path):
    body = b"rows" * 500
    publish(hosts, "o/n", PIN, {"a.bin": body}, lfs=("a.bin",))
    hosts.pages[stored_at(body)].faults += [{"no_length": True, "cut": 900}, {"no_length": True}]
    assert fetch([want("a.bin")], tmp_path, limits=QUICK).files[0].sha256 == sha(body)
    assert len(hosts.asked(stored_at(body))) == 2
    assert not list(tmp_path.rglob("*.bad-*"))


def test_another_commit_is_refused(hosts, tmp_path):
    publish(hosts, "o/n", PIN, {"a.bin": b"body"})
    hosts.pages[f"/datasets/o/n/resolve/{PIN}/a.bin"].headers["X-Repo-Commit"] = "0" * 40
    with pytest.raises(CareError, match="answers with commit 0000") as caught:
        fetch([want("a.bin")], tmp_path)
    assert caught.value.code == Exit.INTEGRITY


def test_a_star_reads_all_pages_of_the_listing(hosts, tmp_path):
    names = ["data/a.json", "data/b.json", "README.md"]
    pages = [
        [{"type": "file", "path": name, "size": 1} for name in names[:1]] + [{"type": "directory", "path": "data"}]
    ]
    pages += [[{"type": "file", "path": name, "size": 1} for name in names[1:]]]
    link = {"Link": f'<{hosts.url}/page2>; rel="next"'}
    hosts.put(TREE, json.dumps(pages[0]).encode(), headers=link)
    hosts.put("/page2", json.dumps(pages[1]).encode())
    for name in names:
        hosts.put(f"/datasets/o/n/resolve/{PIN}/{name}", b"[]")
    result = fetch([Want("rows", f"hub:o/n@{PIN}", "data/*.json", False, {})], tmp_path)
    assert [file.path for file in result.files] == ["data/a.json", "data/b.json"]


def test_a_listing_that_leads_elsewhere_is_refused(hosts, tmp_path):
    hosts.put(TREE, b"[]", headers={"Link": '<http://192.0.2.1/page2>; rel="next"'})
    with pytest.raises(CareError, match="another host") as caught:
        fetch([Want("rows", f"hub:o/n@{PIN}", "*.json", False, {})], tmp_path)
    assert caught.value.code == Exit.NETWORK


def test_a_gated_set_says_what_to_do(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/x.json", b"", faults=[{"status": 401}])
    with pytest.raises(CareError, match="accept its terms") as caught:
        fetch([Want("rows", f"hub:o/n@{PIN}", "x.json", False, {})], tmp_path)
    assert caught.value.code == Exit.MANUAL


def test_an_endpoint_that_is_no_address_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.example")
    with pytest.raises(CareError, match=r"HF_ENDPOINT: 'hf-mirror.example' is not an http") as caught:
        fetch([Want("rows", f"hub:o/n@{PIN}", "x.json", False, {})], tmp_path)
    assert caught.value.code == Exit.USAGE
