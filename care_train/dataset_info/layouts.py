"""What the keys of an entry say of its records: columns, and how the turns of conversations are marked."""

from dataclasses import dataclass, replace
from typing import Any

from care_train.dataset_info.entries import FORMATS, Entry
from care_train.errors import CareError

ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
DEFAULTS = {"pt": {"prompt": "text"}, "sft": ALPACA, "rw": ALPACA}
"""Columns of an entry without `columns`, by format."""
MESSAGES = {"messages": "conversations"}
"""The same of conversations."""
READABLE = {
    "pt": ("prompt",),
    "sft": ("prompt", "query", "response", "history", "system", "tools"),
    "rw": ("prompt", "query", "response", "chosen", "rejected", "history", "system", "tools"),
}
REQUIRED = {"pt": ("prompt",), "sft": ("prompt", "response"), "rw": ("prompt",)}
ASKED = {"sft": ("messages",), "rw": ("messages", "chosen", "rejected")}
"""Columns that conversations must have, by format."""
MEDIA = ("images", "videos", "audios")
FORMATTINGS = ("alpaca", "sharegpt", "openai")


@dataclass(frozen=True)
class Tags:
    """How a message says who speaks: its keys for role and content, and the roles' names; None where there is none."""

    role_tag: str = "from"
    content_tag: str = "value"
    user_tag: str = "human"
    assistant_tag: str = "gpt"
    observation_tag: str | None = "observation"
    function_tag: str | None = "function_call"
    system_tag: str | None = "system"


@dataclass(frozen=True)
class Layout:
    """How the records of an entry become ours.

    columns: our name -> the file's, `id` among them. optional: those that may be missing. pairs: `response` holds both
    answers of a preference, the layout of 2023. tags: of conversations, None where each column is a text.
    called: whether a message may carry `tool_calls`, and several tools' answers stand in a row (openai).
    """

    columns: dict[str, str]
    optional: frozenset[str] = frozenset({"id"})
    pairs: bool = False
    tags: Tags | None = None
    ranking: bool = False
    called: bool = False

    def lenient(self) -> "Layout":
        """The same for what follows a part that was read: what is missing there is null."""
        return replace(self, optional=frozenset(self.columns))


def read_layout(entry: Entry, stage: str) -> Layout:
    """The layout for a stage. Absent `columns` means the usual ones; present, only what it lists is read.

    Raises CareError for images, sounds and films, for what is not known, and for what is missing.
    """
    format, keys = FORMATS[stage], entry.keys
    formatting = keys.get("formatting") or "alpaca"
    if formatting not in FORMATTINGS:
        fix = f"It takes: {', '.join(FORMATTINGS)}."
        raise CareError(f"formatting {formatting} is unknown", where=entry.name, fix=fix)
    given = {name: column for name, column in (keys.get("columns") or {}).items() if column}
    for name in MEDIA:
        if name in given:
            fix = "Only text is learned here: leave the dataset out."
            raise CareError(f"its {name} (column {given[name]}) are not read here", where=entry.name, fix=fix)
    if formatting == "alpaca":
        return _read_columns(entry, format, given)
    if format == "pt":
        raise CareError("holds conversations, not texts", where=entry.name, fix="Train on it with sft.")
    columns = given if "columns" in keys else MESSAGES
    _require(entry, columns, ASKED[format])
    kept = {name: column for name, column in columns.items() if name in (*ASKED[format], "system", "tools")}
    return Layout({**kept, "id": "id"}, tags=_read_tags(entry), ranking=format == "rw", called=formatting == "openai")


def _read_columns(entry: Entry, format: str, given: dict[str, str]) -> Layout:
    listed = "columns" in entry.keys
    mapped = given if listed else DEFAULTS[format]
    columns = {name: column for name, column in mapped.items() if name in READABLE[format]}
    _require(entry, columns, REQUIRED[format])
    if format == "pt":
        return Layout({"text": columns["prompt"], "id": "id"})
    if format == "rw" and "chosen" in columns:  # beside them response holds both again
        columns.pop("response", None)
    optional = frozenset({"id"} if listed else {"id", "query"})
    pairs = format == "rw" and "response" in columns
    if format == "rw" and not pairs:
        _require(entry, columns, ("chosen", "rejected"))
    return Layout({**columns, "id": "id"}, optional, pairs, ranking=format == "rw")


def _require(entry: Entry, columns: dict[str, str], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in columns:
            fix = f"Add it under `columns`; needed are {' and '.join(names)}."
            raise CareError(f"no {name} column is named", where=entry.name, fix=fix)


def _read_tags(entry: Entry) -> Tags:
    """The tags. As with `columns`, once `tags` is there what it leaves out is none."""
    given: dict[str, Any] | None = entry.keys.get("tags")
    if given is None:
        return Tags()
    needed = ("role_tag", "content_tag", "user_tag", "assistant_tag")
    missing = [name for name in needed if not given.get(name)]
    if missing:
        fix = f"Where tags are given all of {', '.join(needed)} are needed."
        raise CareError(f"its tags name no {' and no '.join(missing)}", where=entry.name, fix=fix)
    kinds = ("observation_tag", "function_tag", "system_tag")
    return Tags(*(given[name] for name in needed), *(given.get(name) or None for name in kinds))


def list_notes(entry: Entry, stage: str) -> list[str]:
    """What a person should know of how the entry is read; nothing where all of it is."""
    given = {name: column for name, column in (entry.keys.get("columns") or {}).items() if column}
    notes = []
    if "kto_tag" in given:
        notes.append(f"the mark {given['kto_tag']} (kto_tag) is not read, so answers marked as bad are learned too")
    left = [name for name in ("query", "response", "history", "system") if name in given]
    if stage == "pt" and left:
        notes.append(f"pt learns the column {given.get('prompt')} alone, not {', '.join(given[name] for name in left)}")
    return [f"{entry.name}: {note}" for note in notes]
