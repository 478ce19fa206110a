"""Registry entries: one TOML file per corpus, loaded, checked against its schema, found by name.

The grammar is docs/registry.md and schemas/corpus.schema.json. Beside the entries that come with the package, every
folder named in the environment variable CARE_REGISTRY (separated by colons) is looked in first. A file there that is no
entry stops nobody but who asks for it: troubles() names it.
"""

import difflib
import os
import re
import tomllib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from care_data.entries import Entry, build_entry, place_of
from care_data.errors import CareError, Exit
from care_data.resources import resource_folder

DEFAULTS = "_defaults"
DEMO = "demo"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


def folders() -> list[Path]:
    """Folders that hold entries, the first to have a name wins."""
    own = [Path(part).expanduser() for part in os.environ.get("CARE_REGISTRY", "").split(":") if part]
    return [*own, resource_folder("registry")]


def names() -> list[str]:
    """Names of all entries, sorted."""
    return sorted({path.stem for path in _files() if _NAME.fullmatch(path.stem)})


def troubles() -> list[CareError]:
    """What is wrong with the folders and their files, whoever asks: one that is not there, a name, a file not TOML."""
    found = [
        CareError(f"CARE_REGISTRY names {str(folder)!r}, which is no folder", fix="Create it, or correct the variable.")
        for folder in folders()
        if not folder.is_dir()
    ]
    for path in _files():
        try:
            check_name(path)
            _group_of(path)
        except CareError as error:
            found.append(error)
    return found


def _files() -> list[Path]:
    """The files of all entries, those a folder before hides included."""
    return [path for folder in folders() for path in sorted(folder.glob("*.toml")) if not path.name.startswith("_")]


def load(name: str) -> Entry:
    """The entry of that name; CareError with the nearest name where there is none, or where it breaks its schema."""
    for folder in folders() if _NAME.fullmatch(name) else ():
        path = folder / f"{name}.toml"
        if path.is_file():
            return load_file(path)
    if name in groups():
        raise CareError(f"{name!r} is a group", fix=f"Name one of it: {', '.join(groups()[name])}.", code=Exit.USAGE)
    known = sorted({*names(), *groups()})
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]}? " if nearest else ""
    raise CareError(f"no corpus named {name!r}", fix=f"{hint}`care-data list` shows all.", code=Exit.USAGE)


def check_name(path: Path) -> None:
    """Raise CareError where an entry's file is named as no corpus can be: its name is a folder's and part of ids."""
    if not _NAME.fullmatch(path.stem):
        fix = "Begin with one of a-z, A-Z, 0-9, go on with these, _ and -, up to 60 in all."
        raise CareError(f"{path.stem!r} cannot name a corpus", where=repr(path.parent.name)[1:-1], fix=fix)


def load_file(path: Path) -> Entry:
    """The entry a TOML file holds."""
    check_name(path)
    return build_entry(path, _read_toml(path, place_of(path)))


def select(wanted: list[str], failures: dict[str, CareError] | None = None) -> list[Entry]:
    """Entries by name, group or `all` (all but the invented ones of the group `demo`), each once, in that order.

    failures: where given, an entry that is there but cannot be loaded is noted in it, and the others are returned.
    """
    chosen: list[str] = []
    members = groups()
    real = [name for name in names() if name not in members.get(DEMO, [])]
    for name in wanted:
        chosen.extend(real if name == "all" else members.get(name, [name]))
    found = []
    for name in dict.fromkeys(chosen):
        try:
            found.append(load(name))
        except CareError as error:
            if failures is None or error.code == Exit.USAGE:
                raise
            failures[name] = error
    return found


@cache
def groups() -> dict[str, list[str]]:
    """Group name to the names of its members. An entry that cannot be read is in none."""
    found: dict[str, list[str]] = {}
    for name in names():
        path = next(folder / f"{name}.toml" for folder in folders() if (folder / f"{name}.toml").is_file())
        with suppress(CareError):  # troubles() tells
            if group := _group_of(path):
                found.setdefault(group, []).append(name)
    return found


@cache
def _group_of(path: Path) -> str:
    """The group that an entry's file names, if any; CareError where the file cannot be read."""
    group = _read_toml(path, place_of(path)).get("group")
    return group if isinstance(group, str) else ""


@cache
def defaults() -> dict[str, Any]:
    """What _defaults.toml says for every corpus: cleaning steps, filter limits, dedupe settings."""
    path = resource_folder("registry") / f"{DEFAULTS}.toml"
    return _read_toml(path, f"registry/{path.name}")


def _read_toml(path: Path, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CareError(f"not TOML: {error}", where=where, fix="Mend the line named.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CareError(f"cannot be read: {error}", where=where) from error
