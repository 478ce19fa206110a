"""The columns a dataset names against those its files have, and an entry to paste that fits them."""

from pathlib import Path
from typing import Any

from care_data.datafiles import DataFile, find_files
from care_data.dataset_info.keys import columns_of, formatting_of, sound_keys
from care_data.dataset_info.roles import ALWAYS, ROLES, guess, role_of
from care_data.dataset_info.wording import as_json, listed, nearest, place, quoted
from care_data.errors import CareError, Exit

MADE = ("formatting", "ranking", "columns", "tags")
"""Keys that follow from the files' columns."""
SCAN_ROWS = 1_000_000
"""Rows of JSON searched for a column that the first ones lack."""


def check_columns(name: str, entry: dict[str, Any], files: list[tuple[str, Path]]) -> tuple[list[CareError], list[str]]:
    """What the dataset's files lack of its columns, and the names of columns that all of them have.

    files: the name of each as it is shown, and its path. A finding is told of the first file and the number of others.
    """
    wanted = columns_of(entry)
    found: dict[tuple[str, str, str, Exit], list[str]] = {}
    common: list[str] | None = None
    for shown, path in files:
        try:
            names = _names_of(path)
            missing = _missing(path, names, wanted)
        except CareError as error:
            where = error.where.replace(str(path), "").lstrip(", ")
            what = f"{where + ': ' if where else ''}{error.what}"
            code = error.code if error.code == Exit.INTEGRITY else Exit.DATA
            found.setdefault((place(name, "file_name"), what, error.fix, code), []).append(shown)
            continue
        common = names if common is None else [column for column in common if column in names]
        for where, what, fix in _word(name, entry, missing, wanted, names):
            found.setdefault((where, what, fix, Exit.DATA), []).append(shown)
    problems = [
        CareError(f"{quoted(among[0])}{_others(among)}: {what}", where=where, fix=fix, code=code)
        for (where, what, fix, code), among in found.items()
    ]
    return problems, common or []


def _others(files: list[str]) -> str:
    return f" and {len(files) - 1} more" if len(files) > 1 else ""


def _names_of(path: Path) -> list[str]:
    """The columns of a file; of JSON those of its first rows. CareError where it cannot be read or has no rows."""
    if path.suffix.lower() == ".txt":
        return ["text"]
    try:
        file = find_files([path])[0]
        names = file.fields()
        if not names:
            next(file.read([]))  # which tells what is wrong with the first rows, if anything is
    except ValueError as error:  # a column whose name is no UTF-8
        fix = "It is cut or damaged: get it again."
        raise CareError(f"its columns cannot be read ({error})", fix=fix, code=Exit.INTEGRITY) from error
    if not names:
        raise CareError("it has no row or header that tells its columns", fix="Is the file empty?")
    return names


def _missing(path: Path, names: list[str], wanted: dict[str, str]) -> list[str]:
    """The roles whose columns the file has not. Rows of JSON differ, so there the later ones are searched too."""
    missing = [role for role, column in wanted.items() if column not in names]
    if not missing or not path.name.lower().endswith((".json", ".jsonl")):
        return missing
    file = find_files([path])[0]
    return [role for role in missing if "." in wanted[role] or not _occurs(file, wanted[role])]


def _occurs(file: DataFile, column: str) -> bool:
    """Whether a row of the file has the column, as far as SCAN_ROWS tell."""
    rows = 0
    try:
        for frame in file.read([column]):
            rows += frame.height
            if (frame.get_column(column) != "").any():
                return True
            if rows >= SCAN_ROWS:
                return False
    except CareError as error:
        if error.code != Exit.USAGE:
            raise
        return False
    return rows > 0


def _word(
    name: str, entry: dict[str, Any], missing: list[str], wanted: dict[str, str], names: list[str]
) -> list[tuple[str, str, str]]:
    """(where, what, what to do) for columns that are not there: each that is named, or the usual ones in one."""
    there = f"Columns there: {listed(names)}."
    if "columns" in entry:
        meant = {
            role: "".join(f"Did you mean {quoted(n)}? " for n in nearest(wanted[role], names)[:1]) for role in missing
        }
        return [
            (place(name, "columns", role), f"no column {quoted(wanted[role])}", meant[role] + there) for role in missing
        ]
    told = ", ".join(f"{quoted(wanted[role])} ({role})" for role in missing)
    return [(place(name), f"no column {told}, read where no columns are named", there)] if missing else []


def suggest(entry: dict[str, Any], names: list[str]) -> dict[str, Any] | None:
    """The entry with columns that its files have: those it names rightly, the others guessed; None where no name tells.

    names: the columns of its files. Keys that are unknown, wrong or run a script are left out.
    """
    guessed = guess(names)
    if not guessed or (entry.get("ranking") is True and "ranking" not in guessed):
        return None
    right = _right(entry, names, guessed)
    free = {role: column for role, column in guessed["columns"].items() if column not in right.values()}
    columns = {role: column for role in ROLES if (column := right.get(role) or free.get(role))}
    if "prompt" not in columns and "messages" not in columns:
        return None
    sound = sound_keys(entry)
    kept = {key: entry[key] for key in sound if key not in (*MADE, "script_url")}
    if "messages" in right:  # how its turns are marked was said with it, if only by leaving it out
        guessed.pop("tags", None)
        guessed |= {key: entry[key] for key in ("formatting", "tags") if key in sound}
    better = {**kept, **guessed, "columns": columns}
    return better if _settled(better) != _settled(entry) else None


def _settled(entry: dict[str, Any]) -> list[Any]:
    """What the keys of an entry come to that follow from its columns."""
    return [entry.get("formatting", "alpaca"), bool(entry.get("ranking")), columns_of(entry), entry.get("tags")]


def _right(entry: dict[str, Any], names: list[str], guessed: dict[str, Any]) -> dict[str, str]:
    """The columns that the entry names rightly, as far as they go with the formatting guessed."""
    right = {role: column for role, column in columns_of(entry).items() if column in names}
    if formatting_of(entry) != formatting_of(guessed):
        return {role: column for role, column in right.items() if role in ALWAYS}
    doubtful = set() if {"chosen", "rejected"} <= {*guessed["columns"], *right} else {"chosen", "rejected"}
    if role_of(right.get("prompt", "")) == "response" or right.get("prompt") == right.get("response", ""):
        doubtful |= {"prompt", "response"}
    return {role: column for role, column in right.items() if role not in doubtful}


def block(name: str, entry: dict[str, Any]) -> str:
    """The entry as it goes into the file."""
    lines = as_json({name: entry}, indent=2).split("\n")
    return "\n".join(lines[1:-1])
