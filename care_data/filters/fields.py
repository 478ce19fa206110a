"""What rules look at: the fields of each format that ask and answer, and how a text is compared with another."""

import polars as pl

from care_data.characters import MARK

PROMPTS = {"sft": ("instruction", "input"), "rw": ("instruction", "input"), "eval": ("question",)}
ANSWERS = {"sft": ("output",), "rw": ("chosen", "rejected"), "eval": ("answer",)}
UNCOUNTED = MARK.replace("\\", "") + ".: \n"

BEST = {"pt": "text", "sft": "output", "rw": "chosen"}
"""The text that has to be good; a rejected answer may be junk, which is why it was rejected."""

GREETING = r"(?:[你您]们?好|医生好|hi|hello|这位朋友|亲|患者朋友|朋友)[啊呀，,。！!、：:;；~～\s]*"
WISH = (
    r"(?:祝|愿|希望)[^。！!，,？?]{0,14}(?:康复|健康|愉快|顺利|如意|帮助)[^。！!，,？?]{0,4}"
    r"|谢谢[您你]?的?(?:咨询|提问|理解|信任)?"
)

FIELDS = {
    "pt": ["text"],
    "sft": ["instruction", "input", "output", "history"],
    "rw": ["instruction", "input", "chosen"],
}
"""What a rule may look at."""


def best(format: str) -> pl.Expr:
    """The text that has to be good, null as ""."""
    return pl.col(BEST[format]).fill_null("")


def prompt(format: str) -> pl.Expr:
    """All that was asked, null as ""."""
    return pl.concat_str([pl.col(column) for column in PROMPTS[format]], separator="\n", ignore_nulls=True)


def opens_dialogue() -> pl.Expr:
    """True where nothing was said before, so that the answer must stand alone."""
    return pl.col("history").list.len().fill_null(0) == 0


def blank(column: str) -> pl.Expr:
    """True where the column holds no text."""
    return pl.col(column).fill_null("").str.strip_chars() == ""


def bare(text: pl.Expr) -> pl.Expr:
    """The text without spaces, case and sentence marks, to tell whether two texts say the same; null stays null."""
    return text.str.to_lowercase().str.replace_all(rf"[\s{MARK}]+", "").str.strip_chars(".:")


def first_letter(text: pl.Expr) -> pl.Expr:
    """The first character that counts in `bare`; "" where there is none. The text is a clean one."""
    return text.str.strip_chars_start(UNCOUNTED).str.slice(0, 1).str.to_lowercase()


def last_letter(text: pl.Expr) -> pl.Expr:
    """The last character that counts in `bare`; "" where there is none. The text is a clean one."""
    return text.str.strip_chars_end(UNCOUNTED).str.slice(-1).str.to_lowercase()
