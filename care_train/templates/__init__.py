"""Chat templates: what of a conversation is text, what a token, and where an answer ends."""

from care_train.templates.layouts import (
    Piece,
    Special,
    Template,
    Token,
    describe,
    write_answer,
    write_ending,
    write_prompt,
)
from care_train.templates.table import ALIASES, LLAMA2_SYSTEM, TEMPLATES, find_template

__all__ = [
    "ALIASES",
    "LLAMA2_SYSTEM",
    "TEMPLATES",
    "Piece",
    "Special",
    "Template",
    "Token",
    "describe",
    "find_template",
    "write_answer",
    "write_ending",
    "write_prompt",
]
