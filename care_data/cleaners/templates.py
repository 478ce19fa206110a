"""Prompts of a model left standing around a text."""

import polars as pl

PROMPT = r"(?s)^\s*(?:<s>\s*)?问[：:][ \t\r]*\n(.*?)\n[ \t]*答[：:]\s*$"
"""A question between a line that says 问 and a last line that says 答, as it is put to a model that shall go on."""


def strip_prompt_template(text: pl.Expr) -> pl.Expr:
    """The question alone where the text is a prompt for a model, ends trimmed; any other text as it was.

    A text that goes on behind 答： is a dialogue, not a prompt.
    """
    return pl.when(text.str.contains(PROMPT)).then(text.str.replace(PROMPT, "${1}").str.strip_chars()).otherwise(text)
