"""Conversations of messages, as sharegpt and openai have them, to records of our columns.

A question is what `user` or a tool (`observation`) says, an answer what `assistant` says or calls (`function`): the
calls and what tools reply are kept as they are written, and `roles` tells which turns they are. Python goes over each
message, as nothing columnar reads lists of objects whose keys differ.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from care_train.dataset_info.layouts import Layout, Tags
from care_train.errors import CareError
from care_train.shards import TYPES, Content, Rows, list_names

SIDES = (("user", "observation"), ("assistant", "function"))
"""Roles that ask, and roles that answer."""
TOOLS = {"observation", "function"}


class Turn(NamedTuple):
    """One message. role: ours, or "" for one that the tags do not name."""

    role: str
    text: str | None


def read_turns(content: Content, layout: Layout, where: str) -> pa.Table:
    """A table of `shards.TYPES`: earlier turns are history, the last two prompt and response, or prompt and both
    answers. `unfit` says why a conversation cannot be learned: no turns, a turn without text, an unknown role, turns
    that do not alternate, no answer (of a preference: no question) at the end.

    Raises CareError, with the record, for what is no message at all, and where no record has a role of the tags.
    """
    names = list_names(content)
    for ours, theirs in layout.columns.items():
        if theirs not in names and ours not in layout.optional:
            fix = f"Columns are: {', '.join(names) or 'none'}. Set `columns` in dataset_info.json."
            raise CareError(f"no column {theirs} for {ours}", where=where, fix=fix)
    rows = _pick(content, [column for column in layout.columns.values() if column in names])
    made = [_read_record(row, layout, f"{where}: record {number}") for number, row in enumerate(rows, 1)]
    if made and all(record["unfit"] == "unknown role" for record in made):
        _refuse_roles(rows[0], layout, where)
    return pa.Table.from_pylist(made, schema=pa.schema(list(TYPES.items())))


def _pick(content: Content, columns: list[str]) -> Rows:
    return content.select(columns).to_pylist() if isinstance(content, pa.Table) else content


def _refuse_roles(row: dict[str, Any], layout: Layout, where: str) -> None:
    tags = layout.tags or Tags()
    found = ", ".join(dict.fromkeys(str(one.get(tags.role_tag)) for one in row[layout.columns["messages"]]))
    known = ", ".join(_name_roles(tags))
    fix = 'Set `tags` in dataset_info.json: {"user_tag": …, "assistant_tag": …}.'
    raise CareError(f"its roles ({found[:80]}) are none of {known}", where=where, fix=fix)


def _name_roles(tags: Tags) -> dict[str, str]:
    """Their name of a role to ours."""
    named = {
        tags.user_tag: "user",
        tags.assistant_tag: "assistant",
        tags.observation_tag: "observation",
        tags.function_tag: "function",
        tags.system_tag: "system",
    }
    return {theirs: ours for theirs, ours in named.items() if theirs}


def _read_record(row: dict[str, Any], layout: Layout, where: str) -> dict[str, Any]:
    columns = layout.columns
    system, turns = _split_system(list(_read_messages(row.get(columns["messages"]), layout, where)))
    record: dict[str, Any] = {
        "system": _read_text(row, columns.get("system"), where) if system is None else system,
        "tools": _read_text(row, columns.get("tools"), where),
        "id": _read_text(row, columns["id"], where),
        "unfit": _find_fault(turns, ends=not layout.ranking),
    }
    answers: list[Turn] = []
    if layout.ranking:
        answers = [_read_side(row, side, layout, where) for side in ("chosen", "rejected")]
        for side, answer in zip(("chosen", "rejected"), answers, strict=True):
            record["unfit"] = record["unfit"] or (None if answer.role in SIDES[1] else f"{side} is no answer")
            record[side] = answer.text
    if record["unfit"]:
        return record
    asked, answered = turns[0::2], turns[1::2]
    record["history"] = [[one.text, two.text] for one, two in zip(asked[:-1], answered, strict=False)]
    record["prompt"] = asked[-1].text
    record["response"] = None if layout.ranking else answered[-1].text
    spoken = [turn.role for turn in [*turns, *answers]]
    record["roles"] = spoken if TOOLS & {*spoken} else None
    return record


def _read_messages(messages: Any, layout: Layout, where: str) -> Iterator[Turn]:
    """The turns; with openai what several tools reply in a row is one turn, as they answer one message."""
    if not isinstance(messages, list | None):
        fix = "Write a list of messages, or map another column."
        raise CareError(f"{layout.columns['messages']} is a {type(messages).__name__}", where=where, fix=fix)
    replies: list[str] = []
    for turn in (_read_message(message, layout, where) for message in messages or []):
        if layout.called and turn.role == "observation":
            replies.append(turn.text or "")
            continue
        if replies:
            yield Turn("observation", "\n".join(replies))
            replies = []
        yield turn
    if replies:
        yield Turn("observation", "\n".join(replies))


def _read_message(message: Any, layout: Layout, where: str) -> Turn:
    tags = layout.tags or Tags()
    if not isinstance(message, dict) or tags.role_tag not in message:
        has = ", ".join(map(str, message)) if isinstance(message, dict) else f"a {type(message).__name__}"
        fix = 'Set `tags` in dataset_info.json: {"role_tag": …, "content_tag": …, "user_tag": …, "assistant_tag": …}.'
        raise CareError(f"a message has no {tags.role_tag} (but {has})", where=where, fix=fix)
    role, text = _name_roles(tags).get(message[tags.role_tag], ""), message.get(tags.content_tag)
    calls = message.get("tool_calls") if layout.called and role in SIDES[1] else None
    if calls:
        return Turn("function", json.dumps([call["function"] for call in calls], ensure_ascii=False))
    if not isinstance(text, str | None):
        fix = "Only text is learned here: write the content as one text."
        raise CareError(f"{tags.content_tag} of a message is a {type(text).__name__}", where=where, fix=fix)
    return Turn(role, text)


def _read_side(row: dict[str, Any], side: str, layout: Layout, where: str) -> Turn:
    """An answer of a preference: a message, or its text alone."""
    value = row.get(layout.columns[side])
    if isinstance(value, str | None):
        return Turn("assistant", value)
    return _read_message(value, layout, where)


def _split_system(turns: list[Turn]) -> tuple[str | None, list[Turn]]:
    if turns and turns[0].role == "system":
        return turns[0].text or "", turns[1:]
    return None, turns


def _find_fault(turns: list[Turn], *, ends: bool) -> str | None:
    """Why these turns cannot be learned. ends: whether an answer is to be the last."""
    if not turns:
        return "no turns"
    if any(not turn.role for turn in turns):
        return "unknown role"
    if any(turn.role not in SIDES[number % 2] for number, turn in enumerate(turns)):
        return "turns do not alternate"
    if any(turn.text is None for turn in turns):
        return "turn without text"
    if (len(turns) % 2 == 0) != ends:
        return "no last answer" if ends else "no last question"
    return None


def _read_text(row: dict[str, Any], column: str | None, where: str) -> str | None:
    """A text column of the row; a list or an object (tools) as JSON."""
    value = row.get(column) if column else None
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str | None):
        fix = "It must be text; mend the record or map another column."
        raise CareError(f"{column} is a {type(value).__name__}", where=where, fix=fix)
    return value
