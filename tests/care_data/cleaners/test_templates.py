"""A prompt around the whole text goes, the same words inside a text stay."""

import polars as pl
import pytest

from care_data.cleaners import STEPS, clean
from care_data.cleaners.templates import strip_prompt_template


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<s>问：\n指甲劈了怎么办，\n答：\n", "指甲劈了怎么办，"),
        ("问：\n指甲劈了\n怎么办\n答：", "指甲劈了\n怎么办"),
        (" <s> 问: \n指甲劈了？\n 答:\n\n", "指甲劈了？"),
        ("<s>问：\r\n指甲劈了？\r\n答：\r\n", "指甲劈了？"),
        # a question that holds the marks itself
        ("问：\n药盒上写着问：谁吃？\n答：儿童。对吗？\n答：\n", "药盒上写着问：谁吃？\n答：儿童。对吗？"),
        # kept
        ("问：\n指甲劈了？\n答：剪掉。", "问：\n指甲劈了？\n答：剪掉。"),
        ("问：指甲劈了？\n答：\n", "问：指甲劈了？\n答：\n"),
        ("他问：\n疼吗\n答：\n", "他问：\n疼吗\n答：\n"),
        ("指甲劈了？\n答：\n", "指甲劈了？\n答：\n"),
        ("<s>指甲劈了？", "<s>指甲劈了？"),
        ("", ""),
        (None, None),
    ],
)
def test_prompts(before: str | None, after: str | None) -> None:
    frame = pl.DataFrame({"text": [before]}, schema={"text": pl.String})
    assert frame.select(strip_prompt_template(pl.col("text"))).item() == after


def test_the_step_comes_before_those_that_would_break_the_prompt_and_is_asked_for_by_name() -> None:
    from care_data import registry

    assert next(iter(STEPS)) == "prompt_template"
    assert all("prompt_template" not in steps for steps in registry.defaults()["clean"].values())
    frame = pl.DataFrame({"instruction": ["<s>问：\n指甲劈了&nbsp;怎么办？\n答：\n"], "output": ["剪掉。"]})
    steps = ["unicode", "boilerplate", "markup", "prompt_template"]
    cleaned, counts = clean(frame, steps, ["instruction", "output"])
    assert cleaned.rows() == [("指甲劈了 怎么办？", "剪掉。")]
    assert counts["changed_prompt_template"] == 1
