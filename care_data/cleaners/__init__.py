"""Text to text, as polars expressions: the cleaning steps and clean(), which applies them to columns of records."""

from collections.abc import Callable

import polars as pl

from care_data.characters import TAGS
from care_data.cleaners.boilerplate import strip_boilerplate
from care_data.cleaners.layout import close_han_gaps, strip_page_furniture
from care_data.cleaners.markup import mask_links, strip_markup
from care_data.cleaners.mojibake import repair_mojibake
from care_data.cleaners.privacy import mask_names, mask_privacy
from care_data.cleaners.simplification import simplify
from care_data.cleaners.templates import strip_prompt_template
from care_data.cleaners.unicode import normalize_unicode
from care_data.cleaners.wrapping import join_wrapped_lines, strip_x_marks
from care_data.errors import CareError, Exit

Cleaner = Callable[[pl.Expr], pl.Expr]

ROUNDS = 12
"""Texts are cleaned until nothing changes, which twice tells; nesting deeper than this is malice and left half done."""

ROW, LAST = "__row", "__last"

STEPS: dict[str, Cleaner] = {
    "prompt_template": strip_prompt_template,  # first: it looks at the lines as upstream has them
    "markup": strip_markup,  # before unicode, which settles the &nbsp; and line breaks it leaves
    "mojibake": repair_mojibake,  # before unicode, which takes out the controls that are half of it
    "page_furniture": strip_page_furniture,  # before unicode, which settles the tabs it goes by
    "close_han_gaps": close_han_gaps,
    "unicode": normalize_unicode,
    "simplify": simplify,
    "join_wrapped_lines": join_wrapped_lines,  # before x_marks, by which it knows headings
    "x_marks": strip_x_marks,
    "links": mask_links,
    "boilerplate": strip_boilerplate,
    "privacy": mask_privacy,  # last: it reads plain ASCII digits
    "names": mask_names,
}

MASKS: dict[str, tuple[str, ...]] = {
    "links": ("url",),
    "privacy": ("email", "phone", "landline", "id_card", "wechat", "qq", "record_number", "address"),
    "names": ("doctor",),
}
"""Step -> the types of values it masks, keys of characters.TAGS."""


def clean(frame: pl.DataFrame, steps: list[str], columns: list[str]) -> tuple[pl.DataFrame, dict[str, int]]:
    """The frame with its text columns cleaned, and counts: changed_<step> in records, masked_<type> in values.

    Columns are strings, lists of strings (output of preferences) or lists of lists (history); null stays null, and
    columns of any other type and those the frame lacks are passed over. Steps run in the order of STEPS whatever the
    order asked for, and again on what changed, until nothing does: cleaning twice equals once. Where `columns` names
    both `output` and `chosen`, a value that stands in both is masked, and counted, in both.
    Raises CareError for a step that does not exist.
    """
    if unknown := [step for step in steps if step not in STEPS]:
        fix = f"Known steps: {', '.join(STEPS)}."
        raise CareError(f"no cleaning step is called {unknown[0]!r}", fix=fix, code=Exit.USAGE)
    steps = [step for step in STEPS if step in steps]
    texts = [name for name in columns if name in frame.columns and holds_text(frame[name])]
    counts = dict.fromkeys(map(flag, steps), 0)
    counts |= dict.fromkeys((f"masked_{kind}" for step in steps for kind in MASKS.get(step, ())), 0)
    begun = (
        frame.select(texts)
        .with_row_index(ROW)
        .with_columns(*(pl.lit(False).alias(flag(step)) for step in steps), pl.lit(len(steps) - 1, pl.Int8).alias(LAST))
    )
    moving, settled = [begun], []
    for _ in range(ROUNDS):
        after = [_go_round(group, steps, texts, counts) for group in moving]
        settled += [group.filter(pl.col(LAST) < 0) for group in after]
        moving = pl.concat(after).filter(pl.col(LAST) >= 0).partition_by(LAST, maintain_order=True)
        if not moving:
            break
    done = pl.concat([*settled, *moving]).sort(ROW)
    counts |= {flag(step): int(done[flag(step)].sum()) for step in steps}
    return frame.with_columns(done.select(texts)), counts


def _go_round(frame: pl.DataFrame, steps: list[str], texts: list[str], counts: dict[str, int]) -> pl.DataFrame:
    """The frame after one more round; LAST is the number of the last step that changed a record, -1 where none did.

    frame: records of one LAST. What stands behind that step has seen them as they are, and is asked again only where
    an earlier one changes them once more.
    """
    last = int(frame[LAST][0]) if frame.height else len(steps) - 1
    frame = frame.with_columns(pl.lit(-1, pl.Int8).alias(LAST))
    for number, step in enumerate(steps[: last + 1]):
        frame = take_step(frame, step, number, texts, counts)
    if last + 1 == len(steps):
        return frame
    moved = frame.filter(pl.col(LAST) >= 0)
    for number, step in enumerate(steps[last + 1 :], start=last + 1):
        moved = take_step(moved, step, number, texts, counts)
    return pl.concat([frame.filter(pl.col(LAST) < 0), moved])


def take_step(frame: pl.DataFrame, step: str, number: int, texts: list[str], counts: dict[str, int]) -> pl.DataFrame:
    """The frame after one step, its changed records flagged, the values it masked added to `counts`."""
    depths = {name: text_depth(frame.schema[name]) or 0 for name in texts}
    after = frame.with_columns(lift(STEPS[step], depth)(pl.col(name)).alias(name) for name, depth in depths.items())
    changed = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True).alias("changed")
    for name in texts:
        here = after[name].ne_missing(frame[name])
        for kind in MASKS.get(step, ()) if here.any() else ():
            tagged = count_tag(after[name].filter(here), TAGS[kind]) - count_tag(frame[name].filter(here), TAGS[kind])
            counts[f"masked_{kind}"] += tagged
        changed |= here
    last = pl.when(changed).then(pl.lit(number, pl.Int8)).otherwise(LAST).alias(LAST)
    return after.with_columns((changed | pl.col(flag(step))).alias(flag(step)), last)


def lift(cleaner: Cleaner, depth: int) -> Cleaner:
    """The cleaner for lists of texts, `depth` lists deep."""
    if depth == 0:
        return cleaner
    return lambda column: column.list.eval(lift(cleaner, depth - 1)(pl.element()))


def text_depth(dtype: pl.DataType | pl.datatypes.DataTypeClass) -> int | None:
    """How many lists deep the texts of this type lie: 0 for a string, None where there are none."""
    if isinstance(dtype, pl.List):
        inner = text_depth(dtype.inner)
        return None if inner is None else inner + 1
    return 0 if dtype == pl.String else None


def holds_text(values: pl.Series) -> bool:
    """Whether any value has a character: an empty column is all that many corpora have for input or history."""
    if text_depth(values.dtype) is None:
        return False
    while isinstance(values.dtype, pl.List):
        values = values.explode()
    return bool(values.str.len_bytes().sum())


def count_tag(texts: pl.Series, tag: str) -> int:
    """How often the tag stands in these texts, lists of texts or lists of lists."""
    while isinstance(texts.dtype, pl.List):
        texts = texts.explode()
    return int(texts.str.count_matches(tag, literal=True).sum())


def flag(step: str) -> str:
    """The name of a step's count of changed records."""
    return f"changed_{step}"
