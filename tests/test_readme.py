"""The README: its table is the registry's, its commands exist, its Python session runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READMES = ["README.md", "README_zh.md"]


def between(text: str, mark: str) -> str:
    """What stands between the marks of a generated part."""
    found = re.search(rf"<!-- {mark}:begin -->\n(.*?)<!-- {mark}:end -->", text, re.DOTALL)
    assert found, f"no part {mark}"
    return found.group(1).strip()


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_corpora_is_current(name):
    shown = between((ROOT / name).read_text(encoding="utf-8"), "corpora")
    run = subprocess.run(
        [sys.executable, "-m", "care_data.cli", "list", "--markdown"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert shown == run.stdout.strip()
    assert shown.count("\n") >= 10


@pytest.mark.parametrize("name", READMES)
def test_every_command_shown_has_help(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    shown = {tuple(found) for found in re.findall(r"\b(care-data|care-train) ([a-z]+)\b", text)}
    assert {("care-data", "run"), ("care-train", "sft"), ("care-train", "chat")} <= shown
    for command, verb in sorted(shown):
        module = "care_data.cli" if command == "care-data" else "care_train"
        run = subprocess.run([sys.executable, "-m", module, verb, "--help"], capture_output=True, text=True, cwd=ROOT)
        assert run.returncode == 0, f"{command} {verb}: {run.stderr}"
        assert verb in run.stdout


@pytest.mark.parametrize("name", READMES)
def test_the_targets_shown_are_in_the_makefile(name):
    targets = set(re.findall(r"^\$ make ([a-z]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets == {"demo", "test"}
    assert targets <= known


@pytest.mark.parametrize("name", READMES)
def test_the_python_session_runs(name, tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    assert code
    run = subprocess.run([sys.executable, "-c", code.group(1)], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("142 4 "), run.stdout
