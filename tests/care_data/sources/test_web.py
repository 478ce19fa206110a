import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from email.message import Message
from itertools import pairwise

import pytest
from standins.commands import ROOT, Command
from standins.faults import running
from standins.scenes import QUICK
from standins.site import HOST, TEXT, Site

from care_data import __version__
from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, sites
from care_data.sources.hosts import Hosts

PATTERN = "shu/*/quanben.html"
SWIFT = replace(QUICK, courtesy=0.0)


@pytest.fixture
def site():
    with running(Site()) as it:
        yield it


@pytest.fixture
def crawl(site, tmp_path):
    """Fetch the pages of a pattern; the result of the fetch."""

    def call(pattern=PATTERN, optional=False, limits=SWIFT, pins=None, host=HOST, **settings):
        wants = [Want("pages", f"web:{host}", pattern, optional, pins or {})]
        settings = {"hosts": Hosts(web={HOST: site.url}), "crawl": True, **settings}
        return fetch(wants, tmp_path / "raw", limits=limits, **settings)

    return call


@pytest.fixture
def refused(crawl, tmp_path):
    """The error of a fetch that keeps no page."""

    def call(*given, **named):
        with pytest.raises(CareError) as caught:
            crawl(*given, **named)
        assert caught.value.fix
        assert not list(tmp_path.rglob("*.html"))
        return caught.value

    return call


def kept(result, tmp_path):
    return {file.path: (tmp_path / "raw" / file.local).read_bytes() for file in result.files}


def test_the_lists_lead_to_every_page_of_the_pattern_and_to_no_other(site, crawl, tmp_path):
    pages = site.fill(5)
    assert kept(crawl(), tmp_path) == pages
    lists = ["/shu/", "/shu/index___1.html", "/shu/index___2.html", "/shu/index___3.html"]
    books = [f"/shu/b{book}/{page}.html" for book in range(5) for page in ("index", "quanben")]
    assert sorted(site.paths()) == sorted(["/robots.txt", *lists, *books])
    assert site.paths()[:2] == ["/robots.txt", "/shu/"]


def test_what_was_crawled_is_not_asked_for_again(site, crawl, tmp_path):
    pages = site.fill(3)
    crawl()
    before = len(site.log)
    assert kept(crawl(), tmp_path) == pages
    assert len(site.log) == before
    assert kept(crawl(crawl=False), tmp_path) == pages  # nothing is asked, so nobody has to permit it


def test_a_refresh_asks_the_lists_whether_they_changed(site, crawl, tmp_path):
    site.fill(2)
    crawl()
    sent = site.sent
    more = site.fill(3)
    for path in ("/shu/", "/shu/index___1.html"):
        site.pages[path].etag = '"new"'
    site.log.clear()
    result = crawl(limits=replace(SWIFT, recrawl=0.0))
    assert {*kept(result, tmp_path)} == {*more}
    conditional = {path: headers.get("if-none-match") for path, headers in site.log}
    assert conditional["/shu/b0/index.html"] == '"/shu/b0/index.html-1"'
    assert conditional["/shu/index___2.html"] is None
    assert "/shu/b0/quanben.html" not in conditional
    new = ["/shu/", "/shu/index___1.html", "/shu/index___2.html", "/shu/b2/index.html", "/shu/b2/quanben.html"]
    assert site.sent - sent == sum(len(site.pages[path].body) for path in new) + len(b"no such file")


def test_our_name_and_nothing_secret_is_told(site, crawl):
    site.fill(1)
    crawl(token="hf_secret")
    assert {headers["user-agent"].split(" ")[0] for _, headers in site.log} == {f"care-data/{__version__}"}
    assert not [headers for _, headers in site.log if "authorization" in headers]


def test_the_projects_page_is_told_where_the_package_names_one(monkeypatch):
    monkeypatch.setattr(sites, "metadata", lambda name: Message())
    assert sites.name_us() == f"care-data/{__version__}"
    told = Message()
    told["Project-URL"] = "Homepage, https://care.example.org"
    monkeypatch.setattr(sites, "metadata", lambda name: told)
    assert sites.name_us() == f"care-data/{__version__} (+https://care.example.org)"


def test_a_folder_is_no_host(site, refused):
    assert "folders belong into path" in refused(host=f"{HOST}/shu").fix
    assert site.log == []


def test_without_permission_nothing_is_asked(site, refused, monkeypatch):
    site.fill(1)
    error = refused(crawl=False)
    assert error.code == Exit.POLICY
    assert HOST in error.what
    assert "permission" in error.what
    assert "--i-have-permission" in error.fix
    assert "CARE_CRAWL=yes" in error.fix
    assert site.log == []
    monkeypatch.setenv("CARE_CRAWL", "no")
    assert refused(crawl=False).code == Exit.POLICY


def test_the_environment_may_give_the_permission(site, crawl, tmp_path, monkeypatch):
    pages = site.fill(1)
    monkeypatch.setenv("CARE_CRAWL", "yes")
    assert kept(crawl(crawl=False), tmp_path) == pages


def test_optional_pages_without_permission_are_done_without(site, tmp_path):
    site.put("/o/n/main/x.txt", b"a book")
    wants = [
        Want("pages", f"web:{HOST}", PATTERN, True, {}),
        Want("books", "github:o/n@main", "x.txt", False, {}),
    ]
    hosts = Hosts(web={HOST: site.url}, github_raw=site.url)
    result = fetch(wants, tmp_path, hosts=hosts, limits=SWIFT)
    assert [file.name for file in result.files] == ["books"]
    assert result.missing == [f"pages: {PATTERN}"]
    assert any("permission" in note for note in result.notes)


def test_robots_txt_is_kept(site, crawl, tmp_path):
    pages = site.fill(4)
    site.put("/robots.txt", b"User-agent: *\nDisallow: /shu/b1/\nDisallow: /shu/b2/quanben.html\n")
    result = crawl(optional=True)
    assert {*kept(result, tmp_path)} == {"shu/b0/quanben.html", "shu/b3/quanben.html"}
    assert not [path for path in site.paths() if path.startswith("/shu/b1/") or path == "/shu/b2/quanben.html"]
    assert len(pages) == 4
    told = " ".join([*result.partial, *result.notes])
    assert "shu/b2/quanben.html" in told
    assert "robots.txt" in told


def test_robots_txt_may_name_us(site, refused):
    site.fill(1)
    site.put("/robots.txt", b"User-agent: care-data\nDisallow: /\n\nUser-agent: *\nAllow: /\n")
    error = refused()
    assert (error.code, site.paths()) == (Exit.POLICY, ["/robots.txt"])
    assert "robots.txt" in error.what


@pytest.mark.parametrize("status", [404, 410])
def test_no_robots_txt_forbids_nothing(site, crawl, tmp_path, status):
    pages = site.fill(1)
    site.put("/robots.txt", b"", status=status)
    assert kept(crawl(), tmp_path) == pages


@pytest.mark.parametrize(("status", "code"), [(401, 5), (403, 5), (500, 6), (503, 6)])
def test_a_robots_txt_kept_from_us_stops_the_crawl(site, refused, status, code):
    site.fill(1)
    site.put("/robots.txt", b"", status=status)
    assert refused().code == code
    assert {*site.paths()} == {"/robots.txt"}


def test_one_request_at_a_time_and_a_pause_between(site, crawl):
    site.fill(2)
    crawl(limits=replace(SWIFT, courtesy=0.15))
    assert len(site.times) == 7
    assert min(later - sooner for sooner, later in pairwise(site.times)) >= 0.15


def test_two_fetches_at_once_share_the_pause(site, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    pages = site.fill(2)
    hosts, limits = Hosts(web={HOST: site.url}), replace(SWIFT, courtesy=0.1)
    wants = [Want("pages", f"web:{HOST}", PATTERN, False, {})]

    def run(name):
        return fetch(wants, tmp_path / name, hosts=hosts, limits=limits, crawl=True)

    with ThreadPoolExecutor() as pool:
        assert [len(result.files) for result in pool.map(run, ["a", "b"])] == [len(pages)] * 2
    assert len(site.times) == 14
    assert min(later - sooner for sooner, later in pairwise(site.times)) >= 0.1


@pytest.mark.parametrize("rule", [b"Crawl-delay: 0.2", b"Request-rate: 5/1s"])
def test_a_longer_delay_of_robots_txt_is_kept(site, crawl, rule):
    site.fill(1)
    site.put("/robots.txt", b"User-agent: *\n" + rule + b"\n")
    crawl(limits=replace(SWIFT, courtesy=0.05, longest_pause=1.0))
    gaps = [later - sooner for sooner, later in pairwise(site.times)]
    assert min(gaps) >= 0.2


def test_a_delay_nobody_can_keep_stops_the_crawl(site, refused):
    site.fill(1)
    site.put("/robots.txt", b"User-agent: *\nCrawl-delay: 86400\n")
    error = refused()
    assert (error.code, "86400 s" in error.what, site.paths()) == (Exit.POLICY, True, ["/robots.txt"])


def test_the_limit_of_pages_is_told_and_the_next_run_goes_on(site, crawl, refused, tmp_path):
    pages = site.fill(4)
    error = refused(limits=replace(SWIFT, pages=3))
    assert (error.code, "3 pages" in error.what, "Run again" in error.fix) == (Exit.LIMIT, True, True)
    for _ in range(2):
        with pytest.raises(CareError, match="3 pages"):
            crawl(limits=replace(SWIFT, pages=3))
    result = crawl(limits=replace(SWIFT, pages=3))
    assert kept(result, tmp_path) == pages
    asked = [path for path in site.paths() if path != "/robots.txt"]
    assert len(asked) == len(set(asked))


PAGES = [
    ("安全验证", "<p>请完成验证后继续访问。</p>", "captcha"),
    ("访问提示", "<p>请输入验证码</p>", "captcha"),
    ("试书", '<img src="/captcha.png"><p>' + TEXT * 40 + "</p>", "captcha"),
    ("404", "<p>出错了</p>", "no such page"),
    ("提示", "<p>抱歉，您访问的页面不存在。</p>", "no such page"),
    ("试书全本", '<div id="content"></div>', "empty frame"),
    ("试书全本", f'<div id="content"><script>{TEXT}</script><a href="1.html">{TEXT}</a></div>', "empty frame"),
]


@pytest.mark.parametrize(("title", "body", "told"), PAGES)
def test_a_page_that_is_none_is_refused_by_name(site, refused, title, body, told):
    site.fill(1)
    site.publish("/shu/b0/quanben.html", title, body)
    error = refused()
    assert error.code == Exit.MANUAL
    assert told in error.what
    assert "shu/b0/quanben.html" in error.what


def test_a_page_that_leads_home_is_a_soft_404(site, refused):
    site.fill(1)
    site.publish("/", "书库", f"<p>{TEXT}</p>")
    site.put("/shu/b0/quanben.html", b"", status=302, headers={"Location": "/"})
    error = refused()
    assert (error.code, "the page is gone" in error.what) == (Exit.MANUAL, True)


def test_optional_pages_that_are_none_are_told(site, crawl, tmp_path):
    pages = site.fill(3)
    site.publish("/shu/b1/quanben.html", "404", "<p>出错了</p>")
    result = crawl(optional=True)
    assert {*kept(result, tmp_path)} == {*pages} - {"shu/b1/quanben.html"}
    assert any("b1" in text for text in [*result.partial, *result.notes])


def test_after_a_captcha_nothing_more_is_asked(site, tmp_path):
    """The page takes a while to be looked at, and three other files of the entry wait for their turn meanwhile."""
    site.fill(4)
    site.publish("/shu/b1/quanben.html", PAGES[0][0], PAGES[0][1] + "<b></b>" * 300_000)
    site.put("/o/n/main/x.txt", b"a book")
    wants = [Want("books", "github:o/n@main", "x.txt", False, {}), Want("pages", f"web:{HOST}", PATTERN, True, {})]
    hosts = Hosts(web={HOST: site.url}, github_raw=site.url)
    result = fetch(wants, tmp_path / "raw", hosts=hosts, limits=SWIFT, crawl=True)
    asked = [path for path in site.paths() if path.endswith("quanben.html")]
    assert asked[-1] == "/shu/b1/quanben.html"
    assert {f"/{path}" for path in kept(result, tmp_path)} == {"/x.txt", *asked[:-1]}
    assert any("captcha" in note for note in result.notes)


def test_a_captcha_in_place_of_a_list_stops_the_crawl(site, refused, crawl, tmp_path):
    site.fill(4)
    site.publish("/shu/index___2.html", *PAGES[0][:2])
    assert "captcha" in refused().what
    assert site.paths()[-1] == "/shu/index___2.html"
    pages = site.fill(4)
    assert kept(crawl(), tmp_path) == pages


@pytest.mark.parametrize(
    "body",
    [
        f"<p>此方经验证码放整齐，找不到该药则免。{TEXT * 20}</p>",
        f"<p>{TEXT}</p><script>var words = ['请输入验证码', '页面没有找到'];</script>",
    ],
    ids=["in a long text", "in a script"],
)
def test_such_words_elsewhere_are_no_refusal(site, crawl, body):
    site.fill(1)
    site.publish("/shu/b0/quanben.html", "试书全本", body)
    assert len(crawl().files) == 1


def test_a_redirect_to_another_host_is_refused_before_it_is_followed(site, refused):
    with running(Site()) as other:
        other.fill(1)
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        site.fill(1)
        site.put("/shu/b0/quanben.html", b"", status=302, headers={"Location": f"{elsewhere}/shu/b0/quanben.html"})
        error = refused()
        assert (error.code, "another host" in error.what) == (Exit.MANUAL, True)
        assert other.log == []


def test_a_redirect_to_what_robots_txt_forbids_is_not_followed(site, refused):
    site.fill(1)
    site.put("/robots.txt", b"User-agent: *\nDisallow: /secret/\n")
    site.put("/shu/b0/quanben.html", b"", status=302, headers={"Location": "/secret/x.html"})
    assert "robots.txt forbids" in refused().what
    assert "/secret/x.html" not in site.paths()


LINKS = [
    "https://elsewhere.example.org/shu/b9/quanben.html",
    "/shu/../etc/quanben.html",
    "/shu/%2e%2e/quanben.html",
    "/shu/a%5cb/quanben.html",
    "/shu/b9/quanben.html?session=1",
    "/other/b9/quanben.html",
    "/shu/b9/deep/quanben.html",
    "/shu/b9/deep/index.html",
    "/index.html",
    "javascript:void(0)",
    "mailto:a@example.org",
    "http://[broken",
    "/shu/%ff/quanben.html",
]


@pytest.mark.parametrize("link", LINKS)
def test_only_links_that_match_are_followed(site, crawl, tmp_path, link):
    pages = site.fill(1)
    site.publish("/shu/", "书目", f'<a href="{link}">x</a><a href="/shu/b0/">y</a>')
    site.publish("/shu/b0/", "试书", f'<a href="{link}">x</a><a href="quanben.html">y</a>')
    assert kept(crawl(), tmp_path) == pages
    assert site.paths() == ["/robots.txt", "/shu/", "/shu/b0/", "/shu/b0/quanben.html"]


def test_folders_that_the_pattern_does_not_name_are_left_alone(site, crawl, tmp_path):
    site.fill(1)
    site.publish("/shu/", "书目", '<a href="/shu/b0/">y</a><a href="/shu/x1/index.html">z</a>')
    site.publish("/shu/b0/", "试书", '<a href="quanben.html">y</a>')
    assert [file.path for file in crawl("shu/b*/quanben.html").files] == ["shu/b0/quanben.html"]
    assert "/shu/x1/index.html" not in site.paths()


def test_names_that_are_not_ascii_are_asked_for_and_kept(site, crawl, tmp_path):
    body = site.publish("/书/试 书/全本.html", "试书", f"<p>{TEXT}</p>").body
    site.publish("/书/", "书目", '<a href="/%E4%B9%A6/试%20书/全本.html">x</a>')
    assert kept(crawl("书/*/全本.html"), tmp_path) == {"书/试 书/全本.html": body}


def test_a_page_is_asked_for_alone_where_the_path_has_no_star(site, crawl, tmp_path):
    pages = site.fill(1)
    assert kept(crawl("shu/b0/quanben.html"), tmp_path) == pages
    assert site.paths() == ["/robots.txt", "/shu/b0/quanben.html"]


def test_a_dead_link_in_a_list_leads_nowhere(site, crawl, tmp_path):
    pages = site.fill(2)
    del site.pages["/shu/b0/index.html"]
    result = crawl()
    assert {*kept(result, tmp_path)} == {*pages} - {"shu/b0/quanben.html"}


def test_a_site_without_its_first_list_is_absent(site, refused):
    error = refused()
    assert error.code == Exit.NETWORK
    assert "/shu/" in error.what


def test_a_pinned_page_that_changed_is_refused(site, refused):
    site.fill(1)
    error = refused(pins={"shu/b0/quanben.html": {"sha256": "0" * 64}})
    assert error.code == Exit.INTEGRITY
    assert "0" * 64 in error.what


def test_a_cut_page_is_asked_for_again(site, crawl, tmp_path):
    pages = site.fill(1)
    site.pages["/shu/b0/quanben.html"].faults = [{"cut": 300}, {"no_length": True, "cut": 300}]
    assert kept(crawl(), tmp_path) == pages
    assert site.paths().count("/shu/b0/quanben.html") == 3


def test_a_frontier_that_cannot_be_read_starts_again(site, crawl, tmp_path):
    pages = site.fill(2)
    crawl()
    (frontier,) = (tmp_path / "raw/.crawl").glob("*.json")
    assert json.loads(frontier.read_bytes())["left"] == []
    for content in (b"", b"[]", b'{"left": 3', b'{"unknown": 1}'):
        frontier.write_bytes(content)
        assert kept(crawl(), tmp_path) == pages


PROGRAM = f"""
import sys
from pathlib import Path
from care_data.sources import Want, fetch
from care_data.sources.hosts import Hosts
from care_data.sources.limits import Limits
url, raw = sys.argv[1:]
wants = [Want("pages", "web:{HOST}", "{PATTERN}", False, {{}})]
fetch(wants, Path(raw), hosts=Hosts(web={{"{HOST}": url}}), limits=Limits(courtesy=0.1), crawl=True)
"""


def start(site, raw):
    command = [sys.executable, "-c", PROGRAM, site.url, str(raw)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


@pytest.mark.parametrize(("share", "after"), [(0.2, 0.05), (0.45, 0.0), (0.6, 0.05), (0.8, 0.0)])
def test_a_killed_crawl_goes_on_where_it_was(site, tmp_path, share, after):
    """Killed between two requests it asks for nothing twice; right behind one, for that one page."""
    pages = site.fill(8, in_list=4)
    whole = sum(len(page.body) for path, page in site.pages.items())
    process = start(site, tmp_path)
    until = time.monotonic() + 30
    while site.sent < share * whole and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(after)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    there = {path.relative_to(tmp_path / "web" / HOST).as_posix() for path in tmp_path.rglob("*.html")}
    assert bool(there) == (share > 0.5)
    assert {path: (tmp_path / "web" / HOST / path).read_bytes() for path in there}.items() <= pages.items()
    _, told = (again := start(site, tmp_path)).communicate(timeout=60)
    assert again.returncode == 0, told
    assert {path: (tmp_path / "web" / HOST / path).read_bytes() for path in pages} == pages
    asked = [path for path in site.paths() if path != "/robots.txt"]
    assert len(asked) - len(set(asked)) <= (0 if after else 1)
    assert site.sent <= 1.1 * whole
    assert not list(tmp_path.rglob("*.part*"))


def test_the_command_asks_for_the_users_word(site, tmp_path):
    pages = site.fill(1)
    command = Command(tmp_path, site)
    with (tmp_path / "config.toml").open("a") as config:
        config.write(f'\n[hosts.web]\n"{HOST}" = "{site.url}"\n')
    command.describe(f"web:{HOST}", "shu/b0/quanben.html")
    code, _, err = command.run()
    assert (code, command.files(), site.log) == (Exit.POLICY, {}, [])
    assert "permission" in err
    code, _, err = command.run("--i-have-permission")
    assert (code, command.files()) == (Exit.DONE, {f"web/{HOST}/{path}": body for path, body in pages.items()}), err
