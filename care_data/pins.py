"""Pins: the checksums of fetched files, written into the entry they belong to."""

import errno
import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_data.entries import Entry, build_entry
from care_data.errors import CareError, Exit
from care_data.sources.ledger import Ledger
from care_data.sources.places import PINNED, parse_source
from care_data.store import Manifest, Store, flush

Tables = dict[str, dict[str, dict[str, Any]]]
"""File name to upstream path to its checksums, as [checksums] has them."""

# What a bracket or a line break means nothing in, and brackets and line breaks.
_TOKEN = re.compile(
    r"""'''.*?'''(?!')|\"\"\"(?:\\.|[^\\])*?\"\"\"(?!")|'[^'\n]*'|"(?:\\.|[^"\\\n])*"|\#[^\n]*|[\[\]{}\n]""", re.DOTALL
)
_NAME = re.compile(r"""\s*\[+\s*["']?([\w-]+)""")
_ABOVE = re.compile(r"([ \t]*#[^\n]*\n)*\Z")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Pinned:
    """How many files an entry pins now, and what to know of these pins."""

    files: int
    warnings: list[str]


@dataclass
class _Section:
    """A table of a TOML file as text: the blank lines and comments above it, its header and what it holds."""

    head: str
    body: str

    @property
    def name(self) -> str:
        """The first part of the header's name; empty before the first header."""
        found = _NAME.match(self.body)
        return found[1] if found else ""


def pin(entry: Entry, manifest: Manifest, store: Store) -> Pinned:
    """The fetched files' sha256 and sizes as the entry's [checksums], in place of those there.

    No other byte of the entry's file changes. Raises CareError where a file came from elsewhere than upstream, and
    where the entry cannot be written.
    """
    _refuse_stand_ins(entry, manifest, store)
    tables: Tables = {}
    for file in manifest.files:
        old = entry.checksums.get(file["name"], {}).get(file["upstream"], {})
        new = {"sha256": file["sha256"], **({"git": old["git"]} if "git" in old else {}), "bytes": file["bytes"]}
        tables.setdefault(file["name"], {})[file["upstream"]] = new
    path = entry.path.resolve()
    before = path.read_bytes().decode()
    after = replace_checksums(before, tables)
    _prove(entry, after, tables)
    if after != before:
        _write(path, after, entry.name)
    unpinned = [s for s in {f.source: None for f in entry.files.values()} if not _is_fixed(s)]
    warnings = [f"{source} is no commit: its pins hold until upstream changes a file" for source in unpinned]
    return Pinned(sum(map(len, tables.values())), warnings)


def replace_checksums(text: str, tables: Tables) -> str:
    """The TOML text with these [checksums.FILE] tables, where the old ones stood, else before [example].

    Comments on lines of their own among the old ones stay, above the new ones.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    block = end.join(_format(tables)) + end
    sections = _cut(text)
    old = [section for section in sections if section.name == "checksums"]
    comments = [line for at, section in enumerate(old) for line in _comments(section, with_head=at > 0)]
    if old:
        old[0].body = "".join(comments) + block
        return "".join(s.head + s.body for s in sections if s is old[0] or s not in old[1:])
    for section in sections:
        if section.name == "example":
            above = _ABOVE.search(section.head)  # a comment right above a header belongs to it
            cut = above.start() if above else 0
            section.head = section.head[:cut] + block + end + section.head[cut:]
            return "".join(s.head + s.body for s in sections)
    return text + ("" if text.endswith("\n") else end) + end + block


def _cut(text: str) -> list[_Section]:
    """The text cut into its tables. Headers are told from brackets in values, strings and comments."""
    headers, strings, depth, line = [], [0], 0, 0
    for token in _TOKEN.finditer(text):
        letter, at = token[0], token.start()
        if letter == "\n":
            line = at + 1
        elif letter in "[{":
            if letter == "[" and not depth and not text[line:at].strip():
                headers.append(line)
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter[0] != "#":
            strings.append(token.end())
    sections, head = [], ""
    for start, end in zip([0, *headers], [*headers, len(text)], strict=True):
        floor = max(place for place in strings if place <= end)  # a line within a string is no comment
        tail = end
        while tail > max(start, floor):
            before = text.rfind("\n", 0, tail - 1) + 1
            if before < max(start, floor) or not re.fullmatch(r"[ \t]*(#[^\n]*)?\r?\n?", text[before:tail]):
                break
            tail = before
        if start or end:
            sections.append(_Section(head, text[start:tail]))
            head = text[tail:end]
    return [*sections, _Section(head, "")]


def _comments(section: _Section, *, with_head: bool) -> list[str]:
    lines = (section.head if with_head else "") + section.body
    return [line for line in lines.splitlines(keepends=True) if line.lstrip().startswith("#")]


def _format(tables: Tables) -> list[str]:
    """The tables as lines of TOML."""
    lines: list[str] = []
    for name, pins in tables.items():
        lines += ["", f"[checksums.{name}]"]
        for path, values in sorted(pins.items()):
            told = ", ".join(f"{key} = {_quote(v) if isinstance(v, str) else v}" for key, v in values.items())
            lines.append(f"{_quote(path)} = {{ {told} }}")
    return lines[1:]


def _quote(text: str) -> str:
    """A basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _refuse_stand_ins(entry: Entry, manifest: Manifest, store: Store) -> None:
    """CareError where a file did not come from upstream itself, or from the user's own hands."""
    ledger = Ledger(store.folder("fetch", entry.name))
    for file in manifest.files:
        line = ledger.record(file["path"])
        origin = line.origin if line else "nobody knows where"
        by_hand = parse_source(file["source"]).scheme == "manual"
        if not (file["verified"] or by_hand or origin in ("network", "package")):
            raise CareError(
                f"{file['upstream']} came from {origin}, not from upstream itself: it is not pinned",
                where=entry.name,
                fix=f"Remove {store.folder('fetch', entry.name)} and fetch it from upstream.",
                code=Exit.INTEGRITY,
            )


def _is_fixed(source: str) -> bool:
    """Whether a source names a commit, or comes with the package."""
    place = parse_source(source)
    return place.scheme == "package" or (place.scheme in PINNED and _COMMIT.fullmatch(place.pin) is not None)


def _prove(entry: Entry, text: str, tables: Tables) -> None:
    """CareError where the text would be another entry than before, but for the checksums."""
    try:
        data = tomllib.loads(text)
        same = {**data, "checksums": None} == {**entry.data, "checksums": None} and data["checksums"] == tables
    except (tomllib.TOMLDecodeError, KeyError):
        same = False
    if not same:
        raise CareError(
            "its checksums cannot be replaced by themselves",
            where=entry.place,
            fix="Write them as [checksums.FILE] tables, or remove them, then pin again.",
        )
    build_entry(entry.path, data)


def _write(path: Path, text: str, name: str) -> None:
    """The entry's file, whole or as it was."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_bytes(text.encode())
        shutil.copymode(path, temporary)
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise CareError(
            f"{path} cannot be written ({os.strerror(error.errno)})",
            where=name,
            fix="Copy it to a folder of your own, name that folder in CARE_REGISTRY, and pin it there.",
        ) from error
    finally:
        if temporary.exists():
            temporary.unlink()
