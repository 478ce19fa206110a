"""Tokens kept on disk between runs: found again by what they were made of, made once, mapped into memory.

A folder `<key>` holds `ids` (int32), `learned` (a byte a token) and `ends` (int64, a leading 0 and where each example
ends) as bare numbers, and in `blocks.jsonl` a line for each block of records with its sha256. `<key>.part` is one being
made, or left by a run that was killed: the next run goes on after its last block that is right.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from care_train.config import DataSettings, usage
from care_train.home import find_home
from care_train.lengths import Budget

FILES = {"ids": np.dtype(np.int32), "learned": np.dtype(bool), "ends": np.dtype(np.int64)}
JOURNAL = "blocks.jsonl"
OURS = re.compile(r"[0-9a-f]{40}(\.part|\.old-\d+)?")
PIECE = 1 << 20  # bytes of a file that are hashed at once


class Tokens(NamedTuple):
    """Examples one after the other: example i is ids[ends[i]:ends[i + 1]]."""

    ids: np.ndarray
    learned: np.ndarray
    ends: np.ndarray


Make = Callable[[Budget], Iterator[Tokens]]
"""Gives the examples of block after block of the records from budget.read on, counting them in the budget."""


@dataclass(frozen=True)
class Cache:
    """Where tokens are kept. limit: bytes of all together; fresh: make them again; say: gets lines of progress."""

    folder: Path
    limit: int
    fresh: bool
    say: Callable[[str], None]


def find_cache(data: DataSettings, say: Callable[[str], None]) -> Cache | None:
    """The cache that the settings ask for, None for none."""
    if data.tokens_cache == "none":
        return None
    if data.tokens_cache_gb <= 0:
        raise usage(
            f"--tokens_cache_gb {data.tokens_cache_gb:g} holds nothing", "Use --tokens_cache none to keep none."
        )
    folder = Path(data.tokens_cache) if data.tokens_cache else find_home() / "tokens"
    first = os.environ.get("LOCAL_RANK", "0") == "0"  # of several processes one makes them again
    return Cache(folder, int(data.tokens_cache_gb * 1e9), data.overwrite_cache and first, say)


def keep_tokens(cache: Cache, key: str, records: int, make: Make) -> tuple[Tokens, Budget]:
    """Tokens and account of so many records: from the cache where it holds them whole, else made and kept there.

    One process makes them; others that want the same wait for it. Raises OSError where the disk refuses.
    """
    place = cache.folder / key
    if not cache.fresh and (found := _open(place, records)):
        cache.say(f"cache: {len(found[0].ids):,} tokens of an earlier run, from {place}")
        return found
    cache.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # tokens are patients' words
    with _claim(place.with_name(f"{key}.part"), cache) as part:
        if not cache.fresh and (found := _open(place, records)):
            cache.say(f"cache: {len(found[0].ids):,} tokens that another run has made, from {place}")
            return found
        if place.exists():
            cache.say(f"cache: those in {place} are {'made again' if cache.fresh else 'damaged, making them again'}")
            _discard(place)
        try:
            _write(part, records, make, cache)
        except OSError:
            _discard(part)  # a full disk is not kept full
            raise
        part.rename(place)
        _sweep(cache)
        made = _open(place, records)
    if made is None:
        raise OSError(f"{place} does not hold what was written to it")
    cache.say(f"cache: {len(made[0].ids):,} tokens kept in {place}")
    return made


def _open(place: Path, records: int) -> tuple[Tokens, Budget] | None:
    """What a whole folder holds, every byte checked and mapped into memory; None where it is absent or damaged."""
    lines = _check(place)
    if not lines or lines[-1]["budget"]["read"] != records:
        return None
    try:
        tokens = Tokens(*(_map(place / name, kind, lines[-1]["sizes"][name]) for name, kind in FILES.items()))
    except OSError:  # swept away at this moment
        return None
    with suppress(OSError):  # a cache that may only be read
        os.utime(place / JOURNAL)  # used now
    return tokens, _restore(lines[-1]["budget"])


def _map(path: Path, kind: np.dtype[Any], size: int) -> np.ndarray:
    count = size // kind.itemsize
    return np.asarray(np.memmap(path, kind, "r", shape=(count,))) if count else np.zeros(0, kind)


def _restore(values: dict[str, Any]) -> Budget:
    read: dict[str, Any] = {
        name: Counter(value) if isinstance(value, dict) else value for name, value in values.items()
    }
    return Budget(**read)


def _check(folder: Path) -> list[dict[str, Any]]:
    """Lines of the journal, up to the first whose block is not there as it was written."""
    good: list[dict[str, Any]] = []
    try:
        text = (folder / JOURNAL).read_bytes()
        files = {name: open(folder / name, "rb") for name in FILES}  # noqa: SIM115  closed below
    except OSError:
        return good
    before = dict.fromkeys(FILES, 0)
    try:
        for one in text.split(b"\n")[:-1]:  # without a line that was not written to its end
            line = json.loads(one)
            digest = hashlib.sha256()
            for name, file in files.items():
                _read_into(digest, file, line["sizes"][name] - before[name])
            if _seal(digest, line["sizes"], line["budget"]) != line["sha256"]:
                break
            good.append(line)
            before = line["sizes"]
    except (ValueError, KeyError, TypeError):
        return good
    finally:
        for file in files.values():
            file.close()
    return good


def _seal(digest: Any, sizes: dict[str, int], budget: dict[str, Any]) -> str:
    """The sum of a block's bytes and of what the journal says of it."""
    digest.update(json.dumps([sizes, budget], sort_keys=True).encode())
    return digest.hexdigest()


def _read_into(digest: Any, file: IO[bytes], size: int) -> None:
    """The next `size` bytes of a file, read piece by piece: mapped, they would count as the process's memory."""
    while size > 0 and (piece := file.read(min(size, PIECE))):
        digest.update(piece)
        size -= len(piece)


def _write(part: Path, records: int, make: Make, cache: Cache) -> None:
    """Fill the folder, from its last block that is right; a fresh one from the start."""
    lines = [] if cache.fresh else _check(part)
    sizes = dict(lines[-1]["sizes"]) if lines else dict.fromkeys(FILES, 0)
    budget = _restore(lines[-1]["budget"]) if lines else Budget()
    if budget.read:
        cache.say(f"cache: going on after {budget.read:,} of {records:,} records in {part}")
    (part / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for name in FILES:
        (part / name).touch()
        os.truncate(part / name, sizes[name])
    for block in make(budget):
        ends = block.ends + sizes["ids"] // block.ids.itemsize
        digest = hashlib.sha256()
        for name, column in block._replace(ends=ends[1:] if sizes["ends"] else ends)._asdict().items():
            content = np.ascontiguousarray(column, FILES[name]).data.cast("B")
            with open(part / name, "ab") as file:
                file.write(content)
            digest.update(content)
            sizes[name] += content.nbytes
        line = {"sizes": sizes, "budget": vars(budget), "sha256": _seal(digest, sizes, vars(budget))}
        with open(part / JOURNAL, "a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")


@contextmanager
def _claim(part: Path, cache: Cache) -> Iterator[Path]:
    """The folder `part`, this process's alone, at the latest when the one that has it ends."""
    while True:
        with suppress(FileExistsError):  # not exist_ok: it fails where another removes the folder at this moment
            part.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            lock = _lock(part)
            if lock is None:
                cache.say("cache: another run is making them, waiting for it")
                lock = _lock(part, wait=True)
            assert lock is not None  # noqa: S101  for the types
            with suppress(FileNotFoundError):
                if os.fstat(lock).st_ino == part.stat().st_ino:
                    break
            os.close(lock)  # meanwhile it was renamed or removed
    try:
        yield part
    finally:
        with suppress(OSError):
            if os.fstat(lock).st_ino == part.stat().st_ino:
                part.rmdir()  # where nothing was put into it
        os.close(lock)


def _lock(folder: Path, *, wait: bool = False) -> int | None:
    """A descriptor that holds the folder until it is closed, at the latest by the kernel; None where another does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def _discard(folder: Path) -> None:
    """Remove a folder so that at no moment half of it is there under its name."""
    old = folder.with_name(f"{folder.name.partition('.')[0]}.old-{os.getpid()}")
    with suppress(OSError):  # another process was first
        folder.rename(old)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(cache: Cache) -> None:
    """Remove what was used longest ago until all is within the limit; never what a process has claimed."""
    sizes, used = {}, {}
    for folder in [path for path in cache.folder.iterdir() if OURS.fullmatch(path.name)]:
        if ".old-" in folder.name:
            shutil.rmtree(folder, ignore_errors=True)  # left by one that was killed
            continue
        with suppress(FileNotFoundError):  # another process sweeps too
            sizes[folder] = sum(file.stat().st_size for file in folder.iterdir())
            used[folder] = (folder / JOURNAL).stat().st_mtime
    for folder in sorted(used, key=lambda one: used[one]):
        if sum(sizes.values()) <= cache.limit:
            return
        with suppress(FileNotFoundError):
            lock = _lock(folder)
            if lock is not None:
                _discard(folder)
                os.close(lock)
                del sizes[folder]
