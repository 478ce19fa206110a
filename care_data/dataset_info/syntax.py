"""The text of a dataset_info.json: read as JSON, and where it is not, told by line and column."""

import codecs
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_data.dataset_info.wording import place, quoted
from care_data.errors import CareError
from care_data.readers.encodings import bad_byte
from care_data.store import disk_error

MAX_BYTES = 16 << 20
"""A file of a hundred thousand datasets is smaller."""
MAX_DEPTH = 32
"""Objects and lists in one another; columns and tags are the third."""
MAX_DUPLICATES = 20

_MARK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],]', re.DOTALL)
"""A text, a bracket or a comma. A text never closed goes to the end: else each quote in it would begin a new search."""
_EXAMPLE = 'Write {"name": {"file_name": …}}.'


@dataclass(frozen=True)
class Parsed:
    """tree: what the file holds. problems: keys that stand twice, of which the last counts. notes: what is odd."""

    tree: Any
    problems: list[CareError]
    notes: list[str]


def parse(path: Path) -> Parsed:
    """The file as JSON. CareError (1) with line and column where it is none, too big or too deep."""
    data = _read(path)
    text = _decode(data)
    _refuse_depth(text)
    objects_with_twins: list[bool] = []

    def build(members: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(members)
        if len(built) < len(members):
            objects_with_twins.append(True)
        return built

    try:
        tree = json.loads(text, object_pairs_hook=build)
    except json.JSONDecodeError as error:
        what, fix = _word(error)
        raise CareError(what, where=f"line {error.lineno}, column {error.colno}", fix=fix) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits
        raise CareError(f"not readable as JSON ({error})", fix="Mend the file.") from None
    bom = data.startswith(codecs.BOM_UTF8)
    notes = ["The file begins with a byte order mark, which not every reader takes: save it without."] if bom else []
    return Parsed(tree, _find_twins(text) if objects_with_twins else [], notes)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise disk_error(error, path) from error
    if len(data) > MAX_BYTES:
        fix = "Is it the data itself? Name that as file_name."
        raise CareError(f"more than {MAX_BYTES >> 20} MiB, so it is not read", fix=fix)
    return data


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        where = f"line {before.count(10) + 1}, column {error.start - before.rfind(10)}"
        raise CareError(bad_byte(data, "utf-8", 0), where=where, fix="Save the file as UTF-8.") from None


def _refuse_depth(text: str) -> None:
    """CareError where brackets stand too deep in one another, before a parser descends into them."""
    depth = 0
    for match in _MARK.finditer(text):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth > MAX_DEPTH:
            what = f"objects and lists stand more than {MAX_DEPTH} deep in one another"
            raise CareError(what, where=_line(text, match.start()), fix="A dataset's keys are texts; mend the file.")


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def _word(error: json.JSONDecodeError) -> tuple[str, str]:
    """(what is wrong, what to do) as a person would say it."""
    text, at = error.doc, error.pos
    here, before = text[at : at + 2], text[:at].rstrip()
    if not text.strip():
        return "it is empty", _EXAMPLE
    if here in ("//", "/*") or here.startswith("#"):
        return "a comment, which JSON has not", "Take it out."
    if here[:1] in ("}", "]") and before.endswith(","):
        return f"a comma before the closing {here[0]}", "Take the comma out."
    if here.startswith("'"):
        return "a text in single quotes", 'Put it in double quotes: "…".'
    if not here:
        return "the file ends before its brackets are closed", "Is it cut? Get it again, or close them."
    if error.msg == "Extra data":
        bare = text.lstrip().startswith('"')
        return (
            ("the braces around the datasets are missing", "Put { before the first name and } at the end.")
            if bare
            else ("more follows the closing bracket", "Keep one object in the file.")
        )
    return f"not JSON ({error.msg[:1].lower()}{error.msg[1:]})", "Mend the file."


def _find_twins(text: str) -> list[CareError]:
    """The keys that stand twice in one object, in a text that is JSON."""
    found: list[CareError] = []
    path: list[tuple[set[str], list[str]]] = []  # of each open object its keys, and the last of them; lists have none
    awaits_key = False
    for match in _MARK.finditer(text):
        mark = match[0]
        if mark in "{[":
            path.append((set(), []))
            awaits_key = mark == "{"
        elif mark in "}]":
            path.pop()
            awaits_key = False
        elif mark == ",":
            awaits_key = bool(path[-1][1])
        elif awaits_key:
            keys, last = path[-1]
            last[:] = [json.loads(mark)]
            if last[0] in keys:
                where = f"{place(*(key for _, keys_ in path for key in keys_))} ({_line(text, match.start())})"
                fix = "The last one counts: take the other out, or rename it."
                found.append(CareError(f"the key {quoted(last[0])} stands twice", where=where, fix=fix))
                if len(found) == MAX_DUPLICATES:
                    break
            keys.add(last[0])
            awaits_key = False
    return found
