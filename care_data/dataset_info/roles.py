"""What the columns of a dataset commonly are called, and what they hold by their names alone."""

from typing import Any

ROLES: dict[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog"),
    "prompt": (
        *("instruction", "prompt", "question", "ask", "query", "problem", "input", "source", "q", "text", "content"),
        *("document", "指令", "问题", "提问", "输入", "文本"),
    ),
    "query": ("input", "query", "context", "输入"),
    "response": (
        *("output", "response", "answer", "completion", "target", "reply", "summary", "a"),
        *("输出", "回答", "答案", "回复"),
    ),
    "history": ("history",),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "kto_tag": ("kto_tag", "label"),
    "system": ("system", "system_prompt"),
    "tools": ("tools",),
    "images": ("images", "image"),
    "videos": ("videos", "video"),
    "audios": ("audios", "audio"),
}
"""Role to the names that columns of it commonly have, the likeliest first."""

ALWAYS = ("system", "tools", "images", "videos", "audios")
"""Roles that go with every formatting."""

_ROLE_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
"""How turns are tagged in a column named messages; in conversations they usually have the default tags."""


def role_of(column: str) -> str:
    """What a column holds by its name; empty where the name does not tell, or tells several."""
    roles = [role for role in ("prompt", "response", "history") if column.casefold() in ROLES[role]]
    return roles[0] if len(roles) == 1 else ""


def guess(names: list[str]) -> dict[str, Any]:
    """The keys formatting, ranking, columns and tags for files of these columns; empty where no name tells."""
    by_fold = {name.casefold(): name for name in reversed(names)}
    columns: dict[str, str] = {}

    def take(*roles: str) -> None:
        for role in roles:
            free = (by_fold[word] for word in ROLES[role] if word in by_fold and by_fold[word] not in columns.values())
            if (column := next(free, None)) is not None:
                columns[role] = column

    take("messages")
    keys: dict[str, Any] = {"formatting": "sharegpt"} if columns else {}
    if not columns:
        take("prompt", "query", "response", "history")
        if "prompt" not in columns:
            return {}
    take("chosen", "rejected")
    if {"chosen", "rejected"} <= columns.keys():
        keys["ranking"] = True
    else:
        columns = {role: column for role, column in columns.items() if role not in ("chosen", "rejected")}
        if "messages" in columns or "kto_tag" in by_fold:  # elsewhere a label may be anything
            take("kto_tag")
    take(*ALWAYS)
    keys["columns"] = columns
    if columns.get("messages", "").casefold() == "messages":
        keys["tags"] = dict(_ROLE_TAGS)
    return keys
