from pathlib import Path

import pytest

from care_data.errors import CareError, Exit
from care_data.sources.hosts import Hosts, load_hosts, read_token

WHERE = ("CARE_CONFIG", "XDG_CONFIG_HOME", "HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own, with nothing set."""
    for name in (*WHERE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def config(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text)
    return path


def refused() -> str:
    with pytest.raises(CareError) as caught:
        load_hosts()
    assert caught.value.code == Exit.USAGE
    return str(caught.value)


def test_nothing_set_is_upstream_itself():
    assert load_hosts() == Hosts()
    assert (Hosts().hub, Hosts().github_proxies, Hosts().send_token) == ("https://huggingface.co", (), False)


def test_the_file_is_looked_for_where_such_files_are(home, monkeypatch):
    config(home / ".config/care", '[hosts]\nhub = "https://home.example"')
    assert load_hosts().hub == "https://home.example"
    config(home / "xdg/care", '[hosts]\nhub = "https://xdg.example/"')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert load_hosts().hub == "https://xdg.example"
    monkeypatch.setenv("CARE_CONFIG", str(config(home / "own", '[hosts]\nhub = "https://own.example"')))
    assert load_hosts().hub == "https://own.example"


def test_the_argument_goes_before_the_environment_before_the_file(home, monkeypatch):
    text = '[hosts]\nhub = "https://file.example"\nmodelscope = "https://scope.example"\nsend_token = true\n'
    config(home / ".config/care", text)
    monkeypatch.setenv("HF_ENDPOINT", "https://environment.example/")
    assert load_hosts() == Hosts(hub="https://environment.example", modelscope="https://scope.example")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "https://modelscope.ai")
    found = load_hosts("http://127.0.0.1:8000/")
    assert (found.hub, found.modelscope) == ("http://127.0.0.1:8000", "https://modelscope.ai")


def test_the_files_word_on_the_token_holds_for_the_files_hub_only(home, monkeypatch):
    config(home / ".config/care", '[hosts]\nhub = "https://file.example"\nsend_token = true\n')
    assert load_hosts().send_token
    assert not load_hosts("https://other.example").send_token
    assert load_hosts("https://other.example", send_token=True).send_token
    monkeypatch.setenv("HF_ENDPOINT", "https://environment.example")
    assert not load_hosts().send_token


def test_a_table_that_is_not_known_is_named(home):
    config(home / ".config/care", '[host]\nhub = "https://file.example"\n')
    assert "nothing is known of host" in refused()


def test_all_keys_can_be_set(home):
    text = """
    [hosts]
    github = "http://a:1"
    github_raw = "http://b/raw/"
    github_api = "http://c"
    github_proxies = ["https://d.example/", "direct"]
    drive = "http://e"
    drive_pages = "http://f"
    web = { "www.g.example" = "http://h" }
    """
    config(home / ".config/care", text)
    proxies = ("https://d.example", "direct")
    assert load_hosts(send_token=True) == Hosts(
        "http://a:1",
        "http://b/raw",
        "http://c",
        proxies,
        drive="http://e",
        drive_pages="http://f",
        web={"www.g.example": "http://h"},
        send_token=True,
    )
    assert load_hosts().web_base("www.g.example") == "http://h"
    assert load_hosts().web_base("other.example") == "https://other.example"


def test_an_unknown_key_names_those_known(home):
    config(home / ".config/care", '[hosts]\nhub_mirror = "https://a.example"')
    error = refused()
    assert "hosts.hub_mirror is unknown. Known are github, github_raw," in error
    assert str(home) in error


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('hosts = "https://a.example"', "hosts is not a table"),
        ('[hosts]\nhub = "hf-mirror.example"', "hosts.hub: 'hf-mirror.example' is not an http address"),
        ('[hosts]\nhub = "file:///etc"', "is not an http address"),
        ('[hosts]\nhub = "https://a.example?key=1"', "is not an http address"),
        ("[hosts]\nhub = 3", "hosts.hub: 3 is not an http address"),
        ('[hosts]\ngithub_proxies = "https://a.example"', "is not a list"),
        ('[hosts]\ngithub_proxies = ["a.example"]', "is not an http address"),
        ('[hosts]\nweb = "https://a.example"', "is not a table"),
        ('[hosts]\nsend_token = "yes"', "is not true or false"),
        ("[hosts", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(home, text, finding):
    config(home / ".config/care", text)
    assert finding in refused()


def test_a_file_that_was_named_has_to_be_there(home, monkeypatch):
    monkeypatch.setenv("CARE_CONFIG", str(home / "nowhere.toml"))
    assert "nowhere.toml does not exist" in refused()


def test_the_token_is_the_environments_or_the_hub_clients(home, monkeypatch):
    assert read_token() is None
    (home / ".cache/huggingface").mkdir(parents=True)
    (home / ".cache/huggingface/token").write_text("hf_file\n")
    assert read_token() == "hf_file"
    monkeypatch.setenv("HF_TOKEN", " hf_environment ")
    assert read_token() == "hf_environment"


def test_a_token_that_cannot_be_sent_is_not_shown(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_密码")
    with pytest.raises(CareError) as caught:
        read_token()
    assert caught.value.code == Exit.USAGE
    assert "密码" not in str(caught.value)
