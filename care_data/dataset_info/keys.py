"""The keys of one dataset: the vocabulary of 2023 and of today, and keys that contradict one another."""

from functools import cache
from typing import Any

from care_data.dataset_info.roles import role_of
from care_data.dataset_info.wording import as_json, listed, nearest, place, quoted
from care_data.errors import CareError
from care_data.records import load_schema

HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url")
SOURCES = (*HUBS, "script_url", "cloud_file_name", "file_name")
"""Keys that say where the data is; loaders take the first that is there, whatever it holds."""

ALPACA = ("prompt", "query", "response", "history")
DEFAULTS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
}
"""Columns of a dataset without `columns`, by formatting; openai's are those of sharegpt."""

NEEDED_TAGS = ("role_tag", "content_tag", "user_tag", "assistant_tag")
SINCE_2023 = (
    *("ms_hub_url", "om_hub_url", "cloud_file_name", "formatting", "ranking", "subset", "split", "folder"),
    *("num_samples", "tags"),
)

_NOUNS = {
    "string": "a text",
    "object": "an object",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def check_keys(name: str, entry: Any) -> list[CareError]:
    """What is wrong with a dataset's keys, whatever its data is."""
    if not isinstance(entry, dict):
        fix = 'Write {"file_name": …}.'
        return [CareError(f"it is {_noun(entry)}, not an object of keys", where=place(name), fix=fix)]
    errors = _validator().iter_errors(entry)
    found = [problem for error in errors for problem in _WORDING.get(error.validator, _word_rule)(name, error)]
    told = {str(problem): problem for problem in found}  # the schema has an error for each key that is not there
    return [*told.values(), *_check_sources(name, entry), *_check_sense(name, entry)]


def columns_of(entry: dict[str, Any]) -> dict[str, str]:
    """Role to the column that a loader reads for it: those named, or without `columns` the usual ones."""
    formatting = formatting_of(entry)
    if "columns" not in entry:
        return dict(DEFAULTS[formatting])
    foreign = ALPACA if formatting == "sharegpt" else ("messages",)
    return {role: column for role, column in _texts(entry, "columns").items() if role not in foreign}


def formatting_of(entry: dict[str, Any]) -> str:
    """alpaca or sharegpt, to which openai belongs."""
    return "sharegpt" if entry.get("formatting") in ("sharegpt", "openai") else "alpaca"


def newer_keys(entry: dict[str, Any]) -> set[str]:
    """Its keys that loaders of 2023 do not know, and pass over."""
    known = load_schema("dataset_info")["$defs"]["dataset"]["properties"]["columns"]["properties"]
    columns = {f"columns.{role}" for role in _texts(entry, "columns") if role in known and role not in ALPACA}
    return {key for key in SINCE_2023 if entry.get(key)} | columns


def sound_keys(entry: dict[str, Any]) -> list[str]:
    """Its keys that are known and filled in as they must be."""
    broken = {error.absolute_path[0] for error in _validator().iter_errors(entry) if error.absolute_path}
    known = load_schema("dataset_info")["$defs"]["dataset"]["properties"]
    return [key for key in entry if key in known and key not in broken and entry[key] not in ("", None)]


def _texts(entry: dict[str, Any], key: str) -> dict[str, str]:
    """Of `columns` or `tags` what is filled in; an empty text stands for none."""
    given = entry.get(key)
    if not isinstance(given, dict):
        return {}
    return {role: text for role, text in given.items() if isinstance(text, str) and text}


# What the schema refuses


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load_schema("dataset_info")["$defs"]["dataset"])


def _noun(value: Any) -> str:
    names = {bool: "true or false", str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


def _word_type(name: str, error: Any) -> list[CareError]:
    kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    wanted = " or ".join(_NOUNS[kind] for kind in kinds if kind != "null")
    value = "" if isinstance(error.instance, dict | list | None) else f" {as_json(error.instance)[:80]}"
    what = f"it is {_noun(error.instance)}{value}, not {wanted}"
    return [CareError(what, where=place(name, *error.absolute_path), fix=f"Write {wanted}, or leave the key out.")]


def _word_unknown(name: str, error: Any) -> list[CareError]:
    known = list(error.schema["properties"])
    return [
        CareError("unknown key", where=place(name, *error.absolute_path, key), fix=_advise(key, error, known))
        for key in error.instance
        if key not in known
    ]


def _advise(key: str, error: Any, known: list[str]) -> str:
    groups = load_schema("dataset_info")["$defs"]["dataset"]["properties"]
    for group in ("columns", "tags"):
        if not error.absolute_path and key in groups[group]["properties"]:
            return f"It belongs inside {group}."
    if error.absolute_path and key in groups:
        return f"It belongs one level up, beside {error.absolute_path[-1]}."
    near = nearest(key, known)
    return f"Did you mean {quoted(near[0])}?" if near else f"Loaders pass over it. Known here: {', '.join(known)}."


def _word_rule(name: str, error: Any) -> list[CareError]:
    key, value = error.absolute_path[-1] if error.absolute_path else "", as_json(error.instance)[:90]
    if error.validator == "enum":
        what, fix = f"{value} is none of them", f"Write {' or '.join(map(as_json, error.validator_value))}."
    elif error.validator == "required":
        absent = [word for word in error.validator_value if word not in error.instance]
        what, fix = f"it has no {' and no '.join(absent)}", f"Write it, or leave {key} out."
    elif key == "file_sha1":
        told = ", which a sha256 has" if len(error.instance) == 64 else ""
        what = f"no SHA-1: {len(error.instance)} characters{told}, not 40 hexadecimal digits"
        fix = "Write what `sha1sum FILE` tells, or leave it out."
    else:
        what, fix = f"{value} is less than {error.validator_value}", "Write a greater number, or leave the key out."
    return [CareError(what, where=place(name, *error.absolute_path), fix=fix)]


_WORDING = {
    "type": _word_type,
    "additionalProperties": _word_unknown,
    "anyOf": lambda name, error: [],  # no source: _check_sources tells it
}


# What contradicts itself


def _check_sources(name: str, entry: dict[str, Any]) -> list[CareError]:
    given = [key for key in SOURCES if key in entry]
    if not given:
        fix = "Add file_name: a file or folder beside this file."
        return [CareError("it does not say where its data is", where=place(name), fix=fix)]
    return [
        CareError(
            "it is empty, yet loaders take the first source that is there",
            where=place(name, key),
            fix="Take the key out." if len(given) > 1 else "Name a file or folder beside this file.",
        )
        for key in given
        if entry[key] in ("", None) or (isinstance(entry[key], str) and not entry[key].strip())
    ]


def _check_sense(name: str, entry: dict[str, Any]) -> list[CareError]:
    found: list[tuple[tuple[str, ...], str, str]] = []
    for check in CONTRADICTIONS:
        found += check(entry, _texts(entry, "columns"))
    return [CareError(what, where=place(name, *keys), fix=fix) for keys, what, fix in found]


Findings = list[tuple[tuple[str, ...], str, str]]
"""(keys that lead there, what, what to do)."""


def _check_ranking(entry: dict[str, Any], columns: dict[str, str]) -> Findings:
    absent = [role for role in ("chosen", "rejected") if role not in columns]
    if entry.get("ranking") is True:
        found: Findings = []
        if absent:
            fix = "Name both columns; the [chosen, rejected] lists of 2023 are not read by LLaMA-Factory of today."
            found.append((("ranking",), f"true, but columns names no {' and no '.join(absent)}", fix))
        if "kto_tag" in columns:
            fix = "Preference pairs and marked single answers are two kinds of data: keep one."
            found.append((("columns", "kto_tag"), "it stands beside ranking", fix))
        return found
    there = [role for role in ("chosen", "rejected") if role in columns]
    return [(("columns", there[0]), "it is read only where ranking is true", 'Add "ranking": true.')] if there else []


def _check_formatting(entry: dict[str, Any], columns: dict[str, str]) -> Findings:
    formatting, found = formatting_of(entry), Findings()
    given = isinstance(entry.get("columns"), dict)
    if formatting == "sharegpt":
        if given and "messages" not in columns:
            fix = 'Add "messages"; where columns is given nothing is read by default.'
            found.append((("columns",), f"{entry['formatting']} without a column of messages", fix))
        strange = [role for role in ALPACA if role in columns]
        fix = 'They are for alpaca: take them out, or write "formatting": "alpaca".'
        found += [(("columns", role), f"{entry['formatting']} does not read it", fix) for role in strange[:1]]
    else:
        if given and "prompt" not in columns and "messages" not in columns:
            fix = 'Add "prompt"; where columns is given nothing is read by default.'
            found.append((("columns",), "no column of prompts is named", fix))
        if "messages" in columns:
            fix = 'Add "formatting": "sharegpt".'
            found.append((("columns", "messages"), "it is read only where formatting is sharegpt", fix))
    return found


def _check_tags(entry: dict[str, Any], columns: dict[str, str]) -> Findings:
    if not isinstance(entry.get("tags"), dict):
        return []
    if formatting_of(entry) == "alpaca":
        fix = 'Take them out, or write "formatting": "sharegpt".'
        return [(("tags",), "tags are read only where formatting is sharegpt", fix)]
    absent = [tag for tag in NEEDED_TAGS if tag not in _texts(entry, "tags")]
    fix = "Where tags is given, those left out are none, not the usual ones: name them all."
    return [(("tags",), f"it has no {', '.join(absent)}", fix)] if absent else []


def _check_roles(entry: dict[str, Any], columns: dict[str, str]) -> Findings:
    found = Findings()
    for one, two in (("prompt", "response"), ("chosen", "rejected")):
        if one in columns and columns[one] == columns.get(two):
            fix = f"Name the column of each; both are {quoted(columns[one])} now."
            found.append((("columns", two), f"it is the same column as {one}", fix))
    prompt, response = columns.get("prompt", ""), columns.get("response", "")
    if role_of(prompt) == "response" and role_of(response) == "prompt":
        fix = f'By these names "prompt" is {quoted(response)} and "response" is {quoted(prompt)}.'
        found.append((("columns", "prompt"), f"prompt and response seem swapped ({listed([prompt, response])})", fix))
    return found


def _check_split(entry: dict[str, Any], columns: dict[str, str]) -> Findings:
    split, local = entry.get("split"), not any(key in entry for key in SOURCES[:-1])
    if not local or not isinstance(split, str) or split.startswith("train") or "file_name" not in entry:
        return []
    return [(("split",), f"a file has no split {quoted(split)}: all of it is train", "Take the key out.")]


CONTRADICTIONS = (_check_ranking, _check_formatting, _check_tags, _check_roles, _check_split)
