import pytest

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, github

PIN = "fab6250c00000000000000000000000000000000"
TREE = f"/api/repos/o/r/git/trees/{PIN}"


@pytest.fixture
def hosts(server, monkeypatch):
    monkeypatch.setattr(github, "RAW", server.url + "/raw")
    monkeypatch.setattr(github, "API", server.url + "/api")
    return server


def want(path: str, checksums=None, optional: bool = False) -> Want:
    return Want("rows", f"github:o/r@{PIN}", path, optional, checksums or {})


def tree(*paths: str, truncated: bool = False, mode: str = "100644") -> bytes:
    import json

    nodes = [{"path": path, "type": "blob", "mode": mode, "sha": "0" * 40} for path in paths]
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
    with pytest.raises(CareError, match=r"is refused|is named"):
        fetch([want("**/*evil.csv")], tmp_path / "raw")
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
