"""Archives as they come and as they are damaged: what is read, what is refused, and with which exit code."""

import gzip
import io
import random
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

from care_data.errors import CareError, Exit
from care_data.readers import archives
from care_data.readers.archives import matches, open_members

TEXT = b"q,a\n1,2\n"


def contents(path: Path, pattern: str | None = None) -> list[tuple[str | None, bytes]]:
    with open_members(path, pattern) as members:
        return [(name, opener().read()) for name, opener in members]


def refusal(path: Path, pattern: str | None = None) -> CareError:
    with pytest.raises(CareError) as caught:
        contents(path, pattern)
    assert "\n" not in str(caught.value)
    return caught.value


def make_zip(path: Path, members: dict[str, bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, members: list[tarfile.TarInfo], data: bytes = TEXT) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for info in members:
            info.size = len(data) if info.isfile() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_plain_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT)
    assert contents(tmp_path / "a.csv") == [(None, TEXT)]


def test_the_kind_is_read_from_the_bytes(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.json", {"x.csv": TEXT})
    assert contents(tmp_path / "a.json") == [("x.csv", TEXT)]
    (tmp_path / "b.csv").write_bytes(gzip.compress(TEXT[:4]) + gzip.compress(TEXT[4:]))
    assert contents(tmp_path / "b.csv") == [(None, TEXT)]


@pytest.mark.parametrize("suffix", ["tar", "tgz"])
def test_tar_gives_regular_files_only(suffix: str, tmp_path: Path) -> None:
    link, hard, device = tarfile.TarInfo("link.csv"), tarfile.TarInfo("hard.csv"), tarfile.TarInfo("null.csv")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
    device.type = tarfile.CHRTYPE
    path = make_tar(tmp_path / f"a.{suffix}", [link, hard, device, tarfile.TarInfo("数据/x.csv")])
    assert contents(path) == [("数据/x.csv", TEXT)]


def test_members_are_chosen_by_glob_in_order_of_name(tmp_path: Path) -> None:
    members = {"d/b.csv": b"b", "a.csv": b"a", "d/c.txt": b"c", "__MACOSX/a.csv": b"x", "d/.b.csv": b"x", "d/e/": b""}
    path = make_zip(tmp_path / "a.zip", members)
    assert contents(path, "**/*.csv") == [("a.csv", b"a"), ("d/b.csv", b"b")]
    assert contents(path, "*.txt") == [("d/c.txt", b"c")]
    assert str(refusal(path)).startswith(
        "a.zip holds several members. Name one with member = …: a.csv, d/b.csv, d/c.txt"
    )
    assert str(refusal(path, "*.json")) == "no member of a.zip fits '*.json'. It holds a.csv, d/b.csv, d/c.txt."
    assert [matches("a/b.csv", glob) for glob in ("**/b.csv", "*.csv", "b.csv", "a/*")] == [True, True, False, True]
    assert matches("b.csv", "**/b.csv")


def test_names_in_gbk_and_utf_8(tmp_path: Path) -> None:
    """Chinese Windows writes GBK without a flag; 乗 ends in 0x5C there, which is no path separator."""
    for encoding in ("gbk", "utf-8"):
        name = "内科/乗許.csv"
        placeholder = "x" * len(name.encode(encoding))
        data = make_zip(tmp_path / "a.zip", {placeholder: TEXT}).read_bytes()
        (tmp_path / "b.zip").write_bytes(data.replace(placeholder.encode(), name.encode(encoding)))
        assert contents(tmp_path / "b.zip", "内科/*.csv") == [(name, TEXT)]
    assert contents(make_zip(tmp_path / "c.zip", {"外科.csv": TEXT})) == [("外科.csv", TEXT)]


@pytest.mark.parametrize(
    "name", ["../x.csv", "a/../../x.csv", "/etc/x.csv", "a\\..\\x.csv", "C:\\x.csv", "\\\\host\\x.csv"]
)
def test_an_unsafe_name_refuses_the_whole_archive(name: str, tmp_path: Path) -> None:
    for path in (
        make_zip(tmp_path / "a.zip", {"good.csv": TEXT, name: TEXT}),
        make_tar(tmp_path / "a.tar", [tarfile.TarInfo("good.csv"), tarfile.TarInfo(name)]),
    ):
        error = refusal(path, "good.csv")
        assert error.code == Exit.INTEGRITY
        assert f"holds the unsafe name {name!r}. It is refused whole." in str(error)


def test_a_name_twice_refuses_the_whole_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("x.csv", b"one")
        archive.writestr("x.csv", b"two")
    make_tar(tmp_path / "a.tar", [tarfile.TarInfo("x.csv"), tarfile.TarInfo("x.csv")])
    for name in ("a.zip", "a.tar"):
        error = refusal(tmp_path / name)
        assert str(error) == f"{name} holds 'x.csv' twice. It is refused whole. Fetch it again."
        assert error.code == Exit.INTEGRITY


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    error = refusal(make_zip(tmp_path / "a.zip", {f"{n}.csv": b"" for n in range(6)}), "0.csv")
    assert (error.code, str(error)) == (Exit.LIMIT, "a.zip holds more than 5 members. It is refused.")


def test_a_bomb_is_refused_before_it_fills_the_machine(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"zeros.csv": bytes(100 << 20)}, compresslevel=9)
    assert path.stat().st_size < 1 << 20
    taken = 0
    with open_members(path, None) as members:
        stream = members[0][1]()
        with pytest.raises(CareError, match=r"^a.zip grows beyond 200 times its size") as caught:  # noqa: PT012
            while part := stream.read(1 << 20):
                taken += len(part)
    assert caught.value.code == Exit.LIMIT
    assert 64 << 20 < taken <= path.stat().st_size * 200 + (64 << 20)


def noise(size: int) -> bytes:
    return random.Random(5).randbytes(size)


@pytest.mark.parametrize("kept", [1, 3, 30, 0.5, -1, -20])
def test_a_truncated_archive_is_refused(kept: float, tmp_path: Path) -> None:
    seen = 0
    plain = make_zip(tmp_path / "whole.zip", {"x.csv": noise(3000)}).read_bytes()
    for name, data in (("a.zip", plain), ("a.gz", gzip.compress(noise(3000)))):
        cut = int(len(data) * kept) if isinstance(kept, float) else kept
        if name == "a.gz" and 0 < cut < 2:
            continue  # one byte is no sign of gzip, so it is a file of one byte
        (tmp_path / name).write_bytes(data[:cut])
        error = refusal(tmp_path / name)
        assert error.code == Exit.INTEGRITY
        assert str(error).startswith(f"{name} is damaged or cut short (")
        assert str(error).endswith(". Fetch it again.")
        seen += 1
    assert seen >= 1


def test_a_truncated_tar_is_refused(tmp_path: Path) -> None:
    data = make_tar(tmp_path / "whole.tgz", [tarfile.TarInfo("x.csv")], noise(3000)).read_bytes()
    (tmp_path / "a.tgz").write_bytes(data[: len(data) // 2])
    assert refusal(tmp_path / "a.tgz").code == Exit.INTEGRITY


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("x.csv", TEXT * 100)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[400] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert "Bad CRC-32 for file 'x.csv'" in str(refusal(tmp_path / "a.zip"))


def test_the_checksum_behind_a_packed_tar_is_read(tmp_path: Path) -> None:
    data = bytearray(make_tar(tmp_path / "a.tgz", [tarfile.TarInfo("x.csv")], TEXT).read_bytes())
    data[-6] ^= 1
    (tmp_path / "a.tgz").write_bytes(data)
    assert "CRC check failed" in str(refusal(tmp_path / "a.tgz"))


def test_a_page_instead_of_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>please log in</html>")
    assert str(refusal(tmp_path / "a.zip")) == "a.zip is damaged or cut short (File is not a zip file). Fetch it again."


def patched(path: Path, offset: int, value: int) -> Path:
    """The zip with a two-byte field changed in its local and its central header."""
    data = bytearray(path.read_bytes())
    for at in (data.index(b"PK\x03\x04") + offset, data.index(b"PK\x01\x02") + offset + 2):
        data[at : at + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)
    return path


def test_a_password_is_asked_of_the_person(tmp_path: Path) -> None:
    error = refusal(patched(make_zip(tmp_path / "a.zip", {"x.csv": TEXT}), 6, 1))
    assert (error.code, str(error)) == (Exit.MANUAL, "x.csv in a.zip needs a password. Unpack it by hand.")


def test_an_unknown_method_is_told(tmp_path: Path) -> None:
    error = refusal(patched(make_zip(tmp_path / "a.zip", {"x.csv": TEXT}), 8, 99))
    assert error.code == Exit.MANUAL
    assert str(error) == "a.zip cannot be unpacked (That compression method is not supported). Unpack it by hand."


@pytest.mark.parametrize("kind", ["deflated", "bzip2", "lzma", "gz", "tgz"])
def test_damage_anywhere_ends_in_one_error_or_the_right_bytes(kind: str, tmp_path: Path) -> None:
    """Bytes changed at random: never another exception, and never other bytes in silence."""
    text = b"".join(b"%d,word %d\n" % (n, n * n) for n in range(200))
    methods = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    path = tmp_path / f"a.{kind if kind in ('gz', 'tgz') else 'zip'}"
    if kind in methods:
        with zipfile.ZipFile(path, "w", methods[kind]) as archive:
            archive.writestr("x.csv", text)
    elif kind == "tgz":
        make_tar(path, [tarfile.TarInfo("x.csv")], text)
    else:
        path.write_bytes(gzip.compress(text))
    whole = path.read_bytes()
    dice = random.Random(11)
    refused = 0
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 1, 3))):
            data[dice.randrange(2, len(data))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            found = contents(path)
        except CareError:
            refused += 1
            continue
        assert [got for _, got in found] == [text]
    assert refused > 60
