import hashlib
import sys

import pytest

from care_data.errors import CareError, Exit
from care_data.sources import Want, fetch, package


@pytest.fixture
def demo(tmp_path, monkeypatch):
    folder = tmp_path / "site/toy_package"
    (folder / "demo/sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "demo/a.csv").write_bytes(b"one")
    (folder / "demo/sub/b.csv").write_bytes(b"two")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(package, "PACKAGE", "toy_package")
    yield folder
    sys.modules.pop("toy_package", None)


def want(path: str, content: bytes = b"one") -> Want:
    return Want("rows", "package:demo", path, False, {"a.csv": {"sha256": hashlib.sha256(content).hexdigest()}})


@pytest.mark.parametrize("mirror", [False, True])
def test_files_of_the_package_are_at_hand_with_or_without_a_mirror(demo, tmp_path, plant, mirror):
    wants = [want("a.csv"), Want("all", "package:demo", "**/*.csv", False, {})]
    result = fetch(wants, tmp_path / "raw", mirror=str(plant()) if mirror else None)
    assert [(file.name, file.local, file.verified) for file in result.files] == [
        ("rows", "package/demo/a.csv", True),
        ("all", "package/demo/a.csv", False),
        ("all", "package/demo/sub/b.csv", False),
    ]
    assert (tmp_path / "raw/package/demo/sub/b.csv").read_bytes() == b"two"


def test_a_damaged_package_is_an_integrity_error(demo, tmp_path, plant):
    for mirror in (None, str(plant())):
        with pytest.raises(CareError, match="Install the package again") as caught:
            fetch([want("a.csv", b"other")], tmp_path / "raw", mirror=mirror)
        assert caught.value.code == Exit.INTEGRITY
        assert not (tmp_path / "raw/package/demo/a.csv").exists()


def test_a_file_the_package_lacks(demo, tmp_path):
    with pytest.raises(CareError, match=r"holds no demo/c\.csv"):
        fetch([want("c.csv")], tmp_path / "raw")
