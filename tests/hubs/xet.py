"""The Xet store in a folder, which the Hub's client writes and reads by itself at an address of `local://`.

The client's library holds the lock of a folder as long as its process may write to it. So there is one folder to write
to, for one process at a time; and whoever reads gets a copy.
"""

import os
import shutil
import time
from itertools import count
from pathlib import Path

HEADER = 48  # bytes of a shard's header, of a file's header, and of each entry after it
VERIFIED, DESCRIBED = 0x80000000, 0x40000000  # flags of a file: an entry more for each segment; one with its sha256
NO_MORE = b"\xff" * 32


class XetStore:
    """folder/write is written to by clients; folder/read-N are copies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = count()
        (folder / "write").mkdir(parents=True)

    def lend(self, writing: bool) -> str:
        """The address of the store for a client."""
        return f"local://{self.folder / 'write' if writing else self._copy()}"

    def blocks(self) -> dict[str, int]:
        """Every block of content that was sent whole, and when it was written, in nanoseconds."""
        folder = self.folder / "write/xet/xorbs/xorbs"
        return {path.name: path.stat().st_mtime_ns for path in folder.glob("default.*") if path.suffix != ".tagset"}

    def read(self, sha256: str) -> tuple[str, bytes] | None:
        """The Xet hash and the bytes of a file that was uploaded whole; None if it was not."""
        import hf_xet

        copy = self._copy()
        for path in (copy / "xet/xorbs/shards").glob("*.mdb"):
            for found, xet, size in _files(path.read_bytes()):
                if found == sha256:
                    whole = copy / "whole"
                    until = int(time.time()) + 3600
                    session = hf_xet.XetSession()
                    with session.new_file_download_group(f"local://{copy}", "xet", until) as group:
                        group.start_download_file(hf_xet.XetFileInfo(xet, size), str(whole))
                    return xet, whole.read_bytes()
        return None

    def _copy(self) -> Path:
        """A copy of what is there now: content is never changed and can be linked; the list of it is."""
        copy = self.folder / f"read-{next(self.numbers)}"
        source = self.folder / "write/xet/xorbs"
        (copy / "xet/xorbs").mkdir(parents=True)
        if source.is_dir():
            for part in ("xorbs", "shards"):
                shutil.copytree(source / part, copy / "xet/xorbs" / part, copy_function=os.link)
            for path in source.glob("*.redb"):
                shutil.copy(path, copy / "xet/xorbs")
        return copy


def _files(shard: bytes) -> list[tuple[str, str, int]]:
    """(sha256, Xet hash, size) of each file that a shard lists with its sha256."""
    found, at = [], HEADER
    while at + HEADER <= len(shard) and shard[at : at + 32] != NO_MORE:
        xet, flags, segments = shard[at : at + 32], _number(shard, at + 32), _number(shard, at + 36)
        size = sum(_number(shard, at + HEADER * (1 + each) + 36) for each in range(segments))
        at += HEADER * (1 + segments + (segments if flags & VERIFIED else 0))
        if flags & DESCRIBED:
            found.append((_hex(shard[at : at + 32]), _hex(xet), size))
            at += HEADER
    return found


def _number(shard: bytes, at: int) -> int:
    return int.from_bytes(shard[at : at + 4], "little")


def _hex(digest: bytes) -> str:
    """A hash is kept as four numbers of eight bytes, the lowest byte first."""
    return b"".join(digest[at : at + 8][::-1] for at in range(0, 32, 8)).hex()
