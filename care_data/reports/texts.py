"""Texts of records as a stranger may see them: personal data masked, cut to a length, nothing in them that acts."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
"""Controls, marks of direction, zero width, halves of surrogate pairs, private use: what acts or is there unseen."""

IDENTITY = ("id", "corpus", "license")
NOTES = ("reason", "detail", "keeper", "jaccard", "item", "share")
LOOKED_AT = 20_000
"""Characters of a text that are looked at for personal data; no more than these can be shown."""


def show_unseen(text: str) -> str:
    """The text with what a reader would not see named: a control as its picture (␀), the rest as ⟨U+202E⟩."""
    return UNSEEN.sub(_name, text)


def _name(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"


class Shown(NamedTuple):
    """A text as it may be shown, no longer than LOOKED_AT, and how many characters it has in truth."""

    text: str
    size: int


def mask(texts: Sequence[str], names: bool = False) -> list[Shown]:
    """The texts with personal data replaced by typed tags, whatever the records keep; names: doctors' too."""
    import polars as pl

    from care_data.cleaners import STEPS

    frame = pl.DataFrame({"text": [without_halves(text[:LOOKED_AT]) for text in texts]}, schema={"text": pl.String})
    masked = STEPS["privacy"](pl.col("text"))
    hidden = frame.select(STEPS["names"](masked) if names else masked)["text"]
    return [Shown(text, len(whole)) for text, whole in zip(hidden, texts, strict=True)]


def without_halves(text: str) -> str:
    """The text with halves of surrogate pairs, which no file can hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(shown: Shown, limit: int) -> Shown:
    """The text, no longer than `limit` characters, and its size where some of it is left out, else 0."""
    whole = len(shown.text) <= limit and shown.size <= LOOKED_AT
    return Shown(shown.text, 0) if whole else Shown(shown.text[:limit], shown.size)


def fields_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The texts of a record, or of what a rejected row held, by field, without its identity and without empty ones."""
    told = [(name, _text(value)) for name, value in record.items() if name not in (*IDENTITY, *NOTES)]
    if "detail" in record:
        told += _fields_of_detail(record["detail"] or "")
    if any(name == "chosen" for name, _ in told):
        told = [(name, text) for name, text in told if name != "output"]  # the two of them, said twice
    return [(name, text) for name, text in told if text]


def _fields_of_detail(detail: str) -> list[tuple[str, str]]:
    """What was set aside, field by field where it is JSON."""
    try:
        value = json.loads(detail)
    except (ValueError, RecursionError):
        return [("", detail)]
    if not isinstance(value, dict):
        return [("", detail)]
    return [("" if name == "_value" else name, _text(inner)) for name, inner in value.items()]


def _text(value: Any) -> str:
    """A field as text: exchanges of a history, options of a question and other lists a line each."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict) and {"label", "text"} <= set(value):
        return f"{value['label']}. {value['text']}"
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"
