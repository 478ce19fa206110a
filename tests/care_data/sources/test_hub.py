import json

import pytest

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, hub
from care_data.sources.places import Place
from care_data.sources.session import Session

PIN = "607a104f8f2bdc1db8e9515d325a83c6aa35d4c1"
TREE = f"/api/datasets/o/n/tree/{PIN}"


@pytest.fixture
def hosts(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
    return server


def test_a_file_comes_from_the_endpoint_at_the_revision_without_a_token(hosts, tmp_path):
    hosts.put(f"/datasets/o/n/resolve/{PIN}/data/甲.json", b"[]")
    result = fetch([Want("rows", f"hub:o/n@{PIN}", "data/甲.json", False, {})], tmp_path, token="hf_secret")
    assert [(file.local, file.bytes) for file in result.files] == [(f"hub/o/n@{PIN}/data/甲.json", 2)]
    assert all("authorization" not in headers for _, headers in hosts.log)


def test_the_token_is_for_the_hub_alone(monkeypatch):
    session = Session(token="hf_secret")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    seen = []
    monkeypatch.setattr(hub, "download", lambda session, url, *_, token: seen.append((url, token)))
    hub.bring_file(Place("hub", "pubmed_qa", ""), "a b.json", None, None, session)
    for mirror in ("https://hf-mirror.example", "https://huggingface.co.evil.example", "http://huggingface.co"):
        monkeypatch.setenv("HF_ENDPOINT", mirror)
        hub.bring_file(Place("hub", "o/n", PIN), "x", None, None, session)
    assert seen[0] == ("https://huggingface.co/datasets/pubmed_qa/resolve/main/a%20b.json", "hf_secret")
    assert [token for _, token in seen[1:]] == [None, None, None]


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
    with pytest.raises(CareError, match="only http and https") as caught:
        fetch([Want("rows", f"hub:o/n@{PIN}", "x.json", False, {})], tmp_path)
    assert caught.value.code == Exit.NETWORK
