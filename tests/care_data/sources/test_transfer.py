import gzip
import hashlib
import os
import re
import threading
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from care_data.errors import CareError, Exit
from care_data.sources import partials
from care_data.sources.addresses import leads_home
from care_data.sources.checksums import Pin, Received
from care_data.sources.limits import Limits
from care_data.sources.partials import hold
from care_data.sources.replies import Absent, parse_url, redirect
from care_data.sources.session import AT_ONCE, Session
from care_data.sources.transfer import download

BODY = bytes(range(256)) * 1200  # 307,200 bytes
SHA = hashlib.sha256(BODY).hexdigest()
GIT = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY, usedforsecurity=False).hexdigest()
QUICK = Limits(pause=0.01, longest_pause=0.05)


def take(raw: Path, url: str, pin: Pin | None = None, **settings) -> Received:
    """Download into <raw>/x and give it its name, as fetch does."""
    session = Session(limits=settings.pop("limits", QUICK), progress=settings.pop("progress", None))
    raw.mkdir(exist_ok=True)
    try:
        with hold(raw, "x") as part:
            file = download(session, url, settings.pop("path", "x.csv"), part, pin or Pin(), **settings)
            part.keep(raw / "x")
    finally:
        session.close()
    return file


def fail(raw: Path, url: str, pin: Pin | None = None, **settings) -> CareError:
    with pytest.raises(CareError) as caught:
        take(raw, url, pin, **settings)
    assert not (raw / "x").exists()
    assert "\n" not in str(caught.value)
    return caught.value


def left(raw: Path) -> int:
    """Bytes that wait for the next run."""
    return sum(path.stat().st_size for path in (raw / partials.FOLDER).glob("*.part"))


def test_a_whole_file(server, tmp_path):
    seen = []
    url = server.put("/a", BODY)
    file = take(tmp_path, url, Pin(SHA, GIT, len(BODY)), progress=lambda *step: seen.append(step))
    assert file == Received(len(BODY), SHA, GIT)
    assert (tmp_path / "x").read_bytes() == BODY
    assert seen[-1] == ("x.csv", len(BODY), len(BODY))
    assert os.listdir(tmp_path / partials.FOLDER) == []
    assert server.log[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("cut", [0, 1, 511, len(BODY) // 2, len(BODY) - 1])
def test_a_cut_is_resumed(server, tmp_path, cut):
    url = server.put("/a", BODY, faults=[{"cut": cut}])
    assert take(tmp_path, url, Pin(SHA)).sha256 == SHA
    assert (tmp_path / "x").read_bytes() == BODY
    again = server.asked("/a")[1]
    assert again.get("range") == (f"bytes={cut}-" if cut else None)
    assert again.get("if-range") == ('"one"' if cut else None)
    assert server.sent == len(BODY)


def test_cut_every_time_keeps_what_is_there_for_the_next_run(server, tmp_path):
    url = server.put("/a", BODY, faults=[{"cut": 1000}] * 5)
    error = fail(tmp_path, url)
    assert error.code == Exit.NETWORK
    assert "5000 bytes are kept" in str(error)
    assert "Run again" in error.fix
    assert left(tmp_path) == 5000
    assert len(server.log) == 5
    take(tmp_path, url)
    assert server.log[-1][1]["range"] == "bytes=5000-"
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.parametrize(
    ("fault", "ranges"),
    [
        ({"ignore_range": True}, [None, "bytes=1000-"]),
        ({"etag": '"two"'}, [None, "bytes=1000-"]),
        ({"shift": 10}, [None, "bytes=1000-", None]),
        ({"status": 416}, [None, "bytes=1000-", None]),
        ({"status": 206, "body": BODY[1000:], "headers": {"Content-Range": f"bytes 1000-{len(BODY)}/9999999"}}, None),
    ],
)
def test_nothing_is_spliced(server, tmp_path, fault, ranges):
    url = server.put("/a", BODY, faults=[{"cut": 1000}, fault])
    take(tmp_path, url)  # not pinned: no checksum can come to the rescue
    assert (tmp_path / "x").read_bytes() == BODY
    if ranges:
        assert [headers.get("range") for headers in server.asked("/a")] == ranges


def test_another_file_under_a_new_etag_is_not_joined_to_the_old_one(server, tmp_path):
    url = server.put("/a", BODY, faults=[{"cut": 1000}])
    server.pages["/a"].faults.append({"etag": '"two"', "body": b"new" * 1000})
    take(tmp_path, url)
    assert (tmp_path / "x").read_bytes() == b"new" * 1000


def test_a_host_that_does_not_heed_if_range_is_not_believed(server, tmp_path):
    other = b"z" * len(BODY)
    rude = {"ignore_if_range": True, "etag": '"two"', "body": other}
    url = server.put("/a", BODY, faults=[{"cut": 1000}, rude])
    take(tmp_path, url)
    assert (tmp_path / "x").read_bytes() == BODY
    assert [headers.get("range") for headers in server.asked("/a")] == [None, "bytes=1000-", None]


def test_another_address_starts_from_nothing(server, tmp_path):
    fail(tmp_path, server.put("/a", BODY, faults=[{"cut": 1000}] * 5))
    take(tmp_path, server.put("/b", b"z" * len(BODY)))
    assert (tmp_path / "x").read_bytes() == b"z" * len(BODY)


def test_a_file_pieced_together_wrong_is_fetched_once_more(server, tmp_path):
    url = server.put("/a", BODY, faults=[{"cut": 1000, "body": b"z" * len(BODY)}])
    assert take(tmp_path, url, Pin(SHA)).sha256 == SHA
    assert [headers.get("range") for headers in server.asked("/a")] == [None, "bytes=1000-", None]


@pytest.mark.parametrize("at", [0, len(BODY) // 2, len(BODY) - 1])
def test_a_flipped_bit_is_an_integrity_error(server, tmp_path, at):
    wrong = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    error = fail(tmp_path, server.put("/a", wrong), Pin(SHA, "", len(BODY)))
    assert error.code == Exit.INTEGRITY
    assert SHA in str(error)
    assert hashlib.sha256(wrong).hexdigest() in str(error)
    assert left(tmp_path) == 0
    assert len(server.log) == 1


def test_a_git_blob_id_is_a_checksum_too(server, tmp_path):
    error = fail(tmp_path, server.put("/a", BODY + b"!"), Pin("", GIT))
    assert error.code == Exit.INTEGRITY
    assert GIT in str(error)
    assert take(tmp_path, server.put("/b", BODY), Pin("", GIT)).git == GIT


def test_a_tolerant_download_hands_over_what_does_not_hold(server, tmp_path):
    file = take(tmp_path, server.put("/a", BODY), Pin("0" * 64, "", 7), tolerant=True)
    assert file == Received(len(BODY), SHA)


def test_what_is_wrong_is_kept_aside_once(server, tmp_path):
    url, wrong = server.put("/a", BODY[:-1]), hashlib.sha256(BODY[:-1]).hexdigest()
    for _ in range(2):
        assert f"kept aside as x.bad-{wrong[:8]}" in str(fail(tmp_path, url, Pin(SHA)))
    assert sorted(os.listdir(tmp_path)) == [partials.FOLDER, f"x.bad-{wrong[:8]}"]
    assert (tmp_path / f"x.bad-{wrong[:8]}").read_bytes() == BODY[:-1]
    assert os.listdir(tmp_path / partials.FOLDER) == []
    assert len(server.log) == 2


def test_after_a_wrong_file_the_partial_is_a_new_one(tmp_path):
    with hold(tmp_path, "a/" + "名" * 85) as part:
        part.write(b"wrong")
        aside = part.quarantine("0123456789")
        part.write(b"right")
        part.keep(tmp_path / "a/x")
    assert (tmp_path / "a" / aside).read_bytes() == b"wrong"
    assert (aside[-13:], len(aside.encode()) <= 255) == (".bad-01234567", True)
    assert (tmp_path / "a/x").read_bytes() == b"right"
    assert os.listdir(tmp_path / partials.FOLDER) == []


@pytest.mark.parametrize("pin", [Pin(SHA, "", 1 << 60), Pin()])
def test_a_disk_too_small_is_told_before_the_first_byte(server, tmp_path, pin):
    url = server.put("/a", BODY, faults=[{"length": 1 << 60}])
    error = fail(tmp_path, url, pin)
    assert error.code == Exit.LIMIT
    assert error.fatal
    assert f"x needs {1 << 60}" in str(error)
    assert re.search(r"has \d+ bytes free", str(error))
    assert left(tmp_path) == 0
    assert len(server.log) == (0 if pin else 1)


def test_what_is_there_is_not_counted_again(tmp_path):
    disk = os.statvfs(tmp_path)
    with hold(tmp_path, "x") as part:
        os.truncate(part.path, 1 << 30)  # a hole: it takes no room
        part.require((1 << 30) + disk.f_bavail * disk.f_frsize // 2)
        part.drop()


def test_a_body_without_length_that_ends_early_is_a_cut(server, tmp_path):
    cut = {"no_length": True, "cut": 1000}
    take(tmp_path, server.put("/a", BODY, faults=[cut]), Pin(SHA, "", len(BODY)))
    assert (tmp_path / "x").read_bytes() == BODY
    error = fail(tmp_path / "other", server.put("/b", BODY, faults=[cut] * 9), Pin(SHA, "", len(BODY)))
    assert error.code == Exit.NETWORK
    assert f"the body ends after 1000 of {len(BODY)} bytes" in str(error)
    assert not list(tmp_path.rglob("*.bad-*"))


def test_a_path_that_the_address_does_not_hold_is_named(server, tmp_path):
    error = fail(tmp_path, server.put("/store/1", BODY, faults=[{"status": 403}]), path="data/a.csv")
    assert str(error).startswith("data/a.csv: 127.0.0.1:")


def test_who_was_asked_is_named_first_whoever_answers(server, tmp_path):
    abroad = server.url.replace("127.0.0.1", "localhost") + "/there?X-Amz-Signature=secret"
    server.put("/there", BODY, faults=[{"status": 403}])
    error = fail(tmp_path, server.put("/x.csv", BODY, faults=[{"status": 302, "headers": {"Location": abroad}}]))
    assert f"{server.server_port}/x.csv (passed on to localhost) is closed to us (403)" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("number", ["2130706433", "0x7f000001", "127.1", "0"])
def test_numbers_in_odd_clothes_are_of_the_local_network(number):
    assert leads_home(number, 5)


def test_a_name_is_what_it_stands_for(monkeypatch):
    names = {"inside.example": ["93.184.215.14", "10.0.0.7"], "outside.example": ["93.184.215.14"], "slow.example": []}

    def look_up(name: str, *_: object) -> list:
        if not names[name]:
            time.sleep(3)
        return [(None, None, None, "", (address, 0)) for address in names[name]]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    assert leads_home("inside.example", 5)
    assert not leads_home("outside.example", 5)
    began = time.monotonic()
    assert not leads_home("slow.example", 0.1)
    assert time.monotonic() - began < 1
    session = Session()
    public, inside = parse_url("https://outside.example/a"), "https://inside.example/a"
    with pytest.raises(CareError, match=r"into the local network \(inside.example\)"):
        redirect(public, inside, session.leads_home)
    assert str(redirect(parse_url("https://inside.example/b"), inside, session.leads_home)) == inside


@pytest.mark.parametrize(
    ("proxy", "finding"),
    [("http://user:secret@127.0.0.1:9", "through the proxy 127.0.0.1:9"), ("nobody.invalid:3128", "nobody.invalid")],
)
def test_a_proxy_out_of_reach_is_named(tmp_path, monkeypatch, proxy, finding):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    error = fail(tmp_path, "http://192.0.2.1/x.csv")
    assert error.code == Exit.NETWORK
    assert finding in str(error)
    assert "secret" not in str(error)


def test_a_name_nobody_knows_is_named(tmp_path):
    assert "the name nobody.invalid is not known" in str(fail(tmp_path, "http://nobody.invalid/x.csv"))


def test_certificates_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    error = fail(tmp_path, "https://127.0.0.1:9/x.csv")
    assert error.code == Exit.NETWORK
    assert "SSL_CERT_FILE" in str(error)


def test_a_network_that_wants_a_login_is_no_passing_trouble(server, tmp_path):
    error = fail(tmp_path, server.put("/x.csv", BODY, faults=[{"status": 511}] * 9))
    assert (error.code, len(server.log)) == (Exit.MANUAL, 1)
    assert "wants a login first" in str(error)


def test_an_answer_that_is_a_page_is_no_listing(server):
    url = server.put("/tree", b"<html><title>Airport WiFi</title>", kind="text/html")
    session = Session(limits=QUICK)
    with pytest.raises(CareError, match="is a web page 'Airport WiFi'") as caught:
        session.read_json(url)
    assert caught.value.code == Exit.MANUAL
    session.close()


def test_a_question_is_not_asked_elsewhere(server):
    server.put("/there", b"{}")
    url = server.put("/batch", b"{}", faults=[{"status": 302, "headers": {"Location": "/there"}}])
    session = Session(limits=QUICK)
    with pytest.raises(CareError, match="answers a question with a redirect"):
        session.post_json(url, {}, {})
    server.pages["/batch"].faults.append({"status": 307, "headers": {"Location": "/there"}})
    assert session.post_json(url, {"a": 1}, {}) == {}
    assert [(call[0], call[2]) for call in server.calls[-2:]] == [("POST", b'{"a": 1}')] * 2
    session.close()


def test_no_host_answers_more_than_four_at_a_time(server):
    now, most = [0], [0]

    def answer(content: bytes) -> tuple[int, bytes]:
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.05)
        now[0] -= 1
        return 200, b"{}"

    server.put("/batch", b"", make=answer)
    sessions = [Session(limits=QUICK) for _ in range(9)]
    url = server.url + "/batch"
    threads = [threading.Thread(target=session.post_json, args=(url, {}, {})) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(server.log), most[0]) == (9, AT_ONCE)


def test_longer_than_pinned_stops_early(server, tmp_path):
    error = fail(tmp_path, server.put("/a", BODY * 40), Pin(SHA, "", 5000))
    assert error.code == Exit.INTEGRITY
    assert "longer than the 5000 bytes pinned" in str(error)
    assert left(tmp_path) == 0
    endless = server.put("/b", BODY, faults=[{"drip": 0.0, "no_length": True}])
    began = time.monotonic()
    assert fail(tmp_path, endless, Pin(SHA, "", 2000)).code == Exit.INTEGRITY
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("fault", [{"chunked": True}, {"no_length": True}])
def test_a_pinned_file_needs_no_length(server, tmp_path, fault):
    take(tmp_path, server.put("/a", BODY, faults=[fault]), Pin(SHA))
    assert (tmp_path / "x").read_bytes() == BODY


def test_a_file_without_length_or_pin_is_refused(server, tmp_path):
    error = fail(tmp_path, server.put("/a", BODY, faults=[{"no_length": True}]))
    assert error.code == Exit.INTEGRITY
    assert "does not say how long" in str(error)


def test_a_length_longer_than_the_body_is_a_cut(server, tmp_path):
    take(tmp_path, server.put("/a", BODY, faults=[{"length": len(BODY) + 5}]))
    assert (tmp_path / "x").read_bytes() == BODY
    assert [headers.get("range") for headers in server.asked("/a")] == [None, f"bytes={len(BODY)}-", None]


def test_a_length_shorter_than_the_body_does_not_pass_the_pin(server, tmp_path):
    error = fail(tmp_path, server.put("/a", BODY, faults=[{"length": 100}]), Pin(SHA, "", len(BODY)))
    assert error.code == Exit.INTEGRITY


def test_gzip_in_transit_is_taken_off(server, tmp_path):
    packed = gzip.compress(BODY)
    url = server.put("/a", packed, headers={"Content-Encoding": "gzip"}, faults=[{"cut": len(packed) // 2}])
    take(tmp_path, url)
    assert (tmp_path / "x").read_bytes() == BODY
    assert [headers.get("range") for headers in server.asked("/a")] == [None, None]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522])
def test_passing_trouble_is_waited_out(server, tmp_path, status):
    take(tmp_path, server.put("/a", BODY, faults=[{"status": status}, {"status": status}]))
    assert len(server.log) == 3


@pytest.mark.parametrize(
    "after", ["0", "-5", "1000000000", "soon", "", "٣", formatdate(4e9, usegmt=True), "Mon, 99 Foo 1"]
)
def test_retry_after_is_capped(server, tmp_path, after):
    fault = {"status": 503, "headers": {"Retry-After": after.encode().decode("latin-1")}}
    began = time.monotonic()
    take(tmp_path, server.put("/a", BODY, faults=[fault, fault]))
    assert time.monotonic() - began < 5  # the cap is 0.05 s here, 60 s by default
    assert Limits().longest_pause == 60


def test_retry_after_is_waited_for(server, tmp_path):
    fault = {"status": 429, "headers": {"Retry-After": "1"}}
    began = time.monotonic()
    take(tmp_path, server.put("/a", BODY, faults=[fault]), limits=Limits(pause=0.01))
    assert 1 <= time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, Exit.MANUAL), (403, Exit.MANUAL), (404, Exit.NETWORK), (410, Exit.NETWORK), (451, Exit.NETWORK)],
)
def test_a_refusal_is_final(server, tmp_path, status, code):
    error = fail(tmp_path, server.put("/a", BODY, faults=[{"status": status}] * 9))
    assert error.code == code
    assert f"127.0.0.1:{server.server_port}/a" in str(error)
    assert str(status) in str(error)
    assert len(server.log) == 1
    assert isinstance(error, Absent) == (status in {404, 410})


def test_a_spent_limit_is_not_a_login(server, tmp_path):
    fault = {"status": 403, "headers": {"X-RateLimit-Remaining": "0"}}
    error = fail(tmp_path, server.put("/a", BODY, faults=[fault]))
    assert error.code == Exit.NETWORK
    assert "limit is used up" in str(error)


def test_a_stall_is_cut_off_and_resumed(server, tmp_path):
    url = server.put("/a", BODY, faults=[{"length": len(BODY), "cut": 70000, "stall": 20}])
    began = time.monotonic()
    take(tmp_path, url, limits=replace(QUICK, stall=0.3))
    assert time.monotonic() - began < 10
    assert (tmp_path / "x").read_bytes() == BODY
    assert server.asked("/a")[1]["range"] == "bytes=70000-"


def test_a_dribble_is_cut_off_and_resumed(server, tmp_path):
    url = server.put("/a", BODY, faults=[{"drip": 0.05}])
    began = time.monotonic()
    take(tmp_path, url, limits=replace(QUICK, window=0.4))
    assert time.monotonic() - began < 10
    assert (tmp_path / "x").read_bytes() == BODY
    assert server.asked("/a")[1]["range"].startswith("bytes=")


def test_slow_headers_are_cut_off(server, tmp_path):
    url = server.put("/a", BODY, faults=[{"slow_head": 0.05}, {"slow_head": 0.05}])
    began = time.monotonic()
    error = fail(tmp_path, url, limits=replace(QUICK, head=0.6))
    assert error.code == Exit.NETWORK
    assert "no answer within 0.6 s" in str(error)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("location", "finding"),
    [
        ("file:///etc/passwd", "'file:'"),
        ("ftp://127.0.0.1/a", "'ftp:'"),
        ("data:text/plain,hello", "'data:'"),
        ("/loop", "more than 10 redirects"),
        ("", "redirects to"),
        ("http://a:port/", "not a URL"),
    ],
)
def test_redirects_are_looked_at(server, tmp_path, location, finding):
    fault = {"status": 302, "headers": {"Location": location}}
    server.put("/loop", b"", faults=[fault] * 20)
    error = fail(tmp_path, server.put("/a", BODY, faults=[fault] * 5))
    assert error.code == Exit.NETWORK
    assert finding in str(error)
    assert left(tmp_path) == 0


@pytest.mark.parametrize(
    ("source", "target", "finding"),
    [
        ("https://example.org/a", "http://example.org/a", "from https to http"),
        ("https://example.org/a", "https://127.0.0.1/a", "local network"),
        ("https://example.org/a", "https://[::1]/a", "local network"),
        ("https://example.org/a", "https://169.254.169.254/latest", "local network"),
        ("https://example.org/a", "https://localhost/a", "local network"),
        ("https://example.org/a", "//10.0.0.1/a", "local network"),
    ],
)
def test_redirects_keep_out_of_the_local_network(source, target, finding):
    with pytest.raises(CareError, match=finding):
        redirect(parse_url(source), target)
    assert str(redirect(parse_url(source), "https://example.com/b")) == "https://example.com/b"


def test_a_token_stays_with_its_host(server, tmp_path):
    abroad = server.url.replace("127.0.0.1", "localhost") + "/there"
    server.put("/there", BODY)
    server.put("/here", BODY, faults=[{"status": 302, "headers": {"Location": abroad}}])
    url = server.put("/a", BODY, faults=[{"status": 307, "headers": {"Location": "/here"}}])
    take(tmp_path, url, token="secret-token")
    assert server.asked("/a")[0]["authorization"] == "Bearer secret-token"
    assert server.asked("/here")[0]["authorization"] == "Bearer secret-token"
    assert "authorization" not in server.asked("/there")[0]


def test_errors_show_no_secrets(server, tmp_path):
    server.put("/a", BODY, faults=[{"status": 403}])
    url = server.url.replace("http://", "http://user:secret@") + "/a?X-Amz-Signature=secret"
    assert "secret" not in str(fail(tmp_path, url, token="secret"))


@pytest.mark.parametrize(
    ("body", "kind", "finding"),
    [
        (b"<!DOCTYPE html><title>Login</title>", "text/html; charset=utf-8", "web page"),
        (b"\xef\xbb\xbf\n <HTML>" + b"x" * 5000, "application/octet-stream", "web page"),
        (b"a,b\n", "text/html", "web page"),
        (b"<html><head><TITLE>Quota exceeded</TITLE>", "text/plain", "a web page 'Quota exceeded', not"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<html xmlns="">', "text/xml", "web page"),
        (b"<script>location='http://portal'</script>", "text/plain", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n", "text/plain", "LFS"),
    ],
)
def test_pages_and_pointers_are_not_data(server, tmp_path, body, kind, finding):
    error = fail(tmp_path, server.put("/a", body, kind=kind), Pin(SHA))
    assert error.code == Exit.MANUAL
    assert finding in str(error)
    assert left(tmp_path) == 0


@pytest.mark.parametrize("body", [b"<header>x</header>", b"<p>rows</p>", b"version https://git-lfs.example/", b""])
def test_what_only_looks_like_one_is_data(server, tmp_path, body):
    take(tmp_path, server.put("/a", body, kind="text/plain"))
    assert (tmp_path / "x").read_bytes() == body


def test_a_page_that_was_asked_for_is_data(server, tmp_path):
    body = b"<!doctype html><p>book</p>"
    take(tmp_path, server.put("/a", body, kind="text/html"), path="book/quanben.html")
    assert (tmp_path / "x").read_bytes() == body


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "http:///a"])
def test_only_http_is_spoken(tmp_path, url):
    assert fail(tmp_path, url).code == Exit.NETWORK


def test_a_dead_port_is_told_at_once(tmp_path):
    began = time.monotonic()
    error = fail(tmp_path, "http://127.0.0.1:9/data/a.csv?key=1", path="data/a.csv", limits=Limits())
    assert error.code == Exit.NETWORK
    assert time.monotonic() - began < 5
    assert str(error).startswith("127.0.0.1:9/data/a.csv: no connection (")
    assert error.fix == "Try again later. Use --mirror FOLDER where there is no network."


def test_a_dead_network_is_told_in_20_seconds(tmp_path, monkeypatch):
    import socket

    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: time.sleep(5))
    began = time.monotonic()
    error = fail(tmp_path, "http://192.0.2.1/a", limits=replace(QUICK, connect=0.3))
    assert "no connection within 0.3 s" in str(error)
    assert time.monotonic() - began < 4
    whole = Limits()
    assert whole.blind_tries * whole.connect + whole.pause * 1.5 < 20


def test_a_wrong_proxy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "nonsense://[")
    error = fail(tmp_path, "http://192.0.2.1/a")
    assert error.code == Exit.NETWORK
    assert "HTTP_PROXY" in error.fix


def test_a_full_disk_leaves_nothing(server, tmp_path, monkeypatch):
    def full(descriptor: int, chunk: bytes) -> int:
        raise OSError(28, "No space left on device")

    url = server.put("/a", BODY)
    monkeypatch.setattr(partials.os, "write", full)
    error = fail(tmp_path, url)
    monkeypatch.undo()
    assert error.code == Exit.LIMIT
    assert "disk is full" in str(error)
    assert os.listdir(tmp_path / partials.FOLDER) == []
