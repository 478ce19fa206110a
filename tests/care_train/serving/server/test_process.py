"""Address and key, before anything is loaded."""

import socket
from pathlib import Path

import pytest

from care_train import cli
from care_train.serving.server.process import read_key


def serve(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    code = cli.run(["serve", "--model_name_or_path", "nowhere", "--template", "llama2", *flags])
    return code, capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--host", "10.0.0.1"], "care-train: --host 10.0.0.1 without a key lets everyone there in. Set the"),
        (["--host", "::"], "care-train: --host :: without a key"),
        (["--api_key", "k"], "care-train: --api_key is not a setting here. Everyone on this machine could read it"),
        (["--api_key_file", "nowhere/k"], "care-train: nowhere/k cannot be read (No such file or directory)."),
        (["--port", "70000"], "care-train: --port 70000 is none."),
        (["--max_batch", "0"], "care-train: --max_batch 0 is too small. Give at least 1."),
        (["--max_body_mb", "0"], "care-train: --max_body_mb 0 is out of bounds."),
        (["--cors_origins", "*"], "care-train: --cors_origins * is no origin."),
        (["--cors_origins", "https://a.example, b.example"], "care-train: --cors_origins b.example is no origin."),
        (["--temperature", "-1"], "care-train: --temperature -1 gives no answer."),
        (["--overlong", "drop"], "care-train: --overlong drop is not offered."),
    ],
)
def test_settings_no_server_can_have(capsys: pytest.CaptureFixture[str], flags: list[str], said: str) -> None:
    code, line = serve(capsys, *flags)
    assert line.startswith(said)
    assert code == 2


def test_an_address_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = serve(capsys, "--port", str(port))
    assert (code, line.partition(").")[0]) == (
        1,
        f"care-train: 127.0.0.1:{port}: cannot listen (Address already in use",
    )


def test_where_the_key_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CARE_API_KEY", raising=False)
    assert read_key(None) is None
    monkeypatch.setenv("CARE_API_KEY", "of-the-environment")
    assert read_key(None) == "of-the-environment"
    file = tmp_path / "key"
    file.write_text("of-the-file\n")
    assert read_key(str(file)) == "of-the-file"
    for bad in ("", "two words", "钥匙"):
        file.write_text(bad)
        code, line = serve(capsys, "--api_key_file", str(file))
        assert (code, bad in line if bad else False) == (2, False)
    monkeypatch.setenv("CARE_API_KEY", " ")
    assert serve(capsys)[0] == 2, "an empty key must not open the server"
