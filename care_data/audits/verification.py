"""Whether a folder still is what its manifest says: every file, every byte, every count."""

import hashlib
import json
import os
import re
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from care_data import records
from care_data.audits.shards import SUFFIXES, Shard, count_rows, read_schema
from care_data.audits.statements import check_counts, check_info, check_rows, cut
from care_data.errors import CareError, Exit
from care_data.release import INFO
from care_data.store import MANIFEST, encode_json, safe_join, sha256_json
from care_data.threads import work_ahead

Advance = Callable[[int, int], None]
"""(bytes done, bytes in all)."""

BLOCK = 1 << 20
"""Bytes read at once."""

UNLISTED = {"fetch": re.compile(r"fetched\.json|\.partial/.*")}
"""By stage, what lies in its folder and changes after the manifest is written."""

FOREIGN_TOOLS = re.compile(r"\.gitattributes|(\.git|\.cache/huggingface)/.*")
"""What the Hub, git and the Hub's client put beside the files that they hold or bring."""

_LEFT_OVER = re.compile(r"(.*/)?\.[^/]+\.tmp-[^/]+(/.*)?")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of the folder. foreign: it is none of those listed."""

    path: str
    what: str
    foreign: bool = False


@dataclass(frozen=True)
class Verification:
    """What was found. files, bytes: those that are as listed. notes: what could not be looked at."""

    folder: Path
    files: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it, and whether it is as it was written."""
        return {**asdict(self), "folder": str(self.folder), "whole": not self.problems}


@dataclass(frozen=True)
class _Seen:
    """A listed file: what is wrong with it, or, of a shard, its rows and columns."""

    problem: str = ""
    rows: int | None = None
    schema: Any = None


def verify(folder: Path, advance: Advance = lambda done, total: None, workers: int | None = None) -> Verification:
    """Hold a folder against its manifest.json: a release, a published one, what a stage made.

    Links that lead out of the folder are not followed, nor paths of the manifest that do. advance is called from
    several threads, one at a time. CareError (2) where there is no such folder, (4) where it has no manifest.
    """
    folder = Path(os.path.realpath(folder))
    told, problems = _read_told(folder)
    if told is None:
        return Verification(folder, problems=problems)
    seen = _examine_all(folder, told["files"], advance, workers)
    problems += [Problem(path, one.problem) for path, one in seen.items() if one.problem]
    problems += _find_unlisted(folder, told["stage"], seen.keys())
    problems += [Problem(MANIFEST, what) for what in check_counts(told)]
    # Rows and descriptions are compared where all the files are there that hold them.
    if not any(one.problem for one in seen.values()):
        rows, schemas = _sum_shards(told, seen)
        problems += [Problem(MANIFEST, what) for what in check_rows(told, rows)]
        problems += [Problem(INFO, what) for what in check_info(folder, rows, schemas)] if INFO in seen else []
    fine = {path for path, one in seen.items() if not one.problem}
    size = sum({line["path"]: line["bytes"] for line in told["files"] if line["path"] in fine}.values())
    old = "its manifest is of a time when it held no digest of itself: a change in it may go unseen"
    return Verification(folder, len(fine), size, problems, [] if "digest" in told else [old])


def refusal(found: Verification) -> CareError | None:
    """The problems as an error (4) with a line for each; None where there are none."""
    if not found.problems:
        return None
    count = "1 problem" if len(found.problems) == 1 else f"{len(found.problems):,} problems"
    lines = tuple(f"{problem.path}: {problem.what}" for problem in found.problems)
    others = all(problem.foreign for problem in found.problems)
    fix = "Make it anew, or get it again from where it came."
    fix = "All that is listed is as it was written: take away what does not belong there." if others else fix
    return CareError(count, where=str(found.folder), fix=fix, code=Exit.INTEGRITY, details=lines)


def _read_told(folder: Path) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The manifest and what is wrong with it; None where it says too little to go on."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise CareError("no such folder", where=str(folder), fix="Name a release: data/releases/NAME.", code=Exit.USAGE)
    if path.is_symlink() or not path.is_file():
        below = sorted(found.parent for pattern in ("*/", "*/*/") for found in folder.glob(pattern + MANIFEST))
        shown = [str(place) for place in below if not place.name.startswith(".")][:3]
        fix = f"Name one that has: {', '.join(shown)}." if shown else "Without it nothing is known of the folder."
        raise CareError(f"no {MANIFEST} of its own", where=str(folder), fix=fix, code=Exit.INTEGRITY)
    content = path.read_bytes()
    try:
        told = json.loads(content)
        digest = sha256_json({name: value for name, value in told.items() if name != "digest"})
        written = encode_json(told)
    except (ValueError, AttributeError, RecursionError) as error:
        return None, [Problem(MANIFEST, f"damaged: no JSON object in UTF-8 ({error})")]
    if wrong := records.explain("manifest", told):
        return None, [Problem(MANIFEST, f"damaged: {cut(wrong)}")]
    if told.get("digest", digest) != digest:
        return told, [Problem(MANIFEST, "changed since it was written: its digest is not that of its content")]
    if content != written:
        return told, [Problem(MANIFEST, "changed since it was written: the same content, other bytes")]
    return told, []


def _examine_all(folder: Path, lines: list[dict[str, Any]], advance: Advance, workers: int | None) -> dict[str, _Seen]:
    """Every listed file by its path, in the manifest's order; a path listed twice is to be what both lines say."""
    unique = list({(line["path"], line["bytes"], line["sha256"]): line for line in lines}.values())
    total, done, lock = sum(line["bytes"] for line in unique), 0, threading.Lock()

    def read(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            advance(done, total)

    seen: dict[str, _Seen] = {}
    for line, one in zip(unique, work_ahead(lambda line: _examine(folder, line, read), unique, workers), strict=True):
        if line["path"] not in seen or one.problem:
            seen[line["path"]] = one
    return seen


def _examine(folder: Path, line: dict[str, Any], read: Callable[[int], None]) -> _Seen:
    try:
        path = safe_join(folder, line["path"])
    except CareError:
        return _Seen("the manifest names a path that leaves the folder; not looked at")
    try:
        if not Path(os.path.realpath(path)).is_relative_to(folder):
            return _Seen("a link that leads out of the folder; not followed")
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return _Seen("not a file")
        if found.st_size != line["bytes"]:
            return _Seen(f"{found.st_size:,} bytes, not {line['bytes']:,} as listed")
        digest = _hash(path, read)
    except (FileNotFoundError, NotADirectoryError):
        return _Seen("missing")
    except OSError as error:
        return _Seen(f"cannot be read ({os.strerror(error.errno) if error.errno else error})")
    if digest != line["sha256"]:
        return _Seen(f"its sha256 is {digest}, not {line['sha256']} as listed")
    if "rows" not in line or path.suffix not in SUFFIXES:
        return _Seen()
    return _read(Shard(path, line["path"], line["rows"], digest))


def _hash(path: Path, read: Callable[[int], None]) -> str:
    digest, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            digest.update(block[:count])
            read(count)
    return digest.hexdigest()


def _read(shard: Shard) -> _Seen:
    """A shard whose bytes are those listed: that these make records."""
    try:
        schema, rows = read_schema(shard), count_rows(shard)
    except CareError as error:
        return _Seen(error.what)
    return _Seen(f"{rows:,} rows, not {shard.rows:,} as listed" if rows != shard.rows else "", rows, schema)


def _find_unlisted(folder: Path, stage: str, listed: Any) -> Iterator[Problem]:
    """What lies in the folder and is not in its manifest; links are seen, and not followed."""

    def unreadable(error: OSError) -> None:
        raise CareError("cannot be read", where=str(error.filename), fix="See to its permissions.") from error

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in sorted([*names, *links]):
            full = os.path.join(place, name)
            path = os.path.relpath(full, folder)
            own = stage in UNLISTED and UNLISTED[stage].fullmatch(path)
            if path in listed or path == MANIFEST or own or FOREIGN_TOOLS.fullmatch(path):
                continue
            what = f"{'a link' if os.path.islink(full) else 'a file'} that is not in the manifest"
            if _LEFT_OVER.fullmatch(path):
                what = "left over from a run that was killed; it may be removed"
            yield Problem(os.fsencode(path).decode(errors="backslashreplace"), what, foreign=True)


def _sum_shards(told: dict[str, Any], seen: dict[str, _Seen]) -> tuple[dict[str, int], dict[str, list[Any]]]:
    """Rows and columns of the shards, by dataset of a release or by output."""
    rows: Counter[str] = Counter()
    schemas: dict[str, list[Any]] = {}
    for line in told["files"]:
        name, one = line.get("dataset", line.get("output")), seen[line["path"]]
        if isinstance(name, str) and one.rows is not None:
            rows[name] += one.rows
            schemas.setdefault(name, []).append((line["path"], one.schema))
    return dict(rows), schemas
