"""Who may come in, on which address, and how the command ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from care_train import cli
from care_train.config import PageSettings
from care_train.errors import CareError
from care_train.serving import addresses, web
from care_train.serving.web import PASSWORD, read_login


def test_this_machine_alone_needs_no_login() -> None:
    assert read_login(PageSettings()) is None
    assert read_login(PageSettings(host="localhost")) is None


def test_others_need_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(CareError, match=r"^--host 0.0.0.0 lets others in. Add --user NAME, with a password in"):
        read_login(PageSettings(host="0.0.0.0"))  # noqa: S104
    with pytest.raises(CareError, match=r"^--user li without a password. Set CARE_WEB_PASSWORD, or give"):
        read_login(PageSettings(user="li"))
    with pytest.raises(CareError, match="holds a colon"):
        read_login(PageSettings(user="l:i"))
    monkeypatch.setenv(PASSWORD, "geheim")
    assert read_login(PageSettings(user="li")) == ("li", "geheim")
    (tmp_path / "word").write_text("aus der Datei\n", encoding="utf-8")
    assert read_login(PageSettings(user="li", password_file=str(tmp_path / "word"))) == ("li", "aus der Datei")
    with pytest.raises(CareError, match=r"none cannot be read \(No such file or directory\)"):
        read_login(PageSettings(user="li", password_file=str(tmp_path / "none")))


def test_the_command_of_the_seed_word_for_word(
    tiny: Path, run_stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="needs the extra web")
    shutil.copytree(tiny, tmp_path / "Llama-2-7b-chat-hf")
    monkeypatch.chdir(tmp_path)
    run_stage("sft", Path("output"), "model_name_or_path=./Llama-2-7b-chat-hf")
    seen: dict[str, Any] = {}

    def open_elsewhere(host: str, port: int) -> socket.socket:
        seen["address"] = (host, port)
        return socket.socket()

    def serve(engine: Any, page: PageSettings, sampling: Any, listening: Any, login: Any, ready: Any) -> None:
        seen.update(bot=engine.bot, notice=page.notice, login=login)
        engine.close()

    monkeypatch.setattr(addresses, "open_socket", open_elsewhere)
    monkeypatch.setattr(web, "serve_page", serve)
    line = "--model_name_or_path ./Llama-2-7b-chat-hf --checkpoint_dir output --finetuning_type lora --template llama2"
    assert cli.run(["web", *line.split()]) == 0, capsys.readouterr().err
    assert (seen["address"], seen["notice"], seen["login"]) == (("127.0.0.1", 7860), True, None)
    bot = seen["bot"]
    assert (bot.template.name, bot.name, bot.trained.base) == ("llama2", "output", "./Llama-2-7b-chat-hf")
    assert [str(folder) for folder in bot.trained.adapters] == ["output"]


def test_the_command_says_its_address_asks_for_the_password_and_ends_when_told(tiny: Path) -> None:
    pytest.importorskip("gradio", reason="needs the extra web")
    words = ["web", str(tiny), "--template", "llama2", "--port", "0", "--user", "li"]
    child = subprocess.Popen(
        [sys.executable, "-c", "from care_train.cli import main; main()", *words],
        stderr=subprocess.PIPE, text=True, env={**os.environ, PASSWORD: "geheim"},
    )  # fmt: skip
    try:
        assert child.stderr is not None
        url = child.stderr.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        manager.add_password(None, url, "li", "geheim")
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
        assert b"gradio" in opener.open(url, timeout=30).read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url, timeout=30)  # noqa: S310
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        assert child.stderr.read() == ""
    finally:
        child.kill()
