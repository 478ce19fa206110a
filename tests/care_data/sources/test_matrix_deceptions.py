"""Hosts that lie or lead astray: redirects, pages in place of data, hostile names, mirrors.

Rows A9, A10, A12 and A13 of the download matrix; what is expected was written down before the code was looked at.
"""

import json
import socket
from dataclasses import replace
from urllib.parse import quote

import pytest
from standins import hub, modelscope
from standins.faults import FaultServer, running
from standins.github import SIGNED, pointer
from standins.scenes import BODY, PATH, PIN, PINNED, TOKEN, want

from care_data.errors import Exit

PAGE = b"<!DOCTYPE html><html><title>Log in</title><p>Please log in to go on.</html>"
PORTAL = b"<html><title>Welcome to our guests' network</title></html>"
QUOTA = b"""<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p></body></html>"""


def refused(scene, code: Exit, *wants, **settings) -> str:
    """The fetch fails with that code, and nothing lies under the file's name."""
    ended = scene.take(*wants, **settings)
    assert (ended.code, scene.final.exists()) == (code, False), ended.text
    return ended.text


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("file:///etc/hostname", "file:"),
        ("ftp://127.0.0.1/x.csv", "ftp:"),
        ("data:text/csv,a%2Cb", "data:"),
        (f"/datasets/o/n/resolve/{PIN}/{PATH}", "redirects"),
        ("/hop/1", "redirects"),
    ],
)
def test_a9_redirects_that_are_not_followed(scene, location, named):
    scene.offer()
    scene.front.headers["Location"] = location
    for hop in range(1, 11):  # with the Hub's own, the tenth of these makes eleven
        onward = {"Location": f"/hop/{hop + 1}" if hop < 10 else scene.store.url + hub.stored_at(BODY)}
        scene.hub.put(f"/hop/{hop}", b"", status=302, headers=onward)
    text = refused(scene, Exit.NETWORK)
    assert named in text
    assert PATH in text


def test_a9_ten_hops_are_followed(scene):
    scene.offer()
    scene.front.headers["Location"] = "/hop/1"
    for hop in range(1, 10):
        onward = {"Location": f"/hop/{hop + 1}" if hop < 9 else scene.store.url + hub.stored_at(BODY)}
        scene.hub.put(f"/hop/{hop}", b"", status=302, headers=onward)
    assert scene.take().code == Exit.DONE
    assert scene.final.read_bytes() == BODY


def test_a9_a_token_does_not_follow_to_another_host(scene):
    scene.offer()
    away = f"http://localhost:{scene.store.server_port}{hub.stored_at(BODY)}?{SIGNED}"
    scene.front.headers["Location"] = away
    assert scene.take().code == Exit.DONE
    assert {headers.get("authorization") for _, headers in scene.hub.log} == {f"Bearer {TOKEN}"}
    assert [headers.get("authorization") for _, headers in scene.store.log] == [None]


def test_a9_a_token_is_not_sent_to_a_mirror_of_the_hub_unasked(scene):
    scene.offer()
    scene.hosts = replace(scene.hosts, send_token=False)
    assert scene.take().code == Exit.DONE
    assert {headers.get("authorization") for _, headers in [*scene.hub.log, *scene.store.log]} == {None}


@pytest.fixture
def public(scene, monkeypatch):
    """The same Hub as a public host, which this machine reaches by a proxy that answers for all others too."""
    monkeypatch.setenv("HTTP_PROXY", scene.hub.url)
    monkeypatch.setenv("NO_PROXY", "")
    scene.offer()
    scene.hub.put("/latest/x.csv", BODY)
    scene.hosts = replace(scene.hosts, hub="http://hub.example.org")
    return scene


LOCAL = ["169.254.169.254", "127.0.0.1", "[::1]", "10.0.0.7", "localhost", "metadata.internal", "2130706433", ""]


@pytest.mark.parametrize("target", LOCAL)
def test_a9_a_public_host_does_not_lead_into_the_local_network(public, target):
    if not target:  # a name like any other, that stands for a local address
        target = socket.gethostname()
        try:
            known = socket.gethostbyname(target).startswith("127.")
        except OSError:
            known = False
        if not known:
            pytest.skip("this machine's name does not stand for loopback")
    public.front.headers["Location"] = f"http://{target}/latest/x.csv"
    assert "local network" in refused(public, Exit.NETWORK)
    assert not public.hub.asked("/latest/x.csv")


@pytest.mark.parametrize(
    ("body", "kind", "named"),
    [
        pytest.param(PAGE, "text/html; charset=utf-8", "web page", id="login"),
        pytest.param(b"\xef\xbb\xbf \n" + PAGE, "application/octet-stream", "web page", id="login-as-data"),
        pytest.param(PORTAL, "text/html", "web page", id="portal"),
        pytest.param(pointer(BODY), "text/plain", "LFS pointer", id="pointer"),
    ],
)
@pytest.mark.parametrize("pin", [None, PINNED], ids=["unpinned", "pinned"])
def test_a10_pages_and_pointers_are_told_by_name(scene, body, kind, named, pin):
    page = scene.offer(sent=body)
    page.kind = kind
    text = refused(scene, Exit.MANUAL, want(pin=pin))
    assert named in text
    assert PATH in text
    assert not list(scene.raw.rglob("*.bad-*"))


def test_a10_a_portal_that_redirects_everything(scene):
    scene.offer()
    with running(FaultServer()) as portal:
        portal.put("/welcome", PORTAL, kind="text/html")
        scene.front.headers["Location"] = f"http://localhost:{portal.server_port}/welcome"
        assert "web page" in refused(scene, Exit.MANUAL)


def test_a10_a_portal_in_place_of_a_listing(scene):
    scene.offer()
    scene.hub.put(f"/api/datasets/o/n/tree/{PIN}", PORTAL, kind="text/html")
    assert "web page" in refused(scene, Exit.MANUAL, want("data/*.csv"))


def test_a10_a_listing_out_of_reach_is_not_made_up_from_what_lies_there(scene):
    scene.offer()
    scene.final.with_name("y.csv").write_bytes(b"of an earlier run")
    scene.hub.put(f"/api/datasets/o/n/tree/{PIN}", b"", status=451)
    assert "451" in refused(scene, Exit.NETWORK, want("data/*.csv"))


def test_a10_drives_quota_page(scene):
    scene.hosts = replace(scene.hosts, drive=scene.hub.url, drive_pages=scene.hub.url)
    scene.hub.put("/download", QUOTA, kind="text/html; charset=utf-8")
    ended = scene.take(want("x.csv", "drive:1aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"))
    assert (ended.code, list(scene.raw.rglob("x.csv"))) == (Exit.MANUAL, [])
    assert "quota" in ended.text.lower()


def files_below(scene) -> list[str]:
    """The names of all files in the raw folder and around it."""
    return sorted(path.name for path in scene.raw.parent.rglob("*") if path.is_file())


NAMES = ["../x", "/etc/x", "C:\\x", "a\\..\\b", "a\0b", "n" * 300, "CON", "\u202egnp.csv", "名字 空格.txt"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a12_a_name_the_host_suggests_is_not_ours(scene, name):
    plain = f' filename="{name}";' if name.isascii() and name.isprintable() else ""
    scene.offer().headers["Content-Disposition"] = f"attachment;{plain} filename*=UTF-8''{quote(name, safe='')}"
    assert scene.take().code == Exit.DONE
    assert scene.final.read_bytes() == BODY
    assert files_below(scene) == ["before.bin", "fetched.json", "x.csv"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a12_a_name_in_a_listing(scene, name):
    hub.publish(scene.hub, "o/n", PIN, {name: BODY})
    ended = scene.take(want("**"))
    if name in NAMES[:6]:
        assert ended.code == Exit.INTEGRITY, ended.text
        assert "refused" in ended.text
        assert set(files_below(scene)) <= {"before.bin", "fetched.json"}
    else:
        assert ended.code == Exit.DONE, ended.text
        assert [file.path for file in ended.result.files] == [name]
        scene.hub.pages[f"/datasets/o/n/resolve/{PIN}/{name}"].status = 451
        (scene.raw / ended.result.files[0].local).unlink()
        assert "\u202e" not in scene.take(want("**")).text


def mirrors_of(scene, *bodies: bytes) -> tuple[str, ...]:
    """Mirrors on ModelScope, each with a file of its own under the same name."""
    scene.hosts = replace(scene.hosts, modelscope=scene.hub.url)
    for number, body in enumerate(bodies):
        modelscope.publish(scene.hub, f"m/{number}", PIN, {PATH: body})
    return tuple(f"modelscope:m/{number}@{PIN}" for number in range(len(bodies)))


def test_a13_a_mirror_with_other_bytes_is_passed_over(scene):
    mirrors = mirrors_of(scene, b"other" * 100, BODY)
    ended = scene.take(want(pin=PINNED, mirrors=mirrors))
    assert ended.code == Exit.DONE, ended.text
    [file] = ended.result.files
    assert file.verified
    assert (scene.raw / file.local).read_bytes() == BODY
    assert file.served_by == f"modelscope:m/1@{PIN}"
    assert "m/0" in "\n".join(ended.result.notes)
    lines = json.loads((scene.raw / "fetched.json").read_text("utf-8"))["files"]
    assert f"modelscope:m/1@{PIN}" in json.dumps(lines[file.local])


def test_a13_where_every_mirror_has_other_bytes_nothing_is_taken(scene):
    mirrors = mirrors_of(scene, b"other" * 100, BODY[:-1])
    text = refused(scene, Exit.INTEGRITY, want(pin=PINNED, mirrors=mirrors))
    assert PINNED["sha256"] in text
    assert not [path for path in scene.raw.rglob("x.csv") if path.is_file()]


def test_a13_an_unreachable_origin_is_replaced_by_its_mirror(scene):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        scene.hosts = replace(scene.hosts, hub=f"http://127.0.0.1:{closed.getsockname()[1]}")
        mirrors = mirrors_of(scene, BODY)
        ended = scene.take(want(pin=PINNED, mirrors=mirrors))
    assert ended.code == Exit.DONE, ended.text
    assert ended.result.files[0].verified
