import hashlib
import json

import pytest
from standins.commands import ROWS, Command
from standins.drive import Drive
from standins.faults import running
from standins.scenes import QUICK

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch
from care_data.sources.hosts import Hosts

ID, FOLDER = "1aB_cD-eF2gH3iJ4kL5mN6oP7qR8sT9uV", "1FolderFolderFolderFolderFolderF0"
BODY = b'[{"q": "a"}]' * 5000


@pytest.fixture
def drive():
    with running(Drive()) as it:
        yield it


@pytest.fixture
def take(drive, tmp_path):
    """Fetch from Drive into a raw folder; the files by their path below it."""

    def call(path="x.json", id=ID, pin=None, optional=False):
        wants = [Want("rows", f"drive:{id}", path, optional, {path: pin} if pin else {})]
        hosts = Hosts(drive=drive.url, drive_pages=drive.url)
        result = fetch(wants, tmp_path, hosts=hosts, limits=QUICK)
        return {file.local: (tmp_path / file.local).read_bytes() for file in result.files}

    return call


@pytest.fixture
def refused(take, tmp_path):
    """The error of a fetch that keeps nothing as data."""

    def call(*given, **named):
        with pytest.raises(CareError) as caught:
            take(*given, **named)
        error = caught.value
        assert error.fix
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "fetched.json"]
        return error

    return call


def asked(drive, start):
    return [path for _, path, _ in drive.calls if path.startswith(start)]


def test_a_file_is_kept_under_the_name_the_entry_gives(drive, take):
    drive.share(ID, BODY, name="theirs.json")
    assert take("mine.json") == {f"drive/{ID}/mine.json": BODY}
    assert drive.sent == len(BODY) + 1  # one byte tells the file from a page
    take("mine.json")
    assert len(drive.calls) == 2


def test_an_empty_file_is_a_file(drive, take):
    drive.share(ID, b"")
    assert take() == {f"drive/{ID}/x.json": b""}


def test_a_page_that_is_the_file_is_kept(drive, take):
    drive.share(ID, b"<html><body>a shared page</body></html>", kind="text/html")
    assert take("x.html") == {f"drive/{ID}/x.html": b"<html><body>a shared page</body></html>"}


def test_a_large_file_comes_behind_the_form(drive, take):
    drive.share_large(ID, BODY)
    assert take(pin={"sha256": hashlib.sha256(BODY).hexdigest(), "bytes": len(BODY)}) == {f"drive/{ID}/x.json": BODY}
    assert drive.forms == 1
    first, second, third = asked(drive, "/download?")
    assert first == f"/download?id={ID}&export=download&confirm=t"
    assert second == third == f"/download?id={ID}&export=download&confirm=t&uuid=u1"
    cookies = [headers.get("cookie") for path, headers in drive.log if path == "/download"]
    assert cookies == [None, f"download_warning={ID}", f"download_warning={ID}"]


def test_a_cut_large_file_goes_on_under_another_form(drive, take, tmp_path):
    page = drive.share_large(ID, BODY, faults=[{}, {"cut": 20000}, *[{"status": 451}]])
    with pytest.raises(CareError):
        take()
    assert [path.stat().st_size for path in tmp_path.rglob("*.part")] == [20000]
    assert asked(drive, "/embeddedfolderview") == []  # what gave bytes is a file
    assert take() == {f"drive/{ID}/x.json": BODY}
    assert drive.forms == 2
    last = drive.log[-1][1]
    assert (last["range"], last["if-range"]) == ("bytes=20000-", page.headers["Last-Modified"])


def test_a_file_that_changed_between_two_runs_is_not_spliced(drive, take):
    drive.share_large(ID, BODY, faults=[{}, {"cut": 20000}, {"status": 451}])
    with pytest.raises(CareError):
        take()
    page = drive.share_large(ID, BODY[::-1])
    page.etag = page.headers["Last-Modified"] = "Wed, 03 Jan 2024 03:04:05 GMT"
    assert take() == {f"drive/{ID}/x.json": BODY[::-1]}


def test_bytes_of_another_host_are_not_gone_on_with(drive, take, tmp_path):
    """A mirror's bytes for the same file lie there; its validator says nothing of Drive's."""
    drive.share(ID, BODY, faults=[{}, {"cut": 20000}, {"status": 451}])
    with pytest.raises(CareError):
        take()
    (state,) = tmp_path.rglob("*.part.json")
    noted = json.loads(state.read_bytes())
    state.write_text(json.dumps({**noted, "url": f"http://mirror.example.org/download?id={ID}"}))
    assert take() == {f"drive/{ID}/x.json": BODY}
    assert "range" not in drive.log[-1][1]


@pytest.mark.parametrize(
    "action", ["https://evil.example.org/download", "http://drive.google.com/download", "http://127.0.0.1:9/download"]
)
def test_a_form_that_leads_elsewhere_is_refused(drive, refused, action):
    drive.share_large(ID, BODY, action=action)
    error = refused()
    assert error.code == Exit.MANUAL
    assert "form leads to" in str(error)
    assert ID in str(error)


def test_a_form_for_another_file_is_refused(drive, refused):
    drive.share_large(ID, BODY)
    page = drive.pages[f"/download?id={ID}"]
    other = page.make(b"")[1].replace(f'value="{ID}"'.encode(), b'value="another"')
    page.make, page.body = None, other
    assert "not to this file" in str(refused())


WORDS = [
    (
        "Google Drive - Quota exceeded",
        "Sorry, you can&#39;t view or download this file at this time.",
        "Too many users have viewed or downloaded this file recently.",
        "quota page",
        "Wait a day",
    ),
    ("Google Drive - Infected file", "Sorry, this file is infected with a virus.", "", "infected", "Ask its owner"),
    ("Google Drive", "Google Drive can’t scan this file for viruses.", "", "virus scan", "by hand"),
    ("Sign in - Google Accounts", "Use your Google Account", "", "sign-in page", "access"),
    ("Google Drive: Sign-in", "", "", "sign-in page", "access"),
    ("Google Drive - Access Denied", "You need access", "Request access", "sign-in page", "access"),
    ("Sorry...", "We're sorry... but your network may be sending automated queries.", "", "robot", "Wait an hour"),
    ("Something new", "Nobody knows this page.", "", "a page (Something new)", "open?id="),
]


@pytest.mark.parametrize(("title", "caption", "text", "told", "fix"), WORDS)
@pytest.mark.parametrize("address", [f"/download?id={ID}", f"/download?id={ID}&uuid=u1"], ids=["at once", "later"])
def test_a_page_in_place_of_the_file_is_named(drive, refused, address, title, caption, text, told, fix):
    if "uuid" in address:
        drive.share_large(ID, BODY)
        issue = drive.pages[f"/download?id={ID}"].make

        def form(content):
            answer = issue(content)
            drive.say(address, title, caption, text)
            return answer

        drive.pages[f"/download?id={ID}"].make = form
    else:
        drive.say(address, title, caption, text)
    error = refused()
    assert error.code == Exit.MANUAL
    assert told in error.what
    assert fix in error.fix
    assert f"drive:{ID} (x.json)" in str(error)
    assert "uuid" not in str(error)


def test_the_quota_page_with_a_sign_in_link_is_a_quota_page(drive, refused):
    drive.say(f"/download?id={ID}", *WORDS[0][:3])
    assert b"ServiceLogin" in drive.pages[f"/download?id={ID}"].body
    assert "quota" in refused().what


def test_a_redirect_to_the_sign_in_page_is_named(drive, refused):
    drive.say("/v3/ServiceLogin", "Anmelden")
    drive.put(f"/download?id={ID}", b"", status=302, headers={"Location": f"{drive.url}/v3/ServiceLogin?continue=x"})
    error = refused()
    assert error.code == Exit.MANUAL
    assert "sign-in page" in error.what


def test_a_closed_file_is_named(drive, refused):
    drive.put(f"/download?id={ID}", b"", status=403)
    error = refused()
    assert (error.code, ID in error.what) == (Exit.MANUAL, True)


@pytest.mark.parametrize("with_words", [False, True])
def test_a_deleted_file_is_absent(drive, refused, with_words):
    if with_words:
        drive.say(f"/download?id={ID}", "Google Drive", "Sorry, the file you have requested does not exist.")
    error = refused()
    assert error.code == Exit.NETWORK
    assert "does not exist, or was deleted" in error.what
    assert ID in error.what


def test_an_optional_file_behind_a_quota_page_is_done_without(drive, tmp_path):
    drive.say(f"/download?id={ID}", *WORDS[0][:3])
    drive.share("second", BODY)
    wants = [
        Want("rows", f"drive:{ID}", "x.json", True, {}),
        Want("more", "drive:second", "y.json", False, {}),
    ]
    result = fetch(wants, tmp_path, hosts=Hosts(drive=drive.url, drive_pages=drive.url), limits=QUICK)
    assert [file.name for file in result.files] == ["more"]
    assert result.missing == ["rows: x.json"]
    assert any("quota page" in note for note in result.notes)


def test_a_folder_is_walked(drive, take):
    drive.share_folder(FOLDER, [("folder", "inner", "2020 年"), ("file", ID, "a.txt"), ("document", "doc", "notes")])
    drive.share_folder("inner", [("file", "f1", "b & c.txt"), ("file", "f2", "d.json"), ("folder", FOLDER, "back")])
    drive.share(ID, b"one")
    drive.share("f1", b"two")
    assert take("**/*.txt", id=FOLDER) == {
        f"drive/{FOLDER}/a.txt": b"one",
        f"drive/{FOLDER}/2020 年/b & c.txt": b"two",
    }
    assert len(asked(drive, "/embeddedfolderview")) == 2


def test_a_file_is_found_in_a_folder_by_its_path(drive, take):
    drive.share_folder(FOLDER, [("folder", "inner", "data"), ("file", ID, "a.json")])
    drive.share_folder("inner", [("file", "f1", "b.json")])
    drive.share(ID, b"one")
    drive.share("f1", b"two")
    assert take("data/b.json", id=FOLDER) == {f"drive/{FOLDER}/data/b.json": b"two"}
    assert take("a.json", id=FOLDER) == {f"drive/{FOLDER}/a.json": b"one"}


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_pattern_may_name_the_one_file_that_the_place_is(drive, take, large):
    (drive.share_large if large else drive.share)(ID, BODY, name="their data.json")
    assert take("*.json") == {f"drive/{ID}/their data.json": BODY}


def test_a_file_of_another_name_than_the_pattern_is_not_taken(drive, refused):
    drive.share(ID, BODY, name="their data.json")
    assert "nothing in drive" in refused("*.csv").what


@pytest.mark.parametrize("name", ["..", "../x.json", "/etc/x.json"])
def test_a_file_that_names_itself_hostilely_is_refused(drive, refused, name):
    drive.share(ID, BODY, name=name)
    error = refused("*")
    assert (error.code, "refused" in error.what) == (Exit.INTEGRITY, True)


def test_a_place_that_is_neither_file_nor_folder_is_told_as_such(drive, refused):
    assert "does not exist, or was deleted" in refused("*.json").what


def test_a_name_that_is_not_in_the_folder_is_absent(drive, refused):
    drive.share_folder(FOLDER, [("file", ID, "a.json")])
    error = refused("b.json", id=FOLDER)
    assert (error.code, "is not in that folder" in error.what) == (Exit.NETWORK, True)


def test_two_files_of_one_name_are_refused(drive, refused):
    drive.share_folder(FOLDER, [("file", ID, "a.json"), ("file", "other", "a.json")])
    for path in ("*.json", "a.json"):
        error = refused(path, id=FOLDER)
        assert (error.code, "is the name of 2 files" in error.what) == (Exit.INTEGRITY, True)


@pytest.mark.parametrize("name", ["..", ".", "../x", "a/b.txt", "/etc/x", "a\\..\\b", "C:x", "x" * 300])
def test_a_hostile_name_is_refused(drive, refused, name):
    drive.share_folder(FOLDER, [("file", ID, "good.txt"), ("file", "other", name)])
    drive.share(ID, BODY)
    for path in ("*.txt", "good.txt"):
        error = refused(path, id=FOLDER)
        assert error.code == Exit.INTEGRITY
        assert "refused" in error.what


def test_a_folder_that_is_closed_is_named(drive, refused):
    drive.say(f"/embeddedfolderview?id={FOLDER}", "Sign in - Google Accounts")
    error = refused("*.txt", id=FOLDER)
    assert (error.code, "sign-in page" in error.what) == (Exit.MANUAL, True)


def test_an_empty_folder_has_no_files(drive, refused):
    drive.share_folder(FOLDER, [])
    assert "nothing in drive" in refused("*.txt", id=FOLDER).what


def test_folders_without_end_are_refused(drive, refused):
    for depth in range(30):
        drive.share_folder(f"{FOLDER}{depth}" if depth else FOLDER, [("folder", f"{FOLDER}{depth + 1}", "in")])
    assert refused("**/*.txt", id=FOLDER).code == Exit.LIMIT


def test_an_address_is_no_id(drive, refused):
    assert "Write drive:ID" in refused(id="drive.google.com/file/d/1aB/view").fix
    assert drive.log == []


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_killed_download_goes_on(drive, tmp_path, large):
    share = drive.share_large if large else drive.share
    share(ID, ROWS, faults=[{}, {"drip": 0.03, "size": 1 << 14}])  # after the one byte that tells it from a page
    command = Command(tmp_path, drive)
    command.describe(f"drive:{ID}", "x.jsonl")
    assert command.kill(at=len(ROWS) // 2)
    assert command.files() == {}
    code, _, err = command.run()
    assert (code, command.files()) == (Exit.DONE, {f"drive/{ID}/x.jsonl": ROWS}), err
    assert drive.sent <= 1.1 * len(ROWS)
