import hashlib
import json
import re
from dataclasses import replace

import pytest
from standins.faults import FaultServer, running
from standins.github import blob_id, pointer, publish, stored_at

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch
from care_data.sources.hosts import Hosts
from care_data.sources.limits import Limits

PIN = "fab6250c00000000000000000000000000000000"
TREE = f"/api/repos/o/r/git/trees/{PIN}"
BATCH = "/o/r.git/info/lfs/objects/batch"
BODY = bytes(range(256)) * 900
OID = hashlib.sha256(BODY).hexdigest()
QUICK = Limits(pause=0.01, longest_pause=0.05)


@pytest.fixture
def hosts(server, monkeypatch, tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "config.toml"
    config.write_text(f'[hosts]\ngithub_raw = "{server.url}/raw"\ngithub_api = "{server.url}/api/"\n')
    monkeypatch.setenv("CARE_CONFIG", str(config))
    return server


def want(path: str, checksums=None, optional: bool = False) -> Want:
    return Want("rows", f"github:o/r@{PIN}", path, optional, checksums or {})


def tree(*paths: str, truncated: bool = False, mode: str = "100644") -> bytes:
    nodes = [{"path": path, "type": "blob", "mode": mode, "sha": blob_id(path.encode())} for path in paths]
    nodes += [
        {"path": "data", "type": "tree", "mode": "040000"},
        {"path": "sub.csv", "type": "commit", "mode": "160000"},
    ]
    return json.dumps({"tree": nodes, "truncated": truncated}).encode()


def test_a_file_comes_raw_from_the_pinned_commit(hosts, tmp_path):
    hosts.put(f"/raw/o/r/{PIN}/数据/a 1#?.csv", b"one")
    result = fetch([want("数据/a 1#?.csv")], tmp_path, token="hf_secret")
    assert [(file.local, file.bytes) for file in result.files] == [(f"github/o/r@{PIN}/数据/a 1#?.csv", 3)]
    assert "authorization" not in hosts.log[0][1]


def test_a_star_is_listed_once_and_braces_never(hosts, tmp_path):
    for name in ("a/1.csv", "b/2.csv"):
        hosts.put(f"/raw/o/r/{PIN}/{name}", name.encode())
    hosts.put(TREE, tree("a/1.csv", "b/2.csv", "a/.x.csv", "c/3.txt"))
    assert [file.path for file in fetch([want("{a,b}/*.csv")], tmp_path).files] == ["a/1.csv", "b/2.csv"]
    assert len(hosts.asked(TREE)) == 1
    before = len(hosts.log)
    assert [file.path for file in fetch([want("{a,b}/*.csv")], tmp_path).files] == ["a/1.csv", "b/2.csv"]
    assert len(hosts.log) == before  # the second run asks nobody
    fetch([want("{a/1,b/2}.csv")], tmp_path / "other")
    assert len(hosts.asked(TREE)) == 1


def test_pinned_names_need_no_listing(hosts, tmp_path):
    hosts.put(f"/raw/o/r/{PIN}/a.csv", b"a")
    pins = {"a.csv": {"git": "2e65efe2a145dda7ee51d1741299f848e5bf752e", "bytes": 1}}
    assert [(file.path, file.verified) for file in fetch([want("*.csv", pins)], tmp_path).files] == [("a.csv", True)]
    assert [path for path, _ in hosts.log] == [f"/raw/o/r/{PIN}/a.csv"]


def test_links_are_no_files(hosts, tmp_path):
    hosts.put(TREE, tree("a.csv", mode="120000"))
    with pytest.raises(CareError, match=r"nothing in github/o/r@fab6250c0+ is named '\*.csv'") as caught:
        fetch([want("*.csv")], tmp_path)
    assert caught.value.code == Exit.DATA


def test_a_listing_that_is_cut_is_refused(hosts, tmp_path):
    hosts.put(TREE, tree("a.csv", truncated=True))
    with pytest.raises(CareError, match="more files than GitHub lists at once"):
        fetch([want("*.csv")], tmp_path)


@pytest.mark.parametrize("body", [b"[]", b"{}", b"not json", b'{"truncated": false, "tree": [1]}'])
def test_a_listing_that_is_none_is_refused(hosts, tmp_path, body):
    hosts.put(TREE, body)
    with pytest.raises(CareError) as caught:
        fetch([want("*.csv")], tmp_path)
    assert caught.value.code == Exit.NETWORK


@pytest.mark.parametrize("name", ["../../../evil.csv", "a/../../evil.csv", "/etc/evil.csv", "a\\evil.csv"])
def test_a_name_of_the_listing_does_not_leave(hosts, tmp_path, name):
    hosts.put(TREE, tree(name))
    with pytest.raises(CareError, match="is refused") as caught:
        fetch([want("**" if "\\" in name else "*.csv")], tmp_path / "raw")
    assert caught.value.code == Exit.INTEGRITY
    assert not list(tmp_path.rglob("*evil*"))


def test_a_file_upstream_lacks(hosts, tmp_path):
    hosts.put(f"/raw/o/r/{PIN}/a.csv", b"a")
    with pytest.raises(CareError, match="does not exist") as caught:
        fetch([want("{a,b}.csv")], tmp_path)
    assert caught.value.code == Exit.NETWORK
    result = fetch([want("{a,b}.csv", optional=True)], tmp_path)
    assert (result.missing, result.partial) == ([], ["rows: b.csv"])


def test_a_listing_that_dribbles_is_cut_off(hosts):
    from care_data.sources.session import Limits, Session

    url = hosts.url + TREE
    hosts.put(TREE, tree(*(f"{number}.csv" for number in range(999))), faults=[{"drip": 0.05}] * 2)
    session = Session(limits=Limits(window=0.2, tries=2, pause=0.01))
    with pytest.raises(CareError, match="fewer than 1024 bytes a second"):
        session.read_json(url)
    session.close()


def test_a_place_that_is_no_repository(tmp_path):
    with pytest.raises(CareError, match="OWNER/REPO"):
        fetch([Want("rows", "github:only", "a", False, {})], tmp_path)


def test_a_listing_states_blob_ids(hosts, tmp_path):
    hosts.put(f"/raw/o/r/{PIN}/a.csv", b"a.csv")
    hosts.put(f"/raw/o/r/{PIN}/b.csv", b"b,csv")
    hosts.put(TREE, tree("a.csv", "b.csv"))
    with pytest.raises(CareError, match=f"b.csv is not what was stated: .* stated is {blob_id(b'b.csv')}") as caught:
        fetch([want("*.csv")], tmp_path)
    assert caught.value.code == Exit.INTEGRITY
    hosts.put(f"/raw/o/r/{PIN}/b.csv", b"b.csv")
    assert [(file.stated, file.verified) for file in fetch([want("*.csv")], tmp_path).files] == [(True, False)] * 2
    assert len(hosts.asked(TREE)) == 1  # what it stated is remembered with it


@pytest.fixture
def large(server):
    """A repository with a file in Git LFS; GitHub's hosts for it."""
    publish(server, "o/r", PIN, {"a.bin": BODY}, lfs=("a.bin",))
    return Hosts(github=server.url, github_raw=server.url, github_api=server.url)


def broken(hosts: Hosts, tmp_path, path: str = "a.bin", checksums=None) -> CareError:
    with pytest.raises(CareError) as caught:
        fetch([want(path, checksums)], tmp_path, hosts=hosts, limits=QUICK)
    assert not (tmp_path / f"github/o/r@{PIN}/a.bin").exists()
    assert "\n" not in str(caught.value)
    assert "a.bin" in str(caught.value)
    assert "Signature" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("path", ["a.bin", "*.bin"])
@pytest.mark.parametrize("pin", [{}, {"sha256": OID}, {"git": blob_id(pointer(BODY))}])
def test_a_file_in_lfs_comes_for_its_pointer(server, large, tmp_path, path, pin):
    checksums = {"a.bin": pin} if pin else {}
    for _ in range(2):
        (file,) = fetch([want(path, checksums)], tmp_path, hosts=large, token="hf_secret").files
        assert (file.sha256, file.bytes, file.stated, file.verified) == (OID, len(BODY), True, bool(pin))
    assert (tmp_path / file.local).read_bytes() == BODY
    assert len(server.asked(BATCH)) == 1
    asked = server.asked(BATCH)[0]
    assert asked["accept"] == asked["content-type"] == "application/vnd.git-lfs+json"
    assert server.asked(f"/store/{OID}")[0]["x-store-key"] == "open"
    assert not any("authorization" in headers or "hf_secret" in str(headers) for _, headers in server.log)


def test_the_stores_headers_stay_with_the_store(server, large, tmp_path):
    with running(FaultServer()) as elsewhere:
        elsewhere.put("/there", BODY)
        onward = {"status": 302, "headers": {"Location": f"{elsewhere.url}/there"}}
        server.pages[stored_at(OID)].faults.append(onward)
        fetch([want("a.bin")], tmp_path, hosts=large)
        assert "x-store-key" not in elsewhere.asked("/there")[0]


def test_a_cut_in_lfs_is_resumed_under_another_signature(server, large, tmp_path):
    server.pages[stored_at(OID)].faults += [{"cut": 10_000}] * 5
    assert broken(large, tmp_path).code == Exit.NETWORK
    other = "/store/again?X-Amz-Signature=another"
    server.put(other, BODY, etag=f'"{OID[:32]}"')
    answer = {"objects": [{"oid": OID, "size": len(BODY), "actions": {"download": {"href": server.url + other}}}]}
    server.pages[BATCH].make = lambda content: (200, json.dumps(answer).encode())
    fetch([want("a.bin")], tmp_path, hosts=large)
    assert server.asked("/store/again")[0]["range"] == "bytes=50000-"


def test_a_signature_that_ran_out_is_asked_for_anew(server, large, tmp_path):
    server.pages[stored_at(OID)].faults.append({"status": 403})
    assert fetch([want("a.bin")], tmp_path, hosts=large).files[0].sha256 == OID
    assert len(server.asked(BATCH)) == 2
    server.pages[stored_at(OID)].faults += [{"status": 403}] * 9
    assert broken(large, tmp_path / "other").code == Exit.MANUAL
    assert len(server.asked(BATCH)) == 4


def test_a_flipped_byte_in_lfs_is_refused(server, large, tmp_path):
    server.pages[stored_at(OID)].body = BODY[:-1] + b"!"
    error = broken(large, tmp_path)
    assert error.code == Exit.INTEGRITY
    assert OID in str(error)


@pytest.mark.parametrize("pin", [{"sha256": "0" * 64}, {"git": "0" * 40}, {"git": blob_id(BODY + b"!")}])
def test_a_pointer_to_another_file_is_refused_before_the_file(server, large, tmp_path, pin):
    assert broken(large, tmp_path, checksums={"a.bin": pin}).code == Exit.INTEGRITY
    assert server.asked(BATCH) == []


@pytest.mark.parametrize(
    ("answer", "code", "finding"),
    [
        ({"error": {"code": 404, "message": "gone?X-Amz-Signature=s"}}, Exit.NETWORK, r"gone \(404\)"),
        ({"error": {"code": 403, "message": "private"}}, Exit.MANUAL, "wants a login"),
        ({"error": {"code": 509, "message": "bandwidth"}}, Exit.NETWORK, "bandwidth"),
        ({"actions": {}}, Exit.NETWORK, "does not say where"),
        ({"actions": {"download": {"href": "file:///etc/passwd"}}}, Exit.NETWORK, "points to 'file:'"),
        ({"oid": "0" * 64}, Exit.NETWORK, "does not say where"),
    ],
)
def test_what_the_batch_api_refuses(server, large, tmp_path, answer, code, finding):
    body = json.dumps({"objects": [{"oid": OID, "size": len(BODY), **answer}]}).encode()
    server.pages[BATCH].make = lambda content: (200, body)
    error = broken(large, tmp_path)
    assert error.code == code
    assert re.search(finding, str(error))


@pytest.mark.parametrize(("status", "code"), [(404, 6), (422, 6), (403, 5), (500, 6)])
def test_a_batch_api_that_fails(server, large, tmp_path, status, code):
    server.pages[BATCH].make = lambda content: (status, b'{"message": "no"}')
    assert broken(large, tmp_path).code == code


@pytest.mark.parametrize("oid", ["md5:" + "0" * 32, "sha256:short"])
def test_a_pointer_that_names_no_sha256_is_refused(server, large, tmp_path, oid):
    text = f"version https://git-lfs.github.com/spec/v1\noid {oid}\nsize 9\n"
    server.put(f"/o/r/{PIN}/a.bin", text.encode())
    error = broken(large, tmp_path)
    assert error.code == Exit.INTEGRITY
    assert "names no sha256 and size" in str(error)


@pytest.fixture
def proxied(server, tmp_path):
    """GitHub out of reach, and two proxies before it."""
    dead = "http://127.0.0.1:9"
    proxies = (f"{server.url}/one", f"{server.url}/two")
    for name in ("one", "two"):
        for path in ("a.csv", "b.csv"):
            server.put(f"/{name}/{dead}/o/r/{PIN}/{path}", path.encode())
    return Hosts(github=dead, github_raw=dead, github_api=dead, github_proxies=proxies)


def git(*paths: str) -> dict:
    return {path: {"git": blob_id(path.encode())} for path in paths}


def test_a_proxy_serves_what_is_pinned_while_github_is_out_of_reach(server, proxied, tmp_path):
    result = fetch([want("{a,b}.csv", git("a.csv", "b.csv"))], tmp_path, hosts=proxied, limits=QUICK, token="hf_secret")
    name = proxied.github_proxies[0].removeprefix("http://")
    assert [(file.verified, file.served_by) for file in result.files] == [(True, f"proxy {name}")] * 2
    assert result.notes[0].startswith(f"rows: a.csv came from proxy {name}; 127.0.0.1:9/o/r/{PIN}/a.csv: no connection")
    assert not any("authorization" in headers for _, headers in server.log)


def test_what_is_not_pinned_is_not_taken_from_a_proxy(server, proxied, tmp_path):
    with pytest.raises(CareError, match=r"a\.csv is not pinned, so no proxy is believed") as caught:
        fetch([want("a.csv")], tmp_path, hosts=proxied, limits=QUICK)
    assert caught.value.code == Exit.NETWORK
    assert server.log == []


def test_a_proxy_that_sends_something_else_is_passed_over(server, proxied, tmp_path):
    page = server.pages[f"/one/{proxied.github_raw}/o/r/{PIN}/a.csv"]
    page.body = b"other"
    (file,) = fetch([want("a.csv", git("a.csv"))], tmp_path, hosts=proxied, limits=QUICK).files
    assert (file.verified, file.served_by[-4:]) == (True, "/two")
    server.pages[f"/two/{proxied.github_raw}/o/r/{PIN}/a.csv"].body = b"other"
    with pytest.raises(CareError, match="pinned is " + blob_id(b"a.csv")) as caught:
        fetch([want("a.csv", git("a.csv"))], tmp_path / "other", hosts=proxied, limits=QUICK)
    assert caught.value.code == Exit.INTEGRITY


def test_direct_says_when_github_itself_is_asked(server, proxied, tmp_path):
    first = replace(proxied, github_proxies=(proxied.github_proxies[0], "direct"))
    assert fetch([want("a.csv", git("a.csv"))], tmp_path, hosts=first).notes == [
        f"rows: a.csv came from proxy {first.github_proxies[0].removeprefix('http://')}"
    ]
